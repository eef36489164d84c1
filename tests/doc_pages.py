"""Follow a page of the documentation: run its commands, make its files, compare its output.

Fenced blocks are the only source. `sh` blocks run one after another in one shell's folder and
variables; a `text` block is output of the commands before it, in which `…` stands for anything. A
block after a line that ends with a path, as in "Its event, `events/bay.json`:", is that file; a
`diff` block changes it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_PATH = re.compile(r"`([^`]+)`:\n\n\Z")
_SHELL = """set -euo pipefail
{script}
pwd > "$FOLLOWED/folder"
env -0 > "$FOLLOWED/environment"
"""
_AUTHOR = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "newcomer"), ("EMAIL", "newcomer@example.com"))
}


class PageError(AssertionError):
    """The page and the application differ; the message says where."""


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes
    ----------
    kind
        ``sh``, ``text``, ``diff``, or the language of a file.
    text
        Its content.
    path
        The file that the line before it names, or None.
    """

    kind: str
    text: str
    path: str | None


def read_sections(page: Path) -> dict[str, list[Block]]:
    """Return the blocks of a page by the title of their section, in the page's order."""
    _, *parts = _SECTION.split(page.read_text("utf-8"))
    sections = {
        title: list(_blocks(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)
    }
    fences = page.read_text("utf-8").count("\n```") // 2
    assert sum(map(len, sections.values())) == fences, "a block has no kind or no section"
    return sections


def _blocks(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        path = _PATH.search(text[: found.start()])
        yield Block(found["kind"], found["text"], path and path[1])


class Follower:
    """Follows blocks in a folder.

    Parameters
    ----------
    folder
        Where it starts.
    notes
        Folder for what is remembered between blocks.
    environ
        Environment of the commands.
    instead
        What runs instead of a command, by its line.
    """

    def __init__(
        self,
        folder: Path,
        notes: Path,
        environ: Mapping[str, str],
        instead: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.environ = {**environ, "FOLLOWED": str(notes)}
        self._notes = notes
        self._instead = dict(instead or {})
        self._output = ""

    def replace(self, instead: Mapping[str, str]) -> None:
        """Run other commands, too, instead of those of the page."""
        self._instead |= instead

    def follow(self, block: Block) -> None:
        """Do what a block says.

        Raises
        ------
        PageError
            If a command fails, output is missing, or a change does not fit the file.
        """
        if block.kind == "sh":
            self._output = self._run(block.text)
        elif block.kind == "text":
            require_output(block.text, self._output)
        elif block.path is None:
            raise PageError(f"no line before this block names its file:\n{block.text}")
        elif block.kind == "diff":
            file = self.folder / block.path
            file.write_text(apply_diff(file.read_text("utf-8"), block.text), "utf-8")
        else:
            self._create(self.folder / block.path, block.text)

    def _create(self, file: Path, text: str) -> None:
        if file.exists():
            raise PageError(f"{file} exists already")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def _run(self, script: str) -> str:
        lines = [self._instead.get(line, line) for line in script.splitlines()]
        output = self._notes / "output"
        # A file: what `make up` leaves running would keep a pipe open.
        with output.open("w") as file:
            run = subprocess.run(
                ["bash", "-c", _SHELL.format(script="\n".join(lines))],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        printed = output.read_text("utf-8", "replace")
        if run.returncode:
            raise PageError(f"exit code {run.returncode} of\n{script}\n{printed}")
        self.folder = Path((self._notes / "folder").read_text("utf-8").strip())
        pairs = (self._notes / "environment").read_text("utf-8").split("\0")
        self.environ = dict(pair.split("=", 1) for pair in pairs if pair)
        return printed


def require_output(wanted: str, output: str) -> None:
    """Raise PageError unless the output has the wanted lines in order; spaces do not count."""
    position = 0
    lines = [" ".join(line.split()) for line in output.splitlines()]
    for line in wanted.splitlines():
        pattern = ".*".join(map(re.escape, " ".join(line.split()).split("…")))
        found = (at for at in range(position, len(lines)) if re.search(pattern, lines[at]))
        at = next(found, None)
        if at is None:
            raise PageError(f"the output has no line {line!r} after line {position}:\n{output}")
        position = at + 1


def apply_diff(text: str, diff: str) -> str:
    """Return a text with the changes of a diff, whose hunks are divided by lines of ``@@``.

    Raises
    ------
    PageError
        If the lines that a hunk begins with, or removes, are not exactly once in the text.
    """
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        if text.count(before) != 1:
            raise PageError(f"{text.count(before)} places, not one, have\n{before}")
        text = text.replace(before, after)
    return text


def checkout(source: Path, folder: Path) -> None:
    """Make the working tree of a repository a repository of its own, with one commit.

    Parameters
    ----------
    source
        A Git checkout; its tracked files are taken as they are, changed or not.
    folder
        The new repository.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=source, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (source / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((source / name).read_bytes())
            (folder / name).chmod((source / name).stat().st_mode)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Copy"]):
        subprocess.run(["git", *command], cwd=folder, env=os.environ | _AUTHOR, check=True)


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a newcomer with an empty home folder, and none of AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **_AUTHOR, "HOME": str(home)}


SETUP = """\
export PYTHONPATH="$PWD:$PWD/pipelines:$PWD/layers/domain/python:$PWD/operator"
export PYTHONPATH="$PYTHONPATH:$PWD/training:$PWD/local"
"$PYTHON" tests/doc_pages.py "$SOURCE" .
make setup"""
"""What runs instead of `make setup`: packages are not installed again, and this checkout's code
precedes that of the environment's own."""


def use_environment(source: Path, folder: Path) -> None:
    """Let a checkout use the environment and the built packages of another one.

    Parameters
    ----------
    source
        The checkout with the environment.
    folder
        The checkout without.
    """
    (folder / ".venv").symlink_to((source / ".venv").resolve())
    # Make would install again what seems newer than the environment.
    ready = min(file.stat().st_mtime for file in (source / ".venv").glob("**/ready"))
    for pattern in ("**/*.txt", "**/*.lock", "**/*.toml"):
        for file in folder.glob(pattern):
            if ".venv" not in file.parts:
                os.utime(file, (ready - 1, ready - 1))
    if (cache := source / ".local" / "cache").exists():
        shutil.copytree(cache, folder / ".local" / "cache", dirs_exist_ok=True)


if __name__ == "__main__":
    use_environment(*map(Path, sys.argv[1:]))
