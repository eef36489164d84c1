"""A machine asks a person through SNS, and waits for the answer."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

ASK = "sns:publish.waitForTaskToken"


@pytest.fixture(scope="module")
def topic(app: TinyApp) -> str:
    return str(app.client("sns").create_topic(Name=app.name("topic"))["TopicArn"])


def asking(app: TinyApp, topic: str, *statements: dict[str, Any], **fields: Any) -> str:
    arguments = {
        "TopicArn": topic,
        "Message": "{% 'Answer with ' & $states.context.Task.Token %}",
        "MessageAttributes": {
            "task_token": {
                "DataType": "String",
                "StringValue": "{% $states.context.Task.Token %}",
            }
        },
    }
    catch = [
        {
            "ErrorEquals": ["States.ALL"],
            "Output": {"caught": "{% $states.errorOutput %}"},
            "Next": "End",
        }
    ]
    given = {"TimeoutSeconds": "{% $states.input.patience %}", **fields}
    states = {
        "Ask": app.task(ASK, arguments, Catch=catch, Next="End", **given),
        "End": {"Type": "Succeed"},
    }
    allowed = statements or (allow("sns:Publish", topic),)
    return app.machine(states, *allowed, kind="STANDARD")


def asked(app: TinyApp, execution: str) -> dict[str, Any]:
    """Give the parameters that the history has of the question."""
    (event,) = eventually(
        lambda: app.events(execution, "TaskSubmitted") and app.events(execution, "TaskScheduled")
    )
    details = event["taskScheduledEventDetails"]
    assert details["resourceType"] == "sns"
    assert details["resource"] == "publish.waitForTaskToken"
    assert details["region"] == app.region
    parameters: dict[str, Any] = json.loads(details["parameters"])
    return parameters


def token(app: TinyApp, execution: str) -> str:
    return str(asked(app, execution)["MessageAttributes"]["task_token"]["StringValue"])


def test_an_answer_is_the_tasks_result(app: TinyApp, topic: str) -> None:
    execution = app.start(asking(app, topic), {"patience": 60})
    given = token(app, execution)
    assert given in asked(app, execution)["Message"]
    answer = {"approved": True, "by": "Ada"}
    app.client("stepfunctions").send_task_success(taskToken=given, output=json.dumps(answer))
    assert app.ended(execution)["output"] == answer
    kinds = [event["type"] for event in app.events(execution, "Task")]
    assert kinds == [
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
    ]


def test_a_refusal_is_caught_by_its_name(app: TinyApp, topic: str) -> None:
    execution = app.start(asking(app, topic), {"patience": 60})
    app.client("stepfunctions").send_task_failure(
        taskToken=token(app, execution), error="Refused", cause="too dear"
    )
    assert app.ended(execution)["output"] == {"caught": {"Error": "Refused", "Cause": "too dear"}}


def test_without_an_answer_the_task_times_out(app: TinyApp, topic: str) -> None:
    execution = app.start(asking(app, topic), {"patience": 1})
    given = token(app, execution)
    assert app.ended(execution)["output"] == {"caught": {"Error": "States.Timeout", "Cause": ""}}
    (event,) = app.events(execution, "TaskTimedOut")
    assert event["taskTimedOutEventDetails"]["error"] == "States.Timeout"
    (event,) = app.events(execution, "TaskScheduled")
    assert event["taskScheduledEventDetails"]["timeoutInSeconds"] == 1
    with pytest.raises(ClientError, match="TaskTimedOut"):
        app.client("stepfunctions").send_task_success(taskToken=given, output="{}")


def test_an_answer_counts_once_and_is_json(app: TinyApp, topic: str) -> None:
    client = app.client("stepfunctions")
    execution = app.start(asking(app, topic), {"patience": 60})
    given = token(app, execution)
    with pytest.raises(ClientError, match="InvalidOutput"):
        client.send_task_success(taskToken=given, output="no JSON")
    client.send_task_success(taskToken=given, output="1")
    assert app.ended(execution)["output"] == 1
    with pytest.raises(ClientError, match="TaskTimedOut"):
        client.send_task_failure(taskToken=given)


def test_asking_needs_the_permission_to_publish(app: TinyApp, topic: str) -> None:
    machine = asking(app, topic, allow("sns:Publish", f"{topic}-other"))
    caught = app.ended(app.start(machine, {"patience": 60}))["output"]["caught"]
    assert caught["Error"] == "SNS.AuthorizationErrorException"
    assert f"sns:Publish on resource: {topic}" in caught["Cause"]


def test_a_stopped_execution_waits_no_longer(app: TinyApp, topic: str) -> None:
    client = app.client("stepfunctions")
    execution = app.start(asking(app, topic), {"patience": 60})
    given = token(app, execution)
    client.stop_execution(executionArn=execution, error="Enough", cause="as told")

    def answered_too_late() -> bool:
        try:
            client.send_task_heartbeat(taskToken=given)
        except ClientError as error:
            return error.response["Error"]["Code"] == "TaskTimedOut"
        return False

    assert eventually(answered_too_late)
    assert app.ended(execution)["status"] == "ABORTED"
    assert app.events(execution)[-1]["type"] == "ExecutionAborted"
