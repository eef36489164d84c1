"""The CloudWatch log of a training job, followed and understood."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scones_operator.progress import Epoch, LogLine

if TYPE_CHECKING:
    import boto3

VALIDATION_ACCURACY = r"Validation-accuracy=([0-9.]+)"
"""How the built-in image-classification algorithm, and ours, log what validation came to."""

DEFAULT_EPOCHS = 30
"""Of the built-in image-classification algorithm."""


def parse_line(line: str, epochs: int) -> Epoch | LogLine | None:
    """Understand a line of a training job's log; None where it tells nothing new.

    Parameters
    ----------
    line
        Such as ``Epoch[2] Validation-accuracy=0.666667``; the built-in algorithm puts time and
        level in brackets before it.
    epochs
        How many epochs there will be.

    Examples
    --------
    >>> parse("Epoch[2] Validation-accuracy=0.666667", 30)
    Epoch(number=3, total=30, accuracy=0.666667)
    """
    if match := re.search(rf"Epoch\[([0-9]+)\] {VALIDATION_ACCURACY}", line):
        return Epoch(int(match[1]) + 1, epochs, float(match[2]))
    # Of each epoch one line is enough; metrics are for machines.
    if "Epoch[" in line or line.startswith("#metrics") or not line.strip():
        return None
    return LogLine(line)


class TrainingLog:
    """Follows the CloudWatch log of one training job.

    Parameters
    ----------
    session
        Where.
    job
        The job's name.
    """

    GROUP = "/aws/sagemaker/TrainingJobs"

    def __init__(self, session: "boto3.Session", job: str) -> None:
        self._logs = session.client("logs")
        self._prefix = f"{job}/"
        self._token: str | None = None

    def new_lines(self) -> Iterator[str]:
        """Yield the lines since the last call."""
        stream = self._stream()
        if not stream:
            return
        more: dict[str, Any] = {"nextToken": self._token} if self._token else {}
        page = self._logs.get_log_events(
            logGroupName=self.GROUP, logStreamName=stream, startFromHead=True, **more
        )
        self._token = page["nextForwardToken"]
        yield from (event["message"] for event in page["events"])

    def _stream(self) -> str | None:
        try:
            streams = self._logs.describe_log_streams(
                logGroupName=self.GROUP, logStreamNamePrefix=self._prefix
            )["logStreams"]
        except self._logs.exceptions.ResourceNotFoundException:
            return None
        return streams[0]["logStreamName"] if streams else None
