"""Checks before the first deployment that the stack's names are free."""

from botocore.exceptions import ClientError

from scones.endpoint_state import describe_or_none
from scones_operator.aws.stack import staging_endpoint_name
from scones_operator.doctor.findings import Finding, ok, problem, warning
from scones_operator.doctor.subject import Subject


def check_new_group(subject: Subject) -> Finding:
    """Check that the name of the model package group is free."""
    name = subject.parameters["EndpointName"]
    client = subject.session.client("sagemaker")
    if describe_or_none(client.describe_model_package_group, ModelPackageGroupName=name) is None:
        return ok(f"{name} is free")
    return problem(
        f"there is a model package group {name} already, so that the deployment fails",
        "deploy with another EndpointName, or delete the group if an earlier stack left it",
    )


def check_new_endpoint(subject: Subject) -> Finding:
    """Check that there is no endpoint of the names of staging and production."""
    name = subject.parameters["EndpointName"]
    client = subject.session.client("sagemaker")
    names = [name, staging_endpoint_name(name)]
    taken = [
        other for other in names if describe_or_none(client.describe_endpoint, EndpointName=other)
    ]
    if not taken:
        return ok(f"{' and '.join(names)} are free")
    return problem(
        f"there is an endpoint {' and '.join(taken)} already, which a promotion would replace",
        "deploy with another EndpointName, or delete the endpoint if it is not needed",
    )


def check_new_bus(subject: Subject) -> Finding:
    """Check that there is no event bus of the stack's name."""
    name = subject.name
    try:
        subject.session.client("events").describe_event_bus(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return ok(f"{name} is free")
    return problem(
        f"there is an event bus {name} already, so that the deployment fails",
        "deploy with another stack name, or delete the bus if it is not needed",
    )


def check_new_limits(subject: Subject) -> Finding:
    """Check that no limits remain that operators of an earlier stack of the name set.

    They are SSM parameters outside the stack, named by the values that they replace.
    """
    limits = {"threshold": "Threshold", "familiarity-limit": "FamiliarityLimit"}
    names = [
        f"/scones/{subject.name}/{limit}/{subject.parameters[parameter]}"
        for limit, parameter in limits.items()
    ]
    answer = subject.session.client("ssm").get_parameters(Names=names)
    left = {item["Name"]: item["Value"] for item in answer["Parameters"]}
    if not left:
        return ok("no operator has set another limit than the template's")
    return warning(
        "of an earlier stack: " + ", ".join(f"{name} is {value}" for name, value in left.items()),
        "keep it, or delete it so that the template's limit applies",
        f"aws ssm delete-parameters --names {' '.join(left)}",
    )
