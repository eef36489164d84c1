from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scones_operator.doctor import deployment
from scones_operator.doctor.deployment import format_duration
from tests.unit.operator.deployed import STACK
from tests.unit.operator.doctor.stubbed import ANY, NOW, Stubbed, subject

ALARMS = {
    "AWS::CloudWatch::Alarm": {
        "DriftAlarm": "s-Drift-1",
        "EmitMetricsErrorsAlarm": "s-EmitMetrics-2",
    }
}
RULES = {"AWS::Events::Rule": {"Uploaded": "s-Uploaded-1", "Measured": "bus|s-Measured-2"}}
SCHEDULES = {"AWS::Scheduler::Schedule": {"RetrainStateMachineSchedule": "scones-retrain"}}


# ---- the state


@pytest.mark.parametrize(
    ("state", "status", "advice"),
    [
        ("CREATE_COMPLETE", "ok", ""),
        ("UPDATE_COMPLETE", "ok", ""),
        ("UPDATE_IN_PROGRESS", "warning", "wait until it ends"),
        ("REVIEW_IN_PROGRESS", "warning", "wait until it ends"),
        ("UPDATE_ROLLBACK_COMPLETE", "warning", "describe-stack-events --stack-name scones"),
        ("UPDATE_ROLLBACK_FAILED", "problem", "continue-update-rollback --stack-name scones"),
        ("ROLLBACK_COMPLETE", "problem", "delete the stack"),
        ("DELETE_FAILED", "problem", "delete the stack again"),
    ],
)
def test_the_state_of_the_stack(session: Stubbed, state: str, status: str, advice: str) -> None:
    found = deployment.check_state(subject(session, status=state))

    assert (found.status, found.message) == (status, f"scones is {state}")
    assert advice in f"{found.advice}: {found.command}"


def test_a_stack_that_is_not_deployed(session: Stubbed) -> None:
    examined = replace(subject(session), deployment=None, source="samconfig.toml (default)")

    found = deployment.check_state(examined)

    assert found.status == "not_checked"
    assert "checked with samconfig.toml (default)" in found.message


def test_a_stack_without_the_outputs_of_this_version(session: Stubbed) -> None:
    examined = subject(session)
    assert examined.deployment
    examined = replace(examined, deployment=replace(examined.deployment, stack=None))

    assert deployment.check_state(examined).advice == "deploy the current template"


# ---- the limits


def holds(session: Stubbed, name: str, value: str) -> None:
    answer = {"Parameter": {"Name": name, "Type": "String", "Value": value}}
    session.answer("ssm", "get_parameter", answer, {"Name": name})


@pytest.mark.parametrize(
    ("value", "status", "found"),
    [
        ("0.93", "ok", "0.93, as Threshold"),
        ("0.930000", "ok", "0.93, as Threshold"),
        ("0.97", "ok", "0.97, set by an operator; Threshold is 0.93"),
        ("1.5", "problem", "/scones/scones/threshold/0.93 is '1.5', not a number from 0 to 1"),
        ("high", "problem", "/scones/scones/threshold/0.93 is 'high', not a number from 0 to 1"),
        ("nan", "problem", "/scones/scones/threshold/0.93 is 'nan', not a number from 0 to 1"),
    ],
)
def test_the_threshold(session: Stubbed, value: str, status: str, found: str) -> None:
    holds(session, STACK.threshold_parameter, value)

    result = deployment.check_threshold(subject(session), STACK)

    assert (result.status, result.message) == (status, found)
    assert status == "ok" or result.command == "scones threshold 0.93"


def test_a_threshold_of_what_is_not_a_class(session: Stubbed) -> None:
    stack = replace(STACK, parameters={**STACK.parameters, "ThresholdByClass": "bycicle=review"})

    found = deployment.check_threshold(subject(session), stack)

    assert (found.status, found.message) == (
        "problem",
        "thresholds are set for bycicle, not among the classes: bicycle, motorcycle; all photos "
        "fail",
    )


def test_the_familiarity_limit(session: Stubbed) -> None:
    holds(session, STACK.familiarity_limit_parameter, "-1")

    found = deployment.check_familiarity_limit(subject(session), STACK)

    assert found.command == "scones threshold --familiarity-limit 0.05"


def test_a_limit_that_no_operator_has_set(session: Stubbed) -> None:
    session.refuse("ssm", "get_parameter", "ParameterNotFound")

    found = deployment.check_threshold(subject(session, Threshold="0.80"), STACK)

    assert (found.status, found.message) == ("ok", "0.8, as Threshold")


# ---- schedules


def scheduled(session: Stubbed, state: str) -> None:
    answer = {"Name": "scones-retrain", "State": state, "ScheduleExpression": "rate(7 days)"}
    session.answer("scheduler", "get_schedule", answer, {"Name": "scones-retrain"})


@pytest.mark.parametrize(
    ("state", "wanted", "status"),
    [
        ("ENABLED", "ENABLED", "ok"),
        ("DISABLED", "DISABLED", "ok"),
        ("DISABLED", "ENABLED", "problem"),
        ("ENABLED", "DISABLED", "problem"),
    ],
)
def test_a_schedule(session: Stubbed, state: str, wanted: str, status: str) -> None:
    scheduled(session, state)
    examined = subject(session, SCHEDULES, RetrainScheduleState=wanted)

    found = deployment.check_retraining_schedule(examined, STACK)

    assert found.status == status
    assert state.lower() in found.message


def test_a_schedule_that_was_deleted(session: Stubbed) -> None:
    session.refuse("scheduler", "get_schedule", "ResourceNotFoundException")
    schedules = {"AWS::Scheduler::Schedule": {"CheckDriftFunctionSchedule": "scones-check-drift"}}

    found = deployment.check_drift_schedule(subject(session, schedules), STACK)

    assert (found.status, found.message) == ("problem", "scones-check-drift does not exist")


