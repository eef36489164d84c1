"""Delete a deployed stack, and what people and state machines created for it outside the stack.

The stack itself goes last: until then it lists what is left, so that another run continues after
an interruption. A second pass removes what was created in the meantime.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError, WaiterError

from scones_operator.aws.stack import staging_endpoint_name
from scones_operator.errors import OperationError, PreconditionError

if TYPE_CHECKING:
    import boto3

Kind = Literal[
    "execution",
    "job",
    "endpoint",
    "endpoint configuration",
    "model",
    "model version",
    "model package group",
    "log group",
    "parameter",
    "attached policy",
    "rule",
    "bucket",
    "table",
    "stack",
]

BATCH_SIZE = 1000
"""Maximum number of versions that S3 deletes per request."""

MAX_ATTEMPTS = 5
"""Attempts to empty a bucket, which running jobs and requests may still write to."""

POLL_SECONDS = 5.0
"""Time between two polls of an endpoint that is being deleted, and between two attempts."""

ENDPOINT_TIMEOUT_SECONDS = 900.0
"""Maximum time to wait for an endpoint to be deleted."""

_GONE = {"NoSuchBucket", "NoSuchEntity", "ResourceNotFound", "ResourceNotFoundException"}
_KEPT = (
    "SageMaker's records of training, transform and processing jobs, and the log groups "
    "/aws/sagemaker/TrainingJobs, TransformJobs and ProcessingJobs, which all stacks share.",
    "Images in ECR, SageMaker pipelines, and the stacks of bootstrap/ and pipelines/.",
    "Packages of deployments, in the bucket of SAM CLI or of bootstrap/template.yaml.",
    "S3 access logs, and buckets, keys and networks that existed before, with what is in them.",
    "CloudWatch's metrics, for 15 months, and the key of the topics, for 30 days.",
    "A system backup of the results table, which DynamoDB keeps for 35 days.",
    "What people downloaded.",
)


@dataclass(frozen=True)
class StackResource:
    """Something that is deleted with the stack.

    Attributes
    ----------
    kind
        Kind of resource.
    name
        Name, URI or ARN of the resource.
    remove
        Removes it. Removing it twice changes nothing.
    """

    kind: Kind
    name: str
    remove: Callable[[], object] = field(repr=False, compare=False)


@dataclass(frozen=True)
class DeletionPlan:
    """A stack, and what is deleted with it.

    Attributes
    ----------
    stack
        Name of the stack.
    items
        What is deleted, in the order of deletion; the stack itself is the last one.
    kept
        What is kept, in words.
    """

    stack: str
    items: Sequence[StackResource]
    kept: Sequence[str]


def plan_deletion(session: "boto3.Session", name: str) -> DeletionPlan:
    """List what is deleted with a stack.

    Parameters
    ----------
    session
        Session for the stack's account and region, of an administrator.
    name
        Name of the stack.

    Raises
    ------
    PreconditionError
        If the stack does not exist, is not one of this application, or has termination protection.
    """
    stack = _Deployed.read(session, name)
    items = [
        *_outside(stack),
        *_inside(stack),
        StackResource("stack", name, partial(_delete_stack, stack)),
    ]
    return DeletionPlan(name, items, _KEPT)


def delete_stack(
    session: "boto3.Session", found: DeletionPlan, on_deleted: Callable[[StackResource], object]
) -> None:
    """Delete a stack and all that was found with it.

    Parameters
    ----------
    session
        Session that `find` was called with.
    found
        The stack.
    on_deleted
        Called with each item after its removal.

    Raises
    ------
    OperationError
        If something can't be deleted now. Another call continues.
    """
    stack = _Deployed.read(session, found.stack)
    for item in found.items:
        item.remove()
        on_deleted(item)
    # State machines may have created more before they were deleted with the stack.
    for item in _outside(stack):
        item.remove()
        on_deleted(item)


@dataclass(frozen=True)
class _Deployed:
    """A stack with its resources that exist: physical ID by logical ID, and by type."""

    session: "boto3.Session"
    name: str
    endpoint: str
    ids: Mapping[str, str]
    types: Mapping[str, str]

    @classmethod
    def read(cls, session: "boto3.Session", name: str) -> "_Deployed":
        client = session.client("cloudformation")
        try:
            stack = client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise PreconditionError(
                f"stack {name} does not exist in {session.region_name}: it was deleted already, or "
                "--stack or --region names another"
            ) from None
        pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
        found = [
            one
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceStatus"] != "DELETE_COMPLETE" and one.get("PhysicalResourceId")
        ]
        given = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}
        if "EndpointName" not in given or "ClassNames" not in given:
            raise PreconditionError(
                f"stack {name} is not one of this application: nothing was deleted"
            )
        # CloudFormation would refuse the stack only at the end, after all its data.
        if stack.get("EnableTerminationProtection"):
            raise PreconditionError(
                f"stack {name} has termination protection: nothing was deleted. Turn it off first: "
                "`aws cloudformation update-termination-protection "
                f"--no-enable-termination-protection --stack-name {name}`"
            )
        ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}
        types = {one["LogicalResourceId"]: one["ResourceType"] for one in found}
        return cls(session, name, given["EndpointName"], ids, types)

    def of_type(self, kind: str) -> list[str]:
        """Return the physical IDs of the resources of a type."""
        return [self.ids[name] for name, type_ in self.types.items() if type_ == kind]

    @property
    def endpoints(self) -> tuple[str, str]:
        """Names of the production endpoint and the staging endpoint."""
        return self.endpoint, staging_endpoint_name(self.endpoint)

    def made(self, name: str) -> bool:
        """Return whether a state machine of this stack names its resources in this way.

        Those of a stack with the endpoint ``x-staging`` begin with ``x-``, too.
        """
        form = rf"{re.escape(self.endpoint)}-((saved|v\d+)-)?\d{{14}}-[0-9a-f]{{6}}(-[a-z]+)?"
        return re.fullmatch(form, name) is not None


def _outside(stack: _Deployed) -> Iterator[StackResource]:
    """Yield what is not in the stack, except running executions that would create more of it."""
    yield from _executions(stack)
    yield from _jobs(stack)
    yield from _hosting(stack)
    yield from _log_groups(stack)
    yield from _parameters(stack)


def _inside(stack: _Deployed) -> Iterator[StackResource]:
    """Yield what keeps the stack from being deleted, and what it would leave."""
    yield from _attachments(stack)
    yield from _rules(stack)
    yield from _versions(stack)
    s3, table = stack.session.client("s3"), stack.session.client("dynamodb")
    existing = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in stack.of_type("AWS::S3::Bucket"):
        if bucket in existing:
            yield StackResource("bucket", bucket, partial(_delete_bucket, s3, bucket))
    for name in stack.of_type("AWS::DynamoDB::Table"):
        if _exists(partial(table.describe_table, TableName=name)):
            yield StackResource(
                "table", name, partial(_ignoring_gone, table.delete_table, TableName=name)
            )


def _executions(stack: _Deployed) -> Iterator[StackResource]:
    client = stack.session.client("stepfunctions")
    for logical in ("RetrainStateMachine", "PromoteStateMachine"):
        if not (machine := stack.ids.get(logical)):
            continue
        try:
            found = client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")
        except client.exceptions.StateMachineDoesNotExist:
            continue
        for one in found["executions"]:
            arn = one["executionArn"]
            yield StackResource("execution", arn, partial(client.stop_execution, executionArn=arn))


def _jobs(stack: _Deployed) -> Iterator[StackResource]:
    client = stack.session.client("sagemaker")
    wanted = {"NameContains": f"{stack.endpoint}-", "StatusEquals": "InProgress"}
    for page in client.get_paginator("list_training_jobs").paginate(**wanted):  # type: ignore[arg-type]
        for training in page["TrainingJobSummaries"]:
            if stack.made(name := training["TrainingJobName"]):
                stop = partial(client.stop_training_job, TrainingJobName=name)
                yield StackResource("job", name, partial(_stop_job, stop))
    for transforms in client.get_paginator("list_transform_jobs").paginate(**wanted):  # type: ignore[arg-type]
        for transform in transforms["TransformJobSummaries"]:
            if stack.made(name := transform["TransformJobName"]):
                stop = partial(client.stop_transform_job, TransformJobName=name)
                yield StackResource("job", name, partial(_stop_job, stop))


def _hosting(stack: _Deployed) -> Iterator[StackResource]:
    client = stack.session.client("sagemaker")
    contains = {"NameContains": stack.endpoint}
    for page in client.get_paginator("list_endpoints").paginate(**contains):  # type: ignore[arg-type]
        for endpoint in page["Endpoints"]:
            if (name := endpoint["EndpointName"]) in stack.endpoints:
                yield StackResource("endpoint", name, partial(_delete_endpoint, client, name))
    for configs in client.get_paginator("list_endpoint_configs").paginate(**contains):  # type: ignore[arg-type]
        for config in configs["EndpointConfigs"]:
            if stack.made(name := config["EndpointConfigName"]):
                call = partial(client.delete_endpoint_config, EndpointConfigName=name)
                yield StackResource("endpoint configuration", name, partial(_ignoring_gone, call))
    for models in client.get_paginator("list_models").paginate(**contains):  # type: ignore[arg-type]
        for model in models["Models"]:
            if stack.made(name := model["ModelName"]):
                call = partial(client.delete_model, ModelName=name)
                yield StackResource("model", name, partial(_ignoring_gone, call))


def _log_groups(stack: _Deployed) -> Iterator[StackResource]:
    client = stack.session.client("logs")
    for endpoint in stack.endpoints:
        name = f"/aws/sagemaker/Endpoints/{endpoint}"
        found = client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if name in [group["logGroupName"] for group in found]:
            call = partial(client.delete_log_group, logGroupName=name)
            yield StackResource("log group", name, partial(_ignoring_gone, call))


def _parameters(stack: _Deployed) -> Iterator[StackResource]:
    client = stack.session.client("ssm")
    pages = client.get_paginator("get_parameters_by_path").paginate(
        Path=f"/scones/{stack.name}/", Recursive=True
    )
    for page in pages:
        for parameter in page["Parameters"]:
            name = parameter["Name"]
            yield StackResource("parameter", name, partial(client.delete_parameters, Names=[name]))


def _attachments(stack: _Deployed) -> Iterator[StackResource]:
    """Yield the users, groups and roles that IAM would not delete an attached policy for."""
    client = stack.session.client("iam")
    for arn in stack.of_type("AWS::IAM::ManagedPolicy"):
        try:
            found = client.list_entities_for_policy(PolicyArn=arn)
        except client.exceptions.NoSuchEntityException:
            continue
        policy = arn.rpartition("/")[2]
        calls: list[tuple[str, Callable[[], object]]] = [
            *(
                (f"user {name}", partial(client.detach_user_policy, UserName=name, PolicyArn=arn))
                for name in (one["UserName"] for one in found["PolicyUsers"])
            ),
            *(
                (
                    f"group {name}",
                    partial(client.detach_group_policy, GroupName=name, PolicyArn=arn),
                )
                for name in (one["GroupName"] for one in found["PolicyGroups"])
            ),
            *(
                (f"role {name}", partial(client.detach_role_policy, RoleName=name, PolicyArn=arn))
                for name in (one["RoleName"] for one in found["PolicyRoles"])
            ),
        ]
        for holder, call in calls:
            yield StackResource(
                "attached policy", f"{policy} of {holder}", partial(_ignoring_gone, call)
            )


def _rules(stack: _Deployed) -> Iterator[StackResource]:
    """Yield the rules of other teams on the event bus, which can't be deleted before them."""
    client = stack.session.client("events")
    ours = {one.rpartition("|")[2] for one in stack.of_type("AWS::Events::Rule")}
    for bus in stack.of_type("AWS::Events::EventBus"):
        try:
            rules = client.get_paginator("list_rules").paginate(EventBusName=bus)
            names = [rule["Name"] for page in rules for rule in page["Rules"]]
        except client.exceptions.ResourceNotFoundException:
            continue
        for name in names:
            if name not in ours:
                yield StackResource(
                    "rule", f"{bus}/{name}", partial(_delete_rule, client, bus, name)
                )


