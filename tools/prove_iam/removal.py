"""Remove a statement from a policy of a running local cloud, and put it back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tools.prove_iam.deployed import Policy, read_policies

# IAM takes no policy without a statement.
_DENY_NOTHING = {"Sid": "Nothing", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}


@contextmanager
def statement_removed(session: Any, stack: str, name: str) -> Iterator[None]:
    """Remove a statement for a while.

    Parameters
    ----------
    session
        Session for a local cloud, as root.
    stack
        Name of the stack.
    name
        Role or managed policy, and statement, such as ``ClassifyFunctionRole/AskTheEndpoint``. A
        policy that AWS owns is named like a statement, and detached.

    Raises
    ------
    ValueError
        If the stack has no such statement.
    """
    policy, position = _find(read_policies(session, stack), name)
    iam = session.client("iam")
    if policy.aws_owned:
        iam.detach_role_policy(RoleName=_role(policy), PolicyArn=policy.name)
    else:
        original = policy.statements
        del original[position]
        _put(iam, policy, {**policy.document, "Statement": original or [_DENY_NOTHING]})
    try:
        yield
    finally:
        if policy.aws_owned:
            iam.attach_role_policy(RoleName=_role(policy), PolicyArn=policy.name)
        else:
            _put(iam, policy, policy.document)


def _find(policies: list[Policy], name: str) -> tuple[Policy, int]:
    for policy in policies:
        for position, label in enumerate(policy.labels):
            if f"{policy.holder}/{label}" == name:
                return policy, position
    raise ValueError(f"the stack has no statement {name}")


def _put(iam: Any, policy: Policy, document: dict[str, Any]) -> None:
    text = json.dumps(document)
    if not policy.name.startswith("arn:"):
        iam.put_role_policy(RoleName=_role(policy), PolicyName=policy.name, PolicyDocument=text)
        return
    # A policy has five versions at most.
    for version in iam.list_policy_versions(PolicyArn=policy.name)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=policy.name, VersionId=version["VersionId"])
    iam.create_policy_version(PolicyArn=policy.name, PolicyDocument=text, SetAsDefault=True)


def _role(policy: Policy) -> str:
    return policy.principals[0].partition("/")[2]
