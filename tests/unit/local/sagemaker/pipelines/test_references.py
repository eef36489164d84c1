import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.pipelines.references import (
    Key,
    Reference,
    UnresolvedReferenceError,
    as_text,
    evaluate,
    find_references,
    look_up,
    parse_get,
    parse_path,
)
from scones_local.sagemaker.protocol import ServiceError

OUTPUTS = [
    {"OutputName": "train", "S3Output": {"S3Uri": "s3://b/train"}},
    {"OutputName": "test", "S3Output": {"S3Uri": "s3://b/test"}},
]

REPORT = "s3://b/report"


class Scope:
    """A scope in which the values are fixed."""

    files: Mapping[str, bytes] = {"s3://b/report/r.json": b'{"a": {"b": [{"c.d": 0.5}]}}'}

    def parameter(self, name: str) -> Any:
        return {"Count": 3, "Rate": 0.01, "Spot": True, "Text": "x"}[name]

    def variable(self, name: str) -> Any:
        return f"<{name}>"

    def step(self, name: str) -> Mapping[str, Any]:
        return {"ProcessingOutputConfig": {"Outputs": OUTPUTS}, "Name": name}

    def property_file(self, step: str, name: str) -> str:
        return f"s3://b/{step.lower()}/{name}"

    def read(self, uri: str) -> bytes:
        return self.files.get(uri, b"not JSON")


def got(path: str) -> dict[str, str]:
    return {"Get": path}


def joined(on: str, *values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def from_file(path: str, file: str = "Steps.Report.PropertyFiles.r.json") -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": got(file), "Path": path}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        (None, None),
        (got("Parameters.Count"), 3),
        (got("Execution.PipelineName"), "<PipelineName>"),
        (got("Steps.S.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"), "s3://b/test"),
        (got('Steps.S.ProcessingOutputConfig.Outputs["test"].S3Output.S3Uri'), "s3://b/test"),
        (got("Steps.S.ProcessingOutputConfig.Outputs[0].OutputName"), "train"),
        (joined("/", "s3:/", "b", got("Execution.PipelineArn")), "s3://b/<PipelineArn>"),
        (joined("", got("Parameters.Count")), "3"),
        (joined(" ", got("Parameters.Rate"), got("Parameters.Spot"), False), "0.01 true false"),
        (joined("-", joined("+", 1, 2), "z"), "1+2-z"),
        ({"Std:Join": {"Values": ["a", "b"]}}, "ab"),
        ({"a": [got("Parameters.Text")], "b": {"c": "d"}}, {"a": ["x"], "b": {"c": "d"}}),
        (
            {"Std:JsonGet": {"S3Uri": joined("/", REPORT, "r.json"), "Path": "a.b[0]['c.d']"}},
            0.5,
        ),
    ],
)  # fmt: skip
def test_evaluates(value: Any, expected: Any) -> None:
    list(find_references(value))  # checks the syntax
    assert evaluate(value, Scope()) == expected


def test_reads_a_property_file() -> None:
    value = {
        "Std:JsonGet": {"PropertyFile": got("Steps.Report.PropertyFiles['r.json']"), "Path": "a.b"}
    }
    assert evaluate(value, Scope()) == [{"c.d": 0.5}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (got("Steps.S.ProcessingOutputConfig.Outputs['none'].S3Output"), "Config/Outputs/none"),
        (got("Steps.S.ProcessingOutputConfig.Outputs.test"), "Config/Outputs/test"),
        (got("Steps.S.ProcessingOutputConfig.Outputs[2]"), "The step S has no value at"),
        (joined("", got("Steps.S.ProcessingOutputConfig")), "it is not a single value"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/other", "Path": "a"}}, "s3://b/other is not valid JSON"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/report/r.json", "Path": "a.x"}}, "has no value at a/x"),
    ],
)  # fmt: skip
def test_says_what_has_no_value(value: Any, message: str) -> None:
    with pytest.raises(UnresolvedReferenceError, match=message.replace("[", r"\[")):
        evaluate(value, Scope())


def test_finds_all_references() -> None:
    value = {
        "a": [joined("/", got("Parameters.P"), got("Steps.One.ModelName"))],
        "b": {"Std:JsonGet": {"PropertyFile": got("Steps.Two.PropertyFiles.R"), "Path": "x"}},
        "c": {"Std:JsonGet": {"S3Uri": got("Steps.Three.ModelName"), "Path": "x"}},
    }
    assert list(find_references(value)) == [
        Reference("Parameters", "P"),
        Reference("Steps", "One", ("ModelName",)),
        Reference("Steps", "Two", ("PropertyFiles", "R")),
        Reference("Steps", "Three", ("ModelName",)),
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Std:Split": {}}, "Unknown function 'Std:Split'"),
        ({"Get": "Parameters.P", "More": 1}, "must have no other property"),
        ({"Get": 3}, "The argument of Get must be a string"),
        ({"Get": "Parameters"}, "Invalid reference 'Parameters'"),
        ({"Get": "Steps.S"}, "Invalid reference 'Steps.S'"),
        ({"Get": "Globals.S"}, "Invalid reference 'Globals.S'"),
        ({"Get": "Steps.S.A[x]"}, r"Invalid path 'S.A\[x\]' at character 4"),
        ({"Std:Join": {"On": ",", "Values": [], "Sep": ""}}, "unknown property 'Sep' in Std:Join"),
        ({"Std:Join": {"On": 1, "Values": []}}, "'On' of Std:Join must be a string"),
        ({"Std:Join": {"On": ","}}, "'Values' is required in Std:Join"),
        ({"Std:JsonGet": {"Path": "a"}}, "needs either 'PropertyFile' or 'S3Uri'"),
        ({"Std:JsonGet": {"Path": "a", "PropertyFile": "R"}}, "must be a Get of Steps.STEP"),
        ({"Std:JsonGet": {"Path": "", "S3Uri": "s3://b/c"}}, "A path must not be empty"),
    ],
)
def test_refuses_wrong_functions(value: Any, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        list(find_references({"nested": [value]}))


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="'\"[].:G\n"), min_size=1, max_size=8
)


@given(st.lists(st.one_of(NAMES, st.integers(0, 99)), min_size=1, max_size=6))
def test_a_path_is_read_as_it_was_written(parts: list[str | int]) -> None:
    written = "".join(f"[{p}]" if isinstance(p, int) else f"['{p}']" for p in parts)
    assert parse_path(written) == tuple(parts)


@given(st.recursive(NAMES | st.integers(), lambda inner: st.dictionaries(NAMES, inner, max_size=3)))
def test_what_has_no_functions_is_its_own_value(value: Any) -> None:
    assert list(find_references(value)) == []
    assert evaluate(value, Scope()) == value


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans())
def test_a_number_is_written_so_that_it_can_be_read(value: Any) -> None:
    assert json.loads(as_text(value)) == value


def test_the_first_entry_with_the_key_counts() -> None:
    entries = [{"InputName": "a", "n": 1}, {"InputName": "a", "n": 2}, "text"]
    assert look_up(entries, (Key("a"), "n"), "it") == 1


def test_a_reference_names_its_property_file() -> None:
    assert parse_get("Steps.S.PropertyFiles.R").property_file == "R"
    assert parse_get("Steps.S.ModelName").property_file is None
