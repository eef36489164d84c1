"""What a role may do, by MiniStack's evaluation of its policies.

MiniStack asks it for requests that come over HTTP. State machines, rules and schedules act inside
the process, where nothing asks: here is the question.
"""

import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam, sns, sts

from scones_local.ministack import ACCOUNT, REGION
from scones_local.ministack.patching import wrap


@dataclass(frozen=True)
class Credentials:
    """Credentials of an assumed role, or of the root user, who has no session."""

    access_key: str
    secret_key: str
    session_token: str | None


@dataclass(frozen=True)
class Permission:
    """One action on one resource, with the condition keys of the request.

    Attributes
    ----------
    action
        As policies name it, such as ``lambda:InvokeFunction``.
    resource
        ARN, or ``*`` where the action knows no resource.
    context
        Condition keys and their values, such as ``iam:PassedToService``.
    """

    action: str
    resource: str
    context: Mapping[str, str] | None = None


def needed_for_rule(rule: str) -> Iterator[Permission]:
    """Tell what Step Functions needs to be told of a job's end by the rule that it makes.

    Parameters
    ----------
    rule
        Name of the managed rule.
    """
    for action in ("PutTargets", "PutRule", "DescribeRule"):
        yield Permission(f"events:{action}", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}")


def install() -> None:
    """Let MiniStack's own refusals name the resource, and requests have more condition keys."""
    wrap(iam_actions, "access_denied_response", _naming_resource)
    wrap(iam_actions, "request_tag_context", _with_more_condition_keys)
    wrap(iam_actions, "s3_service_context", _with_conditional_writes)
    wrap(iam_actions, "extract_resource_arn", _naming_log_stream)
    wrap(iam_actions, "extract_resource_arn", _naming_rule)
    wrap(iam_actions, "s3_additional_checks", _with_tagging)
    # The policy that a topic has of itself lets nobody of the account publish, who may not anyway.
    wrap(sns, "topic_policy_for_arn", _without_default)


def _without_default(find: Callable[..., Any]) -> Callable[..., Any]:
    def run(topic: str) -> Any:
        found = find(topic)
        if found and found[0] and json.loads(found[0]).get("Id") == "__default_policy_ID":
            return "", found[1]
        return found

    return run


def _with_tagging(checks: Callable[..., Any]) -> Callable[..., Any]:
    """Ask for s3:PutObjectTagging where an object is written with tags.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """

    def run(method: str, path: str, headers: Any, *rest: Any) -> Any:
        found = checks(method, path, headers, *rest)
        if method in ("PUT", "POST") and "x-amz-tagging" in headers:
            found.append(("s3:PutObjectTagging", f"arn:aws:s3:::{path.lstrip('/')}"))
        return found

    return run


def _naming_log_stream(extract: Callable[..., Any]) -> Callable[..., Any]:
    """Name a group as policies must, but for tags: with more after a colon.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html
    """

    def run(service: str, method: str, path: str, headers: Any, body: Any, *rest: Any) -> Any:
        resource = extract(service, method, path, headers, body, *rest)
        tags = headers.get("x-amz-target", "").endswith(("agResource", "TagsForResource"))
        if service != "logs" or tags or ":log-group:" not in resource:
            return resource
        return f"{resource}:log-stream:{json.loads(body).get('logStreamName', '')}"

    return run


def _naming_rule(extract: Callable[..., Any]) -> Callable[..., Any]:
    """Name a rule of the default event bus without the bus, as policies must.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_events.html
    """

    def run(*request: Any) -> Any:
        return re.sub(r"^(arn:aws:events:[^:]+:\d+:rule/)default/", r"\1", extract(*request))

    return run


def _with_conditional_writes(read: Callable[..., Any]) -> Callable[..., Any]:
    def run(action: str, query: Any, path: str = "", headers: Any = None) -> Any:
        context = read(action, query, path, headers)
        if condition := (headers or {}).get("if-none-match"):
            context["s3:if-none-match"] = condition
        return context

    return run


def _with_more_condition_keys(read: Callable[..., Any]) -> Callable[..., Any]:
    def run(service: str, action: str, body: bytes, parameters: Any) -> Any:
        context = read(service, action, body, parameters)
        if action == "dynamodb:UpdateItem":
            context["dynamodb:Attributes"] = _written_attributes(json.loads(body))
        if action == "events:PutEvents":
            entries = json.loads(body)["Entries"]
            context["events:source"] = [entry.get("Source") for entry in entries]
            context["events:detail-type"] = [entry.get("DetailType") for entry in entries]
        return context

    return run


# Neither parts of a path after its first, nor functions.
_EXPRESSION_WORD = re.compile(r"(?<![.#:\w])[#:]?[A-Za-z_]\w*(?!\w*\s*[(])")
_EXPRESSION_KEYWORDS = {"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"}


