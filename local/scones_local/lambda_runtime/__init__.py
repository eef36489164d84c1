"""AWS's Python runtime for Lambda functions, as processes on this machine."""

from scones_local.lambda_runtime.debugging import DebugRequest, DebugRequests
from scones_local.lambda_runtime.packages import LayerMismatchError
from scones_local.lambda_runtime.runtime import HOST_PYTHON, RUNTIME, FunctionFolders, PythonRuntime

__all__ = [
    "HOST_PYTHON",
    "RUNTIME",
    "DebugRequest",
    "DebugRequests",
    "FunctionFolders",
    "LayerMismatchError",
    "PythonRuntime",
]
