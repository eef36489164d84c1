"""Asks an endpoint about labelled photos, to see whether it may go into production."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from scones.decisions import DECIMALS, most_likely
from scones.endpoint import ModelTimedOut, predict
from scones.percentiles import percentile, rank
from scones.prepared_images import SUFFIXES
from scones.runs import PICTURES, Run, RunName, read_file, read_validation_set
from scones.storage import pages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from scones.settings import SmokeTestSettings

_QUANTILE_99 = 2.326
"""Standard deviations below the mean that 99 of 100 normally distributed values are not."""

_CONTENT_TYPES = {suffix: content_type for content_type, suffix in SUFFIXES.items()}


READ_TIMEOUT_SECONDS = 18
"""Seconds to wait for an answer: those of `classify`, so that a longer one fails there."""


class NoPictures(Exception):
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


class Smoke(BaseModel):
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
class Subject:
    """A labelled picture: its path among the run's files, and the index of its class."""

    path: str
    class_index: int


@dataclass(frozen=True)
class Reply:
    """Whether an answer was right, and after how many milliseconds it came.

    A request without an answer in time counts as a wrong answer at the time limit, or later.
    """

    is_right: bool
    milliseconds: float


def smoke_test(
    s3: "S3Client",
    sagemaker: "SageMakerRuntimeClient",
    request: Request,
    settings: "SmokeTestSettings",
    clock: Callable[[], float] = time.perf_counter,
    has_time: Callable[[], bool] = lambda: True,
) -> Smoke:
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
    Smoke
        Too many wrong or slow answers are an outcome.

    Raises
    ------
    NoPictures
        If the run has none.
    RunIncomplete, RunOutdated, LstError
        As `scones.runs.read_validation_set`.
    StorageBusy, StorageRefused
        As `scones.storage.named_faults`.
    EndpointBusy, EndpointMissing, UnusablePrediction, ...
        All of `scones.endpoint.predict`: the endpoint can't be asked. `ModelTimedOut` only for the
        answer that is not counted.
    """
    run = Run(settings.data_bucket, request.run)
    subjects = select_pictures(s3, run, settings.class_names, settings.smoke_photos)

    def ask(subject: Subject) -> Reply:
        body = read_file(s3, run, subject.path)
        content_type = _CONTENT_TYPES[subject.path[subject.path.rindex(".") :]]
        before = clock()
        answer = predict(sagemaker, request.endpoint, body, content_type, len(settings.class_names))
        taken = round((clock() - before) * 1000, 1)
        guess, _ = most_likely(answer.probabilities)
        return Reply(guess == subject.class_index, taken)

    def ask_in_time(subject: Subject) -> Reply:
        before = clock()
        try:
            return ask(subject)
        except ModelTimedOut:
            taken = round((clock() - before) * 1000, 1)
            return Reply(is_right=False, milliseconds=max(taken, READ_TIMEOUT_SECONDS * 1000.0))

    ask(subjects[0])
    replies = _until_too_slow(
        map(ask_in_time, subjects), len(subjects), settings.maximum_latency_ms, has_time
    )
    return _judge(replies, len(subjects), settings)


def select_pictures(
    s3: "S3Client", run: Run, class_names: Sequence[str], wanted: int
) -> list[Subject]:
    """Return the labeled pictures of a run that a smoke test uses.

    Parameters
    ----------
    s3
        An S3 client.
    run
        The run.
    class_names
        The stack's classes in the order of their indices.
    wanted
        Maximum number of pictures, 1 or more.

    Raises
    ------
    NoPictures
        If the run has none.
    RunIncomplete, RunOutdated, LstError
        As `scones.runs.read_validation_set`.
    StorageBusy, StorageRefused
        As `scones.storage.named_faults`.
    """
    known = read_validation_set(s3, run, class_names).classes
    subjects = choose(_pictures(s3, run, known), wanted)
    if not subjects:
        raise NoPictures(
            f"none of the {len(known):,} validation photos is in {run.uri(PICTURES)}: start "
            "retrain again, and promote the version that it registers"
        )
    return subjects


def choose(pictures: Mapping[int, Sequence[Subject]], wanted: int) -> list[Subject]:
    """Choose pictures, as many of each class as of the others where there are as many.

    Those of a class are taken from all over its pictures. The same pictures give the same choice.

    Parameters
    ----------
    pictures
        By class index.
    wanted
        How many, 1 or more.

    Returns
    -------
    list of Subject
        Fewer than wanted where there are fewer.
    """
    shares = dict.fromkeys(sorted(pictures), 0)
    while sum(shares.values()) < wanted:
        open_ = [index for index, share in shares.items() if share < len(pictures[index])]
        if not open_:
            break
        for index in open_[: wanted - sum(shares.values())]:
            shares[index] += 1
    return [
        pictures[index][(2 * place + 1) * len(pictures[index]) // (2 * share)]
        for index, share in shares.items()
        for place in range(share)
    ]


def _pictures(
    client: "S3Client", run: Run, known: Mapping[int, int]
) -> Mapping[int, list[Subject]]:
    """List the pictures of a run by class, in the order of their indices."""
    prefix = run.key(PICTURES)
    found = []
    for page in pages(client, run.bucket, prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix)
            stem, dot, suffix = name.partition(".")
            if dot + suffix in _CONTENT_TYPES and stem.isdecimal() and int(stem) in known:
                found.append((int(stem), name))
    by_class: dict[int, list[Subject]] = {}
    for index, name in sorted(found):
        subject = Subject(f"{PICTURES}{name}", known[index])
        by_class.setdefault(subject.class_index, []).append(subject)
    return by_class


def _until_too_slow(
    replies: Iterator[Reply],
    expected: int,
    maximum_latency_ms: float,
    has_time: Callable[[], bool],
) -> list[Reply]:
    """Take replies while there is time and the 95th percentile of all may be quick enough."""
    taken: list[Reply] = []
    slow = 0
    allowed = expected - rank(95, expected)
    for reply in replies:
        taken.append(reply)
        slow += reply.milliseconds > maximum_latency_ms
        if slow > allowed or not has_time():
            break
    return taken


def least_accuracy(minimum: float, photos: int) -> float:
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
    >>> least_accuracy(0.85, 50)
    0.72
    """
    deviation = math.sqrt(minimum * (1 - minimum) / photos)
    least = max(0.0, minimum - _QUANTILE_99 * deviation)
    return math.floor(round(least * photos, DECIMALS)) / photos


