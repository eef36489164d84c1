"""A container's lines on their way to CloudWatch Logs."""

import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scones_local.sagemaker.platform import Platform, log

_FLUSH_SECONDS = 0.5
_CLOSE_ATTEMPTS = 5
_MAX_LINES_PER_CALL = 10_000
_MAX_BYTES_PER_CALL = 1_048_576
_EVENT_OVERHEAD_BYTES = 26
"""Bytes that a line counts beyond its own, as the API's limits are defined."""

_DENIED_CODES = ("AccessDenied", "AccessDeniedException")


class LogStream:
    """One log stream, written in the background with the role's permissions.

    Where the role may not write logs, none are written and nothing else changes, as on AWS. After
    any other failure the lines are sent again.
    """

    def __init__(self, platform: Platform, role: str | None, group: str, stream: str) -> None:
        self._platform = platform
        self._role = role
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._denied = threading.Event()
        self._client: Any = None
        platform.background(f"log {stream}", self._flush_periodically)

    def write(self, line: str) -> None:
        """Take one line; never blocks on the service."""
        if not line.strip() or self._denied.is_set():
            return  # the API takes no empty message
        cut = line.encode()[: _MAX_BYTES_PER_CALL - _EVENT_OVERHEAD_BYTES].decode(errors="ignore")
        with self._lock:
            self._lines.append({"timestamp": int(time.time() * 1000), "message": cut})

    def close(self) -> None:
        """Write what is left and end."""
        self._closed.set()

    def _flush_periodically(self) -> None:
        while not self._closed.wait(_FLUSH_SECONDS):
            self._flush()
        for _ in range(_CLOSE_ATTEMPTS):
            if self._flush():
                return
            time.sleep(_FLUSH_SECONDS)
        log.warning("the last lines of %s are lost", self._names["logStreamName"])

    def _flush(self) -> bool:
        """Send what there is; tells whether nothing is left to send."""
        if self._denied.is_set():
            return True
        try:
            if self._client is None:
                client = self._platform.client("logs", self._role)
                self._create(client)
                self._client = client
            while batch := self._batch():
                self._client.put_log_events(**self._names, logEvents=batch)
                with self._lock:
                    del self._lines[: len(batch)]
        except (ClientError, BotoCoreError) as error:
            log.warning("no logs in %s: %s", self._names["logGroupName"], error)
            self._stop_if_denied(error)
            return self._denied.is_set()
        return True

    def _stop_if_denied(self, error: ClientError | BotoCoreError) -> None:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in _DENIED_CODES:
            self._denied.set()
            with self._lock:
                self._lines.clear()

    def _batch(self) -> list[dict[str, Any]]:
        """Give the first lines, as many as fit into one call."""
        size, batch = 0, []
        with self._lock:
            for line in self._lines[:_MAX_LINES_PER_CALL]:
                size += len(line["message"].encode()) + _EVENT_OVERHEAD_BYTES
                if size > _MAX_BYTES_PER_CALL:
                    break
                batch.append(line)
        return batch

    def _create(self, client: Any) -> None:
        group = {"logGroupName": self._names["logGroupName"]}
        for create, names in (
            (client.create_log_group, group),
            (client.create_log_stream, self._names),
        ):
            try:
                create(**names)
            except client.exceptions.ResourceAlreadyExistsException:
                continue
