"""SageMaker Pipelines: definitions, and executions that really run their steps."""

from local.sagemaker.pipelines.actions import Pipelines

__all__ = ["Pipelines"]
