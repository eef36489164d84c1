"""`scones drift`, against a function that answers as the real one does."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK, Session

ROOT = Path(__file__).parents[4]


class Lambda:
    """Answers an invocation."""

    def __init__(self, answer: Any, **more: Any) -> None:
        self.asked: list[Any] = []
        self._answer = {"Payload": io.BytesIO(json.dumps(answer).encode()), **more}

    def invoke(self, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803
        self.asked.append((FunctionName, json.loads(Payload)))
        return self._answer


@pytest.fixture
def example() -> Any:
    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    return json.loads(text.split("<!-- drift-checked.v1 -->\n```json\n", 1)[1].split("```", 1)[0])


def answering(session: Session, function: Lambda) -> Lambda:
    session._clients["lambda"] = function
    return function


def test_a_shift_is_shown_with_its_shares(
    terminal: Terminal, session: Session, example: Any
) -> None:
    function = answering(session, Lambda(example))

    result = terminal.type("drift")

    assert result.exit_code == 1
    assert function.asked == [(STACK.check_drift_function, {"requested_by": "moto"})]
    said = words(result.stdout)
    assert "shifted: 1,204 photos of production against the 500" in said
    assert "25.0% 54.8% below 0.81" in said
    assert "50.0% 44.5% motorcycle" in said
    assert "expected production familiarity 10.0% " in said
    assert f"evaluation {example['evaluation']}" in said
    assert "A retraining was requested: scones executions retrain" in said


def test_a_steady_stream_is_good(terminal: Terminal, session: Session, example: Any) -> None:
    steady = example | {"outcome": "steady", "retraining_requested": False}
    answering(session, Lambda(steady))

    result = terminal.type("--json", "drift")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == steady


def test_what_could_not_be_compared_is_said(
    terminal: Terminal, session: Session, example: Any
) -> None:
    nothing = dict.fromkeys(("since", "confidence", "labels", "familiarity", "evaluation"))
    message = "there is no endpoint scones: promote a version first"
    told = {"outcome": "no_model", "message": message, "retraining_requested": False}
    answering(session, Lambda(example | nothing | told))

    result = terminal.type("drift")

    assert result.exit_code == 1
    assert words(result.stdout).strip() == f"no model: {message}"


def test_a_failure_is_told_with_its_reason(terminal: Terminal, session: Session) -> None:
    error = {"errorType": "StorageRefused", "errorMessage": "no permission"}
    answering(session, Lambda(error, FunctionError="Unhandled"))

    result = terminal.type("drift")

    assert result.exit_code == 3
    assert "the drift check failed: StorageRefused: no permission" in result.stderr
