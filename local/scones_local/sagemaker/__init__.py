"""An Amazon SageMaker that really trains, hosts and transforms, in child processes."""

from scones_local.sagemaker.images import ContainerImage
from scones_local.sagemaker.protocol import Request, Response
from scones_local.sagemaker.service import LocalSageMaker

__all__ = ["ContainerImage", "LocalSageMaker", "Request", "Response"]
