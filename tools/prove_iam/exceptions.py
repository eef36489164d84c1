"""Parts of policies that the end-to-end tests cannot prove, each with its reason."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tools.prove_iam.replay import StatementPart

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

    def covers(self, part: StatementPart) -> bool:
        """Return True if the entry is about a part."""
        if not fnmatchcase(part.name, self.statement):
            return False
        # With its statement, each of its values is not provable either.
        return not self.values or any(fnmatchcase(part.value, value) for value in self.values)


@dataclass(frozen=True)
class ProvenElsewhere:
    """Statements that the end-to-end tests do not deploy.

    Attributes
    ----------
    statement
        Pattern for role or managed policy, and statement.
    test
        Node ID of the test that removes each of them.
    """

    statement: str
    test: str


@dataclass(frozen=True)
class Exceptions:
    """All exceptions."""

    not_provable: list[NotProvable] = field(default_factory=list)
    proven_elsewhere: list[ProvenElsewhere] = field(default_factory=list)


def load_exceptions(file: Path = FILE) -> Exceptions:
    """Read the exceptions of a file."""
    read = tomllib.loads(file.read_text("utf-8"))
    return Exceptions(
        [
            NotProvable(**entry | {"values": tuple(entry.get("values", ()))})
            for entry in read["not_provable"]
        ],
        [ProvenElsewhere(**entry) for entry in read["proven_elsewhere"]],
    )


def find_outdated(
    entries: Iterable[NotProvable], needed: set[StatementPart], idle: set[StatementPart]
) -> list[str]:
    """Return a complaint for each entry that covers nothing, or something that was proven."""
    problems = []
    for entry in entries:
        proven = sorted(part.name for part in needed if entry.covers(part))
        if proven:
            problems.append(f"{entry.statement} is not_provable, and {proven[0]} was proven")
        elif not any(map(entry.covers, idle)):
            problems.append(f"{entry.statement} is not_provable, and no such statement exists")
    return problems
