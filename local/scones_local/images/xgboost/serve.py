"""Serve a model over HTTP: ``/ping``, ``/execution-parameters`` and ``/invocations``."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import xgboost as xgb

from scones_local.images.xgboost.errors import UserError
from scones_local.images.xgboost.tables import parse_rows
from scones_local.images.xgboost.train import MODEL_FILE

MAX_PAYLOAD_BYTES = 6 * 1024**2
"""Bytes of a request body at most."""

_CSV, _JSON = "text/csv", "application/json"
_ANY_TYPE = ("", "*/*", "text/*")


class RequestError(Exception):
    """A request that gets an error as its response.

    Parameters
    ----------
    status
        HTTP status.
    message
        Body of the response.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def run(root: Path, host: str, port: int) -> None:
    """Serve the model below a folder until the process ends.

    Parameters
    ----------
    root
        Folder that replaces ``/opt/ml``.
    host, port
        Address to serve at.

    Raises
    ------
    UserError
        If there is no model, or XGBoost cannot read it.
    """
    for name in ("SAGEMAKER_PROGRAM", "SAGEMAKER_INFERENCE_OUTPUT"):
        if name in os.environ:
            raise UserError(f"The local XGBoost image does not support {name}")
    booster = _load_model(root / "model" / MODEL_FILE)
    handler = type("Handler", (_Handler,), {"booster": booster})
    ThreadingHTTPServer((host, port), handler).serve_forever()


def _load_model(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"model.tar.gz has no file {MODEL_FILE}")
    booster = xgb.Booster()
    try:
        booster.load_model(path)
    except (xgb.core.XGBoostError, ValueError) as error:
        raise UserError(f"XGBoost {xgb.__version__} cannot read {MODEL_FILE}: {error}") from error
    return booster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    booster: Any

    def do_GET(self) -> None:
        """Answer health checks."""
        if self.path == "/ping":
            self._reply(200, "")
        elif self.path == "/execution-parameters":
            limits = {
                "BatchStrategy": "MULTI_RECORD",
                "MaxConcurrentTransforms": os.cpu_count() or 1,
                "MaxPayloadInMB": MAX_PAYLOAD_BYTES >> 20,
            }
            self._reply(200, json.dumps(limits), _JSON)
        else:
            self._reply(404, "Not found")

    def do_POST(self) -> None:
        """Answer invocations."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.path != "/invocations":
                raise RequestError(404, "Not found")
            self._invoke(body)
        except RequestError as refused:
            self._reply(refused.status, str(refused))

    def _invoke(self, body: bytes) -> None:
        if len(body) > MAX_PAYLOAD_BYTES:
            raise RequestError(413, f"The payload has more than {MAX_PAYLOAD_BYTES >> 20} MB")
        if not body.strip():
            self._reply(204, "")
            return
        content = _media_type(self.headers.get("Content-Type", _CSV))
        if content != _CSV:
            raise RequestError(415, f"The content type {content} is not supported: use {_CSV}")
        accept = _media_type(self.headers.get("Accept", ""))
        if accept not in (*_ANY_TYPE, _CSV, _JSON):
            raise RequestError(
                406, f"The accept type {accept} is not supported: use {_CSV} or {_JSON}"
            )
        scores = _predict(self.booster, body)
        if accept == _JSON:
            predictions = [{"score": score} for score in scores]
            self._reply(200, json.dumps({"predictions": predictions}), _JSON)
        else:
            # A batch transform job gets a line per record.
            separator = "\n" if "SAGEMAKER_BATCH" in os.environ else ","
            self._reply(200, separator.join(str(score) for score in scores), _CSV)

    def _reply(self, status: int, text: str, content_type: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write a request to the log, but no health check."""
        if self.path != "/ping":
            print(format % args, flush=True)


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _predict(booster: Any, body: bytes) -> list[Any]:
    try:
        rows = list(parse_rows(body.decode().splitlines(), "payload"))
        if len({len(row) for row in rows}) > 1:
            raise RequestError(400, "The rows of the payload differ in their number of columns")
        scores: list[Any] = booster.predict(xgb.DMatrix(rows)).tolist()
    except (UserError, UnicodeDecodeError, ValueError, xgb.core.XGBoostError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RequestError(400, f"Unable to evaluate payload provided: {reason}") from error
    return scores
