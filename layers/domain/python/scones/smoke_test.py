"""Asks an endpoint about labelled photos, to see whether it may go into production."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from scones.decisions import DECIMALS, top_class
from scones.endpoint import ModelTimedOut, predict
from scones.percentiles import percentile, rank
from scones.prepared_images import SUFFIXES
from scones.runs import IMAGES_PREFIX, Run, RunName, read_file, read_validation_set
from scones.storage import list_pages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from scones.settings import SmokeTestSettings

_QUANTILE_99 = 2.326
"""Standard deviations below the mean that 99 of 100 normally distributed values are not."""

_CONTENT_TYPES = {suffix: content_type for content_type, suffix in SUFFIXES.items()}


READ_TIMEOUT_SECONDS = 18
"""Seconds to wait for an answer: those of `classify`, so that a longer one fails there."""


class NoImages(Exception):
    """There is nothing to ask an endpoint about."""


class Request(BaseModel):
    """What to ask: an endpoint, about photos of a run."""

    model_config = ConfigDict(frozen=True)

    endpoint: str = Field(min_length=1)
    run: RunName


class Latency(BaseModel):
    """Percentiles of the time to an answer, in milliseconds."""

    p50: float
    p95: float


class SmokeTestResult(BaseModel):
    """How an endpoint did.

    Attributes
    ----------
    passed
        Whether it is accurate and quick enough.
    message
        A sentence with the numbers, without its full stop.
    photos
        How many it was asked about.
    accuracy
        Which share of them it classified right, 0 to 1.
    latency_ms
        How long it took to answer, the first answer not counted.
    """

    passed: bool
    message: str
    photos: int
    accuracy: float
    latency_ms: Latency


@dataclass(frozen=True)
class LabeledImage:
    """A labelled picture: its path among the run's files, and the index of its class."""

    path: str
    class_index: int


@dataclass(frozen=True)
class TimedPrediction:
    """Whether an answer was right, and after how many milliseconds it came.

    A request without an answer in time counts as a wrong answer at the time limit, or later.
    """

    is_correct: bool
    milliseconds: float


def smoke_test(
    s3: "S3Client",
    sagemaker: "SageMakerRuntimeClient",
    request: Request,
    settings: "SmokeTestSettings",
    clock: Callable[[], float] = time.perf_counter,
    has_time: Callable[[], bool] = lambda: True,
) -> SmokeTestResult:
    """Ask an endpoint about labelled photos, one after the other.

    The first answer is not counted: a model that was just started takes longer for it. The rest is
    not asked about once so many answers were slow that the endpoint can't pass any more, or when
    the time is up: then the photos that were asked about decide.

    Parameters
    ----------
    s3
        An S3 client.
    sagemaker
        A ``sagemaker-runtime`` client; see `scones.endpoint.predict`.
    request
        What to ask.
    settings
        The bucket, the classes, the limits, and how many photos.
    clock
        Returns the time in seconds.
    has_time
        Returns False if there is no time for another photo. It is asked after the first one.

    Returns
    -------
    SmokeTestResult
        Too many wrong or slow answers are an outcome.

    Raises
    ------
    NoImages
        If the run has none.
    RunIncomplete, RunOutdated, LstError
        As `scones.runs.read_validation_set`.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    EndpointBusy, EndpointMissing, UnusablePrediction, ...
        All of `scones.endpoint.predict`: the endpoint can't be asked. `ModelTimedOut` only for the
        answer that is not counted.
    """
    run = Run(settings.data_bucket, request.run)
    images = select_images(s3, run, settings.class_names, settings.smoke_photos)

    def classify(image: LabeledImage) -> TimedPrediction:
        body = read_file(s3, run, image.path)
        content_type = _CONTENT_TYPES[image.path[image.path.rindex(".") :]]
        started_at = clock()
        prediction = predict(
            sagemaker, request.endpoint, body, content_type, len(settings.class_names)
        )
        duration = round((clock() - started_at) * 1000, 1)
        predicted, _ = top_class(prediction.probabilities)
        return TimedPrediction(predicted == image.class_index, duration)

    def classify_in_time(image: LabeledImage) -> TimedPrediction:
        started_at = clock()
        try:
            return classify(image)
        except ModelTimedOut:
            duration = round((clock() - started_at) * 1000, 1)
            return TimedPrediction(
                is_correct=False, milliseconds=max(duration, READ_TIMEOUT_SECONDS * 1000.0)
            )

    classify(images[0])
    predictions = _until_too_slow(
        map(classify_in_time, images), len(images), settings.maximum_latency_ms, has_time
    )
    return _evaluate(predictions, len(images), settings)


