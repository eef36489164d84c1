"""Parts of policies that AWS needs and the local cloud does not ask for, each with its reason."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tools.prove_iam.replay import Part

FILE = Path(__file__).with_name("not_provable.toml")


@dataclass(frozen=True)
class NotProvable:
    """Parts that no request to the local cloud can need.

    Attributes
    ----------
    statement
        Pattern for role or managed policy, and statement, such as ``*FunctionRole/Trace``.
    values
        Patterns for actions or resources; none if it is about whole statements.
    reason, source
        Why the local cloud does not ask, and where AWS says that it is needed.
    """

    statement: str
    values: tuple[str, ...]
    reason: str
    source: str

    def covers(self, part: Part) -> bool:
        """Return True if the entry is about a part."""
        if not fnmatchcase(part.name, self.statement):
            return False
        # With its statement, each of its values is not provable either.
        return not self.values or any(fnmatchcase(part.value, value) for value in self.values)


def load(file: Path = FILE) -> list[NotProvable]:
    """Read the entries of a file."""
    read = tomllib.loads(file.read_text("utf-8"))
    return [
        NotProvable(
            entry["statement"], tuple(entry.get("values", ())), entry["reason"], entry["source"]
        )
        for entry in read["not_provable"]
    ]


def outdated(entries: Iterable[NotProvable], needed: set[Part], idle: set[Part]) -> list[str]:
    """Return a complaint for each entry that covers nothing, or something that was proven."""
    found = []
    for entry in entries:
        proven = sorted(part.name for part in needed if entry.covers(part))
        if proven:
            found.append(f"{entry.statement} is not_provable, and {proven[0]} was proven")
        elif not any(map(entry.covers, idle)):
            found.append(f"{entry.statement} is not_provable, and no such statement exists")
    return found
