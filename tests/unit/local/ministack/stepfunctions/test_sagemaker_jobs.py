import json
from typing import Any, cast

import pytest
from ministack.services import stepfunctions

from scones_local.ministack.stepfunctions import executions, sagemaker_jobs
from scones_local.sagemaker import LocalSageMaker, Request, Response

RESOURCE = "arn:aws:states:::sagemaker:createTrainingJob.sync"


class FakeSageMaker:
    """Answers with the statuses given, the last one for ever, and notes what it is asked."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def handle(self, request: Request) -> Response:
        action = (request.header("X-Amz-Target") or "").partition(".")[2]
        self.asked.append((action, json.loads(request.body)))
        if action != "DescribeTrainingJob":
            return Response(200, {}, b"{}")
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        described = {"TrainingJobStatus": status, "CreationTime": 1.5}
        return Response(200, {}, json.dumps(described).encode())


@pytest.fixture(autouse=True)
def execution(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    running: dict[str, Any] = {"status": "RUNNING", "events": []}
    monkeypatch.setattr(sagemaker_jobs, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(executions, "current_execution", lambda: running)
    monkeypatch.setattr(executions, "is_cancelled", lambda: running["status"] != "RUNNING")
    return running


def run(fake: FakeSageMaker, **arguments: Any) -> dict[str, Any]:
    integration = sagemaker_jobs._integration(cast(LocalSageMaker, fake))
    return integration(RESOURCE, {"TrainingJobName": "job", **arguments})


def test_a_task_ends_when_its_job_has(execution: dict[str, Any]) -> None:
    fake = FakeSageMaker("InProgress", "InProgress", "Completed")
    result = run(fake, Tags=[{"Key": "a", "Value": "b"}])
    assert result == {"TrainingJobStatus": "Completed", "CreationTime": 1500}
    assert [action for action, _ in fake.asked] == ["CreateTrainingJob"] + 3 * [
        "DescribeTrainingJob"
    ]
    tags = fake.asked[0][1]["Tags"]
    assert tags[0] == {"Key": "a", "Value": "b"}
    assert tags[1]["Key"] == "MANAGED_BY_AWS"
    assert [event["type"] for event in execution["events"]] == ["TaskSubmitted"]


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_that_does_not_complete_fails_its_task(status: str) -> None:
    with pytest.raises(stepfunctions._ExecutionError) as failure:
        run(FakeSageMaker("InProgress", status))
    assert failure.value.error == "States.TaskFailed"
    assert json.loads(failure.value.cause)["TrainingJobStatus"] == status


def test_a_job_is_stopped_when_nobody_waits(execution: dict[str, Any]) -> None:
    execution["status"] = "ABORTED"
    fake = FakeSageMaker("InProgress")
    with pytest.raises(executions.CancelledError):
        run(fake)
    assert fake.asked[-1] == ("StopTrainingJob", {"TrainingJobName": "job"})
