from typing import Any

import pytest

from scones_operator.doctor.notifications import check_operators, check_reviewers, check_sms
from tests.unit.operator.deployed import STACK
from tests.unit.operator.doctor.stubbed import Stubbed, subject

PENDING = "PendingConfirmation"
CONFIRMED = "arn:aws:sns:eu-central-1:123456789012:operators:1a2b"


def subscribed(session: Stubbed, topic: str, *subscriptions: tuple[str, str]) -> None:
    listed = [
        {"SubscriptionArn": arn, "Owner": "1", "Protocol": "email", "Endpoint": endpoint}
        for endpoint, arn in subscriptions
    ]
    answer = {"Subscriptions": listed}
    session.answer("sns", "list_subscriptions_by_topic", answer, {"TopicArn": topic})


def test_a_confirmed_subscription(session: Stubbed) -> None:
    subscribed(session, STACK.operators_topic, ("anna@example.com", CONFIRMED))

    found = check_operators(subject(session, OperatorEmail="anna@example.com"), STACK)

    assert (found.status, found.message) == ("ok", "confirmed: anna@example.com")


def test_a_subscription_that_is_not_confirmed(session: Stubbed) -> None:
    subscribed(
        session,
        STACK.operators_topic,
        ("ben@example.com", CONFIRMED),
        ("anna@example.com", PENDING),
    )

    found = check_operators(subject(session, OperatorEmail="anna@example.com"), STACK)

    assert (found.status, found.message) == ("problem", "not confirmed: anna@example.com")
    assert f"--topic-arn {STACK.operators_topic} --protocol email" in found.command


def test_a_subscription_that_is_gone(session: Stubbed) -> None:
    subscribed(session, STACK.operators_topic)

    found = check_operators(subject(session, OperatorEmail="anna@example.com"), STACK)

    assert found.status == "problem"
    assert found.message.startswith("no subscription of anna@example.com")
    assert found.command.endswith("--notification-endpoint anna@example.com")


def test_operators_must_be_somebody(session: Stubbed) -> None:
    subscribed(session, STACK.operators_topic)

    assert check_operators(subject(session), STACK).status == "warning"


def test_reviewers_may_be_nobody(session: Stubbed) -> None:
    subscribed(session, STACK.review_topic)

    assert check_reviewers(subject(session), STACK).status == "ok"


def test_reviewers_by_e_mail_and_phone(session: Stubbed) -> None:
    subscribed(
        session, STACK.review_topic, ("anna@example.com", CONFIRMED), ("+12065550100", CONFIRMED)
    )
    wanted: Any = {"NotificationEmail": "anna@example.com", "NotificationPhone": "+12065550199"}

    found = check_reviewers(subject(session, **wanted), STACK)

    assert found.message.startswith("no subscription of +12065550199")
    assert "--protocol sms" in found.command


def test_no_phone_number(session: Stubbed) -> None:
    assert check_sms(subject(session)).status == "not_checked"


def test_an_account_that_left_the_sandbox(session: Stubbed) -> None:
    session.answer("sns", "get_sms_sandbox_account_status", {"IsInSandbox": False})

    assert check_sms(subject(session, NotificationPhone="+12065550100")).status == "ok"


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ([], "problem"),
        ([("+12065550100", "Pending")], "problem"),
        ([("+12065550199", "Verified")], "problem"),
        ([("+12065550199", "Pending"), ("+12065550100", "Verified")], "ok"),
    ],
)
def test_the_sms_sandbox(session: Stubbed, numbers: list[tuple[str, str]], status: str) -> None:
    session.answer("sns", "get_sms_sandbox_account_status", {"IsInSandbox": True})
    listed = [{"PhoneNumber": number, "Status": state} for number, state in numbers]
    session.answer("sns", "list_sms_sandbox_phone_numbers", {"PhoneNumbers": listed})

    found = check_sms(subject(session, NotificationPhone="+12065550100"))

    assert found.status == status
    assert "+12065550100" in found.message
