"""Judges the new model of a run, and the one in production, on the same photos."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from scones.endpoint import UnusablePrediction
from scones.evaluation.model_metrics import Judgement, NotJudged, judge, judge_familiarity
from scones.evaluation.predictions import Answers, read_answers
from scones.evaluation.report import Report
from scones.evaluation.transform_failure import Fault
from scones.evaluation.verdict import Limits, compare
from scones.runs import (
    PICTURES,
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
    champion_fault: Fault | None = None


def evaluate(
    client: "S3Client", bucket: str, request: Request, class_names: Sequence[str], limits: Limits
) -> Report:
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
        As `scones.storage.named_faults`.
    """
    run = Run(bucket, request.run)
    validation = read_validation_set(client, run, class_names)
    answers = read_answers(client, run, "candidate", validation, len(class_names))
    if not answers.photos:
        raise NoPredictions(_nothing(run, validation))
    others = (
        _champion_answers(client, run, validation, answers, class_names, request.champion_fault)
        if request.champion
        else NotJudged("there is no model in production of the same classes and picture shape")
    )
    candidate = _judge(answers, class_names, limits)
    champion = others if isinstance(others, NotJudged) else _judge(others, class_names, limits)
    left_out = len(validation.classes) - len(answers.photos)
    return Report(
        run=run.name,
        fingerprint=validation.fingerprint,
        class_names=class_names,
        without_prediction=left_out,
        verdict=compare(candidate, champion, limits, left_out),
        limits=limits,
        candidate=candidate,
        champion=champion,
    )


def _judge(answers: Answers, class_names: Sequence[str], limits: Limits) -> Judgement:
    photos = list(answers.photos.values())
    familiarity = judge_familiarity(
        [answer.familiarity for answer in photos if answer.familiarity is not None],
        [familiarity for familiarity in answers.negatives.values() if familiarity is not None],
        limits.familiarity_limit,
    )
    return judge(photos, class_names, limits.wanted_precision, familiarity)


def _champion_answers(
    client: "S3Client",
    run: Run,
    validation: ValidationSet,
    candidate: Answers,
    class_names: Sequence[str],
    fault: Fault | None,
) -> Answers | NotJudged:
    """Return the answers of the model in production to the photos that the new one answered.

    A missing answer to a photo of none of the classes does not matter for the verdict: there may be
    fewer of them.
    """
    try:
        answers = read_answers(client, run, "champion", validation, len(class_names))
    except UnusablePrediction as error:
        return _not_judged(str(error))
    photos, negatives = answers.photos, answers.negatives
    missing = sum(index not in photos for index in candidate.photos)
    if not missing:
        return Answers(
            photos={index: photos[index] for index in candidate.photos},
            negatives={
                index: negatives[index] for index in candidate.negatives if index in negatives
            },
        )
    if fault and not fault.has_job:
        return _not_judged(f"its batch transform could not be run: {fault.reason}")
    lacks = f"it has no prediction for {missing:,} of the {len(candidate.photos):,} photos"
    job = f"the transform job {run.name}-champion"
    if fault:
        return _not_judged(f"{lacks}: {job} {fault.end}, see its log")
    return _not_judged(f"{lacks}, see the log of {job}")


def _not_judged(why: str) -> NotJudged:
    return NotJudged(f"the model in production was not judged: {why}")


def _nothing(run: Run, validation: ValidationSet) -> str:
    return (
        f"there is no prediction in {run.uri('predictions/candidate/')} for any of the "
        f"{len(validation.classes):,} photos of {run.uri(VALIDATION_LIST)}: look whether there are "
        f"pictures in {run.uri(PICTURES)}, and at the log of the transform job "
        f"{run.name}-candidate"
    )
