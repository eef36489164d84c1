"""The log group of the machine `classify`, with lines as Step Functions writes them."""

import json
from datetime import datetime, timedelta
from typing import Any

from tests.unit.operator.deployed import STACK

EXECUTION = "arn:aws:states:us-east-1:123456789012:express:classify:e:"


def create_group(session: Any) -> None:
    client = session.client("logs")
    client.create_log_group(logGroupName=STACK.classify_log_group)
    client.create_log_stream(logGroupName=STACK.classify_log_group, logStreamName="s")


def write_log(
    session: Any, execution: str, start: datetime, *events: tuple[str, float, dict[str, Any]]
) -> None:
    """Write events, each with its kind, the seconds from the start, and its details."""
    lines = []
    for number, (kind, seconds, details) in enumerate(events, 1):
        moment = int((start + timedelta(seconds=seconds)).timestamp() * 1000)
        line = {
            "id": str(number),
            "type": kind,
            "details": details,
            "redrive_count": "0",
            "previous_event_id": str(number - 1),
            "event_timestamp": str(moment),
            "execution_arn": execution,
        }
        lines.append({"timestamp": moment, "message": json.dumps(line)})
    session.client("logs").put_log_events(
        logGroupName=STACK.classify_log_group, logStreamName="s", logEvents=lines
    )
