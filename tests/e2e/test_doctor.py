"""What `scones doctor` finds of a running stack, as a person with its policy alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.doctor.examination import CHECKS, Examination, applies_locally, examine
from tests.e2e.harness import Application

pytestmark = pytest.mark.e2e


def look(application: Application) -> Examination:
    return examine(application.doctor.session(), DEFAULT_STACK_NAME, applies_locally)


def unwell(application: Application) -> dict[str, str]:
    """What is found by the checks that something must be done for, or that could not be read."""
    found = look(application).findings
    return {
        name: finding.message
        for name, finding in found.items()
        if finding.status in ("problem", "unknown")
    }


def test_a_running_stack_is_well(application: Application) -> None:
    found = look(application).findings

    assert list(found) == ["credentials", "stack", *(check.name for check in CHECKS)]
    # Other tests of the same application have let alarms fire.
    assert unwell(application).keys() <= {"alarms"}
    elsewhere = {check.name for check in CHECKS if not check.on_local_cloud}
    assert {
        name for name, finding in found.items() if "local cloud" in finding.message
    } == elsewhere
    assert found["credentials"].message == "doctor, account 123456789012, us-east-1"
    # test_bootstrap deploys the stack again, which may have been before.
    assert found["stack"].message in {"scones is CREATE_COMPLETE", "scones is UPDATE_COMPLETE"}
    assert found["endpoint"].message == "scones is InService"
    assert found["threshold"].message == "0.6, as Threshold"
    assert found["rules"].message == "5 are enabled"


def test_a_name_that_is_not_deployed(application: Application) -> None:
    session = application.session

    found = examine(session, "elsewhere", applies_locally).findings

    assert found["stack"].message.startswith("elsewhere is not deployed: checked with the defaults")
    # The group and the endpoint are those of the stack that is deployed.
    assert found["model group"].status == found["endpoint"].status == "problem"
    assert found["event bus"].status == found["threshold"].status == "ok"
    assert found["alarms"].message == "after the deployment"


def test_a_message_in_a_dead_letter_queue(application: Application) -> None:
    sqs, queue = application.client("sqs"), application.stack.dead_letter_queue
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    try:
        assert "1 message waits" in unwell(application)["undelivered"]
    finally:
        sqs.purge_queue(QueueUrl=queue)


def test_a_rule_that_is_disabled(application: Application) -> None:
    events = application.client("events")
    for logical in ("ExecutionsCutOff", "EmitMetricsFunctionPublished"):
        bus, _, rule = application.resource(logical).rpartition("|")
        name = {"Name": rule, "EventBusName": bus or "default"}
        if logical == "EmitMetricsFunctionPublished":
            name["EventBusName"] = application.stack.event_bus
        events.disable_rule(**name)
        try:
            assert unwell(application)["rules"] == f"disabled: {rule}"
        finally:
            events.enable_rule(**name)


def test_a_schedule_that_is_disabled(application: Application) -> None:
    schedule = application.resource("RetrainStateMachineSchedule")
    with state_of(application, schedule, "DISABLED"):
        found = unwell(application)["retrain schedule"]

    assert found == f"{schedule} is disabled, though RetrainScheduleState is ENABLED"


@contextmanager
def state_of(application: Application, schedule: str, state: str) -> Iterator[None]:
    scheduler = application.client("scheduler")
    described: dict[str, Any] = scheduler.get_schedule(Name=schedule)
    kept = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    given = {name: described[name] for name in kept}
    scheduler.update_schedule(**given, State=state)
    yield
    scheduler.update_schedule(**given, State=described["State"])


def test_an_alarm_that_fires(application: Application) -> None:
    cloudwatch = application.client("cloudwatch")
    name = application.resource("CheckDriftErrorsAlarm")
    state = {"AlarmName": name, "StateReason": "test"}
    cloudwatch.set_alarm_state(**state, StateValue="ALARM")
    try:
        assert "CheckDriftErrorsAlarm" in unwell(application)["alarms"]
    finally:
        cloudwatch.set_alarm_state(**state, StateValue="OK")


def test_a_missing_permission_is_named_and_the_other_checks_go_on(
    application: Application,
) -> None:
    session = application.as_user("doctor-reviewer", "ReviewerPolicy").session()

    found = examine(session, DEFAULT_STACK_NAME, applies_locally).findings

    assert found["alarms"].message == "not permitted: cloudformation:ListStackResources"
    assert found["alarms"].advice.startswith("get the permission cloudformation:ListStack")
    assert found["undelivered"].message == "not permitted: sqs:GetQueueAttributes"
    assert found["review"].status == "ok"
