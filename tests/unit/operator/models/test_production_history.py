import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from scones_operator.models.production_history import (
    MAX_EXECUTIONS,
    UNCHANGED,
    Period,
    ProductionHistory,
)
from tests.unit.operator.deployed import STACK, Session
from tests.unit.operator.step_functions import PROMOTE, START, Execution, entered

HOUR = timedelta(hours=1)
SWITCH = entered("Update Endpoint")
STAGING = entered("Ask A Person")


def run(session: Session, began_at: datetime, *events: Any, **end: Any) -> Execution:
    """Let a promotion have begun to change production at a time, if it did; it took an hour."""
    if end:
        end = {"stopDate": began_at + HOUR, **end}
    execution = session.machines.run(PROMOTE, {}, [list(events)], **end)
    for event in execution.events:
        event["timestamp"] = began_at
    return execution


def promote(session: Session, version: int, began_at: datetime, config: str) -> Execution:
    return succeed(session, began_at, "promoted", model_version=version, endpoint_config=config)


def succeed(session: Session, began_at: datetime, outcome: str, **output: Any) -> Execution:
    text = json.dumps({"outcome": outcome, **output})
    return run(session, began_at, SWITCH, status="SUCCEEDED", output=text)


def periods(session: Session) -> list[Period]:
    return list(ProductionHistory(session, STACK).read().periods)  # type: ignore[arg-type]


@pytest.fixture
def hosting(session: Session) -> Session:
    """Versions 1 and 2, of which 2 is in production with the configuration c."""
    session.register("Approved")
    session.put_into_production(ModelPackageName=session.register("Approved"))
    return session


def test_periods_end_when_the_next_change_begins(hosting: Session) -> None:
    promote(hosting, 1, START, "first")
    promote(hosting, 2, START + 10 * HOUR, "c")
    assert periods(hosting) == [
        Period(2, START + 11 * HOUR, None),
        Period(1, START + HOUR, START + 10 * HOUR),
    ]


def test_after_a_rollback_by_alarms_the_version_before_is_in_production(hosting: Session) -> None:
    promote(hosting, 2, START, "c")
    succeed(hosting, START + 5 * HOUR, "rolled_back", model_version=3, endpoint_config="c")
    assert periods(hosting) == [
        Period(2, START + 6 * HOUR, None),
        Period(2, START + HOUR, START + 5 * HOUR),
    ]


@pytest.mark.parametrize("outcome", sorted(UNCHANGED))
def test_what_did_not_change_production_divides_no_period(hosting: Session, outcome: str) -> None:
    promote(hosting, 2, START, "c")
    succeed(hosting, START + 5 * HOUR, outcome, model_version=3)
    assert periods(hosting) == [Period(2, START + HOUR, None)]


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT"])
def test_what_a_failed_change_left_is_known_from_the_endpoint_only(
    hosting: Session, status: str
) -> None:
    promote(hosting, 1, START, "first")
    run(hosting, START + 5 * HOUR, SWITCH, status=status)
    run(hosting, START + 8 * HOUR, STAGING, status=status)  # it did not get that far
    latest, before = periods(hosting)
    assert before == Period(1, START + HOUR, START + 5 * HOUR)
    assert (latest.version, latest.until) == (2, None)
    endpoint = hosting.client("sagemaker").describe_endpoint(EndpointName="scones")
    assert latest.since == endpoint["LastModifiedTime"]


def test_an_execution_that_is_redriven_is_read_again(hosting: Session) -> None:
    failed = run(hosting, START, SWITCH, status="FAILED")
    history = ProductionHistory(hosting, STACK)  # type: ignore[arg-type]
    history.read()
    output = json.dumps({"outcome": "promoted", "model_version": 2, "endpoint_config": "c"})
    failed.end |= {"status": "SUCCEEDED", "output": output}
    failed.redrives = 1

    assert history.read().periods == (Period(2, START + HOUR, None),)


def test_changes_count_in_the_order_in_which_production_changed(hosting: Session) -> None:
    """Not in that of the executions' starts: one that failed can be redriven after a later one."""
    promote(hosting, 2, START + 10 * HOUR, "c")
    promote(hosting, 1, START, "first")

    assert periods(hosting) == [
        Period(2, START + 11 * HOUR, None),
        Period(1, START + HOUR, START + 10 * HOUR),
    ]


def test_while_production_changes_no_version_is_known(hosting: Session) -> None:
    promote(hosting, 2, START, "c")
    waiting = run(hosting, START + 5 * HOUR, STAGING)
    assert periods(hosting) == [Period(2, START + HOUR, None)]
    waiting.add([SWITCH])
    waiting.events[-1]["timestamp"] = START + 6 * HOUR
    assert periods(hosting) == [Period(2, START + HOUR, START + 6 * HOUR)]


def test_a_model_that_was_put_there_by_hand_is_known_since_then(hosting: Session) -> None:
    promote(hosting, 1, START, "another")
    (latest,) = periods(hosting)
    assert (latest.version, latest.until) == (2, None)
    assert latest.since > START + HOUR


def test_a_saved_model_is_no_version(session: Session) -> None:
    session.put_into_production(Image="image", ModelDataUrl="s3://data/mine.tar.gz")
    succeed(session, START, "promoted", model_version=None, endpoint_config="c")
    assert periods(session) == []


def test_without_an_endpoint_there_is_nothing(session: Session) -> None:
    found = ProductionHistory(session, STACK).read()  # type: ignore[arg-type]
    assert (found.production, found.periods) == (None, ())


def test_executions_that_ended_are_read_once_and_not_too_many(
    hosting: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MAX_EXECUTIONS + 5):
        promote(hosting, 2, START + 2 * number * HOUR, "c")
    described: list[str] = []
    real = hosting.machines.describe_execution

    def describe(**given: Any) -> Any:
        described.append(given["executionArn"])
        return real(**given)

    monkeypatch.setattr(hosting.machines, "describe_execution", describe)
    history = ProductionHistory(hosting, STACK)  # type: ignore[arg-type]
    first = history.read()
    assert len(described) == MAX_EXECUTIONS
    assert history.read() == first
    assert len(described) == MAX_EXECUTIONS
