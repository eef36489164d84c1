"""What the recordings prove, as a table and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tools.prove_iam import exceptions
from tools.prove_iam.exceptions import Exceptions, NotProvable, ProvenElsewhere
from tools.prove_iam.recording import INSTALLATION_TEST, Recording, Request
from tools.prove_iam.replay import StatementPart, replay


@dataclass
class Proof:
    """Which parts of the policies are needed, and for what.

    Attributes
    ----------
    needed
        Requests that are decided otherwise without a part.
    idle
        Parts without which every request is decided as before.
    excused
        Of the idle parts those that are not provable.
    ignored
        Number of requests that were decided by other policies than the recorded ones.
    problems
        What is wrong; the statements are proven if there are none.
    failing
        For statements that were really removed the test that failed, or None.
    """

    needed: dict[StatementPart, list[Request]]
    idle: list[StatementPart]
    excused: dict[StatementPart, NotProvable]
    ignored: int
    problems: list[str]
    failing: dict[str, str | None] = field(default_factory=dict)

    def tests(self, part: StatementPart) -> list[str]:
        """Return the tests that made a request that needs a part, in the order they ran."""
        tests = dict.fromkeys(request.test for request in self.needed[part])
        # What the installation needs, all tests need.
        return sorted(tests, key=lambda test: test == INSTALLATION_TEST)

    def table(self) -> Iterator[str]:
        """Yield a line for each statement, and for each value that is excused."""
        rows = [(part.holder, part.statement, self._outcome(part)) for part in self._parts()]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for holder, statement, outcome in rows:
            yield f"{holder:{widths[0]}}  {statement:{widths[1]}}  {outcome}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it for programs."""
        return {
            "statements": [
                {
                    "holder": part.holder,
                    "statement": part.statement,
                    "value": part.value or None,
                    "needed": part in self.needed,
                    "requests": len(self.needed.get(part, ())),
                    "example": _describe_requests(self.needed[part])
                    if part in self.needed
                    else None,
                    "tests": self.tests(part) if part in self.needed else [],
                    "not_provable": self.excused[part].reason if part in self.excused else None,
                    "failing_test": self.failing.get(part.name),
                }
                for part in (*self.needed, *self.idle)
            ],
            "ignored_requests": self.ignored,
            "complaints": self.problems,
        }

    def _parts(self) -> list[StatementPart]:
        whole = [part for part in (*self.needed, *self.idle) if part.place is None]
        return sorted(whole, key=lambda part: (part.holder, part.statement))

    def _outcome(self, part: StatementPart) -> str:
        if part.name in self.failing:
            return f"{self.failing[part.name] or 'NO TEST'} fails"
        if part in self.needed:
            test = self.tests(part)[0].rpartition("/")[2]
            return f"{test}: {_describe_requests(self.needed[part])} is denied"
        if part in self.excused:
            return f"not provable here: {self.excused[part].reason}"
        return "IDLE"


def prove(
    recordings: Sequence[Recording],
    resources: Mapping[str, Any],
    excepted: Exceptions,
) -> Proof:
    """Find out what each part of each policy is needed for.

    Parameters
    ----------
    recordings
        Of the same application, from one or several local clouds.
    resources
        Resources of the template, as SAM translates it.
    excepted
        Parts that may be idle, and statements that may be missing.
    """
    needed: dict[StatementPart, list[Request]] = {}
    parts: dict[StatementPart, None] = {}
    ignored = 0
    for recording in recordings:
        evidence = replay(recording)
        ignored += evidence.ignored
        for part, requests in evidence.requests.items():
            parts[part] = None
            if requests:
                needed.setdefault(part, []).extend(requests)
    idle = [part for part in parts if part not in needed]
    excused = {
        part: entry for part in idle for entry in excepted.not_provable if entry.covers(part)
    }
    whole = {part.name for part in idle if part.place is None}
    problems = [
        # The values of an idle statement go with it.
        *(
            _format_idle(part)
            for part in idle
            if part not in excused and (part.place is None or part.name not in whole)
        ),
        *exceptions.find_outdated(excepted.not_provable, set(needed), set(idle)),
        *_missing(resources, parts, excepted.proven_elsewhere),
    ]
    return Proof(needed, idle, excused, ignored, problems)


def _format_idle(part: StatementPart) -> str:
    title = f"{part.value} of {part.name}" if part.value else part.name
    return f"{title} is idle: nothing fails without it. Remove it, or test what needs it"


def _missing(
    resources: Mapping[str, Any],
    parts: Mapping[StatementPart, None],
    elsewhere: Sequence[ProvenElsewhere],
) -> Iterator[str]:
    """Complain of statements with a Sid that the template has and the deployed stack has not."""
    recorded = {part.name for part in parts}
    missing = [name for name in _statement_ids(resources) if name not in recorded]
    for name in missing:
        if not any(fnmatchcase(name, entry.statement) for entry in elsewhere):
            yield f"{name} is in the template and not in the recording"
    for entry in elsewhere:
        if not any(fnmatchcase(name, entry.statement) for name in missing):
            yield f"{entry.statement} is proven_elsewhere, and no such statement is missing"


def _statement_ids(resources: Mapping[str, Any]) -> Iterator[str]:
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::IAM::Role":
                documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            case "AWS::IAM::ManagedPolicy":
                documents = [properties["PolicyDocument"]]
            case _:
                continue
        for document in documents:
            for statement in document["Statement"]:
                if "Sid" in statement:
                    yield f"{name}/{statement['Sid']}"


def _describe_requests(requests: Sequence[Request]) -> str:
    requests_text = requests[0].asked
    # Without partition, service, region and account.
    return f"{requests_text['action']} on {requests_text['resource_arn'].split(':', 5)[-1]}"