def select_images(
    s3: "S3Client", run: Run, class_names: Sequence[str], max_images: int
) -> list[LabeledImage]:
    """Return the labeled pictures of a run that a smoke test uses.

    Parameters
    ----------
    s3
        An S3 client.
    run
        The run.
    class_names
        The stack's classes in the order of their indices.
    max_images
        Maximum number of pictures, 1 or more.

    Raises
    ------
    NoImages
        If the run has none.
    RunIncomplete, RunOutdated, LstError
        As `scones.runs.read_validation_set`.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    labels = read_validation_set(s3, run, class_names).classes
    images = select_balanced(_images_by_class(s3, run, labels), max_images)
    if not images:
        raise NoImages(
            f"none of the {len(labels):,} validation photos is in {run.uri(IMAGES_PREFIX)}: start "
            "retrain again, and promote the version that it registers"
        )
    return images


def select_balanced(
    images: Mapping[int, Sequence[LabeledImage]], max_images: int
) -> list[LabeledImage]:
    """Choose pictures, as many of each class as of the others where there are as many.

    Those of a class are taken from all over its pictures. The same pictures give the same choice.

    Parameters
    ----------
    images
        By class index.
    max_images
        How many, 1 or more.

    Returns
    -------
    list of LabeledImage
        Fewer than wanted where there are fewer.
    """
    shares = dict.fromkeys(sorted(images), 0)
    while sum(shares.values()) < max_images:
        open_ = [index for index, share in shares.items() if share < len(images[index])]
        if not open_:
            break
        for index in open_[: max_images - sum(shares.values())]:
            shares[index] += 1
    return [
        images[index][(2 * position + 1) * len(images[index]) // (2 * share)]
        for index, share in shares.items()
        for position in range(share)
    ]


def _images_by_class(
    client: "S3Client", run: Run, labels: Mapping[int, int]
) -> Mapping[int, list[LabeledImage]]:
    """List the pictures of a run by class, in the order of their indices."""
    prefix = run.key(IMAGES_PREFIX)
    names = []
    for page in list_pages(client, run.bucket, prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix)
            stem, dot, suffix = name.partition(".")
            if dot + suffix in _CONTENT_TYPES and stem.isdecimal() and int(stem) in labels:
                names.append((int(stem), name))
    by_class: dict[int, list[LabeledImage]] = {}
    for index, name in sorted(names):
        image = LabeledImage(f"{IMAGES_PREFIX}{name}", labels[index])
        by_class.setdefault(image.class_index, []).append(image)
    return by_class


def _until_too_slow(
    predictions: Iterator[TimedPrediction],
    expected: int,
    maximum_latency_ms: float,
    has_time: Callable[[], bool],
) -> list[TimedPrediction]:
    """Take replies while there is time and the 95th percentile of all may be quick enough."""
    taken: list[TimedPrediction] = []
    slow = 0
    allowed = expected - rank(95, expected)
    for prediction in predictions:
        taken.append(prediction)
        slow += prediction.milliseconds > maximum_latency_ms
        if slow > allowed or not has_time():
            break
    return taken


def minimum_sample_accuracy(minimum: float, photos: int) -> float:
    """Return what a model of a minimum accuracy has on a few photos in 99 of 100 draws, or more.

    The evaluation holds the model against the minimum itself. On a few of its photos a model that
    is as good may have less by chance; a broken one has far less. It is the quantile of the
    binomial distribution's normal approximation, rounded down to what so many photos can give.

    Parameters
    ----------
    minimum
        0 to 1.
    photos
        1 or more.

    Examples
    --------
    >>> minimum_sample_accuracy(0.85, 50)
    0.72
    """
    deviation = math.sqrt(minimum * (1 - minimum) / photos)
    accuracy = max(0.0, minimum - _QUANTILE_99 * deviation)
    return math.floor(round(accuracy * photos, DECIMALS)) / photos


def _evaluate(
    predictions: Sequence[TimedPrediction], requested: int, settings: "SmokeTestSettings"
) -> SmokeTestResult:
    """Hold the replies against the limits; there are fewer than wanted if many were slow."""
    accuracy = round(
        sum(prediction.is_correct for prediction in predictions) / len(predictions), DECIMALS
    )
    times = [prediction.milliseconds for prediction in predictions]
    latency = Latency(p50=percentile(times, 50), p95=percentile(times, 95))
    min_accuracy = minimum_sample_accuracy(settings.minimum_accuracy, len(predictions))
    is_accurate = accuracy >= min_accuracy
    is_fast = latency.p95 <= settings.maximum_latency_ms
    parts = [
        f"its accuracy is {accuracy:.6g} on {len(predictions)} photos, "
        f"{'at least' if is_accurate else 'below'} {min_accuracy:.3f}, the least that a model of "
        f"{settings.minimum_accuracy:.6g} has on so few",
        f"95 % of the answers took up to {latency.p95:g} ms, "
        f"{'within' if is_fast else 'over'} the {settings.maximum_latency_ms:g} ms allowed, not "
        "counting one to warm up",
    ]
    if len(predictions) < requested:
        reason = "the time of the test was up" if is_fast else "it could not pass any more"
        parts.append(f"it was not asked about {requested - len(predictions)} more, as {reason}")
    return SmokeTestResult(
        passed=is_accurate and is_fast,
        message="; ".join(parts),
        photos=len(predictions),
        accuracy=accuracy,
        latency_ms=latency,
    )
