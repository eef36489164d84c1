"""The condition keys that requests have."""

import json
from dataclasses import astuple
from typing import Any

import pytest
from ministack.core import iam_actions
from ministack.services import sts

from scones_local.ministack import permissions


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("request_tag_context", "access_denied_response"):
        monkeypatch.setattr(iam_actions, name, getattr(iam_actions, name))
    permissions.install()


def keys(action: str, request: dict[str, Any]) -> dict[str, Any]:
    service = action.partition(":")[0]
    context: dict[str, Any] = iam_actions.request_tag_context(
        service, action, json.dumps(request).encode(), {}
    )
    return context


@pytest.mark.parametrize(
    ("update", "condition", "attributes"),
    [
        ("SET review = :review, queue = :queue", "", ["queue", "review"]),
        ("set #s=:s remove label", "attribute_not_exists(review)", ["label", "review", "status"]),
        ("SET event.label = :l, tags[0] = :t", "size (#s) > :n", ["event", "status", "tags"]),
        ("SET a = if_not_exists(b, :b)", "c BETWEEN :x AND :y OR NOT d IN (:z)", list("abcd")),
    ],
)
def test_an_update_names_the_attributes_of_its_key_and_its_expressions(
    update: str, condition: str, attributes: list[str]
) -> None:
    request = {
        "Key": {"photo": {"S": "p"}},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#s": "status"},
    }

    found = keys("dynamodb:UpdateItem", request)["dynamodb:Attributes"]

    assert found == sorted(["photo", *attributes])


def test_events_that_are_put_name_their_sources_and_types() -> None:
    entries = [{"Source": "scones", "DetailType": "A"}, {"Source": "others", "DetailType": "B"}]

    found = keys("events:PutEvents", {"Entries": entries})

    assert found["events:source"] == ["scones", "others"]
    assert found["events:detail-type"] == ["A", "B"]


def test_credentials_of_a_role_are_random(monkeypatch: pytest.MonkeyPatch) -> None:
    role, issued = "arn:aws:iam::123456789012:role/worker", []

    for _ in range(2):
        monkeypatch.setattr(sts, "_sessions", {})
        monkeypatch.setattr(permissions, "_issued_credentials", {})
        issued.append(permissions.issue_credentials(role, "AROA", "session"))
        assert permissions.issue_credentials(role, "AROA", "session") == issued[-1]

    first, second = map(astuple, issued)
    assert [one for one, other in zip(first, second, strict=True) if one == other] == []
