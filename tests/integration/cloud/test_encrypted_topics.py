"""Who publishes to an encrypted topic must be allowed to use its key."""

import json
from typing import Any

import pytest

from tests.integration.cloud.tiny_app import TinyApp, allow

ENCRYPT = ["kms:Decrypt", "kms:GenerateDataKey"]
ROOT = {"AWS": "arn:aws:iam::123456789012:root"}


def key_policy(**services: list[str]) -> list[dict[str, Any]]:
    """A key's policy that leaves the account to IAM, and lets some services use the key."""
    return [{**allow("kms:*"), "Principal": ROOT}] + [
        {**allow(actions), "Principal": {"Service": f"{name}.amazonaws.com"}}
        for name, actions in services.items()
    ]


def encrypted(app: TinyApp, policy: list[dict[str, Any]]) -> tuple[str, str]:
    """Deploy a topic and its key; gives the topic's ARN and the key's."""
    resources = {
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": policy}},
        },
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": {"Ref": "Key"}}},
    }
    outputs = {
        "Topic": {"Value": {"Ref": "Topic"}},
        "Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}},
    }
    formation, stack = app.client("cloudformation"), app.name("stack")
    body = json.dumps({"Resources": resources, "Outputs": outputs})
    formation.create_stack(StackName=stack, TemplateBody=body)
    formation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    (described,) = formation.describe_stacks(StackName=stack)["Stacks"]
    values = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
    return values["Topic"], values["Key"]


def subscribed(app: TinyApp, topic: str) -> str:
    """Subscribe a new queue to a topic; gives its URL."""
    queue = app.queue()
    app.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=app.queue_arn(queue))
    statement = {
        **allow("sqs:SendMessage", app.queue_arn(queue)),
        "Principal": {"Service": "sns.amazonaws.com"},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    app.client("sqs").set_queue_attributes(
        QueueUrl=queue, Attributes={"Policy": json.dumps(policy)}
    )
    return queue


@pytest.mark.parametrize("lacking", [None, *ENCRYPT])
def test_a_state_machine_needs_the_key(app: TinyApp, lacking: str | None) -> None:
    topic, key = encrypted(app, key_policy())
    task = app.task("sns:publish", {"TopicArn": topic, "Message": "m"})
    held = [action for action in ENCRYPT if action != lacking]
    machine = app.machine({"Tell": task}, allow("sns:Publish", topic), allow(held, key))

    result = app.run(machine)

    if lacking is None:
        assert result["status"] == "SUCCEEDED", result
    else:
        assert result["error"] == "SNS.KMSAccessDeniedException"
        assert f"{lacking} on resource: {key}" in result["cause"]


@pytest.mark.parametrize(
    ("policy", "told"), [(key_policy(), 0), (key_policy(cloudwatch=ENCRYPT), 1)]
)
def test_an_alarm_needs_the_key(app: TinyApp, policy: list[dict[str, Any]], told: int) -> None:
    topic, _ = encrypted(app, policy)
    queue, name = subscribed(app, topic), app.name("alarm")
    cloudwatch = app.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Tests",
        MetricName=name,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[topic],
    )

    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")

    assert len(received(app, queue)) == told


@pytest.mark.parametrize(("policy", "told"), [(key_policy(), 0), (key_policy(events=ENCRYPT), 1)])
def test_a_rule_needs_the_key(app: TinyApp, policy: list[dict[str, Any]], told: int) -> None:
    topic, _ = encrypted(app, policy)
    queue, events, name = subscribed(app, topic), app.client("events"), app.name("rule")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "topic", "Arn": topic}])

    events.put_events(Entries=[{"Source": name, "DetailType": "test", "Detail": "{}"}])

    assert len(received(app, queue)) == told


def received(app: TinyApp, queue: str) -> list[Any]:
    """What is in a queue after a second."""
    found = app.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1)
    return list(found.get("Messages", []))
