"""The template and the state machines pass AWS's own linters, and a broken one does not."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parameters import exceptions as powertools

from scones import decisions, endpoint, serialize
from tools.lint_asl import lint_definition, lint_template

ROOT = Path(__file__).parents[3]
DEFINITION = ROOT / "statemachine" / "classify.asl.json"
SUBSTITUTIONS = {
    "SerializeFunction",
    "ClassifyFunction",
    "ThresholdFunction",
    "ResultsTable",
    "RecordRetentionDays",
    "EventBus",
    "JoinReviewsFunction",
    "ReviewTopic",
    "UndeliveredEvents",
}


@pytest.fixture
def definition() -> Any:
    return json.loads(DEFINITION.read_text(encoding="utf-8"))


def findings(definition: Any) -> str:
    return "\n".join(lint_definition(json.dumps(definition), SUBSTITUTIONS, "EXPRESS"))


def test_state_machines_of_the_template_are_clean() -> None:
    assert lint_template(ROOT / "template.yaml") == []


def test_definition_is_clean(definition: Any) -> None:
    assert findings(definition) == ""


def test_unknown_field_is_caught(definition: Any) -> None:
    definition["States"]["Serialize"]["Resorce"] = definition["States"]["Serialize"].pop("Resource")

    assert "'Resource' is a required property" in findings(definition)


def test_json_path_field_is_caught(definition: Any) -> None:
    definition["States"]["Serialize"]["ResultPath"] = "$.x"

    assert "'ResultPath' was unexpected" in findings(definition)


def test_dangling_transition_is_caught(definition: Any) -> None:
    definition["States"]["Serialize"]["Catch"][0]["Next"] = "Nowhere"

    assert "there is no state 'Nowhere' to go to" in findings(definition)


def test_unreached_state_is_caught(definition: Any) -> None:
    definition["States"]["Lonely"] = {"Type": "Succeed"}

    assert "state 'Lonely' is never reached" in findings(definition)


def test_broken_expression_is_caught(definition: Any) -> None:
    definition["States"]["Serialize"]["Output"] = "{% $states.result. %}"

    assert "$.States.Serialize.Output: not JSONata" in findings(definition)


@pytest.mark.parametrize(
    "text",
    ["prefix {% $states.input %}", " {% $states.input %}", "{% $states.input %} ", "{% $states"],
)
def test_expression_that_is_only_part_of_a_string_is_caught(definition: Any, text: str) -> None:
    definition["States"]["Serialize"]["Output"] = text

    assert "an expression must be the whole string" in findings(definition)


@pytest.mark.parametrize("name", ["foto", "eval"])
def test_unknown_variable_or_function_is_caught(definition: Any, name: str) -> None:
    definition["States"]["Serialize"]["Output"] = f"{{% ${name} %}}"

    assert f"${name} is assigned nowhere" in findings(definition)


def test_states_that_only_lead_to_each_other_are_caught(definition: Any) -> None:
    definition["States"]["A"] = {"Type": "Pass", "Next": "B"}
    definition["States"]["B"] = {"Type": "Pass", "Next": "A"}

    assert "state 'A' is never reached" in findings(definition)


def test_every_error_that_is_named_exists() -> None:
    """A misspelt name in Retry or Catch would catch nothing."""
    definitions = DEFINITION.parent.glob("*.asl.json")
    named = set().union(*(errors_in(json.loads(path.read_text("utf-8"))) for path in definitions))
    modules = (decisions, endpoint, serialize, powertools)
    raised = {
        name
        for module in modules
        for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, Exception)
    }

    assert {error for error in named if "." not in error} <= raised


def errors_in(value: Any) -> set[str]:
    """All error names that a definition's Retry and Catch rules hold."""
    if isinstance(value, list):
        return set().union(*map(errors_in, value))
    if not isinstance(value, dict):
        return set()
    return set(value.get("ErrorEquals", [])).union(*map(errors_in, value.values()))


def test_a_timeout_may_be_an_expression_but_no_other_text(definition: Any) -> None:
    definition["States"]["Serialize"]["TimeoutSeconds"] = "{% 2 * 3 %}"
    assert findings(definition) == ""

    definition["States"]["Serialize"]["TimeoutSeconds"] = "six"
    assert "'six' is not of type 'number'" in findings(definition)


def test_missing_substitution_is_caught(definition: Any) -> None:
    found = lint_definition(json.dumps(definition), SUBSTITUTIONS - {"EventBus"}, "EXPRESS")

    assert "${EventBus} is not substituted" in found


def test_broken_json_is_caught() -> None:
    assert lint_definition("{", SUBSTITUTIONS, "EXPRESS")[0].startswith("not JSON")


def test_broken_definition_of_a_template_is_caught(tmp_path: Path, definition: Any) -> None:
    del definition["StartAt"]
    (tmp_path / "machine.json").write_text(json.dumps(definition))
    (tmp_path / "template.yaml").write_text(
        json.dumps(
            {
                "Resources": {
                    "Machine": {
                        "Type": "AWS::Serverless::StateMachine",
                        "Properties": {
                            "DefinitionUri": "machine.json",
                            "DefinitionSubstitutions": dict.fromkeys(SUBSTITUTIONS, "x"),
                        },
                    }
                }
            }
        )
    )

    found = lint_template(tmp_path / "template.yaml")

    assert any("Machine: E3601 'StartAt' is a required property" in line for line in found)
