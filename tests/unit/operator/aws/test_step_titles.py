"""The steps' titles, held against the machines' own definitions."""

import json
from pathlib import Path
from typing import Any

import pytest

from scones_operator.aws.step_titles import PROMOTE_TITLES, RETRAIN_TITLES

MACHINES = Path(__file__).parents[4] / "statemachine"
TITLES = {"retrain": RETRAIN_TITLES, "promote": PROMOTE_TITLES}
SLOW = ("sync", "waitForTaskToken")


def states(machine: str) -> dict[str, Any]:
    definition = json.loads((MACHINES / f"{machine}.asl.json").read_text())
    found: dict[str, Any] = definition["States"]
    return found


@pytest.mark.parametrize("machine", TITLES)
def test_titles_are_those_of_states_that_there_are(machine: str) -> None:
    assert TITLES[machine].keys() <= states(machine).keys()


def is_slow(state: Any) -> bool:
    resource = state.get("Resource", "")
    return (
        state["Type"] in ("Wait", "Map") or resource.endswith(SLOW) or "lambda:invoke" in resource
    )


@pytest.mark.parametrize("machine", TITLES)
def test_every_slow_state_has_a_title(machine: str) -> None:
    slow = {name for name, state in states(machine).items() if is_slow(state)}
    assert slow <= TITLES[machine].keys()
    assert len(slow) >= 4
