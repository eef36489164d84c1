import json
from typing import Any

import pytest

from scones_local.ministack.embedded_metrics import Datum, parse_line

AT = 1_795_000_000_123


def document(**changes: Any) -> dict[str, Any]:
    directive = {
        "Namespace": "Tests",
        "Dimensions": [["Stack"], ["Stack", "Label"]],
        "Metrics": [{"Name": "Photos", "Unit": "Count"}, {"Name": "Latency"}],
    }
    root = {"Stack": "s", "Label": "van", "Photos": 1, "Latency": [10, 12.5], "more": {"x": 1}}
    metadata = {"Timestamp": AT, "CloudWatchMetrics": [directive | changes.pop("directive", {})]}
    return {"_aws": metadata | changes.pop("metadata", {}), **root, **changes}


def test_each_metric_is_read_with_each_set_of_dimensions() -> None:
    at = AT / 1000
    both = {"Stack": "s", "Label": "van"}

    assert parse_line(json.dumps(document())) == [
        Datum("Tests", "Photos", "Count", {"Stack": "s"}, at, [1]),
        Datum("Tests", "Latency", "None", {"Stack": "s"}, at, [10, 12.5]),
        Datum("Tests", "Photos", "Count", both, at, [1]),
        Datum("Tests", "Latency", "None", both, at, [10, 12.5]),
    ]


def test_a_set_without_dimensions_is_one_too() -> None:
    found = parse_line(json.dumps(document(directive={"Dimensions": [[]]})))

    assert [datum.dimensions for datum in found] == [{}, {}]


def test_several_directives_are_read() -> None:
    twice = document()["_aws"]["CloudWatchMetrics"] * 2

    assert len(parse_line(json.dumps(document(metadata={"CloudWatchMetrics": twice})))) == 8


@pytest.mark.parametrize(
    "line",
    [
        "",
        "plain text",
        '{"level": "INFO"}',
        "talks of CloudWatchMetrics",
        '"CloudWatchMetrics"',
        '{"CloudWatchMetrics": []}',
        '{"_aws": null, "said": "CloudWatchMetrics"}',
        f"prefix {json.dumps(document())}",
    ],
)
def test_other_lines_hold_no_metrics(line: str) -> None:
    assert parse_line(line) == []


@pytest.mark.parametrize(
    "broken",
    [
        document(metadata={"Timestamp": "today"}),
        document(metadata={"CloudWatchMetrics": {}}),
        document(directive={"Namespace": ""}),
        document(directive={"Dimensions": ["Stack"]}),
        document(directive={"Dimensions": [["Missing"]]}),
        document(directive={"Dimensions": [["Stack"] * 31]}),
        document(directive={"Metrics": [{"Name": "Missing"}]}),
        document(directive={"Metrics": [{"Name": "Photos", "StorageResolution": 5}]}),
        document(Photos="1"),
        document(Photos=True),
        document(Photos=[1] * 101),
        document(Stack=1),
        document(Stack="Vélo"),
        document(Stack=" "),
        document(Stack="a\nb"),
        document(Stack="s" * 1025),
    ],
)
def test_a_line_that_breaks_the_format_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        parse_line(json.dumps(broken, ensure_ascii=False))
