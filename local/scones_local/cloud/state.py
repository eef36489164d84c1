"""The folder of a local cloud: which process it belongs to, and what may be deleted in it."""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path

_ALWAYS_KEPT = ("cloud.lock", "cloud.log")
_KEPT_IF_LASTING = (
    *("kept.json", "s3", "ministack", "sagemaker.kept"),
    *("substitutions.json", "parameters.json", "deployed", "guide.txt", "serialize.json"),
)
_CLEAR_ATTEMPTS = 20


class StateError(RuntimeError):
    """The folder can't be a local cloud's now; the message says why."""


class StateFolder:
    """The folder that a local cloud and the programs that use it write into.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "cloud.log"
        self.description = path / "cloud.json"
        self.audit = path / "audit.jsonl"
        self.substitutions = path / "substitutions.json"
        self.deployed = path / "deployed"
        self.debugging = path / "debugging"
        self.parameters = path / "parameters.json"
        self.sagemaker = path / "sagemaker.kept"
        self._kept = path / "kept.json"
        self._lock = path / "cloud.lock"

    def keep(self, port: int) -> None:
        """Let what is stored here outlive the local cloud, at a port, until `discard`.

        The port stays the same because it is part of the URLs of queues.
        """
        if self._kept.exists():
            return
        self._kept.touch(mode=0o600)
        self._kept.write_text(json.dumps({"port": port}) + "\n", encoding="utf-8")

    def mark_saved(self) -> None:
        """Note that all that is kept was written just now."""
        described = json.loads(self._kept.read_text(encoding="utf-8"))
        described["saved_at"] = time.time()
        self._kept.write_text(json.dumps(described) + "\n", encoding="utf-8")

    def saved_at(self) -> float | None:
        """Return when all that is kept was written, in seconds since 1970, or None if never."""
        if not self._kept.exists():
            return None
        saved: float | None = json.loads(self._kept.read_text(encoding="utf-8")).get("saved_at")
        return saved

    def kept_port(self) -> int | None:
        """Return the port that `keep` was called with, None if nothing is kept."""
        if not self._kept.exists():
            return None
        return int(json.loads(self._kept.read_text(encoding="utf-8"))["port"])

    def discard(self) -> None:
        """Let what is stored here end with the local cloud, or at once where none runs."""
        self._kept.unlink(missing_ok=True)
        self.clear_if_free()

    def size(self) -> int:
        """Return the number of bytes of what is kept."""
        total = [path for name in self._lasting() for path in [self.path / name]]
        files = [path for top in total for path in [top, *top.rglob("*")] if path.is_file()]
        return sum(path.stat().st_size for path in files)

    def _lasting(self) -> tuple[str, ...]:
        return _KEPT_IF_LASTING if self._kept.exists() else ()

    def lock(self) -> int:
        """Make the folder this process's own, until it ends; gives the lock's descriptor.

        Raises
        ------
        StateError
            If another process holds it, or there is something in it that is none of ours.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._lock.exists() and any(self.path.iterdir()):
            raise StateError(
                f"{self.path} is not empty and does not belong to the local cloud: use a new "
                "folder, because its contents are deleted on exit"
            )
        # Photos, logs and credentials: for this user only.
        self.path.chmod(0o700)
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(lock, fcntl.LOCK_EX):
            os.close(lock)
            raise StateError(
                f"another one is running in {self.path}; stop it first, or use another folder"
            )
        return lock

    def is_locked(self) -> bool:
        """Tell whether a server lives: it holds the folder for life, whatever its process id."""
        try:
            lock = os.open(self._lock, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that those who look don't get into each other's way.
            return not _locked(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def clear(self) -> None:
        """Delete everything but the log and what is kept; only for who holds the folder.

        Raises
        ------
        StateError
            If something can't be deleted.
        """
        for _ in range(_CLEAR_ATTEMPTS):
            remaining = (*_ALWAYS_KEPT, *self._lasting())
            found = [path for path in self.path.iterdir() if path.name not in remaining]
            if not found:
                return
            for path in found:
                _delete(path)
            # What is being ended may still have written something.
            time.sleep(0.01)
        raise StateError(f"can't be deleted: {', '.join(map(str, found))}")

    def clear_if_free(self) -> None:
        """Delete everything but the log and what is kept, unless a server lives."""
        if not self._lock.exists():
            return
        try:
            lock = self.lock()
        except StateError:
            return
        try:
            self.clear()
        finally:
            os.close(lock)


def _locked(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
