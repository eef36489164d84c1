"""Recordings of what IAM was asked while the end-to-end tests ran, one file per local cloud."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.prove_iam.deployed import Policy

FOLDER = Path("build/iam")
"""Where the end-to-end tests leave their recordings."""

INSTALLATION_TEST = "installation"
"""Stands for a test while the application is deployed and gets its first model."""


@dataclass(frozen=True)
class Request:
    """A request that IAM decided.

    Attributes
    ----------
    principal
        ``role/NAME`` or ``user/NAME``.
    allowed
        Whether it was allowed.
    allowed_by_resource
        Whether the policy of its resource allows it, too.
    asked
        Members of MiniStack's ``EvalContext``.
    test
        Node ID of the test that ran at that time.
    """

    principal: str
    allowed: bool
    allowed_by_resource: bool
    asked: Mapping[str, Any]
    test: str


@dataclass(frozen=True)
class Recording:
    """The requests to one local cloud, and the policies that were in force at its end."""

    policies: list[Policy]
    requests: list[Request]

    def save(self, file: Path) -> None:
        """Write the recording into a file; its folder is made if absent."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Recording":
        """Read a recording that `save` wrote."""
        read = json.loads(file.read_text("utf-8"))
        policies = [
            Policy(**policy | {"principals": tuple(policy["principals"])})
            for policy in read["policies"]
        ]
        return cls(policies, [Request(**request) for request in read["requests"]])


def parse_audit_trail(
    trail: Iterable[Mapping[str, Any]], started: Sequence[tuple[float, str]]
) -> list[Request]:
    """Return the requests of a local cloud's audit trail, each with the test that ran then.

    Parameters
    ----------
    trail
        Entries of `Cloud.audit`.
    started
        Time in seconds since 1970 at which each test started, and its node ID, oldest first.
    """
    times = [time for time, _ in started]
    return [
        Request(
            principal=principal_name(entry["asked"]["principal_arn"]),
            allowed=entry["allowed"],
            allowed_by_resource=entry["allowed_by_resource"],
            asked=entry["asked"],
            test=started[max(0, bisect_right(times, entry["at"]) - 1)][1],
        )
        for entry in trail
        if "asked" in entry
    ]


def principal_name(arn: str) -> str:
    """Return ``role/NAME`` for a role's session, and ``user/NAME`` for a user."""
    kind, *path = arn.split(":", 5)[5].split("/")
    return f"role/{path[0]}" if kind == "assumed-role" else f"{kind}/{path[-1]}"
