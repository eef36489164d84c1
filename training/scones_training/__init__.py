"""Trainer and server with the contract of SageMaker's built-in image-classification algorithm."""
