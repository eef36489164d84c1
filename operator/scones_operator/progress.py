"""What followers tell of long work while it lasts."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Step:
    """A state machine has begun another step.

    Attributes
    ----------
    title
        The step, for people.
    state
        The state it was entered with.
    at
        When.
    """

    title: str
    state: str
    at: datetime

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True)
class Epoch:
    """Training has gone through all photos once more.

    Attributes
    ----------
    number, total
        Which one, from 1, of how many.
    accuracy
        Share of the validation photos that is classified rightly now, 0 to 1.
    """

    number: int
    total: int
    accuracy: float

    def __str__(self) -> str:
        return f"epoch {self.number} of {self.total}, validation accuracy {self.accuracy:.3f}"


@dataclass(frozen=True)
class LogLine:
    """Something else that a job's log tells."""

    text: str

    def __str__(self) -> str:
        return self.text


Progress = Step | Epoch | LogLine