def _judge(replies: Sequence[Reply], wanted: int, settings: "SmokeTestSettings") -> Smoke:
    """Hold the replies against the limits; there are fewer than wanted if many were slow."""
    accuracy = round(sum(reply.is_right for reply in replies) / len(replies), DECIMALS)
    times = [reply.milliseconds for reply in replies]
    latency = Latency(p50=percentile(times, 50), p95=percentile(times, 95))
    least = least_accuracy(settings.minimum_accuracy, len(replies))
    accurate = accuracy >= least
    quick = latency.p95 <= settings.maximum_latency_ms
    parts = [
        f"its accuracy is {accuracy:.6g} on {len(replies)} photos, "
        f"{'at least' if accurate else 'below'} {least:.3f}, the least that a model of "
        f"{settings.minimum_accuracy:.6g} has on so few",
        f"95 % of the answers took up to {latency.p95:g} ms, "
        f"{'within' if quick else 'over'} the {settings.maximum_latency_ms:g} ms allowed, not "
        "counting one to warm up",
    ]
    if len(replies) < wanted:
        why = "the time of the test was up" if quick else "it could not pass any more"
        parts.append(f"it was not asked about {wanted - len(replies)} more, as {why}")
    return Smoke(
        passed=accurate and quick,
        message="; ".join(parts),
        photos=len(replies),
        accuracy=accuracy,
        latency_ms=latency,
    )
