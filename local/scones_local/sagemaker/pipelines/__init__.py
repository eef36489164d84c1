"""SageMaker Pipelines: definitions, and executions that really run their steps."""

from scones_local.sagemaker.pipelines.catalog import Catalog
from scones_local.sagemaker.pipelines.execution_actions import ExecutionActions
from scones_local.sagemaker.pipelines.executions import Executions

__all__ = ["Catalog", "ExecutionActions", "Executions"]
