"""Why a batch transform gave no predictions, as Step Functions tells it."""

import json

from pydantic import BaseModel, ConfigDict

MAX_REASON_LENGTH = 500
"""Characters of a reason that are told; SageMaker says the gist of it first."""

_TASK_FAILED = "States.TaskFailed"
"""What Step Functions calls a job that was created and did not complete."""


class TransformFailure(BaseModel):
    """A transform job that could not be started, or did not complete.

    Attributes
    ----------
    error
        Its name.
    cause
        Of a job that did not complete its description, as JSON; else what SageMaker said. May be
        empty, or cut off.
    """

    model_config = ConfigDict(frozen=True)

    error: str
    cause: str = ""

    @property
    def job_created(self) -> bool:
        """Whether there is a job."""
        return self.error == _TASK_FAILED

    @property
    def reason(self) -> str:
        """What SageMaker said, as a part of a sentence."""
        return _shorten(self.cause) or self.error

    @property
    def end(self) -> str:
        """How the job ended, as a part of a sentence about it."""
        try:
            job = json.loads(self.cause)
        except ValueError:
            job = None
        if not isinstance(job, dict):
            return "failed"
        outcome = "was stopped" if job.get("TransformJobStatus") == "Stopped" else "failed"
        reason = _shorten(str(job.get("FailureReason") or ""))
        return f"{outcome} ({reason})" if reason else outcome


def _shorten(text: str) -> str:
    line = " ".join(text.split()).removesuffix(".")
    return line if len(line) <= MAX_REASON_LENGTH else f"{line[: MAX_REASON_LENGTH - 1]}…"
