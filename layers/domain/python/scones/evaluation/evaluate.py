"""Judges the new model of a run, and the one in production, on the same photos."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from scones.endpoint import UnusablePrediction
from scones.evaluation.model_metrics import (
    ModelMetrics,
    NotEvaluated,
    compute_familiarity,
    compute_model_metrics,
)
from scones.evaluation.predictions import Predictions, read_predictions
from scones.evaluation.report import EvaluationReport
from scones.evaluation.transform_failure import TransformFailure
from scones.evaluation.verdict import Limits, compare
from scones.runs import (
    IMAGES_PREFIX,
    VALIDATION_LIST,
    Run,
    RunName,
    ValidationSet,
    read_validation_set,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoPredictions(Exception):
    """There is nothing to judge a new model by."""


class Request(BaseModel):
    """What to evaluate.

    Attributes
    ----------
    run
        Name of the run.
    champion
        Whether there is a model in production to compare with.
    champion_fault
        What went wrong with its batch transform, None where nothing did.
    """

    model_config = ConfigDict(frozen=True)

    run: RunName
    champion: bool
    champion_fault: TransformFailure | None = None


def evaluate(
    client: "S3Client", bucket: str, request: Request, class_names: Sequence[str], limits: Limits
) -> EvaluationReport:
    """Judge the new model of a run by its predictions.

    Accuracy and all other figures but the familiarity's are of the validation photos of the
    classes; photos of none of the classes have no label that a model could predict.

    A model in production that can't be judged on the same photos is no fault: the new one is then
    judged alone, and the report says why.

    Parameters
    ----------
    client
        An S3 client, with at least `scones.evaluation.predictions.THREADS` connections.
    bucket
        The data bucket.
    request
        What to evaluate.
    class_names
        The stack's classes in the order of their indices.
    limits
        What the model is held against.

    Raises
    ------
    NoPredictions
        If there is not one of the new model.
    UnusablePrediction
        If one of its predictions is none, or only some have a familiarity.
    RunIncomplete, RunOutdated, LstError
        As `scones.runs.read_validation_set`.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    run = Run(bucket, request.run)
    validation = read_validation_set(client, run, class_names)
    predictions = read_predictions(client, run, "candidate", validation, len(class_names))
    if not predictions.photos:
        raise NoPredictions(_no_predictions_message(run, validation))
    champion_predictions = (
        _champion_predictions(
            client, run, validation, predictions, class_names, request.champion_fault
        )
        if request.champion
        else NotEvaluated("there is no model in production of the same classes and picture shape")
    )
    candidate = _model_metrics(predictions, class_names, limits)
    champion = (
        champion_predictions
        if isinstance(champion_predictions, NotEvaluated)
        else _model_metrics(champion_predictions, class_names, limits)
    )
    without_prediction = len(validation.classes) - len(predictions.photos)
    return EvaluationReport(
        run=run.name,
        fingerprint=validation.fingerprint,
        class_names=class_names,
        without_prediction=without_prediction,
        verdict=compare(candidate, champion, limits, without_prediction),
        limits=limits,
        candidate=candidate,
        champion=champion,
    )


def _model_metrics(
    predictions: Predictions, class_names: Sequence[str], limits: Limits
) -> ModelMetrics:
    photos = list(predictions.photos.values())
    familiarity = compute_familiarity(
        [prediction.familiarity for prediction in photos if prediction.familiarity is not None],
        [familiarity for familiarity in predictions.negatives.values() if familiarity is not None],
        limits.familiarity_limit,
    )
    return compute_model_metrics(photos, class_names, limits.wanted_precision, familiarity)


def _champion_predictions(
    client: "S3Client",
    run: Run,
    validation: ValidationSet,
    candidate: Predictions,
    class_names: Sequence[str],
    failure: TransformFailure | None,
) -> Predictions | NotEvaluated:
    """Return the answers of the model in production to the photos that the new one answered.

    A missing answer to a photo of none of the classes does not matter for the verdict: there may be
    fewer of them.
    """
    try:
        predictions = read_predictions(client, run, "champion", validation, len(class_names))
    except UnusablePrediction as error:
        return _not_evaluated(str(error))
    photos, negatives = predictions.photos, predictions.negatives
    missing = sum(index not in photos for index in candidate.photos)
    if not missing:
        return Predictions(
            photos={index: photos[index] for index in candidate.photos},
            negatives={
                index: negatives[index] for index in candidate.negatives if index in negatives
            },
        )
    if failure and not failure.job_created:
        return _not_evaluated(f"its batch transform could not be run: {failure.reason}")
    gap = f"it has no prediction for {missing:,} of the {len(candidate.photos):,} photos"
    job = f"the transform job {run.name}-champion"
    if failure:
        return _not_evaluated(f"{gap}: {job} {failure.end}, see its log")
    return _not_evaluated(f"{gap}, see the log of {job}")


def _not_evaluated(reason: str) -> NotEvaluated:
    return NotEvaluated(f"the model in production was not judged: {reason}")


def _no_predictions_message(run: Run, validation: ValidationSet) -> str:
    return (
        f"there is no prediction in {run.uri('predictions/candidate/')} for any of the "
        f"{len(validation.classes):,} photos of {run.uri(VALIDATION_LIST)}: look whether there are "
        f"pictures in {run.uri(IMAGES_PREFIX)}, and at the log of the transform job "
        f"{run.name}-candidate"
    )
