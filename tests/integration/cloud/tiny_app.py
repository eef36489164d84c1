"""Makes roles, functions, machines and rules in the local cloud, each with a name of its own."""

import io
import itertools
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3

from scones_local.lambda_runtime import RUNTIME


def archive(**files: str) -> bytes:
    """Zip files; a name's double underscores stand for slashes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as contents:
        for name, text in files.items():
            contents.writestr(name.replace("__", "/") + ".py", text)
    return packed.getvalue()


def allow(action: str | list[str], resource: str | list[str] = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def eventually(look: Callable[[], Any], seconds: float = 15) -> Any:
    """Return what `look` gives once that is true, or what it gave last."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen


MAY_LOG = allow(["logs:CreateLogStream", "logs:PutLogEvents"])


@dataclass
class Invocation:
    payload: Any
    failed: bool
    status: int


@dataclass
class TinyApp:
    session: boto3.Session
    account: str
    region: str
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def client(self, service: str) -> Any:
        """Return a new client of the application's session, since tests change what it sends."""
        return self.session.client(service)

    def name(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    def role(self, service: str, *statements: dict[str, Any]) -> str:
        name = self.name("role")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        }
        iam = self.client("iam")
        arn = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]["Arn"]
        if statements:
            iam.put_role_policy(
                RoleName=name,
                PolicyName="policy",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
            )
        return str(arn)

    def layer(self, **files: str) -> str:
        published = self.client("lambda").publish_layer_version(
            LayerName=self.name("layer"), Content={"ZipFile": archive(**files)}
        )
        return str(published["LayerVersionArn"])

    def function(
        self,
        code: str,
        statements: Sequence[dict[str, Any]] = (),
        **options: Any,
    ) -> str:
        settings = {"Runtime": RUNTIME, "Handler": "app.handler", "Timeout": 10, **options}
        created = self.client("lambda").create_function(
            FunctionName=self.name("function"),
            Role=self.role("lambda.amazonaws.com", MAY_LOG, *statements),
            Code={"ZipFile": archive(app=code)},
            **settings,
        )
        return str(created["FunctionArn"])

    def invoke(self, function: str, event: Any = None) -> Invocation:
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event or {}).encode()
        )
        payload = json.loads(answer["Payload"].read())
        return Invocation(payload, "FunctionError" in answer, answer["StatusCode"])

    def machine(
        self,
        states: dict[str, Any],
        *statements: dict[str, Any],
        kind: str = "EXPRESS",
        **options: Any,
    ) -> str:
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
        created = self.client("stepfunctions").create_state_machine(
            name=options.pop("name", None) or self.name("machine"),
            definition=json.dumps(definition),
            roleArn=self.role("states.amazonaws.com", *statements),
            type=kind,
            **options,
        )
        return str(created["stateMachineArn"])

    def run(self, machine: str, data: Any = None) -> dict[str, Any]:
        """Run a machine to its end; a result has `output` or `error` and `cause`."""
        result: dict[str, Any] = self.client("stepfunctions").start_sync_execution(
            stateMachineArn=machine, input=json.dumps(data or {})
        )
        if result["status"] == "SUCCEEDED":
            result["output"] = json.loads(result["output"])
        return result

    def start(self, machine: str, data: Any = None, **options: Any) -> str:
        """Start a Standard machine; gives the execution."""
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=machine, input=json.dumps(data or {}), **options
        )
        return str(started["executionArn"])

    def ended(self, execution: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for an execution's end; a result has `output` or `error` and `cause`."""

        def look() -> dict[str, Any] | None:
            described: dict[str, Any] = self.client("stepfunctions").describe_execution(
                executionArn=execution
            )
            return described if described["status"] != "RUNNING" else None

        result: dict[str, Any] = eventually(look, seconds)
        if result["status"] == "SUCCEEDED":
            result["output"] = json.loads(result["output"])
        return result

    def events(self, execution: str, kind: str = "") -> list[dict[str, Any]]:
        """Give an execution's history, or those events whose type contains `kind`."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        found = pages.paginate(executionArn=execution).build_full_result()["events"]
        return [event for event in found if kind in event["type"]]

    def task(self, resource: str, arguments: Any, **fields: Any) -> dict[str, Any]:
        following = {} if "Next" in fields else {"End": True}
        task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments}
        return {**task, **following, **fields}

    def queue(self) -> str:
        return str(self.client("sqs").create_queue(QueueName=self.name("queue"))["QueueUrl"])

    def queue_arn(self, url: str) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account}:{url.rsplit('/', 1)[-1]}"

    def messages(self, url: str, seconds: float = 10) -> list[dict[str, Any]]:
        def receive() -> list[dict[str, Any]]:
            received = self.client("sqs").receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            return list(received.get("Messages", []))

        found: list[dict[str, Any]] = eventually(receive, seconds)
        return found

    def table(self) -> str:
        name = self.name("table")
        self.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        return name

    def bucket(self) -> str:
        """Make a versioned bucket that tells EventBridge of its objects."""
        name = self.name("bucket")
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        return name

    def rule(self, pattern: dict[str, Any], target: dict[str, Any], bus: str = "default") -> None:
        name = self.name("rule")
        events = self.client("events")
        events.put_rule(Name=name, EventPattern=json.dumps(pattern), EventBusName=bus)
        events.put_targets(Rule=name, Targets=[{"Id": "target", **target}], EventBusName=bus)

    def uploads_start(self, bucket: str, machine: str, *statements: dict[str, Any]) -> str:
        """Let a bucket's uploads start a machine; gives the URL of the dead-letter queue."""
        dead = self.queue()
        self.rule(
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket]}},
            },
            {
                "Arn": machine,
                "RoleArn": self.role("events.amazonaws.com", *statements),
                "DeadLetterConfig": {"Arn": self.queue_arn(dead)},
            },
        )
        return dead
