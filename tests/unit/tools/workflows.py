"""The workflows of GitHub Actions, read for the tests."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".github" / "workflows"


@dataclass(frozen=True)
class Job:
    """A job of a workflow.

    Attributes
    ----------
    workflow, name
        Name of the file without its suffix, and key of the job.
    content
        The job.
    """

    workflow: str
    name: str
    content: Any

    def __str__(self) -> str:
        return f"{self.workflow}.{self.name}"

    @property
    def calls(self) -> bool:
        """Whether the job calls a workflow, and so has no steps."""
        return "uses" in self.content

    @property
    def steps(self) -> list[Any]:
        return list(self.content.get("steps", []))

    def commands(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield each command with its environment, once for each combination of a matrix."""
        for row in self.content.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            for step in self.steps:
                if "run" in step:
                    environ = {**self.content.get("env", {}), **step.get("env", {})}
                    yield step["run"], {name: fill(v, row) for name, v in environ.items()}


def fill(text: str, row: dict[str, Any]) -> str:
    """Insert the values of a row of the matrix."""
    for name, value in row.items():
        text = text.replace(f"${{{{ matrix.{name} }}}}", str(value))
    return text


def read_workflows() -> dict[str, Any]:
    """Return the workflows by the name of their file, without its suffix."""
    return {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in FOLDER.glob("*.yml")}


def read_jobs() -> list[Job]:
    """Return all jobs."""
    workflows = read_workflows()
    return [
        Job(workflow, name, content)
        for workflow in sorted(workflows)
        for name, content in workflows[workflow]["jobs"].items()
    ]


def targets() -> set[str]:
    """Return the targets of the Makefile and the file that it includes."""
    rules = (re.findall(r"^([a-z0-9-]+):", (ROOT / file).read_text(), re.MULTILINE)
             for file in ("Makefile", "ci.mk"))  # fmt: skip
    return set(itertools.chain(*rules))


def words_of(command: str, environ: dict[str, str]) -> list[str]:
    """Split a command of one word per argument, and insert its environment variables."""
    found = re.fullmatch(r"make ([\w=^.$\"-]+(?: [\w=^.$\"-]+)*)", command)
    assert found, f"not a plain call of make: {command}"
    return [re.sub(r'^"\$(\w+)"$', lambda name: environ[name[1]], w) for w in found[1].split()]
