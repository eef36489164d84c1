"""Checks of notifications: e-mail subscriptions and the SMS sandbox."""

from typing import Any

from scones_operator.aws.stack import Stack
from scones_operator.doctor.findings import Finding, not_checked, ok, problem, warning
from scones_operator.doctor.subject import Subject

PENDING = "PendingConfirmation"
"""ARN of a subscription that is not confirmed.

Source: https://docs.aws.amazon.com/sns/latest/api/API_Subscription.html
"""


def check_reviewers(subject: Subject, stack: Stack) -> Finding:
    """Check that the reviewers' subscriptions are confirmed."""
    expected = [subject.parameters["NotificationEmail"], subject.parameters["NotificationPhone"]]
    subscriptions = _subscriptions(subject, stack.review_topic)
    if not any(expected) and not subscriptions:
        return ok("nobody is notified: NotificationEmail and NotificationPhone are not set")
    return _compare(stack.review_topic, [name for name in expected if name], subscriptions)


def check_operators(subject: Subject, stack: Stack) -> Finding:
    """Check that the operators' subscriptions are confirmed, and that there is one."""
    expected = subject.parameters["OperatorEmail"]
    subscriptions = _subscriptions(subject, stack.operators_topic)
    if not expected and not subscriptions:
        return warning(
            "nobody is notified of alarms, failures and approval requests",
            "deploy with OperatorEmail, and confirm the subscription by the link in its e-mail",
        )
    return _compare(stack.operators_topic, [expected] if expected else [], subscriptions)


def check_sms(subject: Subject) -> Finding:
    """Check that text messages reach the phone number, which the SMS sandbox may prevent."""
    number = subject.parameters["NotificationPhone"]
    if not number:
        return not_checked("NotificationPhone is not set")
    client = subject.session.client("sns")
    if not client.get_sms_sandbox_account_status()["IsInSandbox"]:
        return ok("the account is not in the SMS sandbox")
    pages = client.get_paginator("list_sms_sandbox_phone_numbers").paginate()
    listed = [item for page in pages for item in page["PhoneNumbers"]]
    states = {item["PhoneNumber"]: item["Status"] for item in listed}
    if states.get(number) == "Verified":
        return ok(f"the account is in the SMS sandbox, where {number} is verified")
    return problem(
        f"the account is in the SMS sandbox, where {number} is not verified: it gets no messages",
        "verify it in the SNS console (Text messaging, Sandbox destination phone numbers), or "
        "leave the sandbox: https://docs.aws.amazon.com/sns/latest/dg/sns-sms-sandbox.html",
    )


def _subscriptions(subject: Subject, topic: str) -> list[Any]:
    pages = subject.session.client("sns").get_paginator("list_subscriptions_by_topic")
    return [item for page in pages.paginate(TopicArn=topic) for item in page["Subscriptions"]]


def _compare(topic: str, expected: list[str], subscriptions: list[Any]) -> Finding:
    if pending := [
        item["Endpoint"] for item in subscriptions if item["SubscriptionArn"] == PENDING
    ]:
        return problem(
            f"not confirmed: {', '.join(pending)}",
            "open the link in the e-mail from AWS Notifications; if it is lost, subscribe again",
            _subscribe(topic, pending[0]),
        )
    known = {item["Endpoint"] for item in subscriptions}
    if lost := [name for name in expected if name not in known]:
        return problem(
            f"no subscription of {', '.join(lost)}: canceled, or not confirmed in time",
            "subscribe again, and confirm it by the link in the e-mail",
            _subscribe(topic, lost[0]),
        )
    return ok(f"confirmed: {', '.join(sorted(known))}")


def _subscribe(topic: str, endpoint: str) -> str:
    protocol = "email" if "@" in endpoint else "sms"
    return (
        f"aws sns subscribe --topic-arn {topic} --protocol {protocol} "
        f"--notification-endpoint {endpoint}"
    )
