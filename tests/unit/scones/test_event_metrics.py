"""What is measured of each event, and how it is written to the log."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones import embedded_metrics
from scones.event_metrics import (
    MAX_VALUE_LENGTH,
    METRIC_UNITS,
    BusEvent,
    MetricSet,
    UnknownEventError,
    dimension_value,
    metrics_for_event,
)
from tests.unit.results_table import SURE, UNSURE, decided

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC).replace(microsecond=0)


def event(kind: str, detail: Any) -> BusEvent:
    return BusEvent.model_validate({"detail-type": kind, "time": NOW, "detail": detail})


def documented(name: str) -> Any:
    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    return json.loads(text.split(f"<!-- {name} -->\n```json\n", 1)[1].split("```", 1)[0])


def measured(kind: str, detail: Any) -> dict[tuple[tuple[str, str], ...], dict[str, float]]:
    """Values by dimensions."""
    return {
        tuple(sorted(group.dimensions.items())): dict(group.values)
        for group in metrics_for_event(event(kind, detail))
    }


def of_photo(status: str, **changes: Any) -> dict[tuple[tuple[str, str], ...], dict[str, float]]:
    return measured("Photo Decided", decided(status=status, **changes).model_dump(mode="json"))


@pytest.mark.parametrize("status", ["classified", "needs_review", "rejected", "failed"])
def test_simulated_photos_are_measured_apart(status: str) -> None:
    assert of_photo(status, name="simulated/20261121/1.png") == {
        (("Status", status),): {"SimulatedPhotos": 1.0}
    }
    # Uploaders choose keys under incoming/, whose metrics alarms watch.
    chosen = of_photo(status, name="simulated.png")
    assert chosen[()]["Photos"] == 1


def test_a_classified_photo_is_measured_as_a_whole_by_status_and_by_class() -> None:
    assert of_photo("classified") == {
        (): {
            "Photos": 1,
            "Failed": 0,
            "BelowThreshold": 0,
            "Confidence": SURE,
            "Threshold": 0.93,
            "SerializeLatency": 400,
            "ClassifyLatency": 150,
            "ThresholdLatency": 50,
            "TotalLatency": 1000,
            "UploadToDecision": 2000,
        },
        (("Status", "classified"),): {"Photos": 1},
        (("Label", "bicycle"),): {"Photos": 1, "Confidence": SURE, "BelowThreshold": 0},
    }


def test_an_unsure_photo_is_below_the_threshold() -> None:
    found = of_photo("needs_review")

    assert found[()]["BelowThreshold"] == 1
    assert found[()]["Failed"] == 0
    assert found[(("Label", "bicycle"),)]["Confidence"] == UNSURE


@pytest.mark.parametrize(("familiarity", "unfamiliar"), [(0.049999, 1), (0.05, 0), (0.41, 0)])
def test_familiarity_is_measured_and_held_against_its_limit(
    familiarity: float, unfamiliar: float
) -> None:
    found = of_photo("classified", familiarity=familiarity, familiarity_limit=0.05)[()]

    assert (found["Familiarity"], found["Unfamiliar"]) == (familiarity, unfamiliar)


def test_an_unfamiliar_photo_is_not_below_the_threshold_if_the_model_is_sure() -> None:
    found = of_photo("needs_review", confidence=SURE, familiarity=0.01, familiarity_limit=0.05)

    assert found[()]["BelowThreshold"] == 0
    assert found[(("Label", "bicycle"),)]["BelowThreshold"] == 0


@pytest.mark.parametrize(("status", "failed"), [("rejected", 0), ("failed", 1)])
def test_what_has_no_answer_counts_neither_as_sure_nor_as_unsure(status: str, failed: int) -> None:
    found = of_photo(status)

    assert set(found) == {(), (("Status", status),)}
    assert found[()]["Failed"] == failed
    answers = {"Confidence", "BelowThreshold", "Threshold", "Familiarity", "Unfamiliar"}
    assert not {*answers, "ClassifyLatency"} & set(found[()])


def test_a_clock_that_is_late_makes_no_negative_time() -> None:
    timings = decided().timings.model_dump(mode="json")

    found = of_photo("classified", timings=timings | {"uploaded_at": timings["decided_at"]})
    early = of_photo("classified", timings=timings | {"decided_at": "2026-11-20T08:00:00.000Z"})

    assert found[()]["UploadToDecision"] == 0
    assert early[()]["UploadToDecision"] == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"label": "bicycle"}, {"Reviewed": 1, "ModelRight": 1}),
        ({"label": "motorcycle"}, {"Reviewed": 1, "ModelRight": 0}),
        ({"outcome": "not_a_vehicle", "label": None}, {"Reviewed": 1, "ModelRight": 0}),
        ({"outcome": "withdrawn", "label": None}, {"Withdrawn": 1}),
    ],
)
def test_a_review_tells_whether_the_model_was_right(
    changes: dict[str, Any], expected: dict[str, float]
) -> None:
    detail = documented("photo-reviewed.v1") | {"guess": "bicycle"} | changes

    assert measured("Photo Reviewed", detail) == {(): expected}
    # A review is counted once, whatever number of versions it counts for.
    assert measured("Photo Reviewed", detail | {"reviewed_version": "another"}) == {}


@pytest.mark.parametrize(
    ("kind", "name", "metric"),
    [
        ("Retraining Ended", "retraining-ended.v1", "Retrainings"),
        ("Promotion Ended", "promotion-ended.v1", "Promotions"),
    ],
)
def test_runs_are_counted_by_outcome(kind: str, name: str, metric: str) -> None:
    detail = documented(name)

    assert measured(kind, detail) == {(("Outcome", detail["outcome"]),): {metric: 1}}


def test_a_drift_check_has_its_figures() -> None:
    assert measured("Drift Checked", documented("drift-checked.v1")) == {
        (("Outcome", "shifted"),): {"DriftChecks": 1},
        (): {
            "Shifted": 1,
            "ConfidenceDrift": 0.500656,
            "LabelDrift": 0.012048,
            "FamiliarityDrift": 0.013905,
        },
    }


def test_a_drift_check_without_familiarity_has_no_figure_of_it() -> None:
    detail = documented("drift-checked.v1") | {"familiarity": None}

    assert "FamiliarityDrift" not in measured("Drift Checked", detail)[()]


def test_a_steady_check_has_not_shifted() -> None:
    steady = documented("drift-checked.v1") | {"outcome": "steady"}

    assert measured("Drift Checked", steady)[()]["Shifted"] == 0


def test_a_check_that_compared_nothing_is_only_counted() -> None:
    nothing = {"outcome": "too_few", "confidence": None, "labels": None}

    found = measured("Drift Checked", documented("drift-checked.v1") | nothing)

    assert found == {(("Outcome", "too_few"),): {"DriftChecks": 1}}


def test_an_event_of_another_kind_is_named() -> None:
    with pytest.raises(UnknownEventError, match="'Photo Eaten', only of Photo Decided, "):
        metrics_for_event(event("Photo Eaten", {}))


@given(st.text(min_size=1, max_size=2000))
def test_any_name_becomes_a_value_that_cloudwatch_takes(name: str) -> None:
    """By botocore's description of Dimension: printable ASCII, and not only spaces."""
    value = dimension_value(name)

    assert 1 <= len(value) <= MAX_VALUE_LENGTH
    assert all(0x20 <= ord(character) < 0x7F for character in value)
    assert value.strip()


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_that_differ_stay_different(one: str, other: str) -> None:
    assert (dimension_value(one) == dimension_value(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "value"), [("50%", "50%25"), ("V%C3%A9lo", "V%25C3%25A9lo"), ("  ", "%20%20")]
)
def test_what_looks_encoded_or_empty_is_encoded(name: str, value: str) -> None:
    assert dimension_value(name) == value


