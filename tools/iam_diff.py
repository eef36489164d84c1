"""Show what a change does to IAM: `python -m tools.iam_diff REVISION`.

The policies of the templates in the working tree are compared with those of a git revision, after
SAM's transform, so that policies which SAM writes are compared too.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tools.policy_table import shorten
from tools.scan_template import ROOT, translate

TEMPLATES = ("template.yaml", "bootstrap/template.yaml")
"""Templates whose policies are compared, by their paths in the repository."""

# Properties that hold a policy document, by type of resource.
_DOCUMENTS = {
    "AWS::IAM::ManagedPolicy": {"PolicyDocument": "policy"},
    "AWS::IAM::Role": {"AssumeRolePolicyDocument": "trust"},
    "AWS::KMS::Key": {"KeyPolicy": "key policy"},
    "AWS::S3::BucketPolicy": {"PolicyDocument": "bucket policy"},
    "AWS::SNS::TopicPolicy": {"PolicyDocument": "topic policy"},
    "AWS::SQS::QueuePolicy": {"PolicyDocument": "queue policy"},
}


class RevisionError(Exception):
    """A git revision does not exist; the message is git's."""


class StatementLocation(NamedTuple):
    """Location of a statement or an attached policy.

    Attributes
    ----------
    holder
        Logical ID of the role, policy or permission.
    policy
        Kind of policy, or the name of a role's own policy.
    label
        Sid or position of the statement, or the name of what is attached.
    """

    holder: str
    policy: str
    label: str


