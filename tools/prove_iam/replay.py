"""Replay recorded requests without parts of the policies, in MiniStack's own evaluator.

It is the evaluator that enforced the policies while the requests were recorded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator

from tools.prove_iam.deployed import Policy, as_list
from tools.prove_iam.recording import Recording, Request

_Statements = list[Any]


@dataclass(frozen=True)
class StatementPart:
    """Something that a policy could do without.

    Attributes
    ----------
    holder
        Logical ID of the role or managed policy.
    statement
        Name of the statement; of a policy that AWS owns, the name of the policy.
    place
        ``Action`` or ``Resource`` and the position in that list, if the part is one value of the
        statement; None if it is the whole statement. Physical names in a value differ between
        local clouds, its place does not.
    value
        The action or resource; empty if the part is the whole statement.
    """

    holder: str
    statement: str
    place: tuple[str, int] | None = None
    value: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """Role and statement."""
        return f"{self.holder}/{self.statement}"


@dataclass
class Evidence:
    """Results of a replay.

    Attributes
    ----------
    requests
        For each part the requests that are decided otherwise without it; none if it is idle.
    ignored
        Number of requests that were decided by other policies than the recorded ones: a test had
        changed them for a while.
    """

    requests: dict[StatementPart, list[Request]] = field(default_factory=dict)
    ignored: int = 0


@dataclass(frozen=True)
class _Removable:
    """Statements that are removed together, and what is left without one of their values."""

    part: StatementPart
    statements: _Statements
    without_value: list[tuple[StatementPart, _Statements]]


def replay(recording: Recording) -> Evidence:
    """Return what each part of each policy was needed for."""
    removable = [(policy, list(_removable(policy))) for policy in recording.policies]
    evidence = Evidence()
    for _, found in removable:
        for one in found:
            for part in (one.part, *(part for part, _ in one.without_value)):
                evidence.requests[part] = []
    for request in recording.requests:
        of_principal = [
            one
            for policy, found in removable
            if request.principal in policy.principals
            for one in found
        ]
        # What the policy of the resource allows needs no other.
        if not of_principal or request.allowed_by_resource:
            continue
        if is_allowed(request, _all_statements(of_principal)) != request.allowed:
            evidence.ignored += 1
            continue
        for part in _needed(request, of_principal):
            evidence.requests[part].append(request)
    return evidence


def is_allowed(request: Request, statements: _Statements) -> bool:
    """Return True if statements, as MiniStack parses them, allow a request."""
    return bool(_decision(request, statements) == "Allow")


def _needed(request: Request, of_principal: list[_Removable]) -> Iterator[StatementPart]:
    for one in of_principal:
        if _decision(request, one.statements) == "ImplicitDeny":
            # They say nothing about this request.
            continue
        others = _all_statements([other for other in of_principal if other is not one])
        if is_allowed(request, others) != request.allowed:
            yield one.part
        for part, left in one.without_value:
            if is_allowed(request, [*others, *left]) != request.allowed:
                yield part


def _decision(request: Request, statements: _Statements) -> Any:
    context = iam_evaluator.EvalContext(**request.asked)
    return iam_evaluator.evaluate(context, [statements]).decision


def _all_statements(removable: list[_Removable]) -> _Statements:
    return [statement for one in removable for statement in one.statements]


def _removable(policy: Policy) -> Iterator[_Removable]:
    parse = iam_evaluator.parse_policy_document
    if policy.aws_owned:
        # Only its attachment is ours.
        (label,) = policy.labels
        yield _Removable(StatementPart(policy.holder, label), parse(policy.document), [])
        return
    for label, statement in zip(policy.labels, policy.statements, strict=True):
        without_value = [
            (
                StatementPart(policy.holder, label, place, as_list(statement[place[0]])[place[1]]),
                parse({"Statement": [remove_value(statement, place)]}),
            )
            for place in value_places(statement)
        ]
        parsed = parse({"Statement": [statement]})
        yield _Removable(StatementPart(policy.holder, label), parsed, without_value)


def value_places(statement: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the places of the actions and resources that a statement has several of."""
    lists = {member: as_list(statement.get(member, [])) for member in ("Action", "Resource")}
    return [
        (member, position)
        for member, values in lists.items()
        if len(values) > 1
        for position in range(len(values))
    ]


def remove_value(statement: dict[str, Any], place: tuple[str, int]) -> dict[str, Any]:
    """Return a statement without one of its actions or resources."""
    member, position = place
    values = as_list(statement[member])
    return statement | {member: values[:position] + values[position + 1 :]}
