"""Create a deleted stack again from what its deletion kept: buckets, table, model package group.

CloudFormation imports these resources into a new stack of the same name; `sam deploy` then adds
everything else. `make recover-stack` runs it (docs/operations.md).
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from samcli.yamlhelper import yaml_parse

from scones_operator.application import CHECKOUT
from scones_operator.aws.samconfig import find_environment, read_overrides
from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.errors import OperationError, PreconditionError, format_aws_error

if TYPE_CHECKING:
    import boto3

IDENTIFIERS = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupArn",
}
"""Primary identifier of each type, from CloudFormation's resource schemas."""

_FAILED_IMPORT_STATUSES = frozenset(
    {
        *("REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
        *("IMPORT_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_FAILED"),
    }
)
"""States of a stack that was never created completely."""

CHANGE_SET = "recover"
"""Name of the change set that imports the resources."""


@dataclass(frozen=True)
class RetainedResource:
    """A resource that exists outside any stack.

    Attributes
    ----------
    logical
        Logical ID in the template, such as ``ResultsTable``.
    kind
        CloudFormation type.
    physical
        Name of the bucket or table; ARN of the model package group.
    """

    logical: str
    kind: str
    physical: str


@dataclass(frozen=True)
class _Names:
    """Names of the stack and of its endpoint, which begin the names of what it has made."""

    stack: str
    endpoint: str


def read_template() -> dict[str, Any]:
    """Read template.yaml."""
    parsed: dict[str, Any] = yaml_parse((CHECKOUT / "template.yaml").read_text("utf-8"))
    return parsed


def retained_resources(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the resources that CloudFormation keeps when it deletes the stack: type by name."""
    return {
        name: resource["Type"]
        for name, resource in template["Resources"].items()
        if "DeletionPolicy" in resource
    }


def reduce_template(template: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a template of some resources, with the parameters and conditions that they use.

    Parameters
    ----------
    template
        The whole template.
    names
        Logical IDs of the resources. They must not refer to other resources.
    """
    resources = {name: template["Resources"][name] for name in names}
    # A condition of an imported resource is true; without it, no parameter is needed for it.
    # Retain: with RetainExceptOnCreate, an import that is rolled back might delete what it imports.
    resources = {
        name: {key: value for key, value in resource.items() if key != "Condition"}
        | {"DeletionPolicy": "Retain"}
        for name, resource in resources.items()
    }
    conditions = {
        name: template["Conditions"][name]
        for name in _referenced_names(resources)
        if name in template["Conditions"]
    }
    used = set(_referenced_names([resources, conditions]))
    parameters = {
        name: resource for name, resource in template["Parameters"].items() if name in used
    }
    return {
        "AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"],
        "Description": "What a deleted stack of this application has kept",
        "Parameters": parameters,
        "Conditions": conditions,
        "Resources": resources,
    }


def _referenced_names(value: Any) -> Iterator[str]:
    """Yield the names in all `Ref`, `Fn::If` and `${…}` of a part of a template."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::If": [str(condition), *branches]}:
            yield condition
            yield from _referenced_names(branches)
        case {"Fn::Sub": str(text)}:
            yield from (part.partition("}")[0] for part in text.split("${")[1:])
        case dict():
            yield from (name for resource in value.values() for name in _referenced_names(resource))
        case list():
            yield from (name for resource in value for name in _referenced_names(resource))


def find_retained(
    session: "boto3.Session",
    stack: str,
    parameters: Mapping[str, str],
    physical_ids: Mapping[str, str],
) -> list[RetainedResource]:
    """Find the resources that a deleted stack has kept.

    Parameters
    ----------
    session
        Session of the account and region.
    stack
        Name of the deleted stack.
    parameters
        The parameters that differ from the template's defaults.
    physical_ids
        Names of buckets and tables by logical ID, if they cannot be found by the stack's name;
        empty for a resource that no longer exists.

    Raises
    ------
    PreconditionError
        If a resource is not found, or more than one may be it.
    """
    template, retained = read_template(), []
    default = str(template["Parameters"]["EndpointName"]["Default"])
    names = _Names(stack, parameters.get("EndpointName", default))
    for logical, kind in retained_resources(template).items():
        if logical == "DataBucket" and parameters.get("ExistingDataBucket"):
            continue
        named = (
            [physical_ids[logical]]
            if logical in physical_ids
            else _search(session, names, logical, kind)
        )
        if len(named) != 1:
            raise PreconditionError(_ambiguity_error(logical, named))
        if named[0]:
            retained.append(RetainedResource(logical, kind, named[0]))
    if not retained:
        raise PreconditionError("nothing to import: create the stack with `sam deploy`")
    return retained


def _ambiguity_error(logical: str, named: Sequence[str]) -> str:
    title = (
        f"more than one may be {logical}: {', '.join(named)}" if named else f"no {logical} found"
    )
    return (
        f"{title}. Give its name: `make recover-stack RESOURCE={logical}=NAME`; or "
        f"RESOURCE={logical}= if it no longer exists and the deployment is to create a new one. "
        "Separate several by spaces, in quotation marks"
    )


def _search(session: "boto3.Session", names: "_Names", logical: str, kind: str) -> list[str]:
    """Return the existing resources whose names CloudFormation generated for the stack's."""
    match kind:
        case "AWS::S3::Bucket":
            listed = session.client("s3").list_buckets()["Buckets"]
            found = [resource["Name"] for resource in listed]
        case "AWS::DynamoDB::Table":
            pages = session.client("dynamodb").get_paginator("list_tables").paginate()
            found = [resource for page in pages for resource in page["TableNames"]]
        case _:
            return _find_group(session.client("sagemaker"), names.endpoint)
    # S3's names are in lower case. The end is random, without hyphens.
    form = re.compile(rf"{re.escape(f'{names.stack}-{logical}')}-[0-9a-z]+", re.IGNORECASE)
    return [name for name in found if form.fullmatch(name)]


def _find_group(client: Any, name: str) -> list[str]:
    try:
        group = client.describe_model_package_group(ModelPackageGroupName=name)
    except ClientError as error:
        if "does not exist" in str(error):
            return []
        raise
    return [group["ModelPackageGroupArn"]]


def import_resources(
    session: "boto3.Session",
    stack: str,
    retained: Sequence[RetainedResource],
    parameters: Mapping[str, str],
) -> None:
    """Create a stack by importing existing resources, and wait until it is complete.

    Parameters
    ----------
    session, stack, parameters
        As for `find_retained`.
    retained
        The resources.

    Raises
    ------
    PreconditionError
        If there is a stack of that name.
    OperationError
        If CloudFormation rejects the import; the message has its reason.
    """
    client = session.client("cloudformation")
    _require_no_stack(client, stack)
    template = reduce_template(read_template(), [resource.logical for resource in retained])
    client.create_change_set(
        StackName=stack,
        ChangeSetName=CHANGE_SET,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(template),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in parameters.items()
            if name in template["Parameters"]
        ],
        ResourcesToImport=[
            {
                "ResourceType": resource.kind,
                "LogicalResourceId": resource.logical,
                "ResourceIdentifier": {IDENTIFIERS[resource.kind]: resource.physical},
            }
            for resource in retained
        ],
    )
    _wait(client, "change_set_create_complete", StackName=stack, ChangeSetName=CHANGE_SET)
    client.execute_change_set(StackName=stack, ChangeSetName=CHANGE_SET)
    _wait(client, "stack_import_complete", StackName=stack)


