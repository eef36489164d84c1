"""What people with each of the template's policies can not do, though they try."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones.reviews import Label
from scones_operator.aws.function_urls import UrlClient
from scones_operator.errors import OperationError
from tests.e2e.harness import Application
from tests.e2e.operations import Operator

pytestmark = pytest.mark.e2e

Call = tuple[str, str, dict[str, Any]]
"""A client's service, the method, and its parameters."""

POLICIES = (
    "UploaderPolicy",
    "ReviewerPolicy",
    "OperatorPolicy",
    "DoctorPolicy",
    "ApproverPolicy",
    "PrivacyPolicy",
    "ModelReaderPolicy",
    "ModelCopierPolicy",
)


def denied(application: Application, policy: str, calls: list[Call]) -> list[Call]:
    """Return those of some calls that IAM denies to a user with one policy."""
    session = application.as_user(f"only-{policy}", policy).session()
    refused = []
    for service, method, parameters in calls:
        try:
            getattr(session.client(service), method)(**parameters)
        except ClientError as error:
            if "AccessDenied" in str(error) or "not authorized" in str(error):
                refused.append((service, method, parameters))
    return refused


def put(bucket: str, key: str) -> Call:
    return "s3", "put_object", {"Bucket": bucket, "Key": key, "Body": b"x"}


def remove(bucket: str, key: str) -> Call:
    return "s3", "delete_object", {"Bucket": bucket, "Key": key, "VersionId": "x"}


def start(machine: str, request: dict[str, Any]) -> Call:
    parameters = {"stateMachineArn": machine, "input": json.dumps(request)}
    return "stepfunctions", "start_execution", parameters


def update(application: Application, **change: Any) -> Call:
    """Change a version that does not exist: IAM decides before that is noticed."""
    group = application.stack.model_package_group
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/999"
    return "sagemaker", "update_model_package", {"ModelPackageArn": arn, **change}


def publish(application: Application, source: str, detail_type: str) -> Call:
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": "{}",
        "EventBusName": application.stack.event_bus,
    }
    return "events", "put_events", {"Entries": [entry]}


def set_attributes(application: Application, *names: str) -> Call:
    parameters = {
        "TableName": application.stack.results_table,
        "Key": {"photo": {"S": "s3://photos/incoming/1.png"}, "version": {"S": "1"}},
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :text" for name in names),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
        "ExpressionAttributeValues": {":text": {"S": "{}"}},
        "ConditionExpression": "attribute_exists(photo)",
    }
    return "dynamodb", "update_item", parameters


def invoke(application: Application, function: str) -> Call:
    """Invoke a function with a caller that nobody has verified."""
    event = {
        "requestContext": {"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/anna"}}},
        "body": json.dumps({"action": "finish"}),
    }
    parameters = {
        "FunctionName": application.resource(function),
        "Payload": json.dumps(event).encode(),
    }
    return "lambda", "invoke", parameters


def answer() -> Call:
    return "stepfunctions", "send_task_success", {"taskToken": "x" * 32, "output": "{}"}


