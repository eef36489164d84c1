"""SageMaker Pipelines: definitions, and executions that really run their steps."""

from local.sagemaker.pipelines.catalog import Catalog
from local.sagemaker.pipelines.execution_actions import ExecutionActions
from local.sagemaker.pipelines.executions import Executions

__all__ = ["Catalog", "ExecutionActions", "Executions"]