def _versions(stack: _Deployed) -> Iterator[StackResource]:
    client = stack.session.client("sagemaker")
    groups = [arn.rpartition("/")[2] for arn in stack.of_type("AWS::SageMaker::ModelPackageGroup")]
    for group in groups:
        if not _exists(partial(client.describe_model_package_group, ModelPackageGroupName=group)):
            continue
        pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
        for page in pages:
            for version in page["ModelPackageSummaryList"]:
                arn = version["ModelPackageArn"]
                call = partial(client.delete_model_package, ModelPackageName=arn)
                yield StackResource("model version", arn, partial(_ignoring_gone, call))
        call = partial(client.delete_model_package_group, ModelPackageGroupName=group)
        yield StackResource("model package group", group, partial(_ignoring_gone, call))


def _stop_job(stop: Callable[[], object]) -> None:
    """Stop a job, unless it has ended: Step Functions stops the jobs of a stopped execution."""
    try:
        _ignoring_gone(stop)
    except ClientError as error:
        if "job is in status" not in str(error):
            raise


def _delete_endpoint(client: Any, name: str) -> None:
    """Delete an endpoint, and wait until its configuration and model are no longer used."""
    try:
        client.delete_endpoint(EndpointName=name)
    except ClientError as error:
        if _is_gone(error):
            return
        if "in-progress" not in str(error) and "in progress" not in str(error):
            raise
        raise OperationError(
            f"endpoint {name} is being updated and cannot be deleted until that ends: run the "
            "command again in some minutes"
        ) from error
    deadline = time.monotonic() + ENDPOINT_TIMEOUT_SECONDS
    while _exists(partial(client.describe_endpoint, EndpointName=name)):
        if time.monotonic() > deadline:
            raise OperationError(
                f"endpoint {name} is still being deleted: run the command again later"
            )
        time.sleep(POLL_SECONDS)


