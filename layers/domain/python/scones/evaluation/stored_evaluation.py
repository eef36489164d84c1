"""What is read back of a model's `evaluation.json`, once it is in production."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scones.evaluation.metrics import RiskCoveragePoint
from scones.evaluation.report import FILE
from scones.runs import Run, read_file

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class InvalidEvaluationError(Exception):
    """The file is not as version 1 has it; the message says which file, and where."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True)


class Familiarity(_Stored):
    """Figures of a model's familiarity at the limit that held when it was evaluated.

    Attributes
    ----------
    photos, negatives
        Validation photos of the classes, and held-out photos of none of them.
    limit
        The familiarity below which a photo needs review, 0 to 1.
    below_limit
        Share of `photos` below the limit, 0 to 1.
    auroc
        Area under the ROC curve of telling both apart by familiarity, or None without negatives.
    negatives_passed
        Share of `negatives` at or above the limit, 0 to 1, or None without negatives.
    """

    photos: int
    limit: float
    below_limit: float
    negatives: int
    auroc: float | None
    negatives_passed: float | None


class StoredMetrics(_Stored):
    """What is read of a model."""

    photos: int = Field(gt=0)
    confusion_matrix: list[list[int]]
    at_threshold: RiskCoveragePoint | None
    risk_coverage: list[RiskCoveragePoint] = Field(min_length=1)
    # Evaluations of before familiarity was introduced have none.
    familiarity: Familiarity | None = None


class StoredEvaluation(_Stored):
    """What is read of evaluation.json, version 1; docs/evaluation.md tells the rest."""

    version: Literal["1"]
    class_names: tuple[str, ...]
    candidate: StoredMetrics


def read_evaluation(client: "S3Client", run: Run) -> StoredEvaluation:
    """Read the evaluation of a run's model.

    Parameters
    ----------
    client
        An S3 client.
    run
        The run.

    Raises
    ------
    InvalidEvaluationError
        If it is of another version, or damaged.
    RunIncomplete, StorageBusy, StorageRefused
        As `scones.runs.read_file`.
    """
    data = read_file(client, run, FILE)
    try:
        return StoredEvaluation.model_validate_json(data)
    except ValidationError as error:
        detail = error.errors()[0]
        uri = ".".join(map(str, detail["loc"])) or "it"
        raise InvalidEvaluationError(f"{run.uri(FILE)}: {uri}: {detail['msg']}") from error
