"""One check: photos of the last days against the evaluation of the model in production."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from scones.decisions import DECIMALS
from scones.drift.deployed_model import NotComparable, find_baseline, find_deployed_model
from scones.drift.distributions import Bins, confidence_bins, familiarity_bins, label_bins
from scones.drift.psi import critical_value, population_stability_index
from scones.evaluation.report import FILE
from scones.evaluation.stored_evaluation import StoredEvaluation
from scones.events import Drift, DriftChecked, PhotoDecided, Share
from scones.records import Skipped, is_simulated, query_records
from scones.runs import Run
from scones.settings import CheckDriftSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

MAX_PHOTOS = 20_000
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
        As `scones.storage.s3_errors`.
    botocore.exceptions.ClientError
        If SageMaker or DynamoDB refuses.
    """
    empty = _empty_result(request, now)
    deployed = find_deployed_model(clients.sagemaker, settings.endpoint_name)
    if isinstance(deployed, NotComparable):
        return empty.model_copy(update=asdict(deployed))
    of_model = empty.model_copy(
        update={
            "model_version": deployed.number,
            "model_package_arn": deployed.model_package_arn,
        }
    )
    run = Run(settings.data_bucket, deployed.run)
    baseline = find_baseline(clients.s3, run, settings.class_names)
    if isinstance(baseline, NotComparable):
        return of_model.model_copy(update=asdict(baseline))
    since = max(deployed.since, now - timedelta(days=settings.days))
    skipped = Skipped(MAX_PHOTOS)
    photos = _read_decisions(clients.dynamodb, settings, since, now, skipped)
    result = of_model.model_copy(
        update={
            "since": since,
            "photos": len(photos),
            "skipped": len(skipped),
            "evaluation": run.uri(FILE),
            "evaluation_photos": baseline.candidate.photos,
        }
    )
    if len(photos) < settings.minimum_photos:
        checked = _too_few(result, since, settings.minimum_photos)
    else:
        checked = _compare(result, settings, baseline, photos)
    if skipped.message is None:
        return checked
    return checked.model_copy(update={"message": f"{checked.message}; {skipped.message}"})


def _empty_result(request: Request, now: datetime) -> DriftChecked:
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


def _too_few(result: DriftChecked, since: datetime, needed: int) -> DriftChecked:
    message = (
        f"version {result.model_version} decided {result.photos:,} photos since "
        f"{since:%Y-%m-%d %H:%M} UTC, and a comparison needs {needed:,}"
    )
    return result.model_copy(update={"outcome": "too_few", "message": message})


def _compare(
    result: DriftChecked,
    settings: CheckDriftSettings,
    baseline: StoredEvaluation,
    photos: Sequence[PhotoDecided],
) -> DriftChecked:
    confidence = _drift(
        confidence_bins(baseline.candidate, [photo.confidence or 0.0 for photo in photos]),
        settings.limit,
    )
    labels = _drift(
        label_bins(baseline, [photo.label or "" for photo in photos]), settings.label_limit
    )
    familiarity = _familiarity(settings, baseline, photos)
    shifted = (
        confidence.shifted or labels.shifted or (familiarity is not None and familiarity.shifted)
    )
    message = (
        f"{len(photos):,} photos of production against the {baseline.candidate.photos:,} that "
        f"version {result.model_version} was evaluated on: confidences "
        f"{_format_drift(confidence)}; classes {_format_drift(labels)}"
    )
    if familiarity:
        message += f"; familiarities, against a uniform distribution, {_format_drift(familiarity)}"
    return result.model_copy(
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
    settings: CheckDriftSettings, baseline: StoredEvaluation, photos: Sequence[PhotoDecided]
) -> Drift | None:
    """Compare the familiarities, or return None if too few photos have one.

    The limit is that of the confidences: both are shares in bins of a tenth of the photos each.
    """
    familiarities = [photo.familiarity for photo in photos if photo.familiarity is not None]
    if len(familiarities) < settings.minimum_photos:
        return None
    return _drift(familiarity_bins(baseline.candidate, familiarities), settings.limit)


def _read_decisions(
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
    records = query_records(
        client,
        settings.results_table,
        skipped,
        ("classified", "needs_review"),
        since=since,
        until=until,
    )
    decisions = (
        record.decision
        for record in records
        if record.decision.model
        and record.decision.model.endpoint == settings.endpoint_name
        and not is_simulated(record.decision.photo.key)
    )
    return list(islice(decisions, MAX_PHOTOS))


def _drift(bins: Bins, limit: float) -> Drift:
    expected, observed = sum(bins.expected), sum(bins.observed)
    index = round(population_stability_index(bins.expected, bins.observed), DECIMALS)
    noise = round(critical_value(len(bins.names), expected, observed), DECIMALS)
    shares = zip(bins.names, bins.expected, bins.observed, strict=True)
    return Drift(
        index=index,
        noise=noise,
        limit=limit,
        shifted=index >= limit and index > noise,
        shares=tuple(
            Share(
                name=name,
                expected=round(of_evaluation / expected, DECIMALS),
                observed=round(of_production / observed, DECIMALS),
            )
            for name, of_evaluation, of_production in shares
        ),
    )


def _format_drift(drift: Drift) -> str:
    state = "shifted" if drift.shifted else "steady"
    return (
        f"{state}, index {drift.index:.3f} (limit {drift.limit:g}, "
        f"chance reaches {drift.noise:.3f})"
    )