def _require_no_stack(client: Any, stack: str) -> None:
    try:
        (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return
        raise
    status = found["StackStatus"]
    if status in _FAILED_IMPORT_STATUSES:
        raise PreconditionError(
            f"an earlier attempt left the stack {stack} ({status}). {_delete(stack)}"
        )
    if status.startswith("DELETE_"):
        raise PreconditionError(
            f"the stack {stack} is not deleted ({status}): recover it after its deletion has ended"
        )
    raise PreconditionError(f"the stack {stack} exists ({status}): deploy to it with `sam deploy`")


def _delete(stack: str) -> str:
    return (
        f"Delete it, and run the command again: `aws cloudformation delete-stack --stack-name "
        f"{stack}`"
    )


def _wait(client: Any, waiter: str, **named: str) -> None:
    try:
        client.get_waiter(waiter).wait(**named, WaiterConfig={"Delay": 2, "MaxAttempts": 300})
    except WaiterError as error:
        if "Max attempts exceeded" in str(error):
            raise OperationError(
                f"CloudFormation has not finished the import within 10 minutes. It continues: "
                f"`aws cloudformation describe-stacks --stack-name {named['StackName']}`"
            ) from error
        raise OperationError(
            f"CloudFormation does not import the resources: {_reason(error)}. A stack without them "
            f"is left. {_delete(named['StackName'])}"
        ) from error


def _reason(error: WaiterError) -> str:
    """Return CloudFormation's reason: a change set has it, or the stack."""
    response: Mapping[str, Any] = error.last_response
    stack: Mapping[str, Any] = next(iter(response.get("Stacks", [])), {})
    return response.get("StatusReason") or stack.get("StackStatusReason") or str(error)


def _parse_resource(text: str) -> tuple[str, str]:
    logical, equals, physical = text.partition("=")
    if not equals or logical not in retained_resources(read_template()):
        known = ", ".join(retained_resources(read_template()))
        raise argparse.ArgumentTypeError(f"{text!r} is not LOGICAL_ID=NAME with one of {known}")
    return logical, physical


def main(arguments: Sequence[str] | None = None) -> int:
    """Import what is left of a stack, print what comes next, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.recover_stack", description=__doc__)
    parser.add_argument("--stack", default=DEFAULT_STACK_NAME, help="name of the deleted stack")
    parser.add_argument(
        "--resource",
        type=_parse_resource,
        action="append",
        default=[],
        metavar="LOGICAL_ID=NAME",
        help="a bucket, table or ARN that is not found by the stack's name; may be repeated",
    )
    chosen = parser.parse_args(arguments)
    try:
        _recover(chosen.stack, dict(chosen.resource))
    except (PreconditionError, OperationError) as error:
        return _fail(str(error))
    except ClientError as error:
        return _fail(format_aws_error(error))
    except BotoCoreError as error:
        return _fail(f"{error}. Check your AWS configuration, such as AWS_PROFILE and AWS_REGION")
    print(f"The stack {chosen.stack} has these resources again. Next: sam build && sam deploy")
    return 0


def _recover(stack: str, physical_ids: Mapping[str, str]) -> None:
    # Lazy import: it slows down --help.
    import boto3  # noqa: PLC0415

    environment = find_environment(stack)
    parameters = read_overrides(environment) if environment else {}
    session = boto3.Session()
    retained = find_retained(session, stack, parameters, physical_ids)
    for resource in retained:
        print(f"{resource.logical:<15} {resource.physical}")
    import_resources(session, stack, retained, parameters)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
