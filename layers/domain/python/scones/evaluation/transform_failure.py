"""Why a batch transform gave no predictions, as Step Functions tells it."""

import json

from pydantic import BaseModel, ConfigDict

LONGEST_REASON = 500
"""Characters of a reason that are told; SageMaker says the gist of it first."""

_JOB_ENDED = "States.TaskFailed"
"""What Step Functions calls a job that was created and did not complete."""


class Fault(BaseModel):
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
    def has_job(self) -> bool:
        """Whether there is a job."""
        return self.error == _JOB_ENDED

    @property
    def reason(self) -> str:
        """What SageMaker said, as a part of a sentence."""
        return _shortened(self.cause) or self.error

    @property
    def end(self) -> str:
        """How the job ended, as a part of a sentence about it."""
        try:
            job = json.loads(self.cause)
        except ValueError:
            job = None
        if not isinstance(job, dict):
            return "failed"
        how = "was stopped" if job.get("TransformJobStatus") == "Stopped" else "failed"
        reason = _shortened(str(job.get("FailureReason") or ""))
        return f"{how} ({reason})" if reason else how


def _shortened(text: str) -> str:
    line = " ".join(text.split()).removesuffix(".")
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"