def _delete_rule(client: Any, bus: str, name: str) -> None:
    pages = client.get_paginator("list_targets_by_rule").paginate(Rule=name, EventBusName=bus)
    targets = [target["Id"] for page in pages for target in page["Targets"]]
    if targets:
        client.remove_targets(Rule=name, EventBusName=bus, Ids=targets)
    client.delete_rule(Name=name, EventBusName=bus)


def _delete_bucket(client: Any, bucket: str) -> None:
    for _ in range(MAX_ATTEMPTS):
        try:
            _empty(client, bucket)
            client.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if _is_gone(error):
                return
            if error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
            time.sleep(POLL_SECONDS)
        else:
            return
    raise OperationError(
        f"bucket {bucket} is not empty after {MAX_ATTEMPTS} attempts: stop what writes to it, and "
        "run the command again"
    )


def _empty(client: Any, bucket: str) -> None:
    """Delete all versions, delete markers and unfinished uploads."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, MaxKeys=BATCH_SIZE)
    for page in pages:
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        if not keys:
            continue
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        for error in answer.get("Errors", []):
            raise OperationError(
                f"s3://{bucket}/{error['Key']} cannot be deleted: {error['Message']}"
            )
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            client.abort_multipart_upload(
                Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )


def _delete_stack(stack: _Deployed) -> None:
    client = stack.session.client("cloudformation")
    client.delete_stack(StackName=stack.name)
    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=stack.name, WaiterConfig={"Delay": 5, "MaxAttempts": 360}
        )
    except WaiterError as error:
        raise OperationError(
            f"CloudFormation did not delete the stack {stack.name} ({error}): "
            f"`aws cloudformation describe-stack-events --stack-name {stack.name}` has the reason. "
            "Run the command again once it is fixed"
        ) from error


def _exists(describe: Callable[[], object]) -> bool:
    try:
        describe()
    except ClientError as error:
        if _is_gone(error):
            return False
        raise
    return True


def _ignoring_gone(call: Callable[..., object], **arguments: Any) -> None:
    try:
        call(**arguments)
    except ClientError as error:
        if not _is_gone(error):
            raise


def _is_gone(error: ClientError) -> bool:
    """Return whether the resource does not exist. SageMaker has no error code for that."""
    found = error.response.get("Error", {})
    message = found.get("Message", "").lower()
    missing = ("could not find", "does not exist", "not found")
    return found.get("Code") in _GONE or (
        found.get("Code") == "ValidationException" and any(text in message for text in missing)
    )
