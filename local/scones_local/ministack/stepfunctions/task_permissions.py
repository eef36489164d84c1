"""State machines call services only as far as their role may.

MiniStack dispatches the tasks of optimized integrations without asking IAM. Tasks of the AWS SDK
integrations come over HTTP (`sdk_tasks`), where it asks.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import iam_actions
from ministack.services import stepfunctions

from scones_local.ministack import ACCOUNT, REGION, audit, encrypted_topics, sagemaker_permissions
from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import (
    DeniedError,
    Permission,
    needed_for_rule,
    require_permission,
)
from scones_local.ministack.stepfunctions import executions

# Optimized integrations wear the class names of AWS's Java SDK 1, where an error that a service
# doesn't model has the service's base class. SNS models its refusal.
_DENIED_ERRORS = {
    "lambda": "Lambda.AWSLambdaException",
    "dynamodb": "DynamoDB.AmazonDynamoDBException",
    "events": "EventBridge.AmazonEventBridgeException",
    "sns": "SNS.AuthorizationErrorException",
    "sqs": "SQS.AmazonSQSException",
    "states": "StepFunctions.AWSStepFunctionsException",
    "sagemaker": "SageMaker.AmazonSageMakerException",
}
_KMS_DENIED_ERROR = "SNS.KMSAccessDeniedException"


def install() -> None:
    """Ask before any task is dispatched."""
    wrap(stepfunctions, "_invoke_resource", _with_authorization)
    wrap(stepfunctions, "_invoke_with_callback", _with_authorization)


def api_action(resource: str) -> str:
    """Give the API's name of a task's action, such as ``PutItem``.

    Parameters
    ----------
    resource
        The task's ``Resource``, such as ``arn:aws:states:::dynamodb:putItem``.
    """
    name = resource.rsplit(":", 1)[-1].partition(".")[0]
    return name[0].upper() + name[1:]


def _with_authorization(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def run(resource: str, arguments: Any, *rest: Any) -> Any:
        service = "lambda" if ":function:" in resource else resource.split(":")[5]
        try:
            with audit.request(f"{service}:{api_action(resource)}", arguments):
                for permission in permissions_for_task(service, resource, arguments):
                    require_permission(executions.current_credentials().access_key, permission)
        except DeniedError as denied:
            # SNS has an error of its own for what KMS refuses it.
            refusal = _KMS_DENIED_ERROR if " kms:" in str(denied) else _DENIED_ERRORS[service]
            raise stepfunctions._ExecutionError(refusal, str(denied)) from None
        return invoke(resource, arguments, *rest)

    return run


def permissions_for_task(service: str, resource: str, arguments: Any) -> Iterator[Permission]:
    """Tell what a machine's role needs for a task.

    Parameters
    ----------
    service
        Such as ``dynamodb``.
    resource
        The task's ``Resource``.
    arguments
        Its ``Arguments``.

    Raises
    ------
    stepfunctions._ExecutionError
        If nothing is known of the service.
    """
    match service:
        case "lambda":
            name = resource if ":function:" in resource else arguments["FunctionName"]
            yield Permission("lambda:InvokeFunction", _arn("lambda", "function:", name))
        case "dynamodb":
            context = iam_actions.dynamodb_service_context(json.dumps(arguments).encode())
            table = _arn("dynamodb", "table/", arguments["TableName"])
            yield Permission(f"dynamodb:{api_action(resource)}", table, context)
        case "sns":
            yield Permission("sns:Publish", arguments.get("TopicArn", "*"))
            yield from encrypted_topics.permissions_to_encrypt(arguments.get("TopicArn", ""))
        case "sqs":
            queue = arguments["QueueUrl"].rsplit("/", 1)[-1]
            yield Permission("sqs:SendMessage", _arn("sqs", "", queue))
        case "events":
            for entry in arguments["Entries"]:
                bus = _arn("events", "event-bus/", entry.get("EventBusName", "default"))
                yield Permission("events:PutEvents", bus)
        case "states":
            yield from _permissions_to_start(arguments["StateMachineArn"], wait=".sync" in resource)
        case "sagemaker":
            yield from sagemaker_permissions.permissions_for_action(api_action(resource), arguments)
            if resource.endswith(".sync"):
                yield from sagemaker_permissions.permissions_to_wait(
                    api_action(resource), arguments
                )
        case "aws-sdk" | "activity":
            # The one comes over HTTP, where IAM is asked; the other needs nothing.
            return
        case _:
            raise stepfunctions._ExecutionError(
                "States.Runtime",
                f"The local cloud does not know which IAM permissions are needed for {resource}.",
            )


def _permissions_to_start(machine: str, *, wait: bool) -> Iterator[Permission]:
    yield Permission("states:StartExecution", machine)
    if wait:
        started = machine.replace(":stateMachine:", ":execution:")
        for verb in ("Describe", "Stop"):
            yield Permission(f"states:{verb}Execution", f"{started}:*")
        yield from needed_for_rule("StepFunctionsGetEventsForStepFunctionsExecutionRule")


def _arn(service: str, kind: str, name: str) -> str:
    if name.startswith("arn:"):
        return name
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}{name}"
