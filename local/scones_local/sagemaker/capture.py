"""Data capture: requests and answers of an endpoint, in SageMaker's own format and layout.

A file is ``PREFIX/ENDPOINT/VARIANT/yyyy/mm/dd/hh/MM-SS-mmm-UUID.jsonl``, named after its first
record; one record a line, without spaces. The format is that of files written by a real endpoint:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import base64
import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.objects import DataError, Objects, join_uri
from scones_local.sagemaker.platform import Platform, log

FLUSH_SECONDS = 2.0
"""How long a record waits for others; AWS waits up to some minutes."""

_FLUSH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Invocation:
    """One request and its answer."""

    variant: str
    content_type: str | None
    body: bytes
    response_type: str | None
    response: bytes
    inference_id: str | None


@dataclass
class _File:
    """Records of one variant that will be one object."""

    started_at: datetime
    lines: list[str] = field(default_factory=list)
    size: int = 0

    def key(self, endpoint: str, variant: str) -> str:
        time = self.started_at
        name = f"{time:%M-%S}-{time.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        return f"{endpoint}/{variant}/{time:%Y/%m/%d/%H}/{name}"


class Capture:
    """Captures what goes through one endpoint configuration of one endpoint.

    Parameters
    ----------
    config
        The configuration's ``DataCaptureConfig``.
    objects
        S3 with the role of the model.
    """

    def __init__(
        self, platform: Platform, endpoint: str, config: dict[str, Any], objects: Objects
    ) -> None:
        self._endpoint = endpoint
        self._config = config
        self._objects = objects
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        types = config.get("CaptureContentTypeHeader", {})
        self._json = {kind.lower() for kind in types.get("JsonContentTypes", [])}
        self._csv = {kind.lower() for kind in types.get("CsvContentTypes", [])}
        platform.background(f"capture {endpoint}", self._flush_periodically)

    def record(self, invocation: Invocation) -> None:
        """Keep an exchange, if it is in the sample."""
        if random.random() * 100 >= self._config["InitialSamplingPercentage"]:  # noqa: S311
            return
        now = datetime.now(UTC)
        line = json.dumps(
            self._format_record(invocation, now), separators=(",", ":"), ensure_ascii=False
        )
        with self._lock:
            file = self._files.setdefault(invocation.variant, _File(now))
            file.lines.append(line)
            file.size += len(line)
            is_full = file.size >= _FLUSH_BYTES and self._files.pop(invocation.variant)
        if is_full:
            self._write(invocation.variant, is_full)

    def close(self) -> None:
        """Write everything that waits."""
        self._closed.set()
        self._flush(older_than=0)

    def _format_record(self, invocation: Invocation, now: datetime) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if self._modes & {"Input", "InputAndOutput"}:
            data["endpointInput"] = self._format_part(
                "INPUT", invocation.content_type, invocation.body
            )
        if self._modes & {"Output", "InputAndOutput"}:
            data["endpointOutput"] = self._format_part(
                "OUTPUT", invocation.response_type, invocation.response
            )
        metadata: dict[str, str] = {"eventId": str(uuid.uuid4())}
        if invocation.inference_id:
            metadata["inferenceId"] = invocation.inference_id
        metadata["inferenceTime"] = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}

    def _format_part(self, mode: str, content_type: str | None, content: bytes) -> dict[str, Any]:
        encoding = self._encoding(content_type)
        text = (
            base64.b64encode(content).decode()
            if encoding == "BASE64"
            else content.decode("utf-8", "replace")
        )
        observed = {"observedContentType": content_type} if content_type else {}
        return {**observed, "mode": mode, "data": text, "encoding": encoding}

    def _encoding(self, content_type: str | None) -> str:
        media_type = (content_type or "").partition(";")[0].strip().lower()
        if media_type in self._json:
            return "JSON"
        return "CSV" if media_type in self._csv else "BASE64"

    def _flush_periodically(self) -> None:
        while not self._closed.wait(FLUSH_SECONDS / 4):
            self._flush(older_than=FLUSH_SECONDS)

    def _flush(self, older_than: float) -> None:
        now = time.time()
        with self._lock:
            due = {
                variant: file
                for variant, file in self._files.items()
                if now - file.started_at.timestamp() >= older_than
            }
            for variant in due:
                del self._files[variant]
        for variant, file in due.items():
            self._write(variant, file)

    def _write(self, variant: str, file: _File) -> None:
        uri = join_uri(self._config["DestinationS3Uri"], file.key(self._endpoint, variant))
        try:
            self._objects.write(uri, "".join(f"{line}\n" for line in file.lines).encode())
        except DataError as error:
            log.warning("data capture of %s: %s", self._endpoint, error)