def test_long_names_with_the_same_beginning_stay_different() -> None:
    assert dimension_value("a" * 1024) == "a" * 1024
    assert dimension_value("a" * 1025) != dimension_value("a" * 1026)


def test_each_group_is_a_line_in_the_embedded_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "scones")
    groups = [
        MetricSet({"Photos": 1, "TotalLatency": 12.5}),
        MetricSet({"Photos": 1}, {"Label": "van"}),
    ]

    embedded_metrics.emit("my stack", groups, NOW)

    whole, by_label = map(json.loads, capsys.readouterr().out.splitlines())
    assert whole["_aws"] == {
        "Timestamp": int(NOW.timestamp() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": "Scones",
                "Dimensions": [["Stack"]],
                "Metrics": [
                    {"Name": "Photos", "Unit": "Count"},
                    {"Name": "TotalLatency", "Unit": "Milliseconds"},
                ],
            }
        ],
    }
    assert (whole["Stack"], whole["Photos"], whole["TotalLatency"]) == ("my stack", [1], [12.5])
    (directive,) = by_label["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Stack", "Label"]]
    assert by_label["Label"] == "van"


def test_every_metric_has_a_unit_that_cloudwatch_knows(capsys: pytest.CaptureFixture[str]) -> None:
    embedded_metrics.emit("stack", [MetricSet(dict.fromkeys(METRIC_UNITS, 1.0))], NOW)

    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == METRIC_UNITS
