"""The embedded cloud, and what `make run` does with it."""
