"""What the endpoint of production captured: found in the data bucket, read, and kept on disk."""
