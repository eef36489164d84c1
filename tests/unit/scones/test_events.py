import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from scones.events import SCHEMAS, PhotoDecided

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "docs" / "photo-decided.v1.schema.json"


@pytest.fixture
def detail() -> Any:
    """The example of docs/events.md."""
    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    example = text.split("```json\n", 1)[1].split("```", 1)[0]
    return json.loads(example)["detail"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_published_schemas_are_those_of_the_models(name: str) -> None:
    """To write them anew: python -m scones.events docs."""
    published = json.loads((ROOT / "docs" / f"{name}.schema.json").read_text("utf-8"))

    assert published == SCHEMAS[name].model_json_schema()


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "photo-decided.v1"])
def test_examples_of_the_other_events_are_valid(name: str) -> None:
    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    example = text.split(f"<!-- {name} -->\n```json\n", 1)[1].split("```", 1)[0]

    detail = json.loads(example)
    assert set(detail) == set(SCHEMAS[name].model_fields)
    SCHEMAS[name].model_validate(detail)


def test_example_of_the_documentation_is_valid(detail: Any) -> None:
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(detail)

    assert PhotoDecided.model_validate(detail).label == "bicycle"


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", "2"), ("status", "maybe"), ("confidence", 1.1), ("photo", None)],
)
def test_other_details_are_no_events(detail: Any, field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        PhotoDecided.model_validate(detail | {field: value})


@pytest.mark.parametrize(
    ("status", "bay"), [("classified", "A"), ("needs_review", None), ("failed", None)]
)
def test_only_a_classified_photo_has_a_bay(detail: Any, status: str, bay: str | None) -> None:
    """Records from before have the bay of the guess."""
    assert PhotoDecided.model_validate(detail | {"status": status}).loading_bay == bay


def test_a_record_from_before_the_sequencer_can_be_read(detail: Any) -> None:
    del detail["photo"]["sequencer"]

    assert PhotoDecided.model_validate(detail).photo.sequencer is None


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("00617F08299329D189", "00617F08299329D18A"),
        ("00617F08299329D18", "00617F08299329D189"),
        ("00617F08299329D189", "00617F082994"),
        ("00617f08299329d189", "00617F08299329D18A"),
    ],
)
def test_the_comparison_of_the_documentation(older: str, newer: str) -> None:
    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    code = dedent(text.split("  ```python\n", 1)[1].split("  ```", 1)[0])
    names: dict[str, Any] = {}
    exec(code, names)

    assert names["is_newer"](newer, older)
    assert not names["is_newer"](older, newer)


def test_a_field_that_a_later_minor_change_adds_is_no_error(detail: Any) -> None:
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(detail | {"extra": 1})

    assert PhotoDecided.model_validate(detail | {"extra": 1}).status == "classified"


ADDED = ("familiarity", "familiarity_limit")


@pytest.mark.parametrize("field", sorted(set(PhotoDecided.model_fields) - set(ADDED)))
def test_every_field_is_always_there(detail: Any, field: str) -> None:
    del detail[field]

    with pytest.raises(ValidationError, match=field):
        PhotoDecided.model_validate(detail)


def test_stored_events_without_the_fields_added_later_are_valid(detail: Any) -> None:
    for field in ADDED:
        del detail[field]

    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(detail)
    assert PhotoDecided.model_validate(detail).familiarity is None


@pytest.mark.parametrize("field", ADDED)
@pytest.mark.parametrize("value", [-0.01, 1.01, "high"])
def test_familiarity_is_a_share(detail: Any, field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        PhotoDecided.model_validate(detail | {field: value})
