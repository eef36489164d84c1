"""Step Functions' AWS SDK integrations: any action of any service, over HTTP, as the role.

MiniStack knows some actions of some services, calls them past IAM, and names errors by their
codes, where Step Functions has the class names of AWS's Java SDK 2.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ServiceModel, StructureShape
from botocore.response import StreamingBody
from ministack.services import stepfunctions

from scones_local.ministack.clients import Clients
from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import DeniedError
from scones_local.ministack.stepfunctions import executions, history
from scones_local.ministack.stepfunctions.task_permissions import api_action

# Services whose name in a task's resource isn't boto3's.
_BOTO3_NAMES = {
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sagemakerruntime": "sagemaker-runtime",
    "sfn": "stepfunctions",
}


def install(clients: Clients) -> None:
    """Let ``aws-sdk:`` tasks go through `clients`."""
    wrap(stepfunctions, "_invoke_aws_sdk_integration", lambda _: _invoker(clients))


def exception_name(service: ServiceModel, code: str) -> str | None:
    """Give the class that AWS's Java SDKs have for an error code, None where none is modelled."""
    for shape in service.error_shapes:
        if code in (shape.name, shape.metadata.get("error", {}).get("code")):
            return shape.name if shape.name.endswith("Exception") else f"{shape.name}Exception"
    return None


def _invoker(clients: Clients) -> Callable[[str, dict[str, Any]], Any]:
    def invoke(resource: str, arguments: dict[str, Any]) -> Any:
        name = resource.split(":")[6]
        try:
            client = clients.client(_BOTO3_NAMES.get(name, name), executions.current_credentials())
            operation = client.meta.service_model.operation_model(api_action(resource))
            response = getattr(client, xform_name(operation.name))(
                **_parameters(arguments, operation.input_shape)
            )
        except ClientError as error:
            raise _task_error(error, name, client.meta.service_model) from None
        except (BotoCoreError, DeniedError) as error:
            raise stepfunctions._ExecutionError("States.Runtime", str(error)) from None
        del response["ResponseMetadata"]
        if operation.output_shape is None:
            return {}
        return stepfunctions._sdk_json_value(_to_json(response), operation.output_shape)

    return invoke


def _parameters(arguments: dict[str, Any], shape: StructureShape) -> dict[str, Any]:
    parameters: dict[str, Any] = stepfunctions._sdk_json_param_value(arguments, shape)
    body = shape.serialization.get("payload")
    if body in parameters and shape.members[body].type_name == "blob":
        # A body is sent as JSON whatever it is: text with quotation marks around it. AWS's own
        # checksums show it, https://github.com/localstack/localstack/pull/10978.
        parameters[body] = history.to_json(parameters[body]).encode()
    return parameters


def _task_error(error: ClientError, name: str, service: ServiceModel) -> Exception:
    spelled = stepfunctions._api_name_to_sfn_key(service.service_id.replace(" ", ""))
    prefix = stepfunctions._AWS_SDK_ERROR_PREFIX.get(name, spelled)
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    modelled = exception_name(service, code) or f"{prefix}Exception"
    failure: Exception = stepfunctions._ExecutionError(f"{prefix}.{modelled}", message)
    return failure


def _to_json(response: Any) -> Any:
    """Give a boto3 answer as JSON: times in ISO 8601, bodies as text."""
    return json.loads(json.dumps(response, default=_text))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        # boto3 gives the times of some protocols in this machine's zone.
        time = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return time.replace("+00:00", "Z")
    raw = value.read() if isinstance(value, StreamingBody) else value
    text: str = raw.decode(errors="replace")
    return text
