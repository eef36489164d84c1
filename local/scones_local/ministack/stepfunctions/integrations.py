"""Optimized integrations of Lambda, EventBridge and SNS where MiniStack's differ from AWS's."""

import json
from typing import Any
from xml.etree import ElementTree

from ministack.services import eventbridge, lambda_svc, sns, stepfunctions

from scones_local.ministack.patching import wrap
from scones_local.ministack.stepfunctions import executions


def install() -> None:
    """Replace MiniStack's integrations."""
    # A throttled function has its own error name.
    wrap(stepfunctions, "_call_lambda", lambda _: _call_lambda)
    # Detail may be an object, an event names its execution, a refused entry fails the task.
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::events:putEvents"] = _put_events
    # Message attributes come as an object.
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sns:publish"] = _publish


def _call_lambda(reference: str, event: object) -> object:
    function, config, name = lambda_svc._get_func_record_for_ref(reference)
    if not function or not config:
        raise stepfunctions._ExecutionError(
            "Lambda.ResourceNotFoundException", f"Function not found: {name}"
        )
    record = lambda_svc._execution_record_for_config(function, config)
    result = lambda_svc._execute_function_with_config_scope(record, event)
    body = result.get("body")
    if result.get("throttle"):
        raise stepfunctions._ExecutionError("Lambda.TooManyRequestsException", body["message"])
    if result.get("error"):
        cause = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        raise stepfunctions._ExecutionError(body.get("errorType") or "Lambda.Unknown", cause)
    return body


def _put_events(_: str, arguments: dict[str, Any]) -> dict[str, Any]:
    execution = executions.current_execution()
    origin = [execution["stateMachineArn"], execution["executionArn"]]
    entries = [
        {
            **entry,
            "Detail": _text(entry.get("Detail", {})),
            "Resources": [*entry.get("Resources", []), *origin],
        }
        for entry in arguments["Entries"]
    ]
    status, _headers, body = eventbridge._put_events({"Entries": entries})
    result: dict[str, Any] = json.loads(body)
    if status >= 400:
        error = f"EventBridge.{result.get('__type', 'AmazonEventBridgeException')}"
        raise stepfunctions._ExecutionError(error, result.get("message", ""))
    if result["FailedEntryCount"]:
        raise stepfunctions._ExecutionError("EventBridge.FailedEntry", json.dumps(result))
    return result


def _publish(resource: str, arguments: dict[str, Any]) -> Any:
    # MiniStack's SNS reads attributes as the Query protocol writes them.
    attributes = {
        f"MessageAttributes.entry.{number}.{member}": value
        for number, (name, attribute) in enumerate(
            arguments.get("MessageAttributes", {}).items(), start=1
        )
        for member, value in {
            "Name": name,
            **{f"Value.{key}": value for key, value in attribute.items()},
        }.items()
    }
    status, _headers, body = sns._publish({**arguments, **attributes})
    element = ElementTree.fromstring(body)  # noqa: S314 - MiniStack wrote it
    if status >= 400:
        code, message = (element.findtext(f".//{{*}}{name}") or "" for name in ("Code", "Message"))
        name = code if code.endswith("Exception") else f"{code}Exception"
        raise stepfunctions._ExecutionError(f"SNS.{name}", message)
    return {"MessageId": element.findtext(".//{*}MessageId")}


def _text(detail: Any) -> str:
    return detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