class Changes(NamedTuple):
    """Differences between the policies of two templates.

    Attributes
    ----------
    added, removed
        Statements that only the new or only the old template has.
    changed
        Old and new statement of each place where both have one and these differ.
    """

    added: Mapping[StatementLocation, Any]
    removed: Mapping[StatementLocation, Any]
    changed: Mapping[StatementLocation, tuple[Any, Any]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def list_grants(resources: Mapping[str, Any]) -> dict[StatementLocation, Any]:
    """Return all statements of the policies of a template, and what is attached to its roles.

    Parameters
    ----------
    resources
        The template's resources, as SAM's transform makes them for CloudFormation.
    """
    return dict(_grants(resources))


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    """Return the changes between the resources of two templates."""
    before, after = list_grants(old), list_grants(new)
    return Changes(
        {place: after[place] for place in after if place not in before},
        {place: before[place] for place in before if place not in after},
        {
            place: (before[place], after[place])
            for place in after
            if place in before and before[place] != after[place]
        },
    )


def render(changes: Changes) -> str:
    """Return changes as a Markdown list."""
    if not changes:
        return "No changes.\n"
    lines = [
        f"- added {_name(place)}: {_describe(location)}"
        for place, location in changes.added.items()
    ]
    lines += [
        f"- removed {_name(place)}: {_describe(location)}"
        for place, location in changes.removed.items()
    ]
    lines += [
        f"- changed {_name(place)}: {_describe_change(old, new)}"
        for place, (old, new) in changes.changed.items()
    ]
    return "\n".join(lines) + "\n"


def render_since(revision: str) -> str:
    """Return the changes of all templates since a git revision, as Markdown.

    Raises
    ------
    RevisionError
        If the revision does not exist.
    """
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()
    parts = []
    for name in TEMPLATES:
        changes = compare(_resources_at(commit, name), translate(ROOT / name)["Resources"])
        parts.append(f"IAM in `{name}`:\n\n{render(changes)}")
    return "\n".join(parts)


def _grants(resources: Mapping[str, Any]) -> Iterator[tuple[StatementLocation, Any]]:
    for holder, resource in sorted(resources.items()):
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Permission":
            yield StatementLocation(holder, "permission", "of a function"), properties
        for name, kind in _DOCUMENTS.get(resource["Type"], {}).items():
            yield from _statements(holder, kind, properties[name])
        if resource["Type"] == "AWS::IAM::Role":
            yield from _role_grants(holder, properties)


def _role_grants(
    holder: str, properties: Mapping[str, Any]
) -> Iterator[tuple[StatementLocation, Any]]:
    for condition, policy in _resolve_conditions(properties.get("Policies", [])):
        name = f"{policy['PolicyName']}{condition}"
        yield from _statements(holder, name, policy["PolicyDocument"])
    for condition, arn in _resolve_conditions(properties.get("ManagedPolicyArns", [])):
        yield StatementLocation(holder, "attached policy", f"{_text(arn)}{condition}"), {}
    if boundary := properties.get("PermissionsBoundary"):
        yield StatementLocation(holder, "boundary", _text(boundary)), {}


def _statements(holder: str, policy: str, document: Any) -> Iterator[tuple[StatementLocation, Any]]:
    for number, item in enumerate(_as_list(document["Statement"]), 1):
        for condition, statement in _resolve_conditions([item]):
            label = statement.get("Sid", f"statement {number}")
            yield StatementLocation(holder, policy, f"{label}{condition}"), statement


def _resolve_conditions(items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield items, and those that ``Fn::If`` chooses from, with the condition in brackets."""
    for item in items:
        if not isinstance(item, dict) or "Fn::If" not in item:
            yield "", item
            continue
        condition, selected, otherwise = item["Fn::If"]
        for when, item_selected in (("if", selected), ("unless", otherwise)):
            if item_selected != {"Ref": "AWS::NoValue"}:
                yield f" ({when} {condition})", item_selected


def _describe(statement: Mapping[str, Any]) -> str:
    """Write a statement in one line: its effect, actions, resources and the rest."""
    if not statement:
        return "attached"
    rest = {
        name: value
        for name, value in statement.items()
        if name not in ("Sid", "Effect", "Action", "Resource")
    }
    parts = [f"{statement['Effect']} " if "Effect" in statement else ""]
    parts.append(_codes(_as_list(statement.get("Action", []))))
    if "Resource" in statement:
        parts.append(f" on {_codes(map(shorten, _as_list(statement['Resource'])))}")
    if rest:
        parts.append(f", {_codes([rest])}")
    return "".join(parts)


def _describe_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Write what became different between two statements."""
    parts = []
    for name in sorted({*old, *new}):
        before, after = _texts(name, old), _texts(name, new)
        removed = [one for one in before if one not in after]
        added = [one for one in after if one not in before]
        if removed or added:
            parts.append(
                f"{name}"
                + (f" without {_codes(removed)}" if removed else "")
                + (f" with {_codes(added)}" if added else "")
            )
    return "; ".join(parts) or "order"


def _texts(name: str, statement: Mapping[str, Any]) -> list[str]:
    values = _as_list(statement[name]) if name in statement else []
    return [_text(value) for value in values]


def _name(place: StatementLocation) -> str:
    return f"`{_escape(place.holder)}` {_escape(place.policy)}, `{_escape(place.label)}`"


def _codes(values: Any) -> str:
    return ", ".join(f"`{_escape(_text(value))}`" for value in values)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _escape(text: str) -> str:
    """Return a text that stays inside a code span of Markdown."""
    return " ".join(text.replace("`", "'").split())


def _resources_at(commit: str, name: str) -> Mapping[str, Any]:
    """Return the translated resources of a template in a commit; none if it has no such file."""
    if not _git("ls-tree", "--name-only", commit, "--", name):
        return {}
    with TemporaryDirectory() as folder:
        template = Path(folder) / "template.yaml"
        template.write_text(_git("show", f"{commit}:{name}"), "utf-8")
        resources: Mapping[str, Any] = translate(template)["Resources"]
        return resources


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RevisionError(done.stderr.strip() or f"git {arguments[0]} failed")
    return done.stdout


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the changes and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.iam_diff", description=__doc__)
    parser.add_argument("revision", help="git revision to compare with, such as origin/main")
    options = parser.parse_args(arguments)
    try:
        print(render_since(options.revision), end="")
    except RevisionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
