"""S3's "Object Created" events as AWS writes them for EventBridge.

MiniStack 1.5.33 leaves the version id out, adds an ``event-version`` that AWS does not have, and
gives times in milliseconds where AWS gives seconds
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html).
"""

import contextvars
import json
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge, s3

from scones_local.ministack.patching import wrap

_version_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("version_id", default=None)


def install() -> None:
    """Make the events of every bucket AWS's."""
    wrap(s3, "_fire_s3_event", _remember_version)
    wrap(eventbridge, "_dispatch_event", _write_as_aws)


def _remember_version(fire: Callable[..., Any]) -> Callable[..., Any]:
    def remember_version(*arguments: Any, version_id: str | None = None, **options: Any) -> Any:
        token = _version_id.set(version_id)
        try:
            return fire(*arguments, version_id=version_id, **options)
        finally:
            _version_id.reset(token)

    return remember_version


def _write_as_aws(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    def write_as_aws(event: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        if event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail.pop("event-version", None)
            if version := _version_id.get():
                detail["object"]["version-id"] = version
            event = event | {
                "Detail": json.dumps(detail),
                "Time": event["Time"].split(".")[0].removesuffix("Z") + "Z",
            }
        return dispatch(event, *arguments, **options)

    return write_as_aws
