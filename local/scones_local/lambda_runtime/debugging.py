"""Functions that shall wait for a debugger: files that whoever asks for it holds locked.

A request ends with the program that made it, however that ends. A function's process listens on
loopback, with debugpy, as long as its request lasts.
"""

import fcntl
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True)
class DebugRequest:
    """How a function is to be debugged.

    Attributes
    ----------
    port
        Port on the loopback interface to listen at for the debugger.
    code
        Folders to import from before all others: the sources that breakpoints are set in.
    file
        The locked file that stands for the request.
    """

    port: int
    code: tuple[str, ...]
    file: Path

    @property
    def waits(self) -> bool:
        """True if a process waits for the debugger now."""
        return self.file.with_suffix(".waiting").exists()


class DebugRequests:
    """Requests by function name, and which process serves each: one at a time.

    Parameters
    ----------
    folder
        Folder of the requests' files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._holders: dict[str, object] = {}

    @contextmanager
    def add(self, function: str, port: int, code: Sequence[Path]) -> Iterator[DebugRequest]:
        """Let a function wait for a debugger in its next invocation, as long as this is entered.

        Parameters
        ----------
        function
            Name of the function.
        port
            Port on the loopback interface.
        code
            Folders of its sources.

        Raises
        ------
        BlockingIOError
            If it is asked for already.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._file(function)
        with file.open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._clear(file)
            stream.truncate(0)
            json.dump({"port": port, "code": [str(folder) for folder in code]}, stream)
            stream.flush()
            try:
                yield DebugRequest(port, tuple(map(str, code)), file)
            finally:
                self._clear(file)
                file.unlink(missing_ok=True)

    def claim(self, function: str, holder: object) -> DebugRequest | None:
        """Return a function's request if there is one that no other process serves."""
        request = self._read(function)
        with self._lock:
            if request is None or self._holders.setdefault(function, holder) is not holder:
                return None
            return request

    def release(self, function: str, holder: object) -> None:
        """Let another process serve a function's request."""
        with self._lock:
            if self._holders.get(function) is holder:
                del self._holders[function]

    def _read(self, function: str) -> DebugRequest | None:
        file = self._file(function)
        with suppress(FileNotFoundError, json.JSONDecodeError), file.open(encoding="utf-8") as held:
            if _is_unlocked(held.fileno()):
                return None
            request = json.load(held)
            return DebugRequest(request["port"], tuple(request["code"]), file)
        return None

    @staticmethod
    def _clear(file: Path) -> None:
        """Forget that a process waits, which may have been killed."""
        file.with_suffix(".waiting").unlink(missing_ok=True)

    def _file(self, function: str) -> Path:
        return self._folder / f"{function}.json"


def _is_unlocked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
