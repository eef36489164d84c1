"""Starting, finding and stopping the local cloud, and talking to it.

>>> from local import cloud
>>> with cloud.start(Path(".local/mine")) as running:                 # doctest: +SKIP
...     running.session().client("s3").list_buckets()
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

from scones_local.cloud.session import session, variables
from scones_local.cloud.state import StateFolder
from scones_local.ministack import DEFAULT_ACCOUNT

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_SAVE_SECONDS = 75.0
_LOG_TAIL_LINES = 30

# Written into a server's lifeline: it shall not end when the pipe does.
_LET_GO = b"."

# The pipes of the servers that this process started and that end with it, by process id.
_lifelines: dict[int, int] = {}


class CloudError(RuntimeError):
    """The local cloud can't be started, found or stopped; the message says why."""


@dataclass(frozen=True)
class Cloud:
    """A running local cloud.

    Attributes
    ----------
    state
        The folder its state lives in.
    endpoint
        URL that answers the requests of all services.
    region, account
        Where and whose everything in it is.
    access_key, secret_key
        Credentials of its root user, whom IAM denies nothing.
    pid
        Process id of its server.
    """

    state: Path
    endpoint: str
    region: str
    account: str
    access_key: str
    secret_key: str
    pid: int

    def session(self) -> boto3.Session:
        """Give a session whose clients and resources talk to this cloud as root."""
        return session(self.endpoint, self.region, self.access_key, self.secret_key)

    def environ(self) -> dict[str, str]:
        """Give the environment for a program, such as `sam`, that shall talk to this cloud.

        It is this process's environment without any setting of the user's own AWS account.
        """
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        }
        # Programs read either spelling, some the one, some the other first.
        variables_given = (os.environ.get(name) for name in ("no_proxy", "NO_PROXY"))
        unproxied = ",".join([*filter(None, variables_given), "127.0.0.1"])
        ours = variables(self.endpoint, self.region, self.access_key, self.secret_key)
        return {
            **inherited,
            **ours,
            "NO_PROXY": unproxied,
            "no_proxy": unproxied,
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self.state / "sam"),
        }

    def audit(self) -> list[dict[str, Any]]:
        """Tell what IAM was asked since the start, the oldest first; not of the root user.

        Returns
        -------
        list[dict[str, Any]]
            Each has ``role``, a name, or None if a user asked; ``action``, such as
            ``s3:GetObject``; ``resource``, an ARN or ``*``; ``allowed``; ``at``, in seconds since
            1970; ``asked``, the members of MiniStack's ``EvalContext``; ``allowed_by_resource``,
            whether the resource's own policy would be enough; and for SageMaker's control plane the
            request's ``parameters``.
        """
        with StateFolder(self.state).audit.open(encoding="utf-8") as lines:
            # The last one may be being written.
            return [json.loads(line) for line in lines if line.endswith("\n")]

    def stop(self) -> None:
        """End it and all its processes.

        Its folder is empty afterwards, but for its log and what is kept.

        Raises
        ------
        CloudError
            If its server outlives even SIGKILL.
        """
        folder = StateFolder(self.state)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if folder.is_locked():
                os.kill(self.pid, number)
                _wait_until_free(folder)
        if folder.is_locked():
            raise CloudError(f"process {self.pid} does not end; kill it, then start again")
        folder.clear_if_free()
        _reap(self.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    state: Path, port: int = 0, *, lasting: bool = False, account: str = DEFAULT_ACCOUNT
) -> Cloud:
    """Start a local cloud that ends with this process, and wait until it answers.

    Parameters
    ----------
    state
        Folder for everything it writes, and deleted with it. Made if absent.
    port
        Port on the loopback interface; 0 takes a free one, or the one of what is kept.
    lasting
        Whether what it stores can be kept, with `scones_local.cloud.state.StateFolder.keep`.
    account
        Account ID, 12 digits. Clouds of several accounts share nothing.

    Raises
    ------
    CloudError
        If one is running there already, the folder has something else in it, or the start
        fails; then with the end of its log.
    """
    folder = StateFolder(state.resolve())
    end, lifeline = os.pipe()
    process = None
    try:
        process = _spawn(folder, port, end, account, lasting=lasting)
        started = _wait_until_ready(folder, process)
    except BaseException:
        os.close(lifeline)
        if process is not None:
            _terminate(process, folder)
        raise
    finally:
        os.close(end)
    _lifelines[started.pid] = lifeline
    return started


def start_detached(state: Path, port: int = 0) -> Cloud:
    """Start a local cloud that goes on running after this process, as `start` does else.

    What it stores can be kept.
    """
    started = start(state, port, lasting=True)
    lifeline = _lifelines.pop(started.pid)
    os.write(lifeline, _LET_GO)
    os.close(lifeline)
    return started


def attach(state: Path) -> Cloud:
    """Find the local cloud that runs in `state`.

    Raises
    ------
    CloudError
        If none does.
    """
    folder = StateFolder(state.resolve())
    cloud = _read_description(folder)
    if cloud is None or not folder.is_locked():
        raise CloudError(f"no local cloud is running in {folder.path}")
    return cloud


def _spawn(
    folder: StateFolder, port: int, lifeline: int, account: str, *, lasting: bool
) -> "subprocess.Popen[str]":
    options = {"--state": folder.path, "--port": port, "--lifeline": lifeline}
    words = [str(word) for option in options.items() for word in option]
    words += ["--lasting"] * lasting
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "scones_local.cloud.server", *words],
        env=_server_environment(folder.path) | {"MINISTACK_ACCOUNT_ID": account},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[lifeline],
        start_new_session=True,
    )


def _server_environment(state: Path) -> dict[str, str]:
    """Only what a Python process needs: no setting of the user reaches the cloud."""
    names = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")
    existing = {name: os.environ[name] for name in names if name in os.environ}
    return existing | {"HOME": str(state), "PYTHONUNBUFFERED": "1"}


def _wait_until_ready(folder: StateFolder, process: "subprocess.Popen[str]") -> Cloud:
    assert process.stderr is not None  # noqa: S101
    with process.stderr as stderr:
        # It ends when the server turns to its log, or fails before it has one.
        error = stderr.read().strip()
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        cloud = _read_description(folder)
        if cloud is not None and cloud.pid == process.pid:
            return cloud
        if process.poll() is not None:
            ended = f"the local cloud ended with status {process.returncode}.\n{_log_tail(folder)}"
            raise CloudError(error or ended)
        time.sleep(0.05)
    raise CloudError(
        f"the local cloud does not respond after {_START_SECONDS:.0f} s.\n{_log_tail(folder)}"
    )


def _terminate(process: "subprocess.Popen[str]", folder: StateFolder) -> None:
    """End a server that is of no use, whatever it is doing."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    folder.clear_if_free()


def _log_tail(folder: StateFolder) -> str:
    log = folder.log
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"The end of {log}:", *lines[-_LOG_TAIL_LINES:]])


def _read_description(folder: StateFolder) -> Cloud | None:
    try:
        described: Mapping[str, Any] = json.loads(folder.description.read_text())
    except FileNotFoundError:
        return None
    return Cloud(state=folder.path, **described)


def _wait_until_free(folder: StateFolder) -> None:
    seconds = _STOP_SECONDS if folder.kept_port() is None else _SAVE_SECONDS
    deadline = time.monotonic() + seconds
    while folder.is_locked() and time.monotonic() < deadline:
        time.sleep(0.05)


def _reap(pid: int) -> None:
    """Collect the exit status of a server that this process started."""
    lifeline = _lifelines.pop(pid, None)
    if lifeline is None:
        return
    os.close(lifeline)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
