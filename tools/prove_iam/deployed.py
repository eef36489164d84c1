"""The policies of a deployed stack: those of its roles, and those that it has for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

AWS_OWNED = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True)
class Policy:
    """One policy document that is in force.

    Attributes
    ----------
    holder
        Logical ID of the role, or of the managed policy.
    name
        Name of the role's inline policy; otherwise the ARN of the managed policy.
    document
        The policy document.
    principals
        Roles and users that it applies to, as ``role/NAME`` and ``user/NAME``.
    """

    holder: str
    name: str
    document: dict[str, Any]
    principals: tuple[str, ...]

    @property
    def aws_owned(self) -> bool:
        """Whether AWS writes the policy: only its attachment is ours."""
        return self.name.startswith(AWS_OWNED)

    @property
    def statements(self) -> list[dict[str, Any]]:
        """A list of the statements of the document."""
        return list(as_list(self.document["Statement"]))

    @property
    def labels(self) -> list[str]:
        """Names of what can be removed: each statement's Sid, or its policy and position.

        Of a policy that AWS owns it is the policy itself.
        """
        name = self.name.rpartition("/")[2]
        if self.aws_owned:
            return [name]
        return [
            str(statement.get("Sid") or f"{name}#{number}")
            for number, statement in enumerate(self.statements, 1)
        ]


def read_policies(session: Any, stack: str) -> list[Policy]:
    """Read all policies of a stack's roles, and its managed policies.

    Parameters
    ----------
    session
        Session for the account of the stack, with permission to read IAM.
    stack
        Name of the stack.
    """
    iam = session.client("iam")
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    policies: list[Policy] = []
    for page in pages.paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            logical, physical = resource["LogicalResourceId"], resource["PhysicalResourceId"]
            if resource["ResourceType"] == "AWS::IAM::Role":
                policies += _role_policies(iam, logical, physical)
            if resource["ResourceType"] == "AWS::IAM::ManagedPolicy":
                document = _document(iam, physical)
                policies.append(Policy(logical, physical, document, _holders(iam, physical)))
    return policies


def _role_policies(iam: Any, logical_id: str, role: str) -> Iterator[Policy]:
    principals = (f"role/{role}",)
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        yield Policy(logical_id, name, document, principals)
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        yield Policy(logical_id, arn, _document(iam, arn), principals)


def _document(iam: Any, arn: str) -> dict[str, Any]:
    try:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except iam.exceptions.NoSuchEntityException:
        # MiniStack allows nothing by AWS's policies that it does not have.
        return {"Version": "2012-10-17", "Statement": []}
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)
    document: dict[str, Any] = found["PolicyVersion"]["Document"]
    return document


def _holders(iam: Any, arn: str) -> tuple[str, ...]:
    found = iam.list_entities_for_policy(PolicyArn=arn)
    members = [
        user["UserName"]
        for group in found["PolicyGroups"]
        for user in iam.get_group(GroupName=group["GroupName"])["Users"]
    ]
    users = [*(user["UserName"] for user in found["PolicyUsers"]), *members]
    roles = [role["RoleName"] for role in found["PolicyRoles"]]
    return (*(f"user/{name}" for name in users), *(f"role/{name}" for name in roles))


def as_list(value: Any) -> list[Any]:
    """Return the value of a policy's member that may be one value or a list."""
    return value if isinstance(value, list) else [value]
