"""An Amazon SageMaker that really trains, hosts and transforms, in child processes."""

from scones_local.sagemaker.images import Image
from scones_local.sagemaker.protocol import Request, Response
from scones_local.sagemaker.service import EmbeddedSageMaker

__all__ = ["EmbeddedSageMaker", "Image", "Request", "Response"]
