"""A tiny container program: the contract of a SageMaker container without any learning."""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def train(root: Path) -> int:
    config = root / "input" / "config"
    hyperparameters = json.loads((config / "hyperparameters.json").read_text())
    print("training begins", flush=True)
    if "says" in hyperparameters:
        print(hyperparameters["says"].replace("|", "\n"), flush=True)
    if "fails" in hyperparameters:
        (root / "output" / "failure").write_text(hyperparameters["fails"])
        return 1
    (root / "checkpoints").mkdir(exist_ok=True)
    (root / "checkpoints" / "epoch-1").write_text("one")
    saw = {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted((root / "input" / "data").rglob("*"))
        if path.is_file()
    }
    model = {
        "environment": dict(os.environ),
        "configuration": {p.stem: json.loads(p.read_text()) for p in config.iterdir()},
        "checkpoints": sorted(p.name for p in (root / "checkpoints").iterdir()),
        "saw": saw,
        "pid": os.getpid(),
    }
    (root / "model" / "model.json").write_text(json.dumps(model))
    (root / "model" / "name.txt").write_text("trained")
    (root / "output" / "data" / "report.txt").write_text("a report")
    if "ignores_sigterm" in hyperparameters:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
    time.sleep(float(hyperparameters.get("sleeps", 0)))
    return 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: bytes

    def do_GET(self) -> None:
        self._reply(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        command, _, argument = body.decode("utf-8", "replace").partition(" ")
        if command == "crash":
            os._exit(3)
        if command == "status":
            self._reply(int(argument), b"no good")
            return
        if command == "sleep":
            time.sleep(float(argument))
        told = {
            "model": self.answer.decode(),
            "pid": os.getpid(),
            "size": len(body),
            "headers": dict(self.headers),
            "environment": dict(os.environ),
        }
        self._reply(200, json.dumps(told).encode())

    def _reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        print(f"answered {self.path}", flush=True)


def serve(root: Path, port: int) -> int:
    model = root / "model" / "name.txt"
    if not model.is_file():
        print("there is no name.txt in the model", flush=True)
        return 1
    Handler.answer = model.read_bytes()
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    command, *options = sys.argv[1:]
    given = dict(zip(options[::2], options[1::2], strict=True))
    root = Path(given["--root"])
    sys.exit(train(root) if command == "train" else serve(root, int(given["--port"])))