def test_a_stack_of_a_version_without_the_schedule(session: Stubbed) -> None:
    found = deployment.check_drift_schedule(subject(session, SCHEDULES), STACK)

    assert found.message == "the stack has no resource CheckDriftFunctionSchedule"


# ---- rules


def ruled(session: Stubbed, name: str, bus: str, state: str = "ENABLED") -> None:
    answer = {"Name": name, "EventBusName": bus, "State": state}
    session.answer("events", "describe_rule", answer, {"Name": name, "EventBusName": bus})


def not_on_the_stack_s_bus(session: Stubbed) -> None:
    session.refuse("events", "describe_rule", "ResourceNotFoundException")


def test_rules_that_are_enabled(session: Stubbed) -> None:
    not_on_the_stack_s_bus(session)
    ruled(session, "s-Uploaded-1", "default")
    ruled(session, "s-Measured-2", "bus", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")

    found = deployment.check_rules(subject(session, RULES), STACK)

    assert (found.status, found.message) == ("ok", "2 are enabled")


def test_a_rule_that_is_disabled(session: Stubbed) -> None:
    not_on_the_stack_s_bus(session)
    ruled(session, "s-Uploaded-1", "default")
    ruled(session, "s-Measured-2", "bus", "DISABLED")

    found = deployment.check_rules(subject(session, RULES), STACK)

    assert (found.status, found.message) == ("problem", "disabled: s-Measured-2")
    assert found.command == "aws events enable-rule --name s-Measured-2 --event-bus-name bus"


def test_rules_that_were_deleted(session: Stubbed) -> None:
    # A name without a bus may be on the stack's bus or on the default one.
    for _ in range(3):
        session.refuse("events", "describe_rule", "ResourceNotFoundException")

    found = deployment.check_rules(subject(session, RULES), STACK)

    assert (found.status, found.message) == ("problem", "deleted: Uploaded, Measured")


# ---- alarms


def alarm(name: str, state: str = "OK", *, notifies: bool = True) -> dict[str, Any]:
    return {"AlarmName": name, "StateValue": state, "ActionsEnabled": notifies}


def alarmed(session: Stubbed, *alarms: dict[str, Any]) -> None:
    asked = {"AlarmNames": ["s-Drift-1", "s-EmitMetrics-2"], "AlarmTypes": ["MetricAlarm"]}
    session.answer("cloudwatch", "describe_alarms", {"MetricAlarms": list(alarms)}, asked)


@pytest.mark.parametrize(
    ("alarms", "status", "found"),
    [
        (
            [alarm("s-Drift-1"), alarm("s-EmitMetrics-2", "INSUFFICIENT_DATA")],
            "ok",
            "none of 2 is in ALARM",
        ),
        (
            [alarm("s-Drift-1", "ALARM"), alarm("s-EmitMetrics-2")],
            "problem",
            "in ALARM: DriftAlarm",
        ),
        ([alarm("s-Drift-1")], "problem", "deleted: EmitMetricsErrorsAlarm"),
        (
            [alarm("s-Drift-1"), alarm("s-EmitMetrics-2", notifies=False)],
            "warning",
            "notify nobody: EmitMetricsErrorsAlarm",
        ),
    ],
)
def test_alarms(session: Stubbed, alarms: list[Any], status: str, found: str) -> None:
    alarmed(session, *alarms)

    result = deployment.check_alarms(subject(session, ALARMS), STACK)

    assert (result.status, result.message) == (status, found)


# ---- queues


def waiting(session: Stubbed, url: str, count: int, hidden: int = 0) -> None:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = {"Attributes": dict(zip(names, map(str, (count, hidden)), strict=True))}
    asked = {"QueueUrl": url, "AttributeNames": names}
    session.answer("sqs", "get_queue_attributes", answer, asked)


def aged(session: Stubbed, *points: tuple[int, float]) -> None:
    """Answer with the ages in seconds of the oldest message, some minutes ago."""
    answer = {
        "Datapoints": [
            {"Timestamp": NOW - timedelta(minutes=minutes), "Maximum": age}
            for minutes, age in points
        ]
    }
    asked = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": "undelivered"}],
        "StartTime": NOW - timedelta(minutes=15),
        "EndTime": NOW,
        "Period": 60,
        "Statistics": ["Maximum"],
    }
    session.answer("cloudwatch", "get_metric_statistics", answer, asked)


def test_an_empty_queue(session: Stubbed) -> None:
    waiting(session, STACK.missed_metrics_queue, 0)

    assert deployment.check_unmeasured(subject(session), STACK).status == "ok"


def test_messages_that_wait(session: Stubbed) -> None:
    waiting(session, STACK.dead_letter_queue, 1200, hidden=4)
    aged(session, (3, 7200.0), (9, 6840.0))

    found = deployment.check_undelivered(subject(session), STACK)

    assert found.status == "problem"
    assert found.message == "1,204 messages wait, the oldest for 2 hours"
    assert found.command == "scones redrive --dry-run"


def test_a_message_of_unknown_age(session: Stubbed) -> None:
    waiting(session, STACK.dead_letter_queue, 0, hidden=1)
    session.answer("cloudwatch", "get_metric_statistics", {"Datapoints": []}, {
        "Namespace": ANY, "MetricName": ANY, "Dimensions": ANY, "StartTime": ANY,
        "EndTime": ANY, "Period": ANY, "Statistics": ANY,
    })  # fmt: skip

    found = deployment.check_undelivered(subject(session), STACK)

    assert found.message == "1 message waits, for how long is not known yet"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 minutes"), (60, "1 minute"), (7199, "1 hour"), (86399, "23 hours"), (180000, "2 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
