import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scones.drift import publish
from scones.drift.publishing import NotPublished
from scones.events import DriftChecked

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


@pytest.fixture
def checked() -> DriftChecked:
    """The example of docs/events.md, which asks for a retraining."""
    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    example = text.split("<!-- drift-checked.v1 -->\n```json\n", 1)[1].split("```", 1)[0]
    return DriftChecked.model_validate_json(example)


class Bus:
    """Takes events, but for those of one kind."""

    def __init__(self, refused: str = "") -> None:
        self.taken: list[tuple[str, str, str, Any]] = []
        self._refused = refused

    def put_events(self, Entries: list[dict[str, str]]) -> Any:  # noqa: N803
        answers = []
        for entry in Entries:
            kind, detail = entry["DetailType"], json.loads(entry["Detail"])
            if kind == self._refused:
                answers.append({"ErrorCode": "InternalFailure", "ErrorMessage": "try again"})
            else:
                self.taken.append((entry["EventBusName"], entry["Source"], kind, detail))
                answers.append({"EventId": "1"})
        return {"FailedEntryCount": 0, "Entries": answers}


def test_a_shift_is_told_and_asks_for_a_retraining(checked: DriftChecked) -> None:
    bus = Bus()

    publish(bus, "scones", checked)  # type: ignore[arg-type]

    assert bus.taken == [
        ("scones", "scones", "Drift Checked", checked.model_dump(mode="json")),
        ("scones", "scones", "Retraining Requested", {"requested_by": "drift", "force": False}),
    ]


def test_a_check_that_does_not_ask_for_one_is_told_alone(checked: DriftChecked) -> None:
    bus = Bus()

    publish(bus, "b", checked.model_copy(update={"retraining_requested": False}))  # type: ignore[arg-type]

    assert [kind for _, _, kind, _ in bus.taken] == ["Drift Checked"]


@pytest.mark.parametrize("refused", ["Drift Checked", "Retraining Requested"])
def test_an_event_that_the_bus_does_not_take_is_an_error(
    checked: DriftChecked, refused: str
) -> None:
    said = f"b rejected the event {refused}: InternalFailure: try again"

    with pytest.raises(NotPublished, match=said):
        publish(Bus(refused), "b", checked)  # type: ignore[arg-type]
