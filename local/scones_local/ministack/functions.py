"""Python functions under AWS's own runtime client, through MiniStack's Lambda Runtime API.

MiniStack's own Python worker runs handlers in its own interpreter with its own packages, and
reports every exception as ``Runtime.HandlerError``. Its worker for custom runtimes speaks the
Runtime API, which is all that AWS's runtime client needs.
"""

import os
import queue
import secrets
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ministack.core import lambda_runtime
from ministack.services import iam, lambda_svc

from scones_local.lambda_runtime import (
    RUNTIME,
    DebugRequest,
    DebugRequests,
    LayerMismatchError,
    PythonRuntime,
)
from scones_local.ministack import ACCOUNT
from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import issue_credentials

_LOG_LINES = 10_000
_END_MARKER = "\0end of invocation"
_END_MARKER_SECONDS = 1.0

# AWS has a thousand places to start with, this machine a few. A burst that AWS takes at once waits
# here; what waited so long is throttled. Not for ever: an invocation may wait for its own caller.
_CONCURRENCY_WAIT_SECONDS = 15.0


# Whoever looks into a function at a breakpoint takes longer than any function may.
_DEBUGGING_SECONDS = 24 * 3600
_POLL_SECONDS = 0.2


def install(runtime: PythonRuntime, endpoint: str, requests: DebugRequests) -> None:
    """Let MiniStack run Python functions.

    Parameters
    ----------
    runtime
        Their folders and processes.
    endpoint
        URL of its services.
    requests
        The functions that shall wait for a debugger.
    """
    surroundings = _WorkerContext(runtime, endpoint, requests)

    def worker_class_for(original: Callable[..., Any]) -> Callable[..., Any]:
        def choose(config: dict[str, Any]) -> Any:
            if not config.get("Runtime", "").startswith("python"):
                return original(config)
            return lambda name, config, code: _PythonWorker(name, config, code, surroundings)

        return choose

    def execute_warm(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(function: dict[str, Any], event: object, request_id: str) -> Any:
            config = function.get("config") or function
            if not config.get("Runtime", "").startswith("python"):
                return original(function, event, request_id)
            return lambda_svc._execute_function_provided_warm(function, event, request_id)

        return execute

    # Invocations wait for a place before they are refused.
    released = threading.Condition()
    wrap(
        lambda_svc,
        "_acquire_execution_slot",
        lambda acquire: _wait_for_concurrency(acquire, released),
    )
    wrap(lambda_svc, "_release_execution_slot", lambda release: _notify_release(release, released))
    # Environments of Python functions are ours.
    wrap(lambda_runtime, "_worker_class_for", worker_class_for)
    # New code ends no invocation of the old.
    wrap(lambda_runtime, "kill_workers", _keep_busy_workers)
    # Results and errors pass as the runtime reported them.
    wrap(lambda_svc, "_execute_function_warm", execute_warm)


def stop() -> None:
    """End all execution environments."""
    lambda_runtime.reset()


def _wait_for_concurrency(
    acquire: Callable[..., Any], released: threading.Condition
) -> Callable[..., tuple[str | None, str | None]]:
    """Let an invocation wait for one of the account's places, of which AWS has hundreds."""

    def run(function: Any, config: Any) -> tuple[str | None, str | None]:
        deadline = time.monotonic() + _CONCURRENCY_WAIT_SECONDS
        with released:
            while True:
                place, limit = acquire(function, config)
                remaining = deadline - time.monotonic()
                if place is not None or limit != "account" or remaining <= 0:
                    return place, limit
                released.wait(remaining)

    return run


def _notify_release(
    release: Callable[..., None], released: threading.Condition
) -> Callable[..., None]:
    def run(place: str | None) -> None:
        release(place)
        with released:
            # The first to wake may be held back by its function's own limit.
            released.notify_all()

    return run


def _keep_busy_workers(kill: Callable[..., None]) -> Callable[..., None]:
    """Let environments end after their invocation, as AWS does when a function is updated."""

    def run(workers: Iterable[Any]) -> None:
        kill([w for w in workers if not (isinstance(w, _PythonWorker) and w.retire())])

    return run


@dataclass(frozen=True)
class _WorkerContext:
    """What all execution environments have in common."""

    runtime: PythonRuntime
    endpoint: str
    requests: DebugRequests


class _InitError(RuntimeError):
    """The function could not start; `payload` is what its runtime reported."""

    def __init__(self, payload: dict[str, Any]) -> None:
        super().__init__(payload.get("errorMessage", ""))
        self.payload = payload


class _QuietServer(socketserver.ThreadingTCPServer):
    """A server for each worker: it sleeps between connections, since workers are many."""

    daemon_threads = True

    def serve_forever(self, poll_interval: float | None = None) -> None:
        """Serve until `shutdown`; by default, wake up for connections only."""
        super().serve_forever(poll_interval)  # type: ignore[arg-type]

    def shutdown(self) -> None:
        """End `serve_forever`, which notices this at the next connection."""
        ending = threading.Thread(target=super().shutdown, daemon=True)
        ending.start()
        while ending.is_alive():
            with suppress(OSError):
                socket.create_connection(self.socket.getsockname(), timeout=1).close()
            ending.join(0.01)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A function killed at its timeout breaks its connection; that is no news.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _require_secret_path(secret: str, handler: Any) -> Any:
    """Serve who knows the path only: every program of this machine can reach the port."""

    class Handler(handler):  # type: ignore[misc]
        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            path = self.path.removeprefix("/").partition("/")[0]
            if not secrets.compare_digest(path.encode(), secret.encode()):
                self.send_error(403)
                return False
            return True

    return Handler


def _credentials(config: dict[str, Any]) -> dict[str, str]:
    """Give the credentials of a function's role, as its process finds them."""
    role = config["Role"]
    found = iam._roles.get_scoped(ACCOUNT, None, role.rsplit("/", 1)[-1]) or {}
    issued = issue_credentials(role, found.get("RoleId", ""), config["FunctionName"][:64])
    return {
        "AWS_ACCESS_KEY_ID": issued.access_key,
        "AWS_SECRET_ACCESS_KEY": issued.secret_key,
        "AWS_SESSION_TOKEN": issued.session_token or "",
    }


class _PythonWorker(lambda_runtime.ProvidedWorker):  # type: ignore[misc]
    """One execution environment of a Python function."""

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        code: bytes,
        surroundings: _WorkerContext,
    ) -> None:
        super().__init__(name, config, code)
        self._runtime = surroundings.runtime
        self._endpoint = surroundings.endpoint
        self._requests = surroundings.requests
        self._debug: DebugRequest | None = None
        self._config = config
        self._invocation_lock = threading.Lock()
        self._busy = self._retired = False
        self._group: int | None = None
        self._lifeline: int | None = None
        self._output: int | None = None
        self._scratch: Path | None = None

    def invoke(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with self._invocation_lock:
            self._busy = True
        try:
            self._apply_debug_request()
            return self._invoke(*args, **kwargs)
        finally:
            with self._invocation_lock:
                self._busy = False
            if self._retired:
                self._requests.release(self.func_name, self)
                self._teardown()

    def retire(self) -> bool:
        """End after the invocation that is in progress; return False if there is none."""
        with self._invocation_lock:
            self._retired = True
            return self._busy

    def _apply_debug_request(self) -> None:
        """Have a process that waits for a debugger if one is asked for, and else one that does not.

        The time in which somebody looks into a function does not count.
        """
        debug = self._requests.claim(self.func_name, self)
        if debug != self._debug:
            self._teardown()
            self._debug = debug
            if debug is not None:
                name = f"debug-{self.func_name}"
                threading.Thread(
                    target=self._close_after, args=(debug,), name=name, daemon=True
                ).start()
        if debug is None:
            self._requests.release(self.func_name, self)
        self.config = {**self._config, "Timeout": _DEBUGGING_SECONDS} if debug else self._config

    def _close_after(self, debug: DebugRequest) -> None:
        """End the process when its request ends, after the invocation that is in progress.

        Its port would stay open until the next invocation, and whoever connects can run code.
        """
        while self._debug == debug:
            time.sleep(_POLL_SECONDS)
            if self._requests.claim(self.func_name, self) == debug:
                continue
            with self._invocation_lock:
                if not self._busy and self._debug == debug:
                    self._debug = None
                    self._teardown()
                    self._requests.release(self.func_name, self)

    def _invoke(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            result: dict[str, Any] = super().invoke(*args, **kwargs)
        except _InitError as error:
            return {
                "status": "error",
                "error": str(error),
                "error_payload": error.payload,
                "cold_start": True,
                "log": self._drain_stderr(),
            }
        return result

    def _spawn(self, init_timeout: float | None = None) -> None:
        self._teardown()
        if (wanted := self.config["Runtime"]) != RUNTIME:
            raise lambda_runtime.ProvidedRuntimeError(
                f"{self.func_name} wants {wanted}, and the local cloud runs {RUNTIME}. "
                f"Deploy it with Runtime={RUNTIME}.",
                "Runtime.InvalidRuntime",
            )
        try:
            folders = self._runtime.folders(self.code_zip, self._layers())
        except LayerMismatchError as error:
            raise lambda_runtime.ProvidedRuntimeError(
                f"{self.func_name} can't be run. {error}", "Runtime.InvalidLayer"
            ) from None
        generation, pending, log = self._next_generation()
        try:
            runtime_api = self._serve_runtime_api(generation, pending)
            self._scratch = self._runtime.scratch(uuid.uuid4().hex)
            environment = self._runtime.environment(
                folders, self._scratch, self._reserved_variables(runtime_api), self._debug
            )
            printed = self._start_process(environment, folders.task)
            self._log_thread = self._stderr_thread = threading.Thread(
                target=self._pump_output, args=(printed, log), daemon=True
            )
            self._log_thread.start()
            self._wait_for_start(_DEBUGGING_SECONDS if self._debug else init_timeout)
        except BaseException:
            self._teardown()
            raise
        self._start_time = time.time()

    def _layers(self) -> list[bytes]:
        layers = [lambda_svc._resolve_layer_zip(layer) for layer in self.config.get("Layers", [])]
        return [layer for layer in layers if layer]

    def _next_generation(self) -> "tuple[int, queue.Queue[Any], queue.Queue[str]]":
        pending: queue.Queue[Any] = queue.Queue(maxsize=1)
        log: queue.Queue[str] = queue.Queue(maxsize=_LOG_LINES)
        with self._state_lock:
            self._generation += 1
            self._stopping = False
            self._first_poll.clear()
            self._init_settled.clear()
            self._init_error = None
            self._result: dict[str, Any] = {}
            self._response_ready.clear()
            self._current_request_id = None
            self._pending = pending
            self._stderr_queue = log
            return self._generation, pending, log

    def _serve_runtime_api(self, generation: int, pending: "queue.Queue[Any]") -> str:
        """Serve the Runtime API; gives host, port and a secret path, as the client wants them."""
        secret = secrets.token_urlsafe(24)
        handler = _require_secret_path(secret, self._build_handler_class(generation, pending))
        # It writes headers and body separately: with Nagle's algorithm each answer takes 40 ms.
        handler.disable_nagle_algorithm = True
        self._server = _QuietServer(("127.0.0.1", 0), handler)
        self._server_thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._server_thread.start()
        return f"127.0.0.1:{self._server.server_address[1]}/{secret}"

    def _reserved_variables(self, runtime_api: str) -> dict[str, str]:
        config = self.config
        _, region = lambda_runtime._account_region_from_function_config(config)
        logging = config.get("LoggingConfig") or {}
        name, version = config["FunctionName"], config.get("Version", "$LATEST")
        started = time.strftime("%Y/%m/%d", time.gmtime())
        variables = {
            "AWS_ENDPOINT_URL": self._endpoint,
            # SDKs put a host prefix before some endpoints, which loopback has no name for.
            lambda_runtime.HOST_PREFIX_ENV: "true",
            "HOME": str(self._scratch),
            **((config.get("Environment") or {}).get("Variables") or {}),
            "_HANDLER": config["Handler"],
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{started}/[{version}]{uuid.uuid4().hex}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **_credentials(config),
        }
        if logging.get("LogFormat") == "JSON":
            variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
            variables["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel") or "INFO"
        return variables

    def _start_process(self, environment: dict[str, str], task: Path) -> BinaryIO:
        inherited, self._lifeline = os.pipe()
        reading, self._output = os.pipe()
        printed = os.fdopen(reading, "rb")
        try:
            self._proc = subprocess.Popen(  # noqa: S603
                self._runtime.command(self.config["Handler"], inherited, self._debug),
                cwd=task,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=[inherited],
                start_new_session=True,
            )
        finally:
            os.close(inherited)
        self._group = self._proc.pid
        return printed

    def _drain_stderr_bounded(self, *_args: Any, **_kwargs: Any) -> str:
        """Give what the invocation printed, all of it and at once.

        MiniStack waits 50 ms for a line that may come. We mark the end of the pipe the process
        prints to: what it printed before it answered comes before the mark.
        """
        if self._output is not None:
            os.write(self._output, f"{_END_MARKER}\n".encode())
        lines: list[str] = []
        with suppress(queue.Empty):
            while True:
                line = self._stderr_queue.get(timeout=_END_MARKER_SECONDS)
                # Text without an end of line has the mark right behind it.
                if line.endswith(_END_MARKER):
                    lines += filter(None, [line.removesuffix(_END_MARKER)])
                    break
                lines.append(line)
        return "\n".join(lines)

    def _wait_for_start(self, init_timeout: float | None) -> None:
        try:
            self._await_init(init_timeout)
        except lambda_runtime.ProvidedInitTimeout:
            raise
        except RuntimeError as error:
            reported = self._init_error or {
                "errorMessage": str(error),
                "errorType": "Runtime.ExitError",
            }
            raise _InitError(reported) from error

    def _teardown(self) -> None:
        self._kill()
        super()._teardown()

    def _discard_tmpdir(self) -> None:
        self._requests.release(self.func_name, self)
        self._kill()
        super()._discard_tmpdir()

    def _kill(self) -> None:
        """Kill the function's process with all it started, as AWS ends an environment."""
        group, self._group = self._group, None
        lifeline, self._lifeline = self._lifeline, None
        output, self._output = self._output, None
        scratch, self._scratch = self._scratch, None
        if group is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        for descriptor in filter(None, (lifeline, output)):
            os.close(descriptor)
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
