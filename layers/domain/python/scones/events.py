"""The schema of the events that Scones publishes, for those who consume them."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from scones.decisions import UNFAMILIAR
from scones.serialize import PhotoReference, Reason

Status = Literal["classified", "needs_review", "rejected", "failed"]
Probability = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0)]


class _Detail(BaseModel):
    model_config = ConfigDict(frozen=True)


class Model(_Detail):
    """What answered: a SageMaker endpoint and one of its production variants."""

    endpoint: str
    variant: str


class Timings(_Detail):
    """When things happened (UTC) and how long they took (milliseconds, retries included).

    A step that was not reached has no duration.
    """

    uploaded_at: AwareDatetime
    started_at: AwareDatetime
    decided_at: AwareDatetime
    serialize_ms: Milliseconds | None
    classify_ms: Milliseconds | None
    threshold_ms: Milliseconds | None
    total_ms: Milliseconds


class PhotoDecided(_Detail):
    """Detail of a "Photo Decided" event, version 1.

    Attributes
    ----------
    version
        Version of this schema. A field may be added within a version; nothing else changes.
    status
        ``classified``: decided by the model. ``needs_review``: the model is not sure enough, or
        `reason` says why; a person will say. ``rejected``: no usable
        photo, `reason` says why. ``failed``: we could not decide, `reason` says why; the photo may
        be decided later by another event.
    photo
        The version of the S3 object that was decided.
    label, confidence
        The most likely class and its probability; null where the photo was not classified.
    probabilities
        By class name, all of them; null where the photo was not classified.
    threshold
        The confidence from which on the model decides; null where the photo was not classified.
    loading_bay
        Loading bay of the class of a ``classified`` photo; null if the class has none, and for
        every other status: the review of a photo names its bay.
    reason
        Code and message of a rejection or failure, and of a photo that needs review as it is
        unfamiliar (code ``unfamiliar``) or as its class always does (``always_reviewed``); else
        null.
    model
        What answered; null where the photo did not reach it.
    timings
        When and how long.
    execution
        ARN of the execution that decided.
    familiarity
        Share of held-out photos of the learned classes that are at least as unlike the training
        photos as this one; null if the model gives none, and where the photo was not classified.
    familiarity_limit
        The familiarity below which a photo needs review; null if `familiarity` is.
    """

    version: Literal["1"]
    status: Status
    photo: PhotoReference
    label: str | None
    confidence: Probability | None
    probabilities: dict[str, Probability] | None
    threshold: Probability | None
    loading_bay: str | None
    reason: Reason | None
    model: Model | None
    timings: Timings
    execution: str
    # Stored events of photos that were decided before these fields existed lack them.
    familiarity: Probability | None = None
    familiarity_limit: Probability | None = None

    @field_validator("loading_bay")
    @classmethod
    def _clear_guessed_bay(cls, bay: str | None, info: ValidationInfo) -> str | None:
        """Return None unless the photo is classified: older records have the bay of a guess."""
        return bay if info.data.get("status") == "classified" else None

    @property
    def unfamiliar(self) -> bool:
        """Whether the photo needs review because it does not resemble the training photos."""
        return self.reason is not None and self.reason.code == UNFAMILIAR


RetrainingOutcome = Literal["registered", "not_good_enough", "unchanged", "busy", "failed"]
PromotionOutcome = Literal[
    "promoted",
    "rejected",
    "timed_out",
    "smoke_test_failed",
    "rolled_back",
    "already_in_production",
    "refused",
    "ignored",
    "busy",
    "failed",
]


class RetrainingEnded(_Detail):
    """Detail of a "Retraining Ended" event, version 1.

    Attributes
    ----------
    version
        Version of this schema.
    outcome
        ``registered``: a version of the model waits for approval. ``not_good_enough``: trained,
        but not registered. ``unchanged``: nothing is new since the last training. ``busy``:
        another run is under way. ``failed``: we could not, `message` says why.
    message
        The outcome in a sentence, with its numbers.
    run
        Name of the run, and of its training job.
    model_version, model_package_arn
        The registered version; null where there is none.
    accuracy, champion_accuracy
        Of the new model and of the one in production, on the same validation photos; null where
        it was not found out.
    evaluation
        S3 URI of evaluation.json, or null.
    requested_by
        Who or what started it.
    execution
        ARN of the execution.
    """

    version: Literal["1"]
    outcome: RetrainingOutcome
    message: str
    run: str
    model_version: int | None
    model_package_arn: str | None
    accuracy: Probability | None
    champion_accuracy: Probability | None
    evaluation: str | None
    requested_by: str
    execution: str


class PromotionEnded(_Detail):
    """Detail of a "Promotion Ended" event, version 1.

    Attributes
    ----------
    version
        Version of this schema.
    outcome
        ``promoted``: the model is in production. ``rolled_back``: alarms took it back.
        ``smoke_test_failed``, ``rejected``, ``timed_out``: it did not get that far.
        ``refused``: it was trained for other classes or another image shape than the stack has.
        ``already_in_production``, ``ignored`` (not approved, or told twice), ``busy`` (another
        promotion is under way): there was nothing to do. ``failed``: we could not, `message` says
        why.
    message
        The outcome in a sentence.
    kind
        ``promotion`` of an approved version, ``rollback`` to an earlier one, ``hosting`` of a
        model saved in S3, ``unknown`` where the request was none of them.
    model_version, model_package_arn
        The version; null for a saved model.
    artifacts
        S3 URI of a saved model; null for a version.
    endpoint, endpoint_config
        The endpoint of production, and the configuration it runs now where it was changed.
    requested_by, by, comment
        Who asked for it, who answered the question, and with what comment; null where nobody did.
    execution
        ARN of the execution.
    """

    version: Literal["1"]
    outcome: PromotionOutcome
    message: str
    kind: Literal["promotion", "rollback", "hosting", "unknown"]
    model_version: int | None
    model_package_arn: str | None
    artifacts: str | None
    endpoint: str
    endpoint_config: str | None
    requested_by: str
    by: str | None
    comment: str | None
    execution: str


class PhotoReviewed(_Detail):
    """Detail of a "Photo Reviewed" event, version 1.

    Attributes
    ----------
    version
        Version of this schema.
    outcome
        ``labelled``: a person said what the photo shows. ``not_a_vehicle``: none of the classes.
        ``withdrawn``: what was said last does not hold any more; the photo waits again.
    photo
        The version of the S3 object, as in its "Photo Decided" event.
    label
        The class that a person sees; null but for ``labelled``.
    loading_bay
        Where the vehicle goes; null where its class has none, and without a class.
    guess, confidence
        The class that the model thought most likely, and its probability.
    by, at
        Who said it, and when (UTC): the name of the IAM user, or of an assumed role's session.
    reviewed_version
        Version that the reviewer labeled, if it is another version of the same key with the same
        ETag, whose review counts for this one too; null if the reviewer labeled this version.
    """

    version: Literal["1"]
    outcome: Literal["labelled", "not_a_vehicle", "withdrawn"]
    photo: PhotoReference
    label: str | None
    loading_bay: str | None
    guess: str
    confidence: Probability
    by: str
    at: datetime
    # Events of reviews that were made before this field existed lack it.
    reviewed_version: str | None = None


DriftOutcome = Literal["steady", "shifted", "too_few", "no_model", "changing", "no_evaluation"]


class Share(_Detail):
    """Which share of the photos is in one bin of a comparison.

    Attributes
    ----------
    name
        What is in it: a range of confidences or familiarities, or a class.
    expected
        In the model's own evaluation; a tenth of the familiarities in each bin.
    observed
        In production.
    """

    name: str
    expected: Probability
    observed: Probability


class Drift(_Detail):
    """How far production is from the model's own evaluation in one respect.

    Attributes
    ----------
    index
        The population stability index; 0 is no difference.
    noise
        What chance alone reaches in one of a thousand checks, with so many photos.
    limit
        The index from which on it counts.
    shifted
        Whether the index is at least the limit, and above what chance does.
    shares
        The bins that it is made of.
    """

    index: Annotated[float, Field(ge=0)]
    noise: Annotated[float, Field(ge=0)]
    limit: Annotated[float, Field(ge=0)]
    shifted: bool
    shares: tuple[Share, ...]


class DriftChecked(_Detail):
    """Detail of a "Drift Checked" event, version 1.

    Attributes
    ----------
    version
        Version of this schema.
    outcome
        ``steady``: what production decides is like the model's own evaluation. ``shifted``: it is
        not. ``too_few``: too few photos to tell. ``no_model``: nothing is in production.
        ``changing``: production is being changed. ``no_evaluation``: the model in production has
        none that can be compared with.
    message
        The outcome in a sentence, with its numbers.
    since, until
        Decided in between (UTC); `since` is null where nothing was looked at.
    photos
        How many were compared.
    confidence, labels
        The comparison of the confidences and of the predicted classes; null where there is none.
    familiarity
        The comparison of the familiarities with the uniform distribution, which photos of the
        learned classes have; null where there is none, and if the model gives no familiarity.
    model_version, model_package_arn
        What is in production; null where that is no registered version.
    evaluation, evaluation_photos
        S3 URI of its evaluation.json, and how many photos that is on; or null.
    retraining_requested
        Whether the check asked for a retraining.
    requested_by
        Who or what asked for the check.
    skipped
        Number of records of that time that could not be read, and were not compared.
    """

    version: Literal["1"]
    outcome: DriftOutcome
    message: str
    since: datetime | None
    until: datetime
    photos: Annotated[int, Field(ge=0)]
    confidence: Drift | None
    labels: Drift | None
    model_version: int | None
    model_package_arn: str | None
    evaluation: str | None
    evaluation_photos: int | None
    retraining_requested: bool
    requested_by: str
    # Events of checks that were made before these fields existed lack them.
    familiarity: Drift | None = None
    skipped: Annotated[int, Field(ge=0)] = 0


SCHEMAS: Mapping[str, type[_Detail]] = {
    "photo-decided.v1": PhotoDecided,
    "photo-reviewed.v1": PhotoReviewed,
    "retraining-ended.v1": RetrainingEnded,
    "promotion-ended.v1": PromotionEnded,
    "drift-checked.v1": DriftChecked,
}
"""The details of all events, by the name of their published schema."""


def _write_schemas(folder: Path) -> None:
    for name, detail in SCHEMAS.items():
        text = json.dumps(detail.model_json_schema(), indent=2)
        (folder / f"{name}.schema.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write_schemas(Path(sys.argv[1]))
