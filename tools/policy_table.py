"""Write the table of roles and policies in docs/security.md, made from the template.

`make policies` runs it; a test fails if the table and the template differ.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.generated_tables import replace_table
from tools.scan_template import translate

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"

_VARIABLE = r"\$\{([\w.]+(?:::\w+)?)\}"
_ARN = re.compile(rf"arn:{_VARIABLE}:[a-z0-9-]+:(?:{_VARIABLE})?:(?:{_VARIABLE})?:")


def render(resources: Mapping[str, Any]) -> str:
    """Return the table as Markdown.

    Parameters
    ----------
    resources
        The template's resources, as SAM's transform makes them for CloudFormation.
    """
    lines = ["| role or policy | statement | actions | resources |", "|---|---|---|---|"]
    for name, statement in _statements(resources):
        actions = ", ".join(_as_list(statement["Action"]))
        targets = ", ".join(f"`{shorten(target)}`" for target in _as_list(statement["Resource"]))
        if statement.get("Condition"):
            targets += " ¹"
        lines.append(f"| {name} | {statement.get('Sid', '')} | {actions} | {targets} |")
    return "\n".join(lines) + "\n"


def write(page: Path = PAGE) -> None:
    """Replace the table in a page.

    Parameters
    ----------
    page
        Markdown file with the two markers.
    """
    table = render(translate(ROOT / "template.yaml")["Resources"])
    replace_table(page, "policies", table)


def _statements(resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, resource in sorted(resources.items()):
        match resource["Type"]:
            case "AWS::IAM::Role":
                policies = resource["Properties"].get("Policies", [])
            case "AWS::IAM::ManagedPolicy":
                policies = [resource["Properties"]]
            case _:
                continue
        for policy in policies:
            for item in policy["PolicyDocument"]["Statement"]:
                # A statement that depends on a condition is the second or third of Fn::If.
                for statement in item.get("Fn::If", [item]):
                    if "Action" in statement:
                        yield name, statement


def shorten(resource: Any) -> str:
    """Write a resource as its logical ID, or as the end of its ARN."""
    match resource:
        case {"Ref": str(name)}:
            return name
        case {"Fn::If": [str(_), _, other]}:
            # An existing resource of the account, or one of the stack.
            return shorten(other)
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), *_]}:
            return re.sub(_VARIABLE, r"\1", _ARN.sub("", text)).replace(".Arn", "")
        case _:
            return str(resource)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    write()
