from typing import Any

import pytest

from scones_local.sagemaker.jobs import JobStatus


class FakeRecord:
    def __init__(self, status: str) -> None:
        self.members: dict[str, Any] = {"TrainingJobStatus": status}

    def __getitem__(self, member: str) -> Any:
        return self.members[member]

    def update(self, **members: Any) -> None:
        self.members |= members


@pytest.mark.parametrize("ended", ["Completed", "Failed", "Stopped"])
def test_an_ended_job_changes_no_more(ended: str) -> None:
    record, told = FakeRecord("InProgress"), []
    status = JobStatus(record, "Training", told.append)  # type: ignore[arg-type]
    assert status.change(lambda: {"TrainingJobStatus": ended})
    assert not status.change(lambda: {"TrainingJobStatus": "Stopping"})
    assert record.members == {"TrainingJobStatus": ended}
    assert len(told) == 1
