"""A container as a process: its /opt/ml is a folder, its engine is a small supervisor."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_TAIL_LINES = 20
_READER_SECONDS = 5.0

Sink = Callable[[str], None]


class Container:
    """One run of an image.

    Parameters
    ----------
    command
        The whole command line.
    root
        The folder that stands for ``/opt/ml``; also the working directory.
    environment
        What the container sees besides PATH, HOME, the locale and the temporary folder.
    sink
        Gets every line the container prints, without its end.
    """

    def __init__(
        self, command: Sequence[str], root: Path, environment: Mapping[str, str], sink: Sink
    ) -> None:
        self._sink = sink
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process = subprocess.Popen(  # noqa: S603  the commands are the host's own
            [sys.executable, "-I", "-S", str(_SUPERVISOR), str(os.getpid()), *command],
            cwd=root,
            env={**_base_environment(root), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(
            target=self._read, name=f"container-{self._process.pid}", daemon=True
        )
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether the container has not ended yet."""
        return self._process.poll() is None

    @property
    def tail(self) -> str:
        """The last lines printed."""
        return "\n".join(list(self._tail))

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the end.

        Returns
        -------
        int or None
            The exit status as an engine reports it, or None where it still runs after
            ``seconds``.
        """
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._kill_group()
        self._reader.join(_READER_SECONDS)  # a process that left the group may hold the pipe
        return status if status >= 0 else 128 - status

    def stop(self, grace: float) -> int:
        """Ask the container to end, kill it after ``grace`` seconds, return its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        status = self.wait(grace)
        if status is not None:
            return status
        self._kill_group()
        return self.wait() or 0

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        with cast(IO[bytes], self._process.stdout) as output:
            for raw in output:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self._tail.append(line)
                self._sink(line)


def _base_environment(root: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    return {**kept, "HOME": str(root), "PYTHONUNBUFFERED": "1"}
