"""SNS topics that are encrypted: who publishes to one must be allowed to use its key.

MiniStack's CloudFormation drops the property, and nothing asks about the key:
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import cloudwatch, kms, sns

from scones_local.ministack import ACCOUNT
from scones_local.ministack.patching import after_provisioning, wrap
from scones_local.ministack.permissions import DeniedError, Permission, require_policy_permission

_log = logging.getLogger("local.encrypted_topics")

_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
_CLOUDWATCH = "cloudwatch.amazonaws.com"


def install() -> None:
    """Keep the key of a topic, and ask it before an alarm notifies."""
    after_provisioning("AWS::SNS::Topic", _set_key)
    wrap(cloudwatch, "_dispatch_alarm_actions", _notify_if_allowed)


def permissions_to_encrypt(topic: str) -> Iterator[Permission]:
    """Yield what a role needs beside ``sns:Publish`` to publish to a topic.

    Parameters
    ----------
    topic
        ARN of the topic.
    """
    if key := _key(topic):
        yield from (Permission(action, key["Arn"]) for action in _ACTIONS)


def require_key_permission(topic: str, service: str, **context: str) -> None:
    """Raise if the policy of a topic's key does not let a service use it.

    Parameters
    ----------
    topic
        ARN of the topic.
    service
        Service principal, such as ``events.amazonaws.com``.
    context
        Condition keys that the service's requests to KMS have.

    Raises
    ------
    DeniedError
        If it does not.
    """
    key = _key(topic)
    for action in _ACTIONS if key else ():
        require_policy_permission(
            key.get("Policy"), service, Permission(action, key["Arn"], context)
        )


def _key(topic: str) -> Any:
    attributes = (sns._topics.get(topic) or {}).get("attributes", {})
    return kms._resolve_key(attributes.get("KmsMasterKeyId"))


def _set_key(topic: str, properties: dict[str, Any]) -> None:
    attributes = sns._topics[topic]["attributes"]
    attributes.pop("KmsMasterKeyId", None)
    if key := properties.get("KmsMasterKeyId"):
        attributes["KmsMasterKeyId"] = key


def _notify_if_allowed(notify: Callable[..., None]) -> Callable[..., None]:
    def run(alarm: dict[str, Any], *rest: Any) -> None:
        topics = [action for action in alarm.get("AlarmActions") or [] if action in sns._topics]
        try:
            for topic in topics:
                require_key_permission(topic, _CLOUDWATCH, **{"aws:sourceaccount": ACCOUNT})
        except DeniedError as denied:
            _log.warning("the alarm %s notifies nobody: %s", alarm["AlarmName"], denied)
        else:
            notify(alarm, *rest)

    return run
