"""One check: photos of the last days against the evaluation of the model in production."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from scones.decisions import DECIMALS
from scones.drift.deployed_model import Unknown, find_evaluation, find_hosted
from scones.drift.distributions import Bins, confidence_bins, familiarity_bins, label_bins
from scones.drift.psi import noise, stability_index
from scones.evaluation.report import FILE
from scones.evaluation.stored_evaluation import Evaluation
from scones.events import Drift, DriftChecked, PhotoDecided, Share
from scones.records import Skipped, is_simulated, read_decided
from scones.runs import Run
from scones.settings import CheckDriftSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

MOST_PHOTOS = 20_000
"""Of more the latest are compared: they leave next to nothing to chance, and are soon read."""


@dataclass(frozen=True)
class Clients:
    """The services that a check reads from."""

    sagemaker: "SageMakerClient"
    s3: "S3Client"
    dynamodb: "DynamoDBClient"


class Request(BaseModel):
    """Who or what asks for a check."""

    model_config = ConfigDict(frozen=True)

    requested_by: str = "unknown"


def check_drift(
    clients: Clients, settings: CheckDriftSettings, request: Request, now: datetime
) -> DriftChecked:
    """Compare what production decided with the evaluation of the model that decided it.

    Parameters
    ----------
    clients
        Where to read from.
    settings
        What is compared, and what counts as a shift.
    request
        Who asks.
    now
        The moment up to which photos count; aware.

    Raises
    ------
    StorageBusy, StorageRefused
        As `scones.storage.named_faults`.
    botocore.exceptions.ClientError
        If SageMaker or DynamoDB refuses.
    """
    nothing = _nothing(request, now)
    hosted = find_hosted(clients.sagemaker, settings.endpoint_name)
    if isinstance(hosted, Unknown):
        return nothing.model_copy(update=asdict(hosted))
    of_version = nothing.model_copy(
        update={
            "model_version": hosted.number,
            "model_package_arn": hosted.model_package_arn,
        }
    )
    run = Run(settings.data_bucket, hosted.run)
    evaluation = find_evaluation(clients.s3, run, settings.class_names)
    if isinstance(evaluation, Unknown):
        return of_version.model_copy(update=asdict(evaluation))
    since = max(hosted.since, now - timedelta(days=settings.days))
    skipped = Skipped(MOST_PHOTOS)
    photos = _decided(clients.dynamodb, settings, since, now, skipped)
    looked_at = of_version.model_copy(
        update={
            "since": since,
            "photos": len(photos),
            "skipped": len(skipped),
            "evaluation": run.uri(FILE),
            "evaluation_photos": evaluation.candidate.photos,
        }
    )
    if len(photos) < settings.minimum_photos:
        checked = _too_few(looked_at, since, settings.minimum_photos)
    else:
        checked = _compared(looked_at, settings, evaluation, photos)
    if skipped.message is None:
        return checked
    return checked.model_copy(update={"message": f"{checked.message}; {skipped.message}"})


def _nothing(request: Request, now: datetime) -> DriftChecked:
    """Return what is known before anything was looked at."""
    return DriftChecked(
        version="1",
        outcome="no_model",
        message="",
        since=None,
        until=now,
        photos=0,
        confidence=None,
        labels=None,
        model_version=None,
        model_package_arn=None,
        evaluation=None,
        evaluation_photos=None,
        retraining_requested=False,
        requested_by=request.requested_by,
    )


def _too_few(looked_at: DriftChecked, since: datetime, needed: int) -> DriftChecked:
    message = (
        f"version {looked_at.model_version} decided {looked_at.photos:,} photos since "
        f"{since:%Y-%m-%d %H:%M} UTC, and a comparison needs {needed:,}"
    )
    return looked_at.model_copy(update={"outcome": "too_few", "message": message})


def _compared(
    looked_at: DriftChecked,
    settings: CheckDriftSettings,
    evaluation: Evaluation,
    photos: Sequence[PhotoDecided],
) -> DriftChecked:
    confidence = _drift(
        confidence_bins(evaluation.candidate, [photo.confidence or 0.0 for photo in photos]),
        settings.limit,
    )
    labels = _drift(
        label_bins(evaluation, [photo.label or "" for photo in photos]), settings.label_limit
    )
    familiarity = _familiarity(settings, evaluation, photos)
    shifted = (
        confidence.shifted or labels.shifted or (familiarity is not None and familiarity.shifted)
    )
    message = (
        f"{len(photos):,} photos of production against the {evaluation.candidate.photos:,} that "
        f"version {looked_at.model_version} was evaluated on: confidences {_said(confidence)}; "
        f"classes {_said(labels)}"
    )
    if familiarity:
        message += f"; familiarities, against a uniform distribution, {_said(familiarity)}"
    return looked_at.model_copy(
        update={
            "outcome": "shifted" if shifted else "steady",
            "message": message,
            "confidence": confidence,
            "labels": labels,
            "familiarity": familiarity,
            "retraining_requested": shifted and settings.retrain_on_drift,
        }
    )


def _familiarity(
    settings: CheckDriftSettings, evaluation: Evaluation, photos: Sequence[PhotoDecided]
) -> Drift | None:
    """Compare the familiarities, or return None if too few photos have one.

    The limit is that of the confidences: both are shares in bins of a tenth of the photos each.
    """
    known = [photo.familiarity for photo in photos if photo.familiarity is not None]
    if len(known) < settings.minimum_photos:
        return None
    return _drift(familiarity_bins(evaluation.candidate, known), settings.limit)


def _decided(
    client: "DynamoDBClient",
    settings: CheckDriftSettings,
    since: datetime,
    until: datetime,
    skipped: Skipped,
) -> list[PhotoDecided]:
    """Read the latest photos that the production endpoint had an answer to.

    Without those that were sent to try the application: they are the photos that the evaluation is
    of, which look like it whatever production has become.
    """
    answered = read_decided(
        client,
        settings.results_table,
        skipped,
        ("classified", "needs_review"),
        since=since,
        until=until,
    )
    ours = (
        record.decided
        for record in answered
        if record.decided.model
        and record.decided.model.endpoint == settings.endpoint_name
        and not is_simulated(record.decided.photo.key)
    )
    return list(islice(ours, MOST_PHOTOS))


def _drift(bins: Bins, limit: float) -> Drift:
    expected, observed = sum(bins.expected), sum(bins.observed)
    index = round(stability_index(bins.expected, bins.observed), DECIMALS)
    chance = round(noise(len(bins.names), expected, observed), DECIMALS)
    shares = zip(bins.names, bins.expected, bins.observed, strict=True)
    return Drift(
        index=index,
        noise=chance,
        limit=limit,
        shifted=index >= limit and index > chance,
        shares=tuple(
            Share(
                name=name,
                expected=round(of_evaluation / expected, DECIMALS),
                observed=round(of_production / observed, DECIMALS),
            )
            for name, of_evaluation, of_production in shares
        ),
    )


def _said(drift: Drift) -> str:
    how = "shifted" if drift.shifted else "steady"
    return (
        f"{how}, index {drift.index:.3f} (limit {drift.limit:g}, chance reaches {drift.noise:.3f})"
    )
