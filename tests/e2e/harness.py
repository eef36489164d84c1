"""What end-to-end tests do with a running application."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from scones.events import PhotoDecided
from scones_local.cloud.lifecycle import Cloud
from scones_operator.aws.stack import DEFAULT_STACK_NAME, Stack

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Application:
    """A running application and what tests do with it."""

    cloud: Cloud
    stack: Stack

    @property
    def session(self) -> Any:
        return self.cloud.session()

    # One user with each policy and nothing else, so that what they do proves what it needs.
    @cached_property
    def uploader(self) -> Cloud:
        return self.as_user("uploader", "UploaderPolicy")

    @cached_property
    def reviewer(self) -> Cloud:
        return self.as_user("reviewer", "ReviewerPolicy")

    @cached_property
    def operator(self) -> Cloud:
        return self.as_user("operator", "OperatorPolicy")

    @cached_property
    def doctor(self) -> Cloud:
        return self.as_user("doctor", "DoctorPolicy")

    @cached_property
    def approver(self) -> Cloud:
        return self.as_user("approver", "ApproverPolicy")

    def as_user(self, name: str, policy: str) -> Cloud:
        """The same cloud for a new user with one of the template's policies."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.attach_user_policy(UserName=name, PolicyArn=self.resource(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return replace(self.cloud, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])

    @cached_property
    def privacy_officer(self) -> Cloud:
        """The same cloud for a person who may do what PrivacyPolicy allows, and nothing else."""
        return self.as_user("privacy-officer", "PrivacyPolicy")

    def client(self, service: str) -> Any:
        return self.session.client(service)

    def upload(self, key: str, body: bytes) -> tuple[str, str]:
        """Upload a photo; returns its record's key."""
        key, s3 = f"incoming/{key}", self.uploader.session().client("s3")
        answer = s3.put_object(Bucket=self.stack.photos_bucket, Key=key, Body=body)
        return f"s3://{self.stack.photos_bucket}/{key}", answer["VersionId"]

    def record(self, photo: tuple[str, str]) -> Any:
        answer = self.client("dynamodb").get_item(
            TableName=self.stack.results_table,
            Key={"photo": {"S": photo[0]}, "version": {"S": photo[1]}},
            ConsistentRead=True,
        )
        return answer.get("Item")

    def records(self, key: str) -> list[Any]:
        """All versions' records of a key."""
        return self.records_of(f"s3://{self.stack.photos_bucket}/incoming/{key}")

    def records_of(self, uri: str) -> list[Any]:
        """All versions' records of a photo."""
        answer = self.client("dynamodb").query(
            TableName=self.stack.results_table,
            KeyConditionExpression="photo = :photo",
            ExpressionAttributeValues={":photo": {"S": uri}},
        )
        return answer["Items"]

    def decided(self, photo: tuple[str, str], *, status: str | None = None) -> PhotoDecided:
        """Wait for a photo's record, and if wanted for its status, and for its publication."""

        def look() -> PhotoDecided | None:
            record = self.record(photo)
            if not record or "announced_at" not in record:
                return None
            decided = PhotoDecided.model_validate_json(record["event"]["S"])
            return decided if status in (None, decided.status) else None

        return eventually(look)

    def machine(self) -> str:
        machines = self.client("stepfunctions").list_state_machines()["stateMachines"]
        (arn,) = (m["stateMachineArn"] for m in machines if "ClassifyStateMachine" in m["name"])
        return arn

    def resource(self, logical_id: str) -> str:
        answer = self.client("cloudformation").describe_stack_resource(
            StackName=DEFAULT_STACK_NAME, LogicalResourceId=logical_id
        )
        return answer["StackResourceDetail"]["PhysicalResourceId"]

    def restart(self, logical_id: str) -> None:
        """Give a function fresh processes, so that nothing it has cached is left."""
        client, name = self.client("lambda"), self.resource(logical_id)
        environment = client.get_function_configuration(FunctionName=name)["Environment"]
        variables = environment["Variables"] | {"RESTARTED": str(time.time())}
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )


def eventually(look: Callable[[], Any], patience: float = TIMEOUT_SECONDS) -> Any:
    """Look again until there is something to see."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {patience} s")


class Inbox:
    """A queue that keeps what was sent to it."""

    def __init__(self, application: Application, name: str) -> None:
        self._sqs = application.client("sqs")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]
        self._bodies: list[str] = []

    def allow(self, service: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def bodies(self) -> list[Any]:
        """Everything received so far."""
        while messages := self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                self._bodies.append(message["Body"])
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(body) for body in self._bodies]
