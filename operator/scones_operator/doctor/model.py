"""Checks of the model: training image, model package group, endpoint, promotion and review."""

import re
from datetime import timedelta
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from scones.endpoint_state import describe_or_none
from scones.records import Skipped
from scones_operator.aws.stack import Stack
from scones_operator.doctor.deployment import format_duration
from scones_operator.doctor.findings import Finding, not_checked, ok, problem, warning
from scones_operator.doctor.subject import Subject
from scones_operator.models.promotion import list_running_promotions
from scones_operator.review.queue import list_pending

LONG_APPROVAL = timedelta(hours=24)
"""Age of an approval request above which the check warns; its staging endpoint costs money."""

LONG_REVIEW = timedelta(days=3)
"""Age of a photo in the review queue above which the check warns."""

IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?(@(?P<digest>.+))?"
)

_BROKEN = {"Failed", "OutOfService", "UpdateRollbackFailed"}


def check_image(subject: Subject) -> Finding:
    """Check that the image of our own algorithm is in ECR and that SageMaker can run it.

    It must be in the region of the endpoint:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html
    """
    if subject.parameters["Algorithm"] != "own":
        return not_checked("Algorithm is builtin: the image is SageMaker's own")
    uri = subject.parameters["TrainingImage"]
    parts = IMAGE.fullmatch(uri)
    if parts is None:
        return problem(f"TrainingImage is {uri!r}, not an image in ECR", "training/README.md")
    if parts["region"] != subject.region:
        return problem(
            f"{uri} is in {parts['region']}", f"push it to {subject.region}: training/README.md"
        )
    image = _describe_image(subject, parts)
    if image is None:
        return problem(f"{uri} does not exist", "build and push it: training/README.md")
    manifest = image.get("imageManifestMediaType", "")
    if "oci" in manifest:
        return problem(
            f"{uri} is an OCI image ({manifest}), which SageMaker does not accept",
            "build it with --provenance=false --output type=docker: training/README.md",
        )
    return ok(f"{uri} was pushed on {image['imagePushedAt']:%Y-%m-%d}")


def check_group(subject: Subject, stack: Stack) -> Finding:
    """Check that the model package group is the stack's own."""
    groups = subject.deployed.resources_of("AWS::SageMaker::ModelPackageGroup").values()
    name = stack.model_package_group
    # The physical ID is the ARN, by the template reference of CloudFormation.
    if name in {group.rpartition("/")[2] for group in groups}:
        return ok(f"{name} belongs to the stack")
    return problem(f"{name} does not belong to the stack", "deploy with another EndpointName")


def check_endpoint(subject: Subject, stack: Stack) -> Finding:
    """Check that the production endpoint works, and that the stack made its model."""
    client = subject.session.client("sagemaker")
    name = stack.endpoint
    endpoint = describe_or_none(client.describe_endpoint, EndpointName=name)
    if endpoint is None:
        return warning(
            f"there is no endpoint {name}: photos end as failed (EndpointMissing)",
            "roll back to an approved version; if there is none, train and approve one",
            "scones models",
        )
    status = endpoint["EndpointStatus"]
    if status in _BROKEN:
        reason = endpoint.get("FailureReason", "no reason given")
        return problem(
            f"{name} is {status}: {reason}",
            "promote a version or roll back to one",
            "scones models",
        )
    model = _model(client, endpoint)
    if model is None:
        return warning(
            f"{name} is {status}; which model it runs is unknown, as its configuration was deleted",
            "promote a version or roll back to one",
            "scones models",
        )
    if model.get("ExecutionRoleArn") != subject.deployed.output("HostingRole"):
        return warning(
            f"{name} runs the model {model['ModelName']}, which this stack did not create",
            "the next promotion replaces it: if it belongs to another application, deploy with "
            "another EndpointName",
        )
    return ok(f"{name} is {status}")


def check_promotion(subject: Subject, stack: Stack) -> Finding:
    """Check that no promotion has waited long for approval."""
    running = list_running_promotions(subject.session, stack)
    asked = [promotion.approval_request for promotion in running if promotion.approval_request]
    if not asked:
        return ok(f"{running[0].title} is running" if running else "none is running")
    oldest = min(asked, key=lambda question: question.requested_at)
    age = subject.now - oldest.requested_at
    found = f"version {oldest.version} has waited for approval for {format_duration(age)}"
    if age < LONG_APPROVAL:
        return ok(found)
    limit = subject.parameters["ApprovalHours"]
    return warning(
        f"{found}; the promotion ends after {limit} hours",
        "approve or reject it",
        f"scones promote --approve {oldest.version}",
    )


def check_review(subject: Subject, stack: Stack) -> Finding:
    """Check that no photo has waited long for review."""
    skipped = Skipped()
    first = list(islice(list_pending(subject.session, stack, skipped), 1))
    if skipped.message:
        return warning(skipped.message, "give the record its earlier content, or delete it")
    if not first:
        return ok("no photo waits")
    age = subject.now - first[0].decision.timings.decided_at
    found = f"the oldest photo has waited for {format_duration(age)}"
    if age < LONG_REVIEW:
        return ok(found)
    return warning(found, "review it, here or on the page of `scones console`", "scones review")


def _describe_image(subject: Subject, parts: re.Match[str]) -> Any:
    """Return the description of an image, or None if it does not exist."""
    # SageMaker pulls from the registry of the image, which may be another account's.
    client: Any = subject.session.client("ecr")
    digest, tag = parts["digest"], parts["tag"] or "latest"
    image_id = {"imageDigest": digest} if digest else {"imageTag": tag}
    try:
        images = client.describe_images(
            registryId=parts["account"], repositoryName=parts["repository"], imageIds=[image_id]
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in {"ImageNotFoundException", "RepositoryNotFoundException"}:
            raise
        return None
    return images["imageDetails"][0]


def _model(client: Any, endpoint: Any) -> Any:
    """Return the description of the model of an endpoint, or None if it is unknown."""
    config = endpoint.get("EndpointConfigName")
    found = config and describe_or_none(client.describe_endpoint_config, EndpointConfigName=config)
    return found and describe_or_none(
        client.describe_model, ModelName=found["ProductionVariants"][0]["ModelName"]
    )
