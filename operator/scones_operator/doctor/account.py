"""Checks of the account and the region."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from scones.callers import name_from_arn
from scones_operator.aws import template_parameters
from scones_operator.doctor.findings import Finding, ok, problem, unknown, warning
from scones_operator.doctor.subject import Subject
from scones_operator.errors import format_aws_error

if TYPE_CHECKING:
    import boto3

SERVICES = {
    "sagemaker": "SageMaker AI",
    "lambda": "Lambda",
    "stepfunctions": "Step Functions",
    "eventbridge": "EventBridge",
    "scheduler": "EventBridge Scheduler",
    "s3": "S3",
    "dynamodb": "DynamoDB",
    "sns": "SNS",
    "sqs": "SQS",
    "ssm": "Systems Manager",
    "kms": "KMS",
    "cloudwatch": "CloudWatch",
    "logs": "CloudWatch Logs",
}
"""Services that the template uses, by their names in the public parameters.

Source: `aws ssm get-parameters-by-path --path /aws/service/global-infrastructure/services`.
"""

INSTANCE_TYPES = ("TrainingInstanceType", "TransformInstanceType", "HostingInstanceType")

FALLBACK_REGION = "us-east-1"
"""Region whose Parameter Store knows all regions.

Not every region's Parameter Store has the list:
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-global-infrastructure.html
"""

_MAX_NAMES = 10
"""Maximum number of names in a request of GetParameters."""


def check_credentials(session: "boto3.Session") -> Finding:
    """Check that the credentials are accepted, and name the caller, account and region.

    Parameters
    ----------
    session
        Session for the account and region.
    """
    try:
        if session.region_name is None:
            raise NoRegionError
        caller = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        return problem(format_aws_error(error), "nothing else can be checked before that")
    return ok(f"{name_from_arn(caller['Arn'])}, account {caller['Account']}, {session.region_name}")


def check_region(subject: Subject) -> Finding:
    """Check that the template can be deployed to the region."""
    known = template_parameters.regions()
    if subject.region in known:
        return ok(f"the template knows {subject.region}")
    return problem(
        f"the template does not know {subject.region}",
        f"choose a region of its mapping BuiltInAlgorithm: {', '.join(known)}",
    )


def check_services(subject: Subject) -> Finding:
    """Check that the region has all services, by AWS's list of services by region."""
    available = _available(subject, subject.region) or _available(subject, FALLBACK_REGION)
    if not available:
        return unknown(
            f"Parameter Store has no list of the services in {subject.region}",
            "see https://aws.amazon.com/about-aws/global-infrastructure/regional-product-services",
        )
    if missing := [name for service, name in SERVICES.items() if service not in available]:
        return problem(f"{subject.region} has no {', '.join(missing)}", "choose another region")
    return ok(f"{subject.region} has all {len(SERVICES)} services")


def check_instance_types(subject: Subject) -> Finding:
    """Check that EC2 has the instance types in the region, as SageMaker's instances are EC2's."""
    types = sorted({subject.parameters[name].removeprefix("ml.") for name in INSTANCE_TYPES})
    pages = subject.session.client("ec2").get_paginator("describe_instance_type_offerings")
    offerings = pages.paginate(
        LocationType="region", Filters=[{"Name": "instance-type", "Values": types}]
    )
    offered = {item["InstanceType"] for page in offerings for item in page["InstanceTypeOfferings"]}
    if missing := [name for name in types if name not in offered]:
        return warning(
            f"EC2 does not offer {', '.join(missing)} in {subject.region}",
            "SageMaker probably does not offer them either: see "
            "https://aws.amazon.com/sagemaker/ai/pricing, and "
            f"choose another {' or '.join(_parameters_of(subject, missing))}",
        )
    return ok(f"{subject.region} has {', '.join(types)}")


def _parameters_of(subject: Subject, types: list[str]) -> list[str]:
    return [
        name for name in INSTANCE_TYPES if subject.parameters[name].removeprefix("ml.") in types
    ]


def _available(subject: Subject, queried_region: str) -> set[str]:
    """Return the services of the subject's region that the Parameter Store of a region lists."""
    client: Any = subject.session.client("ssm", region_name=queried_region)
    prefix = f"/aws/service/global-infrastructure/regions/{subject.region}/services/"
    names = [f"{prefix}{service}" for service in SERVICES]
    available: set[str] = set()
    for start in range(0, len(names), _MAX_NAMES):
        response = client.get_parameters(Names=names[start : start + _MAX_NAMES])
        available |= {item["Name"].removeprefix(prefix) for item in response["Parameters"]}
    return available
