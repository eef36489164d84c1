import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scones_operator.aws import classify_log
from scones_operator.aws.execution_list import list_executions
from tests.unit.operator.classify_logs import EXECUTION, create_group, write_log
from tests.unit.operator.deployed import STACK
from tests.unit.operator.step_functions import PROMOTE, RETRAIN, StepFunctions
from tests.unit.results_table import create_table, decided, put_record

# The log is read backwards from now.
NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = timedelta(seconds=1)


def started(machines: StepFunctions, machine: str, hours: float, **end: Any) -> str:
    execution = machines.run(machine, {}, [[]], **end)
    execution.started_at = NOW - timedelta(hours=hours)
    if end:
        execution.end["stopDate"] = execution.started_at + 90 * SECOND
    execution.chunks = []
    return execution.arn


def test_of_a_standard_machine(session: Any, machines: StepFunctions) -> None:
    output = {"outcome": "registered", "message": "version 3 is registered", "run": "r"}
    started(machines, RETRAIN, 9, status="SUCCEEDED", output=json.dumps(output))
    started(machines, PROMOTE, 8)
    started(machines, RETRAIN, 3, status="FAILED", error="TrainingFailed", cause="no GPU")
    started(machines, RETRAIN, 2, status="ABORTED")
    started(machines, RETRAIN, 1)
    running, aborted, failed, registered = list_executions(session, STACK, "retrain", 10)
    assert (running.status, running.ended_at, running.outcome) == ("running", None, None)
    assert (aborted.status, aborted.message) == ("aborted", "")
    assert (failed.status, failed.message) == ("failed", "TrainingFailed: no GPU")
    assert failed.started_at == NOW - timedelta(hours=3)
    assert failed.ended_at == failed.started_at + 90 * SECOND
    assert (registered.outcome, registered.message) == ("registered", "version 3 is registered")
    assert len(list_executions(session, STACK, "retrain", 2)) == 2
    since = NOW - timedelta(hours=2.5)
    assert list_executions(session, STACK, "retrain", 9, since) == [running, aborted]


@pytest.fixture
def log(session: Any) -> Any:
    create_group(session)
    create_table(session.client("dynamodb"), STACK.results_table)
    return session


def run(session: Any, name: str, ago: timedelta, end: str, seconds: float, **details: Any) -> str:
    arn = f"{EXECUTION}{name}"
    events = [
        ("ExecutionStarted", 0.0, {"roleArn": "r"}),
        ("TaskStateEntered", 0.1, {"name": "Serialize"}),
        (end, seconds, details),
    ]
    write_log(session, arn, NOW - ago, *(event for event in events if event[0]))
    return arn


def test_of_the_express_machine_from_its_log(session: Any, log: Any) -> None:
    classified = run(log, "1", timedelta(hours=5), "ExecutionSucceeded", 1.5)
    failed = run(log, "2", timedelta(hours=1), "ExecutionFailed", 2, error="E", cause="c")
    late = run(log, "3", timedelta(seconds=20), "ExecutionTimedOut", 19)
    running = run(log, "4", timedelta(seconds=3), "", 0)
    shift = (NOW - timedelta(hours=5) + 1.4 * SECOND).isoformat()
    event = decided("a.png", execution=classified)
    timings = event.timings.model_copy(update={"decided_at": datetime.fromisoformat(shift)})
    put_record(
        session.client("dynamodb"),
        STACK.results_table,
        event.model_copy(update={"timings": timings}),
    )
    found = list_executions(session, STACK, "classify", 10)
    assert [execution.arn for execution in found] == [running, late, failed, classified]
    assert [execution.status for execution in found] == [
        *("running", "timed_out", "failed", "succeeded")
    ]
    assert found[0].ended_at is None
    assert found[2].message == "E: c"
    assert found[2].photo is None
    assert found[2].ended_at == found[2].started_at + 2 * SECOND
    assert (found[3].photo, found[3].outcome) == ("incoming/a.png", "classified")
    assert list_executions(session, STACK, "classify", 2) == found[:2]
    assert list_executions(session, STACK, "classify", 9, NOW - timedelta(hours=2)) == found[:3]


def test_an_execution_at_the_edge_of_a_window_is_found_once_and_with_its_end(
    session: Any, log: Any
) -> None:
    for seconds in range(890, 911, 2):  # the first window begins 15 minutes before it ends
        run(log, f"{seconds}", seconds * SECOND - timedelta(minutes=5), "ExecutionSucceeded", 250)
    found = list_executions(session, STACK, "classify", 99)
    assert len({execution.arn for execution in found}) == len(found) == 11
    assert {execution.status for execution in found} == {"succeeded"}


def test_the_log_is_read_no_further_back_than_is_asked_for(
    session: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[datetime] = []
    read = classify_log._read

    def watched(session: Any, stack: Any, pattern: str, since: datetime, until: datetime) -> Any:
        starts.append(since)
        return read(session, stack, pattern, since, until)

    monkeypatch.setattr(classify_log, "_read", watched)
    run(log, "1", timedelta(minutes=2), "ExecutionSucceeded", 1)
    assert len(list_executions(session, STACK, "classify", 1)) == 1
    assert len(starts) == 1
    since = NOW - timedelta(days=3)
    list_executions(session, STACK, "classify", 5, since)
    assert min(starts) == since


@pytest.mark.parametrize("output", ["[]", '"x"', "null"])
def test_an_output_of_another_kind_does_not_hide_the_others(
    session: Any, machines: StepFunctions, output: str
) -> None:
    started(machines, RETRAIN, 2, status="SUCCEEDED", output=output)
    started(machines, RETRAIN, 1)

    running, other = list_executions(session, STACK, "retrain", 10)

    assert (running.status, other.status, other.outcome) == ("running", "succeeded", None)


def test_a_line_of_the_log_that_is_none_of_an_execution_does_not_hide_the_others(
    session: Any,
) -> None:
    create_group(session)
    write_log(session, EXECUTION + "1", NOW - 60 * SECOND, ("ExecutionStarted", 0, {}))
    moment = int((NOW - 30 * SECOND).timestamp() * 1000)
    lines = [
        {"timestamp": moment, "message": text}
        for text in ("is not JSON", "[]", '{"type": "ExecutionStarted"}')
    ]
    session.client("logs").put_log_events(
        logGroupName=STACK.classify_log_group, logStreamName="s", logEvents=lines
    )
    create_table(session.client("dynamodb"), STACK.results_table)

    (found,) = list_executions(session, STACK, "classify", 10)

    assert found.arn == EXECUTION + "1"
