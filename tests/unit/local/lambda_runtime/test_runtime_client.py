"""A function under awslambdaric without its C extension, as on macOS."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from scones_local.lambda_runtime import PythonRuntime, packages
from tests.unit.local.lambda_runtime.test_runtime import archive

CODE = """
import runtime_client

def handler(event, context):
    if event.get("fail"):
        raise ValueError("as told: \\u00e9")
    return {
        "client": runtime_client.__file__,
        "event": event,
        "request": context.aws_request_id,
        "function": context.invoked_function_arn,
        "tenant": context.tenant_id,
        "in_time": context.get_remaining_time_in_millis() > 0,
    }
"""
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


@dataclass
class RuntimeApi:
    """Lambda's side of the Runtime API."""

    events: "queue.Queue[bytes]" = field(default_factory=queue.Queue)
    answers: "queue.Queue[tuple[str, dict[str, str], Any]]" = field(default_factory=queue.Queue)

    def invoke(self, event: dict[str, Any]) -> tuple[str, dict[str, str], Any]:
        self.events.put(json.dumps(event).encode())
        return self.answers.get(timeout=30)


class Handler(BaseHTTPRequestHandler):
    api: RuntimeApi

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        assert self.path == "/2018-06-01/runtime/invocation/next"
        body = self.api.events.get()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "request-1")
        self.send_header("Lambda-Runtime-Deadline-Ms", "99999999999999")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", FUNCTION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.api.answers.put((self.path, dict(self.headers), json.loads(body)))


class WithoutExtension:
    """A distribution as it is installed where the C extension isn't built."""

    def __init__(self, installed: metadata.Distribution) -> None:
        self._installed = installed
        self.files = [
            file for file in installed.files or () if not file.parts[0].startswith("runtime_client")
        ]

    def locate_file(self, path: str) -> Any:
        return self._installed.locate_file(path)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RuntimeApi]:
    installed = metadata.distribution
    monkeypatch.setattr(
        packages.metadata, "distribution", lambda name: WithoutExtension(installed(name))
    )
    runtime, served = PythonRuntime(tmp_path), RuntimeApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"api": served}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folders = runtime.folders(archive({"app.py": CODE}), [])
    reserved = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "_HANDLER": "app.handler",
    }
    lifeline, held = os.pipe()
    process = subprocess.Popen(
        runtime.command("app.handler", lifeline),
        env=runtime.environment(folders, runtime.scratch("one"), reserved),
        cwd=folders.task,
        pass_fds=[lifeline],
        start_new_session=True,
    )
    os.close(lifeline)
    yield served
    os.close(held)
    process.wait(10)
    server.shutdown()
    server.server_close()


def test_results_and_errors_pass_one_after_another(api: RuntimeApi) -> None:
    path, headers, result = api.invoke({"n": 1})
    assert path == "/2018-06-01/runtime/invocation/request-1/response"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("aws-lambda-python/")
    assert result.pop("client").endswith("runtime_client.py")
    assert result == {
        "event": {"n": 1},
        "request": "request-1",
        "function": FUNCTION,
        "tenant": None,
        "in_time": True,
    }
    path, headers, error = api.invoke({"fail": True})
    assert path == "/2018-06-01/runtime/invocation/request-1/error"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "as told: é")
    assert "ValueError" in headers["Lambda-Runtime-Function-Xray-Error-Cause"]
    assert api.invoke({"n": 2})[2]["event"] == {"n": 2}
