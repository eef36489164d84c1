"""What is measured of a running application, and the check for drift, as the template has them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.models.drift import check_drift
from tests.e2e.harness import Application, Inbox, eventually
from tests.e2e.operations import Operator
from tests.unit.results_table import decided, put_record

pytestmark = pytest.mark.e2e

UNLIKE = 600
"""Photos, far more than the tests before this one let the application decide."""


def total(application: Application, metric: str, **dimensions: str) -> float:
    """Sum up a metric of the last hour."""
    now = datetime.now(UTC)
    all_of_them = {"Stack": DEFAULT_STACK_NAME, **dimensions}
    found = application.client("cloudwatch").get_metric_statistics(
        Namespace="Scones",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in all_of_them.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=2 * 24 * 3600,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def grown(measure: Callable[[], float], before: float) -> float:
    return eventually(lambda: found if (found := measure()) > before else None)


def test_each_decided_photo_is_measured(application: Application, bicycle: bytes) -> None:
    def photos(**dimensions: str) -> float:
        return total(application, "Photos", **dimensions)

    whole, classified, rejected = photos(), photos(Status="classified"), photos(Status="rejected")
    labelled, latency = photos(Label="bicycle"), total(application, "TotalLatency")

    application.decided(application.upload("watched/good.png", bicycle))
    application.decided(application.upload("watched/bad.png", b"no photo"))

    assert grown(lambda: photos(Status="classified"), classified) == classified + 1
    assert grown(lambda: photos(Status="rejected"), rejected) == rejected + 1
    assert grown(lambda: photos(Label="bicycle"), labelled) == labelled + 1
    assert photos() == whole + 2
    assert total(application, "TotalLatency") > latency


@contextmanager
def unlike_the_evaluation(application: Application) -> Iterator[None]:
    """Records of photos that the model is not sure of, all bicycles."""
    client, table = application.client("dynamodb"), application.stack.results_table
    model = {"endpoint": application.stack.endpoint, "variant": "AllTraffic"}
    at = datetime.now(UTC)
    keys = []
    for number in range(UNLIKE):
        event = decided(f"unlike/{number}.png", "needs_review", confidence=0.52, model=model)
        timings = event.timings.model_copy(update={"decided_at": at})
        put_record(client, table, event.model_copy(update={"timings": timings}))
        keys.append((f"s3://photos/incoming/unlike/{number}.png", event.photo.version_id))
    try:
        yield
    finally:
        for photo, version in keys:
            key: Any = {"photo": {"S": photo}, "version": {"S": version}}
            client.delete_item(TableName=table, Key=key)


def alarm(application: Application) -> str:
    (found,) = application.client("cloudwatch").describe_alarms(
        AlarmNames=[application.resource("DriftAlarm")]
    )["MetricAlarms"]
    return str(found["StateValue"])


def test_a_shifted_stream_is_told_and_rings(application: Application, published: Inbox) -> None:
    assert alarm(application) != "ALARM"
    before = total(application, "DriftChecks", Outcome="shifted")
    with unlike_the_evaluation(application):
        checked = check_drift(application.session, application.stack, "tests")

    assert checked.outcome == "shifted", checked.message
    assert checked.confidence is not None
    assert checked.confidence.shifted
    assert not checked.retraining_requested
    assert eventually(lambda: alarm(application) == "ALARM" or None)

    def told() -> Any:
        events = [e["detail"] for e in published.bodies() if e["detail-type"] == "Drift Checked"]
        return events[-1] if events else None

    assert eventually(told) == checked.model_dump(mode="json")
    assert total(application, "DriftChecks", Outcome="shifted") == before + 1


def test_the_schedule_asks_for_a_check(application: Application, published: Inbox) -> None:
    client = application.client("scheduler")
    schedule = client.get_schedule(Name=application.resource("CheckDriftFunctionSchedule"))
    kept = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target", "State")
    before = {name: schedule[name] for name in kept}
    client.update_schedule(**before | {"ScheduleExpression": "rate(1 minute)"})
    try:
        eventually(lambda: any(map(by_schedule, published.bodies())) or None, patience=100)
    finally:
        client.update_schedule(**before)


def by_schedule(event: Any) -> bool:
    return event["detail-type"] == "Drift Checked" and event["detail"]["requested_by"] == "schedule"


def test_a_shift_starts_a_retraining_where_that_is_wanted(application: Application) -> None:
    operator = Operator(application)
    with (
        unlike_the_evaluation(application),
        operator.configured("CheckDriftFunction", RETRAIN_ON_DRIFT="true"),
    ):
        checked = check_drift(application.session, application.stack, "tests")

    assert checked.retraining_requested

    execution = eventually(lambda: started_by_drift(application))
    # What a retraining does is tested elsewhere.
    with suppress(ClientError):
        application.client("stepfunctions").stop_execution(executionArn=execution)


def started_by_drift(application: Application) -> str | None:
    client = application.client("stepfunctions")
    machine = application.stack.retrain_state_machine
    for listed in client.list_executions(stateMachineArn=machine)["executions"]:
        arn = listed["executionArn"]
        request = json.loads(client.describe_execution(executionArn=arn)["input"])
        if request == {"requested_by": "drift", "force": False}:
            return str(arn)
    return None


def test_the_dashboard_is_deployed(application: Application) -> None:
    (found,) = application.client("cloudwatch").list_dashboards()["DashboardEntries"]

    body = application.client("cloudwatch").get_dashboard(DashboardName=found["DashboardName"])

    assert found["DashboardName"] == f"{DEFAULT_STACK_NAME}-us-east-1"
    assert application.resource("DriftAlarm") in body["DashboardBody"]
    assert "${" not in body["DashboardBody"].replace("${PROP(", "")
