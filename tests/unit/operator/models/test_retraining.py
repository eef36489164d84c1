import json
import time
from typing import Any

import pytest

from scones_operator.aws.executions import ExecutionFailedError, history_since
from scones_operator.models.retraining import follow_retraining, start_retraining
from scones_operator.models.training_log import TrainingLog
from scones_operator.progress import Epoch, LogLine, Step
from tests.unit.operator.deployed import STACK
from tests.unit.operator.step_functions import RETRAIN, StepFunctions, entered, scheduled

REGISTERED = {
    "outcome": "registered",
    "message": "version 3 is registered and waits for approval: accuracy 0.95",
    "run": "scones-1",
    "version": 3,
    "accuracy": 0.95,
}


def training(epochs: str | None = "2") -> dict[str, Any]:
    chosen = {"epochs": epochs} if epochs else {}
    return scheduled(
        "sagemaker:createTrainingJob.sync", TrainingJobName="job", HyperParameters=chosen
    )


def write_log(session: Any, *lines: str) -> None:
    logs, names = session.client("logs"), {"logGroupName": TrainingLog.GROUP}
    if not logs.describe_log_groups()["logGroups"]:
        logs.create_log_group(**names)
        logs.create_log_stream(**names, logStreamName="job/algo-1")
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    logs.put_log_events(**names, logStreamName="job/algo-1", logEvents=events)


def follow(session: Any, machines: StepFunctions, execution: str) -> tuple[list[str], Any]:
    told: list[Any] = []
    outcome = follow_retraining(session, execution, told.append, machines.pause)
    return told, outcome


@pytest.mark.parametrize(
    ("force", "request_"),
    [(False, {"requested_by": "anna"}), (True, {"requested_by": "anna", "force": True})],
)
def test_it_is_started_with_who_wants_it(
    session: Any, machines: StepFunctions, force: bool, request_: Any
) -> None:
    execution = start_retraining(session, STACK, "anna", force=force)
    assert machines.executions[0].arn == execution
    assert execution.startswith(RETRAIN.replace("stateMachine", "execution"))
    assert machines.executions[0].request == request_


def test_steps_epochs_and_the_outcome(session: Any, machines: StepFunctions) -> None:
    write_log(
        session,
        "Prepared 90 training photos.",
        "Epoch[0] Train-accuracy=0.5",
        "Epoch[0] Validation-accuracy=0.75",
    )
    execution = machines.run(
        RETRAIN,
        {},
        [
            [entered("Read Request", "Pass"), entered("Alone?", "Choice")],
            [entered("Generate Lists"), scheduled("lambda:invoke", FunctionName="f")],
            [entered("Train"), training()],
            [],
            [{"type": "TaskSucceeded"}, entered("Remember Training"), entered("Evaluate")],
            [],
        ],
        status="SUCCEEDED",
        output=json.dumps(REGISTERED),
    )
    told, outcome = follow(session, machines, execution.arn)
    assert [item.state if isinstance(item, Step) else item for item in told] == [
        "Read Request",
        "Generate Lists",
        "Train",
        LogLine("Prepared 90 training photos."),
        Epoch(1, 2, 0.75),
        "Evaluate",
    ]
    assert outcome.outcome == "registered"
    assert outcome.message == REGISTERED["message"]
    assert outcome.details["version"] == 3
    assert outcome.execution == execution.arn


def test_the_algorithms_default_of_epochs(session: Any, machines: StepFunctions) -> None:
    write_log(session, "Epoch[0] Validation-accuracy=0.75")
    end = {"status": "SUCCEEDED", "output": json.dumps(REGISTERED)}
    execution = machines.run(RETRAIN, {}, [[entered("Train"), training(None)], [], []], **end)
    told, _ = follow(session, machines, execution.arn)
    assert told[-1] == Epoch(1, 30, 0.75)


def test_the_log_is_left_when_training_is_over(session: Any, machines: StepFunctions) -> None:
    write_log(session, "Epoch[0] Validation-accuracy=0.75")
    end = {"status": "SUCCEEDED", "output": json.dumps(REGISTERED)}
    chunks = [[entered("Train"), training()], [], [entered("Evaluate")], [], []]
    execution = machines.run(RETRAIN, {}, chunks, **end)
    told: list[Any] = []

    def pause() -> None:
        machines.pause()
        if str(told[-1]) == "Evaluating":
            write_log(session, "Epoch[1] Validation-accuracy=0.8")

    follow_retraining(session, execution.arn, told.append, pause)
    assert [str(item) for item in told] == [
        "Training",
        "epoch 1 of 2, validation accuracy 0.750",
        "Evaluating",
    ]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (
            {"status": "FAILED", "error": "TrainingFailed", "cause": "learning_rate is -1"},
            "scones-retrain failed: TrainingFailed: learning_rate is -1 (execution run-1)",
        ),
        ({"status": "ABORTED"}, "was stopped: no reason was given"),
        ({"status": "TIMED_OUT", "error": "States.Timeout"}, "timed out: States.Timeout"),
    ],
)
def test_a_failure_is_told_with_its_reason(
    session: Any, machines: StepFunctions, end: dict[str, str], said: str
) -> None:
    execution = machines.run(RETRAIN, {}, [[entered("Train")], [entered("Evaluate")]], **end)
    told: list[Any] = []
    with pytest.raises(ExecutionFailedError) as failed:
        follow_retraining(session, execution.arn, told.append, machines.pause)
    assert said in str(failed.value)
    assert [str(step) for step in told] == ["Training", "Evaluating"]


def test_history_is_read_over_pages_and_once(machines: StepFunctions) -> None:
    execution = machines.run(RETRAIN, {}, [[entered(str(n)) for n in range(9)]])
    everything = history_since(machines, execution.arn)
    assert [event["id"] for event in everything] == list(range(1, 11))
    assert [event["id"] for event in history_since(machines, execution.arn, after=5)] == [
        *range(6, 11)
    ]
    assert history_since(machines, execution.arn, after=10) == ()
