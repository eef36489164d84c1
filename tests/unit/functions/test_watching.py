"""The functions that watch take the events of events/."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import boto3
import pytest

Load = Callable[..., ModuleType]
Event = Callable[[str], Any]


def test_measure_prints_metrics(
    load: Load, event: Event, context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    function = load("emit_metrics", STACK_NAME="scones", POWERTOOLS_SERVICE_NAME="scones")

    function.handler(event("emit-metrics") | {"time": datetime.now(UTC).isoformat()}, context)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {tuple(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]) for line in lines}
    assert found == {("Stack",), ("Stack", "Status"), ("Stack", "Label")}
    assert all(line["Stack"] == "scones" for line in lines)


def test_measure_refuses_an_event_that_is_none_of_ours(load: Load, context: Any) -> None:
    function = load("emit_metrics", STACK_NAME="scones")
    other = {"detail-type": "Photo Eaten", "time": "2026-11-02T09:14:33Z", "detail": {}}

    with pytest.raises(Exception, match="Photo Eaten"):
        function.handler(other, context)


def test_check_drift_tells_the_bus(load: Load, event: Event, context: Any) -> None:
    events = boto3.client("events")
    events.create_event_bus(Name="scones")
    function = load(
        "check_drift",
        ENDPOINT_NAME="scones",
        DATA_BUCKET="data",
        RESULTS_TABLE="results",
        EVENT_BUS="scones",
        CLASS_NAMES="bicycle,motorcycle",
        DRIFT_DAYS="7",
        DRIFT_MINIMUM_PHOTOS="100",
        DRIFT_LIMIT="0.25",
        LABEL_DRIFT_LIMIT="0.25",
        RETRAIN_ON_DRIFT="true",
    )

    answer = function.handler(event("check-drift"), context)

    assert answer["outcome"] == "no_model"
    assert answer["requested_by"] == "schedule"
    assert function.settings.retrain_on_drift is True
    json.dumps(answer)
