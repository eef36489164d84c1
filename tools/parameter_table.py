"""Write the tables of the template's parameters in docs/parameters.md.

`make tables` runs it; a test fails if the page and the template differ.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from tools.generated_tables import replace_table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "parameters.md"


def render(template: Mapping[str, Any]) -> str:
    """Return one table per group of parameters as Markdown.

    Parameters
    ----------
    template
        The template, with its interface metadata.
    """
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    sections = [
        "\n".join(_section(group, template["Parameters"])) for group in interface["ParameterGroups"]
    ]
    return "\n\n".join(sections) + "\n"


def write(page: Path = PAGE) -> None:
    """Replace the tables in a page.

    Parameters
    ----------
    page
        Markdown file with the two markers.
    """
    tables = render(yaml_parse((ROOT / "template.yaml").read_text("utf-8")))
    replace_table(page, "tables", tables)


def _section(group: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {group['Label']['default']}"
    yield ""
    yield "| parameter | default | allowed values | what it sets |"
    yield "|---|---|---|---|"
    for name in group["Parameters"]:
        rules = parameters[name]
        default = str(rules["Default"])
        cells = [
            f"`{name}`",
            f"`{default}`" if default else "none",
            allowed_values(rules),
            rules["Description"].rstrip("."),
        ]
        yield f"| {' | '.join(_escape_cell(cell) for cell in cells)} |"


def allowed_values(rules: Mapping[str, Any]) -> str:
    """Return in words what a parameter accepts.

    Parameters
    ----------
    rules
        The parameter as the template declares it.
    """
    if "AllowedValues" in rules:
        return ", ".join(f"`{value}`" for value in rules["AllowedValues"])
    if "ConstraintDescription" in rules:
        words = re.sub(r", or nothing$", ", or none", str(rules["ConstraintDescription"]))
        longest = str(rules.get("MaxLength", ""))
        known = not longest or longest in words
        return words if known else f"{words}; at most {longest} characters"
    low, high = rules.get("MinValue"), rules.get("MaxValue")
    kind = "a number" if not isinstance(rules["Default"], int) or high == 1 else "an integer"
    return f"{kind} from {low} to {high}" if high is not None else f"{kind}, at least {low}"


def _escape_cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write()
