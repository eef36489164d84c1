"""What SageMaker and CloudFormation reject while a stack is deleted."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from scones_operator.aws import stack_deletion
from scones_operator.errors import PreconditionError

JOB = "scones-20261128090000-0a1b2c"
# https://github.com/awslabs/benchmark-ai/issues/928 has this message of SageMaker.
ENDED = "The request was rejected because the training job is in status Stopped."


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """A session whose `client` returns the same client of a service each time."""
    session = boto3.Session("AKIAEXAMPLE", "secret", region_name="eu-central-1")
    made: dict[str, Any] = {}
    create = session.client

    def client(service: str) -> Any:
        if service not in made:
            made[service] = create(service)  # type: ignore[call-overload]
        return made[service]

    monkeypatch.setattr(session, "client", client)
    return session


def deployed(session: boto3.Session) -> stack_deletion._Deployed:
    return stack_deletion._Deployed(session, "scones", "scones", {}, {})


def stop_first_job(session: boto3.Session, code: str, message: str) -> None:
    client: Any = session.client("sagemaker")
    summary = {
        "TrainingJobName": JOB,
        "TrainingJobArn": f"arn:aws:sagemaker:eu-central-1:123456789012:training-job/{JOB}",
        "CreationTime": 0,
        "TrainingJobStatus": "InProgress",
    }
    with Stubber(client) as stub:
        stub.add_response("list_training_jobs", {"TrainingJobSummaries": [summary]})
        stub.add_client_error("stop_training_job", code, message)
        next(stack_deletion._jobs(deployed(session))).remove()


def test_a_job_that_ended_with_its_execution_is_no_error(session: boto3.Session) -> None:
    stop_first_job(session, "ValidationException", ENDED)


def test_a_job_that_cannot_be_stopped_is_an_error(session: boto3.Session) -> None:
    with pytest.raises(ClientError, match="not authorized"):
        stop_first_job(session, "AccessDeniedException", "not authorized")


def test_a_protected_stack_is_refused_before_anything_is_deleted(session: boto3.Session) -> None:
    stack = {
        "StackName": "scones",
        "CreationTime": 0,
        "StackStatus": "CREATE_COMPLETE",
        "EnableTerminationProtection": True,
        "Parameters": [
            {"ParameterKey": "EndpointName", "ParameterValue": "scones"},
            {"ParameterKey": "ClassNames", "ParameterValue": "bicycle,motorcycle"},
        ],
    }
    client: Any = session.client("cloudformation")
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", {"Stacks": [stack]})
        stub.add_response("list_stack_resources", {"StackResourceSummaries": []})
        with pytest.raises(PreconditionError, match="termination protection: nothing was deleted"):
            stack_deletion.plan_deletion(session, "scones")
