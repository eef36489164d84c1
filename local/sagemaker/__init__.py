"""An Amazon SageMaker that really trains, hosts and transforms, in child processes."""

from local.sagemaker.images import Image
from local.sagemaker.protocol import Request, Response
from local.sagemaker.service import EmbeddedSageMaker

__all__ = ["EmbeddedSageMaker", "Image", "Request", "Response"]
