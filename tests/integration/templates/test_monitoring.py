"""Alarms and dashboard look at what is really measured, and ring when they should."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from scones.event_metrics import NAMESPACE, BusEvent, metrics_for_event
from scones.settings import CheckDriftSettings
from tests.unit.results_table import decided

ROOT = Path(__file__).parents[3]
STATUSES = ("classified", "needs_review", "rejected", "failed")

AWS_METRICS = {
    ("AWS/SageMaker", "Invocations"): {"EndpointName", "VariantName"},
    ("AWS/SageMaker", "Invocation4XXErrors"): {"EndpointName", "VariantName"},
    ("AWS/SageMaker", "Invocation5XXErrors"): {"EndpointName", "VariantName"},
    ("AWS/SageMaker", "ModelLatency"): {"EndpointName", "VariantName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/States", "ExecutionsStarted"): {"StateMachineArn"},
    ("AWS/States", "ExecutionsFailed"): {"StateMachineArn"},
    ("AWS/States", "ExecutionsTimedOut"): {"StateMachineArn"},
    ("AWS/States", "ExecutionsAborted"): {"StateMachineArn"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
}
"""Dimensions of the metrics that AWS publishes, by its services' documentation."""

STATISTIC = re.compile(r"SampleCount|Average|Sum|Minimum|Maximum|p(\d{1,2}(\.\d+)?|100)")
SEARCH = re.compile(
    r"SEARCH\('\{([\w/,]+)\} MetricName=\"(\w+)\" Stack=\"scones\"', '(\w+)', (\d+)\)"
)


