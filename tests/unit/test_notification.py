"""The message to reviewers, as Step Functions' language JSONata makes it."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonata
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operations.test_escaping import ATTACKS

STATES = json.loads(Path("statemachine/classify.asl.json").read_text("utf-8"))["States"]
EXPRESSION = jsonata.Jsonata(
    STATES["Notify Reviewers"]["Arguments"]["Message"].removeprefix("{%").removesuffix("%}")
)
EVENT: dict[str, Any] = {
    "label": "bicycle",
    "confidence": 0.5,
    "threshold": 0.93,
    "probabilities": {"bicycle": 0.5, "motorcycle": 0.5},
    "reason": None,
    "familiarity": 0.4,
    "familiarity_limit": 0.05,
}
PHISHING = "incoming/Your session has expired: sign in at https://evil.example/?a=b\n\nScones.jpg"
CODE = {"unfamiliar": {"code": "unfamiliar"}, "unsure": None}


def notify(key: str, reason: dict[str, str] | None = None) -> dict[str, str]:
    photo = {"bucket": "photos", "key": key, "version_id": "v1", "etag": "e"}
    frame = EXPRESSION.create_frame()
    frame.bind("photo", photo)
    frame.bind("event", {**EVENT, "reason": reason})
    told: dict[str, str] = json.loads(EXPRESSION.evaluate(None, frame))
    return told


def test_a_name_as_names_are_stands_as_it_is() -> None:
    told = notify("incoming/north-gate/7.jpg")
    assert 'Photo: "incoming/north-gate/7.jpg"\nBucket: photos\nVersion: v1\n' in told["default"]
    assert 'not sure of "incoming/north-gate/7.jpg", most likely bicycle' in told["sms"]


@pytest.mark.parametrize("reason", CODE.values(), ids=CODE)
def test_a_name_cannot_pass_for_a_message(reason: dict[str, str] | None) -> None:
    for text in notify(PHISHING, reason).values():
        assert "://" not in text
        assert "sign in" not in text
        assert '"incoming/Your%20session%20has%20expired%3A' in text
    assert "which is not a message from Scones" in notify(PHISHING)["default"]


def test_long_names_are_shortened() -> None:
    told = notify("incoming/" + "é" * 500)
    assert '%C3" (shortened)\n' in told["default"] or '" (shortened)\n' in told["default"]
    assert len(told["default"]) < 600
    assert len(told["sms"]) < 160


@given(
    st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\x1b"\u202e% /')))
)
@settings(max_examples=50)
def test_a_name_stays_in_its_quotes_and_decodes_to_the_same(key: str) -> None:
    message = notify(f"incoming/{key[:15]}")["default"]
    (shown,) = re.findall(r"^Photo: \"([!-~]*)\"$", message, re.MULTILINE)
    assert '"' not in shown
    assert unquote(shown) == f"incoming/{key[:15]}"
    assert re.fullmatch(r"[ -~\n]*", message)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_controls(attack: str) -> None:
    name = attack.encode("utf-8", "replace").decode()
    assert re.fullmatch(r"[ -~\n]*", notify(f"incoming/{name}")["default"])