def _written_attributes(request: Any) -> list[str]:
    """Return the attributes that an UpdateItem names: of the key, the update and its condition.

    See https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html.
    """
    names = request.get("ExpressionAttributeNames", {})
    expressions = [request.get(name, "") for name in ("UpdateExpression", "ConditionExpression")]
    words = {
        word
        for expression in expressions
        for word in _EXPRESSION_WORD.findall(expression)
        if not word.startswith(":") and word.upper() not in _EXPRESSION_KEYWORDS
    }
    legacy = {*request.get("AttributeUpdates", {}), *request.get("Expected", {})}
    return sorted({*request["Key"], *legacy, *(names.get(word, word) for word in words)})


def _naming_resource(respond: Callable[..., Any]) -> Callable[..., Any]:
    def run(service: str, action: str, principal: str, request: str, **details: Any) -> Any:
        resource = details.get("resource_arn", "*")
        decided_by_resource = details.get("resource_policy_arn")
        if not (details.get("error_code") or details.get("message") or decided_by_resource):
            explicit = details.get("explicit_deny", False)
            details["message"] = iam_actions.identity_denial_message(
                action, principal, resource, explicit
            )
        return respond(service, action, principal, request, **details)

    return run


class DeniedError(PermissionError):
    """IAM denies something; the message is AWS's."""


def assume_role(role: str, service: str) -> Credentials:
    """Act as a role, as the AWS service `service` does.

    Parameters
    ----------
    role
        ARN of the role.
    service
        Service principal, such as ``states.amazonaws.com``.

    Raises
    ------
    DeniedError
        If the role doesn't exist or doesn't trust the service.
    """
    role_record = iam._roles.get_scoped(ACCOUNT, None, role.rsplit("/", 1)[-1])
    if role_record is None or not _trusts(role_record["AssumeRolePolicyDocument"], service, role):
        raise DeniedError(
            f"{service} is not authorized to perform: sts:AssumeRole on resource: {role}"
        )
    return issue_credentials(role, role_record["RoleId"], service.partition(".")[0])


_issued_credentials: dict[tuple[str, str, str], Credentials] = {}
_issue_lock = threading.Lock()


def issue_credentials(role: str, role_id: str, session: str) -> Credentials:
    """Give the credentials of a session of a role: the same ones each time, until the end.

    Parameters
    ----------
    role
        ARN of the role.
    role_id
        Its unique ID.
    session
        Name of the session.
    """
    with _issue_lock:
        key = (role, role_id, session)
        if key not in _issued_credentials:
            _issued_credentials[key] = Credentials(
                f"ASIA{secrets.token_hex(8).upper()}",
                secrets.token_urlsafe(30),
                secrets.token_urlsafe(60),
            )
        credentials = _issued_credentials[key]
        if credentials.access_key not in sts._sessions:
            name = role.rsplit("/", 1)[-1]
            sts.register_session(
                credentials.access_key,
                {
                    "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
                    "UserId": f"{role_id}:{session}",
                    "SecretAccessKey": credentials.secret_key,
                    "SessionToken": credentials.session_token,
                },
            )
        return credentials


def require_permission(access_key: str, permission: Permission) -> None:
    """Raise if the holder of `access_key` lacks `permission`.

    Raises
    ------
    DeniedError
        If it does.
    """
    namespace = permission.action.split(":")[0]
    denied = iam_evaluator.enforce(
        access_key,
        permission.action,
        namespace,
        REGION,
        resource_arn=permission.resource,
        service_context=dict(permission.context or {}),
    )
    if denied is None:
        return
    if isinstance(denied, iam_evaluator.AuthError):
        raise DeniedError(denied.message)
    raise DeniedError(
        iam_actions.identity_denial_message(
            permission.action,
            denied.principal_arn,
            permission.resource,
            denied.decision == "Deny",
        )
    )


def require_policy_permission(policy: Any, service: str, permission: Permission) -> None:
    """Raise if the policy of a resource does not let a service act on it.

    Parameters
    ----------
    policy
        The policy, as MiniStack keeps it; None if the resource has none.
    service
        Service principal, such as ``events.amazonaws.com``.
    permission
        The action on the resource, with the condition keys of the service's request.

    Raises
    ------
    DeniedError
        If it does not.
    """
    if not _allows(policy, service, permission):
        raise DeniedError(
            f"{service} is not authorized to perform: {permission.action} on resource: "
            f"{permission.resource}"
        )


def _allows(policy: Any, service: str, permission: Permission) -> bool:
    request = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=ACCOUNT,
        action=permission.action,
        resource_arn=permission.resource,
        region=REGION,
        service_context={name.lower(): v for name, v in (permission.context or {}).items()},
    )
    decision = iam_evaluator.evaluate_resource_policy(policy, request, service).decision
    return bool(decision == "Allow")


def _trusts(policy: str | Mapping[str, Any], service: str, role: str) -> bool:
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    # A trust policy names no resource: it is that of its role.
    complete = {"Statement": [{"Resource": "*", **statement} for statement in statements]}
    request = Permission("sts:AssumeRole", role, {"aws:SourceAccount": ACCOUNT})
    return _allows(complete, service, request)