def forbidden(application: Application) -> dict[str, list[Call]]:
    """Attacks by who has one policy only."""
    stack = application.stack
    photos, data = stack.photos_bucket, stack.data_bucket
    model = put(data, "models/model.tar.gz")
    validation = put(data, "dataset/validation/bicycle/1.png")
    promote = start(stack.promote_state_machine, {"artifacts": f"s3://{data}/models/model.tar.gz"})
    approve = update(application, ModelApprovalStatus="Approved")
    anybody: list[Call] = [
        model,
        put(data, "retraining/scones-1/model/model.tar.gz"),
        put(data, "retraining/scones-1/evaluation/evaluation.json"),
        ("s3", "delete_object", {"Bucket": photos, "Key": "incoming/1.png"}),
        ("s3", "delete_object", {"Bucket": data, "Key": "dataset/train/bicycle/1.png"}),
        ("dynamodb", "scan", {"TableName": stack.results_table}),
        set_attributes(application, "event"),
        set_attributes(application, "review"),
        set_attributes(application, "review", "announced_at"),
        invoke(application, "ReviewFunction"),
        invoke(application, "AnswerPromotionFunction"),
        publish(application, "scones", "Photo Reviewed"),
        publish(application, "scones", "Photo Decided"),
        publish(application, "aws.s3", "Object Created"),
        update(application, CustomerMetadataProperties={"accuracy": "1.0"}),
        update(
            application,
            ModelApprovalStatus="Approved",
            CustomerMetadataProperties={"accuracy": "1.0"},
        ),
        update(
            application,
            ModelApprovalStatus="Approved",
            CustomerMetadataPropertiesToRemove=["accuracy"],
        ),
        ("sagemaker", "delete_endpoint", {"EndpointName": stack.endpoint}),
        ("iam", "list_users", {}),
    ]
    deciding = [promote, approve, answer()]
    others: list[Call] = [
        validation,
        put(photos, "incoming/x.png"),
        ("s3", "list_objects_v2", {"Bucket": data, "Prefix": "dataset/"}),
        ("s3", "get_object", {"Bucket": data, "Key": "dataset/train/bicycle/1.png"}),
        ("s3", "get_object", {"Bucket": photos, "Key": "incoming/1.png"}),
        start(stack.retrain_state_machine, {}),
    ]
    return {
        "UploaderPolicy": [
            *anybody,
            *deciding,
            validation,
            put(photos, "simulated/x.png"),
            ("s3", "get_object", {"Bucket": photos, "Key": "incoming/1.png"}),
        ],
        "ReviewerPolicy": [
            *anybody,
            *deciding,
            validation,
            put(data, "dataset/bicycle/reviewed/1.png"),
            remove(data, "dataset/bicycle/reviewed/1.png"),
            put(photos, "incoming/x.png"),
            put(photos, "simulated/x.png"),
            start(stack.retrain_state_machine, {}),
        ],
        "OperatorPolicy": [*anybody, *deciding],
        "DoctorPolicy": [
            *anybody,
            *deciding,
            validation,
            put(photos, "incoming/x.png"),
            ("s3", "get_object", {"Bucket": photos, "Key": "incoming/1.png"}),
            ("sqs", "receive_message", {"QueueUrl": stack.dead_letter_queue}),
            ("ssm", "put_parameter", {"Name": stack.threshold_parameter, "Value": "0"}),
            start(stack.retrain_state_machine, {}),
        ],
        "ApproverPolicy": [
            *anybody,
            answer(),
            validation,
            put(photos, "incoming/x.png"),
            start(stack.retrain_state_machine, {}),
        ],
        "ModelReaderPolicy": [*anybody, *deciding, *others],
        "ModelCopierPolicy": [*anybody, *deciding, *others],
        "PrivacyPolicy": [
            *anybody,
            *deciding,
            validation,
            put(photos, "incoming/x.png"),
            ("s3", "get_object", {"Bucket": photos, "Key": "incoming/1.png"}),
            remove(data, "dataset/validation/bicycle/1.png"),
            remove(data, "retraining/scones-1/model/model.tar.gz"),
            remove(data, "retraining/scones-1/evaluation/evaluation.json"),
            start(stack.retrain_state_machine, {}),
        ],
    }


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_allows_nothing_of_others(application: Application, policy: str) -> None:
    attacks = forbidden(application)[policy]

    assert denied(application, policy, attacks) == attacks


def test_a_reviewer_can_not_review_in_somebody_else_s_name(
    application: Application, bicycle: bytes
) -> None:
    with Operator(application).unsure_of_everything():
        photo, version = application.upload("policies/attacked.png", bicycle)
        application.decided((photo, version), status="needs_review")
    mallory = application.as_user("mallory", "ReviewerPolicy").session()
    url = UrlClient(mallory, application.stack.review_url, "scones show PHOTO")
    request = Label(photo=photo, version=version, review="0" * 32, label="bicycle").model_dump()
    anna = {"authorizer": {"iam": {"userArn": "arn:aws:iam::123456789012:user/anna"}}}
    for made_up in ({"by": "anna"}, {"requestContext": anna}):
        with pytest.raises(OperationError, match=r"failed \(400\)"):
            url.call({**request, **made_up})

    answer = url.call(request)

    assert answer["review"]["by"] == "mallory"
    (item,) = application.records_of(photo)
    assert json.loads(item["review"]["S"])["by"] == "mallory"


def test_an_approver_can_not_answer_in_somebody_else_s_name(application: Application) -> None:
    session = application.as_user("approving-mallory", "ApproverPolicy").session()
    url = UrlClient(session, application.stack.answer_url, "scones promote")
    decision = {"token": "x" * 32, "approved": True}

    with pytest.raises(OperationError, match=r"failed \(400\)"):
        url.call({**decision, "by": "anna"})
    # Nothing waits with that token.
    assert url.call(decision) == {"kind": "not_waiting"}


URLS = {"ReviewerPolicy": "review_url", "ApproverPolicy": "answer_url"}


@pytest.mark.parametrize("policy", POLICIES)
def test_only_the_functions_of_a_policy_may_be_called(
    application: Application, policy: str
) -> None:
    session = application.as_user(f"calls-by-{policy}", policy).session()

    for name in set(URLS.values()) - {URLS.get(policy)}:
        with pytest.raises(ClientError, match="Forbidden"):
            UrlClient(session, getattr(application.stack, name), "").call({})


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_fits_where_names_are_longer(application: Application, policy: str) -> None:
    iam, arn = application.client("iam"), application.resource(policy)
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    # IAM takes 6,144 characters of a managed policy, white space not counted.
    assert len(json.dumps(document, separators=(",", ":"))) < 5_000
