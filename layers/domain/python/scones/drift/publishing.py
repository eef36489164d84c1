"""Tells the event bus what a drift check found, and asks for a retraining if that is wanted."""

import json
from typing import TYPE_CHECKING

from scones.events import DriftChecked

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "scones"


class NotPublished(Exception):
    """The bus did not take an event; the message has its reason."""


def publish(client: "EventBridgeClient", bus: str, result: DriftChecked) -> None:
    """Publish a check, and a request to retrain where it says so.

    Parameters
    ----------
    client
        An EventBridge client.
    bus
        Name of the event bus.
    result
        What was found.

    Raises
    ------
    NotPublished
        If the bus does not take it.
    botocore.exceptions.ClientError
        If EventBridge refuses.
    """
    entries = [_entry(bus, "Drift Checked", result.model_dump_json())]
    if result.retraining_requested:
        # Not forced: without new photos there is nothing better to learn.
        request = {"requested_by": "drift", "force": False}
        entries.append(_entry(bus, "Retraining Requested", json.dumps(request)))
    response = client.put_events(Entries=entries)
    for entry, event_ids in zip(entries, response["Entries"], strict=True):
        if "ErrorCode" in event_ids:
            raise NotPublished(
                f"{bus} rejected the event {entry['DetailType']}: {event_ids['ErrorCode']}: "
                f"{event_ids.get('ErrorMessage', 'no reason was given')}"
            )


def _entry(bus: str, kind: str, detail: str) -> "PutEventsRequestEntryTypeDef":
    return {"EventBusName": bus, "Source": SOURCE, "DetailType": kind, "Detail": detail}
