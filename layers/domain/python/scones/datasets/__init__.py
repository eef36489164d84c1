"""A labelled dataset in S3, and the lists by which SageMaker trains on it."""
