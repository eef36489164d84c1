"""The few Git commands that making a project needs."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from scones_operator.errors import OperationError, PreconditionError


def tracked_files(checkout: Path) -> list[str]:
    """Return the paths of the files that Git tracks in a checkout and that exist, sorted.

    Files that are not tracked, such as notes, keys and photos, belong to the developer.

    Raises
    ------
    PreconditionError
        If it is not the top folder of a Git checkout.
    OperationError
        If Git is not installed.
    """
    result = _git(checkout, "rev-parse", "--show-toplevel")
    top = result.stdout.decode().removesuffix("\n")
    if result.returncode or Path(top).resolve() != checkout.resolve():
        reason = f" ({_message(result)})" if result.returncode else ""
        raise PreconditionError(
            f"{checkout} is not a Git checkout{reason}, which lists the files of the application: "
            "clone the repository, and run scones init there"
        )
    listed = _run(checkout, "ls-files", "-z")
    paths = [os.fsdecode(path) for path in listed.split(b"\0") if path]
    return sorted(path for path in paths if os.path.lexists(checkout / path))


def add_to_repository(folder: Path, paths: Iterable[str]) -> None:
    """Make a folder a Git repository unless it is one, and stage files in it.

    Nothing is committed: that is for the user, whose name a commit bears.

    Raises
    ------
    OperationError
        If Git fails.
    """
    if not (folder / ".git").exists():
        _run(folder, "init", "--quiet")
    listed = b"\0".join(map(os.fsencode, paths))
    _run(
        folder,
        *("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul"),
        standard_input=listed,
    )


def _run(folder: Path, *arguments: str, standard_input: bytes = b"") -> bytes:
    """Run Git and return its output; raises OperationError if it fails."""
    done = _git(folder, *arguments, standard_input=standard_input)
    if done.returncode:
        raise OperationError(f"git {arguments[0]} failed in {folder}: {_message(done)}")
    return done.stdout


def _message(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode("utf-8", "replace").split())


def _git(
    folder: Path, *arguments: str, standard_input: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    # Hooks set GIT_DIR and others, which would lead to another repository.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command: Sequence[str] = ("git", "--literal-pathspecs", "-C", str(folder), *arguments)
    try:
        return subprocess.run(  # noqa: S603
            command, input=standard_input, capture_output=True, env=environ, check=False
        )
    except FileNotFoundError:
        raise OperationError("Git is not installed: install it, and try again") from None