@pytest.fixture(scope="module")
def template() -> Any:
    return yaml_parse((ROOT / "template.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def resources(template: Any) -> Any:
    return template["Resources"]


@pytest.fixture(scope="module")
def alarms(resources: Any) -> dict[str, Any]:
    kind = "AWS::CloudWatch::Alarm"
    return {name: item["Properties"] for name, item in resources.items() if item["Type"] == kind}


@pytest.fixture(scope="module")
def dashboard(template: Any) -> Any:
    """The dashboard's body, with the parameters' defaults and names of resources put in."""
    known = {name: item.get("Default") for name, item in template["Parameters"].items()}
    known |= {"AWS::StackName": "scones", "AWS::Region": "us-east-1"}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name in known:
            return str(known[name])
        resource, _, attribute = name.partition(".")
        assert resource in template["Resources"], name
        return f"arn:{resource}" if attribute == "Arn" else resource

    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return json.loads(re.sub(r"\$\{([^}]+)\}", value, body))


@pytest.fixture(scope="module")
def emitted() -> set[tuple[str, frozenset[str]]]:
    """Names and dimensions of all that is measured of events of each kind and outcome."""
    return {
        (name, frozenset({"Stack", *group.dimensions}))
        for event in published()
        for group in metrics_for_event(event)
        for name in group.values
    }


def published() -> Iterator[BusEvent]:
    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    examples = {
        kind: json.loads(text.split(f"<!-- {name} -->\n```json\n", 1)[1].split("```", 1)[0])
        for kind, name in (
            ("Photo Reviewed", "photo-reviewed.v1"),
            ("Retraining Ended", "retraining-ended.v1"),
            ("Promotion Ended", "promotion-ended.v1"),
            ("Drift Checked", "drift-checked.v1"),
        )
    }
    withdrawn = examples["Photo Reviewed"] | {"outcome": "withdrawn", "label": None}
    familiar = {"familiarity": 0.41, "familiarity_limit": 0.05}
    photos = [decided(status=status).model_dump(mode="json") for status in STATUSES]
    photos.append(photos[0] | familiar)
    for kind, detail in (
        *examples.items(),
        ("Photo Reviewed", withdrawn),
        *(("Photo Decided", photo) for photo in photos),
    ):
        yield BusEvent.model_validate(
            {"detail-type": kind, "time": "2026-11-22T05:00:00Z", "detail": detail}
        )


def metrics(dashboard: Any) -> Iterator[tuple[list[Any], dict[str, Any], dict[str, Any]]]:
    """All metrics of the dashboard: names and dimensions, options, and their widget."""
    for widget in dashboard["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            named = [part for part in metric if isinstance(part, str)]
            options = metric[-1] if isinstance(metric[-1], dict) else {}
            yield named, options, widget["properties"]


def is_measured(
    emitted: set[tuple[str, frozenset[str]]], namespace: str, name: str, dimensions: set[str]
) -> bool:
    if namespace == NAMESPACE:
        return (name, frozenset(dimensions)) in emitted
    return AWS_METRICS.get((namespace, name)) == dimensions


def test_the_rule_measures_every_kind_of_event(resources: Any) -> None:
    pattern = resources["EmitMetricsFunction"]["Properties"]["Events"]["Published"]["Properties"]

    assert set(pattern["Pattern"]["detail-type"]) == {event.detail_type for event in published()}
    assert pattern["Pattern"]["source"] == ["scones"]
    assert pattern["Pattern"]["detail"] == {"version": ["1"]}


def test_alarms_look_at_what_is_measured(
    alarms: dict[str, Any], emitted: set[tuple[str, frozenset[str]]]
) -> None:
    for name, alarm in alarms.items():
        dimensions = {dimension["Name"] for dimension in alarm["Dimensions"]}
        assert is_measured(emitted, alarm["Namespace"], alarm["MetricName"], dimensions), name


def test_alarms_tell_operators_and_say_what_missing_data_means(alarms: dict[str, Any]) -> None:
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == [{"Ref": "OperatorsTopic"}], name
        missing = "ignore" if name == "DriftAlarm" else "notBreaching"
        assert alarm["TreatMissingData"] == missing, name


def test_alarms_keep_cloudwatchs_limits(alarms: dict[str, Any]) -> None:
    """Of PutMetricAlarm: a day in all for periods below an hour, a week for others."""
    for name, alarm in alarms.items():
        longest = 604_800 if alarm["Period"] >= 3600 else 86_400
        assert alarm["Period"] % 60 == 0, name
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= longest, name
        assert alarm.get("DatapointsToAlarm", 1) <= alarm["EvaluationPeriods"], name


def rings(alarm: Any, limit: float, rates: list[float | None]) -> bool:
    """Tell whether so many periods in a row, None without photos, are an alarm at some time."""
    periods = alarm["EvaluationPeriods"]
    padded = [None] * periods + rates + [None] * periods
    windows = [padded[start : start + periods] for start in range(len(padded) - periods + 1)]
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert alarm["TreatMissingData"] == "notBreaching"
    return any(
        sum(rate is not None and rate > limit for rate in window) >= alarm["DatapointsToAlarm"]
        for window in windows
    )


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([1.0], False),  # one photo, and it failed
        ([1.0, 1.0], False),
        ([1.0, None, 1.0, None, None, 1.0], True),  # each of few photos failed: an outage
        ([1.0, None, None, None, 1.0, None, None, None, 1.0], False),
        ([0.2] * 3, True),
        ([0.05] * 20, False),
        ([1.0, 0.0, 0.1, 0.0, 0.1, 1.0], False),
    ],
)
def test_failures_ring_when_they_go_on_and_not_for_one_photo(
    alarms: dict[str, Any], rates: list[float | None], expected: bool
) -> None:
    assert rings(alarms["FailureRateAlarm"], 0.1, rates) is expected


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([1.0] * 5, False),
        ([1.0, None] * 10, False),
        ([0.6] * 6, True),
        ([0.6, 0.7, 0.4, 0.9, 0.8, 0.6, 0.6, 0.6], False),
        ([0.5] * 24, False),
    ],
)
def test_unsure_photos_ring_after_six_hours_in_a_row(
    alarms: dict[str, Any], rates: list[float | None], expected: bool
) -> None:
    assert rings(alarms["BelowThresholdAlarm"], 0.5, rates) is expected


