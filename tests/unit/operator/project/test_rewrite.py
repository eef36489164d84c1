"""The files of the application that name its project, rewritten for another one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse

from scones_operator.application import CHECKOUT
from scones_operator.errors import OperationError
from scones_operator.project import rewrite
from scones_operator.project.choices import Choices, make_preset
from scones_operator.project.files import defaults

VALUES = defaults(make_preset(Choices("test-project"), ("cargo bike", "été", "yes: no # x")))


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_only_the_defaults_of_the_template_change() -> None:
    before = (CHECKOUT / "template.yaml").read_text("utf-8")
    after = rewrite.rewrite_template(before, VALUES)

    old, new = yaml_parse(before), yaml_parse(after)
    assert {name: str(new["Parameters"][name]["Default"]) for name in VALUES} == VALUES
    for name in VALUES:
        old["Parameters"][name]["Default"] = new["Parameters"][name]["Default"]
    assert new == old
    differ = [new for old, new in zip(lines(before), lines(after), strict=True) if new != old]
    assert all(line.startswith("    Default: ") for line in differ)


def test_a_template_without_the_parameter_or_its_default() -> None:
    template = "Parameters:\n  A:\n    Type: String\n  B:\n    Type: String\n    Default: b\n"
    assert 'Default: "c"' in rewrite.rewrite_template(template, {"B": "c"})
    for name in ("A", "C"):
        with pytest.raises(OperationError, match=f"no parameter {name} with a default"):
            rewrite.rewrite_template(template, {name: "x"})


CONFIG = """version = 0.1

[default.global.parameters]
stack_name = "scones"
# Why it is so.
parameter_overrides = ["MinimumAccuracy=0.85"]

[staging.deploy.parameters]
stack_name = "scones-staging"
# Staging is smaller.
parameter_overrides = [
  "EndpointName=scones-staging",
  "ClassNames=bicycle,motorcycle",
  "HostingInstanceCount=1",
]

[other.deploy.parameters]
stack_name = "somebody-elses"
# Kept.
parameter_overrides = ["LogLevel=DEBUG"]
"""


def test_samconfig_gets_the_name_and_leaves_the_classes_to_the_template() -> None:
    after = rewrite.rewrite_samconfig(CONFIG, "scones", "test-project", VALUES)

    assert (
        after
        == """version = 0.1

[default.global.parameters]
stack_name = "test-project"

[staging.deploy.parameters]
stack_name = "test-project-staging"
# Staging is smaller.
parameter_overrides = ["EndpointName=test-project-staging", "HostingInstanceCount=1"]

[other.deploy.parameters]
stack_name = "somebody-elses"
# Kept.
parameter_overrides = ["LogLevel=DEBUG"]
"""
    )


@pytest.mark.parametrize(
    "form", ['"ClassNames=a,b LogLevel=DEBUG"', '["ParameterKey=ClassNames,ParameterValue=a"]']
)
def test_samconfig_that_overrides_the_classes_in_another_form(form: str) -> None:
    config = f"[default.deploy.parameters]\nparameter_overrides = {form}\n"
    with pytest.raises(OperationError, match=r"samconfig\.toml overrides ClassNames: write"):
        rewrite.rewrite_samconfig(config, "scones", "test-project", VALUES)


def test_our_samconfig_can_be_rewritten() -> None:
    before = (CHECKOUT / "samconfig.toml").read_text("utf-8")
    stack = (CHECKOUT / "operator" / "scones_operator" / "aws" / "stack.py").read_text("utf-8")
    old = rewrite.stack_name(stack)

    after = rewrite.rewrite_samconfig(before, old, "test-project", VALUES)

    assert 'stack_name = "test-project"' in after
    assert rewrite.stack_name(rewrite.rewrite_stack(stack, "test-project")) == "test-project"
    overridden = re.findall(r"parameter_overrides = (\[[^\]]*\])", after)
    for found in overridden:
        pairs = CfnParameterOverridesType().convert(tuple(json.loads(found)), None, None)
        assert not (pairs.keys() & VALUES.keys()) - {"EndpointName"}


def test_a_stack_module_without_a_name() -> None:
    with pytest.raises(OperationError, match="does not define DEFAULT_STACK_NAME"):
        rewrite.stack_name("DEFAULT_STACK_NAME = name()\n")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"probabilities": [0.9, 0.1]}, {"probabilities": [0.9817, 0.00915, 0.00915]}),
        (
            {"detail": {"label": "x", "probabilities": {"x": 1}, "loading_bay": "Z", "size": 1}},
            {
                "detail": {
                    "label": "a",
                    "probabilities": {"a": 0.9817, "b": 0.00915, "c": 0.00915},
                    "loading_bay": "1",
                    "size": 1,
                }
            },
        ),
    ],
)
def test_examples_are_of_the_classes(event: Any, expected: Any) -> None:
    text = rewrite.rewrite_event(json.dumps(event), "abc", {"a": "1"})
    assert json.loads(text) == expected


def test_other_examples_stay() -> None:
    text = '{"bucket": "x"}'
    assert rewrite.rewrite_event(text, "ab", {}) is text


def test_links_lead_to_the_same_files() -> None:
    text = (CHECKOUT / "README.md").read_text("utf-8")
    moved = rewrite.move_links(text, "docs")

    def targets(text: str, folder: Path) -> list[Path]:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        return [(folder / link).resolve() for link in links]

    assert targets(moved, CHECKOUT / "docs") == targets(text, CHECKOUT)
    assert targets(text, CHECKOUT)
    assert all(path.exists() for path in targets(text, CHECKOUT))
    assert rewrite.move_links("[x](#run-it) [y](mailto:a@b)", "docs") == (
        "[x](#run-it) [y](mailto:a@b)"
    )
