"""The tables in docs/parameters.md are what the template has."""

import re

import pytest
from samcli.yamlhelper import yaml_parse

from tools.generated_tables import END, begin_marker
from tools.parameter_table import PAGE, ROOT, allowed_values, render


def test_the_page_has_the_template_s_parameters() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    _, _, rest = PAGE.read_text("utf-8").partition(begin_marker("tables"))
    tables, _, _ = rest.partition(END)

    assert tables.strip() == render(template).strip(), "run `make tables`"
    named = re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE)
    assert sorted(named) == sorted(template["Parameters"])


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"Default": "a", "AllowedValues": ["a", "b"]}, "`a`, `b`"),
        ({"Default": 0.5, "MinValue": 0, "MaxValue": 1}, "a number from 0 to 1"),
        ({"Default": 1, "MinValue": 0, "MaxValue": 1}, "a number from 0 to 1"),
        ({"Default": 30, "MinValue": 5, "MaxValue": 100}, "an integer from 5 to 100"),
        ({"Default": 30, "MinValue": 1}, "an integer, at least 1"),
        ({"Default": "", "ConstraintDescription": "a name, or nothing"}, "a name, or none"),
        (
            {"Default": "", "ConstraintDescription": "a name", "MaxLength": 9},
            "a name; at most 9 characters",
        ),
        (
            {"Default": "", "ConstraintDescription": "up to 9 letters", "MaxLength": 9},
            "up to 9 letters",
        ),
    ],
)
def test_allowed_values_in_words(rules: dict[str, object], words: str) -> None:
    assert allowed_values(rules) == words


def test_each_parameter_has_a_description() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))

    short = [name for name, one in template["Parameters"].items() if len(one["Description"]) < 30]
    assert short == []