def test_every_end_of_a_retraining_but_a_good_one_rings(alarms: dict[str, Any]) -> None:
    watched = {
        alarm["MetricName"]
        for alarm in alarms.values()
        if alarm["Dimensions"]
        == [{"Name": "StateMachineArn", "Value": {"Ref": "RetrainStateMachine"}}]
    }

    assert watched == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}


def test_faults_of_what_watches_ring(resources: Any, alarms: dict[str, Any]) -> None:
    def watches(metric: str, value: Any) -> bool:
        return any(
            alarm["MetricName"] == metric and alarm["Dimensions"][0]["Value"] == value
            for alarm in alarms.values()
        )

    for function in ("EmitMetricsFunction", "CheckDriftFunction"):
        assert watches("Errors", {"Ref": function})
        kept = resources[function]["Properties"]["EventInvokeConfig"]["DestinationConfig"]
        assert kept["OnFailure"]["Destination"] == {"Fn::GetAtt": ["MissedMeasurements", "Arn"]}
    for queue in ("UndeliveredEvents", "MissedMeasurements"):
        name = {"Fn::GetAtt": [queue, "QueueName"]}
        assert watches("ApproximateNumberOfMessagesVisible", name)


def test_what_is_not_measured_waits_apart_from_what_starts_machines(resources: Any) -> None:
    rule = resources["EmitMetricsFunction"]["Properties"]["Events"]["Published"]["Properties"]
    schedule = resources["CheckDriftFunction"]["Properties"]["Events"]["Schedule"]["Properties"]
    policy = resources["MissedMeasurementsPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    for properties in (rule, schedule):
        assert properties["DeadLetterConfig"] == {
            "Arn": {"Fn::GetAtt": ["MissedMeasurements", "Arn"]}
        }
        assert properties["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert [statement["Condition"] for statement in policy] == [
        {
            "ArnEquals": {
                "aws:SourceArn": [
                    {"Fn::GetAtt": ["EmitMetricsFunctionPublished", "Arn"]},
                    {
                        "Fn::If": [
                            "DiscardsOriginals",
                            {"Fn::GetAtt": ["DiscardStateMachineFinished", "Arn"]},
                            {"Ref": "AWS::NoValue"},
                        ]
                    },
                ]
            }
        }
    ]


def test_a_schedule_checks_for_drift(resources: Any) -> None:
    schedule = resources["CheckDriftFunction"]["Properties"]["Events"]["Schedule"]["Properties"]

    assert schedule["ScheduleExpression"] == {"Ref": "DriftSchedule"}
    assert schedule["State"] == {"Ref": "DriftScheduleState"}
    assert json.loads(schedule["Input"]) == {"requested_by": "schedule"}


def test_the_check_gets_the_settings_it_needs(template: Any) -> None:
    function = template["Resources"]["CheckDriftFunction"]["Properties"]
    defaults = {name: item.get("Default") for name, item in template["Parameters"].items()}
    environment = {
        # The bucket is one of the stack, or an existing one.
        name: str(defaults.get(value["Ref"], value["Ref"])) if "Ref" in value else "bucket"
        for name, value in function["Environment"]["Variables"].items()
    }

    settings = CheckDriftSettings.read(environment)

    assert (settings.days, settings.minimum_photos) == (7, 100)
    assert (settings.limit, settings.label_limit) == (0.25, 0.25)
    assert settings.retrain_on_drift is False


def test_the_check_may_only_read_and_tell(resources: Any) -> None:
    (policy,) = resources["CheckDriftFunction"]["Properties"]["Policies"]
    allowed: set[str] = set()
    for statement in policy["Statement"]:
        action = statement["Action"]
        allowed |= {action} if isinstance(action, str) else set(action)

    assert "Policies" not in resources["EmitMetricsFunction"]["Properties"]
    assert allowed == {
        "dynamodb:Query",
        "sagemaker:DescribeEndpoint",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:DescribeModel",
        "sagemaker:DescribeModelPackage",
        "s3:GetObject",
        "s3:ListBucket",
        "events:PutEvents",
    }


def test_widgets_are_as_cloudwatch_documents_them(dashboard: Any) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""
    assert set(dashboard) == {"widgets"}
    assert 1 <= len(dashboard["widgets"]) <= 500
    for widget in dashboard["widgets"]:
        assert set(widget) == {"type", "x", "y", "width", "height", "properties"}
        assert 0 <= widget["x"] <= 23
        assert widget["x"] + widget["width"] <= 24
        assert widget["y"] >= 0
        assert 1 <= widget["height"] <= 1000
        if widget["type"] == "alarm":
            assert set(widget["properties"]) == {"title", "alarms"}
        else:
            check_metric_widget(widget)


def check_metric_widget(widget: Any) -> None:
    assert widget["type"] == "metric"
    properties = widget["properties"]
    assert set(properties) <= {
        *("title", "region", "view", "stat", "period", "stacked", "yAxis"),
        *("annotations", "metrics"),
    }
    assert {"title", "region", "metrics"} <= set(properties)
    assert properties["region"] == "us-east-1"
    assert properties["view"] in ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
    assert 1 <= len(properties["metrics"]) <= 500
    for side, axis in properties["yAxis"].items():
        assert side in ("left", "right")
        assert set(axis) <= {"min", "max", "label", "showUnits"}
    for line in properties.get("annotations", {"horizontal": []})["horizontal"]:
        assert isinstance(line["value"], int | float)
        assert set(line) <= {"value", "label", "color", "fill", "visible", "yAxis"}


def test_widgets_do_not_lie_on_each_other(dashboard: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in dashboard["widgets"]:
        columns = range(widget["x"], widget["x"] + widget["width"])
        rows = range(widget["y"], widget["y"] + widget["height"])
        cells = {(column, row) for column in columns for row in rows}
        assert not taken & cells, widget["properties"]["title"]
        taken |= cells


def test_the_dashboard_shows_only_what_is_measured(
    dashboard: Any, emitted: set[tuple[str, frozenset[str]]]
) -> None:
    shown = 0
    for named, options, widget in metrics(dashboard):
        assert set(options) <= {
            *("label", "color", "stat", "period", "yAxis", "id", "expression", "visible"),
        }
        if "expression" in options:
            continue
        namespace, name, *dimensions = named
        assert is_measured(emitted, namespace, name, set(dimensions[::2])), named
        assert STATISTIC.fullmatch(options.get("stat") or widget["stat"]), named
        assert (options.get("period") or widget["period"]) % 60 == 0
        if "Status" in dimensions:
            assert dimensions[-1] in STATUSES
        shown += 1
    assert shown > 20


def test_searches_find_what_is_measured(
    dashboard: Any, emitted: set[tuple[str, frozenset[str]]]
) -> None:
    found = [options for _, options, _ in metrics(dashboard) if "expression" in options]
    assert len({options["id"] for options in found}) == len(found) == 4
    for options in found:
        matched = SEARCH.fullmatch(options["expression"])
        assert matched, options["expression"]
        (namespace, *dimensions), name = matched[1].split(","), matched[2]
        assert is_measured(emitted, namespace, name, set(dimensions)), options["expression"]
        assert STATISTIC.fullmatch(matched[3])
        (shown,) = re.findall(r"\$\{PROP\('Dim\.(\w+)'\)\}", options["label"])
        assert shown in dimensions


def test_each_of_our_metrics_is_shown(
    dashboard: Any, emitted: set[tuple[str, frozenset[str]]]
) -> None:
    text = json.dumps(dashboard)
    # The alarm's own, which the alarm shows.
    hidden = {"Shifted"}

    assert {
        name for name, _ in emitted if f'"{name}\\"' not in text and f'"{name}"' not in text
    } == hidden


def test_each_alarm_is_shown(dashboard: Any, alarms: dict[str, Any]) -> None:
    (shown,) = (w["properties"]["alarms"] for w in dashboard["widgets"] if w["type"] == "alarm")

    assert len(shown) <= 100
    assert set(shown) == {f"arn:{name}" for name in alarms}


def test_stacks_of_one_name_in_two_regions_have_a_dashboard_each(resources: Any) -> None:
    name = resources["Dashboard"]["Properties"]["DashboardName"]

    assert name == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}
