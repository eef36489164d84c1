"""By whose permission a rule or a schedule reaches its target.

MiniStack delivers to whatever they name without asking the role they name with it.
"""

import json
import logging
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge, lambda_svc, scheduler, sqs

from scones_local.ministack.encrypted_topics import require_key_permission
from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import (
    DeniedError,
    Permission,
    assume_role,
    require_permission,
    require_policy_permission,
)

_log = logging.getLogger("local.delivery")

# What a role needs for each kind of target.
_ACTIONS = {
    "states": "states:StartExecution",
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "events": "events:PutEvents",
    "sagemaker": "sagemaker:StartPipelineExecution",
}


# They start what has no policy that could let a service do so.
_TARGETS_WITH_ROLE = ("states", "sagemaker")

_EVENTS = "events.amazonaws.com"


def install() -> None:
    """Change MiniStack's EventBridge, which its Scheduler delivers through too."""
    # Schedules are looked at each second, not each tenth.
    scheduler._SCHEDULE_TICK_INTERVAL = 1
    # Targets are reached as the rule's or schedule's role.
    wrap(eventbridge, "_invoke_target", _with_authorization)


def _with_authorization(invoke: Callable[..., None]) -> Callable[..., None]:
    def run(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], *rest: Any
    ) -> None:
        try:
            _require_permission(target, event, rule)
        except DeniedError as denied:
            _log.warning("%s is not delivered to %s: %s", rule.get("Arn"), target["Arn"], denied)
            _send_to_dead_letter_queue(target, event, rule, str(denied))
        else:
            invoke(target, event, rule, *rest)

    return run


def _require_permission(
    target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any]
) -> None:
    service = target["Arn"].split(":")[2]
    role = target.get("RoleArn")
    if service == "sns":
        # EventBridge's requests to KMS have no condition keys.
        require_key_permission(target["Arn"], _EVENTS)
    if role is None and service == "lambda":
        _require_function_permission(target["Arn"], rule.get("Arn", ""))
        return
    if role is None and service not in _TARGETS_WITH_ROLE:
        # The target's own policy decides, which MiniStack asks where it knows one.
        return
    assumer = "scheduler" if event["Source"] == "aws.scheduler" else "events"
    if role is None:
        raise DeniedError(f"{assumer}.amazonaws.com has no role to start it with")
    if service not in _ACTIONS:
        raise DeniedError(
            f"the local cloud does not know which IAM permissions are needed for {target['Arn']}"
        )
    assumed = assume_role(role, f"{assumer}.amazonaws.com")
    require_permission(assumed.access_key, Permission(_ACTIONS[service], target["Arn"]))


def _require_function_permission(function: str, rule: str) -> None:
    """Ask a function's own policy, which MiniStack keeps and does not ask."""
    found, _, _ = lambda_svc._get_func_record_for_ref(function)
    permission = Permission(_ACTIONS["lambda"], function, {"aws:SourceArn": rule})
    require_policy_permission((found or {}).get("policy"), _EVENTS, permission)


def _send_to_dead_letter_queue(
    target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], reason: str
) -> None:
    """Send what may not be delivered to the target's dead-letter queue, at once as AWS does."""
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    queue = sqs._queue_by_arn(arn) if arn else None
    if queue is None or arn is None or not _may_send_to_dead_letter_queue(target, event, arn):
        return
    attributes = {
        "RULE_ARN": rule.get("Arn", ""),
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": reason,
    }
    message = {
        "MessageBody": json.dumps(eventbridge._pattern_event_view(event).event_with_detail()),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in attributes.items()
            if value
        },
    }
    sqs._act_send_message(message, queue["url"])


def _may_send_to_dead_letter_queue(
    target: dict[str, Any], event: dict[str, Any], queue: str
) -> bool:
    """Ask the role of a schedule, as Scheduler does; the queue's own policy lets rules.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    if event["Source"] != "aws.scheduler":
        return True
    try:
        assumed = assume_role(target["RoleArn"], "scheduler.amazonaws.com")
        require_permission(assumed.access_key, Permission("sqs:SendMessage", queue))
    except DeniedError as denied:
        _log.warning("%s is not kept: %s", target["Arn"], denied)
        return False
    return True
