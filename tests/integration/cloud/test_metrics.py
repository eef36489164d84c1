"""What CloudWatch counts by itself on AWS: metrics in logs, invocations, executions."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

LOGS_METRICS = """
import json, time

def handler(event, context):
    age = event.get("age_seconds", 0)
    print(json.dumps({
        "_aws": {
            "Timestamp": int((time.time() - age) * 1000),
            "CloudWatchMetrics": [{
                "Namespace": event["namespace"],
                "Dimensions": [["Stack"], ["Stack", "Label"]],
                "Metrics": [{"Name": "Photos", "Unit": "Count"},
                            {"Name": "Latency", "Unit": "Milliseconds"}],
            }],
        },
        "Stack": "s", "Label": event["label"], "Photos": 1, "Latency": [10, 20, 60],
    }))
"""

FAILS = """
def handler(event, context):
    raise ValueError(event["detail"]["why"])
"""


def statistics(
    app: TinyApp, namespace: str, metric: str, *percentiles: str, **dimensions: str
) -> dict[str, Any]:
    """Give all statistics of a metric in one point; nothing where it has no data."""
    now = datetime.now(UTC)
    wanted: dict[str, Any] = (
        {"ExtendedStatistics": list(percentiles)}
        if percentiles
        else {"Statistics": ["SampleCount", "Sum", "Minimum", "Maximum"]}
    )
    found = app.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(days=30),
        EndTime=now + timedelta(days=30),
        Period=60 * 24 * 3600,
        **wanted,
    )
    return next(iter(found["Datapoints"]), {})


def test_metrics_in_a_functions_log_are_cloudwatchs(app: TinyApp) -> None:
    function, namespace = app.function(LOGS_METRICS), app.name("namespace")
    for label in ("van", "van", "bicycle"):
        assert not app.invoke(function, {"namespace": namespace, "label": label}).failed

    photos = statistics(app, namespace, "Photos", Stack="s")
    assert (photos["Sum"], photos["SampleCount"], photos["Unit"]) == (3, 3, "Count")
    vans = statistics(app, namespace, "Photos", Stack="s", Label="van")
    assert vans["Sum"] == 2
    latency = statistics(app, namespace, "Latency", Stack="s", Label="bicycle")
    assert (latency["SampleCount"], latency["Sum"]) == (3, 90)
    assert (latency["Minimum"], latency["Maximum"]) == (10, 60)
    assert latency["Unit"] == "Milliseconds"
    middle = statistics(app, namespace, "Latency", "p50", Stack="s")
    assert middle["ExtendedStatistics"] == {"p50": 20}


@pytest.mark.parametrize("age_seconds", [15 * 24 * 3600, -3 * 3600])
def test_metrics_of_long_ago_and_of_the_future_are_not_taken(
    app: TinyApp, age_seconds: int
) -> None:
    function, namespace = app.function(LOGS_METRICS), app.name("namespace")
    told = {"namespace": namespace, "label": "van", "age_seconds": age_seconds}
    assert not app.invoke(function, told).failed

    assert statistics(app, namespace, "Photos", Stack="s") == {}


def test_a_line_that_breaks_the_format_is_kept_in_the_log_and_not_measured(app: TinyApp) -> None:
    function, namespace = app.function(LOGS_METRICS), app.name("namespace")
    assert not app.invoke(function, {"namespace": namespace, "label": "Vélo"}).failed

    name = function.rsplit(":", 1)[-1]
    lines = app.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert [line for line in lines if namespace in line["message"]]
    assert statistics(app, namespace, "Photos", Stack="s") == {}


def rule_of(app: TinyApp, function: str, kind: str) -> tuple[str, str]:
    """Let events of one kind invoke a function; gives the rule and its dead-letter queue."""
    rule, dead, events = app.name("rule"), app.queue(), app.client("events")
    pattern = json.dumps({"source": ["tests"], "detail-type": [kind]})
    arn = events.put_rule(Name=rule, EventPattern=pattern)["RuleArn"]
    target = {"Id": "t", "Arn": function, "DeadLetterConfig": {"Arn": app.queue_arn(dead)}}
    events.put_targets(Rule=rule, Targets=[target])
    return arn, dead


def put(app: TinyApp, kind: str, **detail: str) -> None:
    entry = {"Source": "tests", "DetailType": kind, "Detail": json.dumps(detail)}
    app.client("events").put_events(Entries=[entry])


def permit(app: TinyApp, function: str, rule: str) -> None:
    app.client("lambda").add_permission(
        FunctionName=function,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )


def test_an_event_that_a_function_fails_on_is_tried_again_counted_and_kept(app: TinyApp) -> None:
    lost, kind = app.queue(), app.name("kind")
    function = app.function(FAILS, [allow("sqs:SendMessage", app.queue_arn(lost))])
    name = function.rsplit(":", 1)[-1]
    app.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": app.queue_arn(lost)}},
    )
    rule, dead = rule_of(app, function, kind)
    permit(app, function, rule)

    put(app, kind, why="broken")

    (message,) = app.messages(lost, 20)
    kept = json.loads(message["Body"])
    assert kept["requestPayload"]["detail"] == {"why": "broken"}
    assert statistics(app, "AWS/Lambda", "Errors", FunctionName=name)["Sum"] == 2
    assert statistics(app, "AWS/Lambda", "Invocations", FunctionName=name)["Sum"] == 2
    assert app.messages(dead, 0) == []


def test_an_event_waits_until_there_is_room_for_its_function(app: TinyApp) -> None:
    kind = app.name("kind")
    function = app.function("import time\ndef handler(event, context): time.sleep(2)")
    rule, _ = rule_of(app, function, kind)
    permit(app, function, rule)
    app.client("lambda").put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=1
    )
    name = function.rsplit(":", 1)[-1]

    def count(metric: str) -> float:
        found: float = statistics(app, "AWS/Lambda", metric, FunctionName=name).get("Sum", 0)
        return found

    put(app, kind)
    put(app, kind)

    # MiniStack counts what it throttles among the invocations too.
    assert eventually(lambda: count("Invocations") - count("Throttles") == 2)
    assert count("Throttles") > 0
    assert count("Errors") == 0


def test_a_rule_needs_the_functions_permission(app: TinyApp) -> None:
    kind = app.name("kind")
    function = app.function(FAILS)
    _, dead = rule_of(app, function, kind)
    permit(app, function, "arn:aws:events:us-east-1:000000000000:rule/other")

    put(app, kind, why="denied")

    (message,) = app.messages(dead)
    attributes = message["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert "lambda:InvokeFunction" in attributes["ERROR_MESSAGE"]["StringValue"]
    assert json.loads(message["Body"])["detail"] == {"why": "denied"}


def test_invocations_that_somebody_waits_for_are_counted_once(app: TinyApp) -> None:
    function = app.function("def handler(event, context): return 1")
    for _ in range(2):
        app.invoke(function)

    name = function.rsplit(":", 1)[-1]
    assert statistics(app, "AWS/Lambda", "Invocations", FunctionName=name)["Sum"] == 2
    assert statistics(app, "AWS/Lambda", "Errors", FunctionName=name)["Sum"] == 0


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_executions_are_counted_by_their_end(app: TinyApp, kind: str) -> None:
    states = {
        "Fine?": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.fine %}", "Next": "Good"}],
            "Default": "Bad",
        },
        "Good": {"Type": "Succeed"},
        "Bad": {"Type": "Fail", "Error": "Bad", "Cause": "not fine"},
    }
    machine = app.machine(states, kind=kind)
    for fine in (True, True, False):
        app.start(machine, {"fine": fine})

    def counted() -> tuple[float, ...]:
        names = ("Started", "Succeeded", "Failed", "Aborted")
        found = [
            statistics(app, "AWS/States", f"Executions{name}", StateMachineArn=machine)
            for name in names
        ]
        return tuple(point.get("Sum", 0) for point in found)

    assert eventually(lambda: counted() == (3, 2, 1, 0)), counted()


def test_an_execution_that_was_stopped_rings_an_alarm(app: TinyApp) -> None:
    wait = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
    machine, name = app.machine(wait, kind="STANDARD"), app.name("alarm")
    topic = app.client("sns").create_topic(Name=app.name("topic"))["TopicArn"]
    told = app.queue()
    app.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=app.queue_arn(told))
    allowed = allow("sqs:SendMessage", app.queue_arn(told))
    policy = {"Statement": [{**allowed, "Principal": {"Service": "sns.amazonaws.com"}}]}
    app.client("sqs").set_queue_attributes(
        QueueUrl=told, Attributes={"Policy": json.dumps({"Version": "2012-10-17", **policy})}
    )
    app.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/States",
        MetricName="ExecutionsAborted",
        Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
    )
    execution = app.start(machine)

    app.client("stepfunctions").stop_execution(executionArn=execution)

    (message,) = app.messages(told)
    alarm = json.loads(json.loads(message["Body"])["Message"])
    assert (alarm["AlarmName"], alarm["NewStateValue"]) == (name, "ALARM")
