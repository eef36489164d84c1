"""Read the output of a batch transform: one object per image, with the model's reply."""

import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scones.decisions import DECIMALS, most_likely
from scones.endpoint import UnusablePrediction, read_prediction
from scones.evaluation.metrics import Answer
from scones.runs import Run, ValidationSet
from scones.storage import named_faults, pages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 32
"""How many predictions are on their way at once."""

Who = Literal["candidate", "champion"]

_NAME = re.compile(r"(?P<index>[0-9]+)\.[a-z]+\.out")


@dataclass(frozen=True)
class Answers:
    """Answers of one model to the held-out photos.

    Attributes
    ----------
    photos
        Answer by the photo's index, in ascending order, for validation photos of the classes.
    negatives
        Familiarity by the photo's index, for photos of none of the classes; None if the model gives
        none.
    """

    photos: dict[int, Answer]
    negatives: dict[int, float | None]


def read_answers(
    client: "S3Client", run: Run, who: Who, validation: ValidationSet, class_count: int
) -> Answers:
    """Read the answers of one model to the held-out photos.

    Only the likeliest class of each is kept, so that 100,000 photos fit in some megabytes.

    Parameters
    ----------
    client
        An S3 client, with at least `THREADS` connections.
    run
        The run.
    who
        Whose predictions.
    validation
        The photos.
    class_count
        How many probabilities a prediction must hold.

    Returns
    -------
    Answers
        Of the photos that there is a prediction of.

    Raises
    ------
    UnusablePrediction
        If an object is something else; the message names it. Also if the model gives a familiarity
        for some photos only: figures of the others would say nothing of all, and in production the
        rule would silently not apply to some photos.
    StorageBusy, StorageRefused
        As `scones.storage.named_faults`.
    """
    answers: dict[int, Answer] = {}
    no_class = class_count

    def read(item: tuple[int, str]) -> tuple[int, Answer]:
        index, key = item
        actual = validation.classes.get(index, no_class)
        return index, _read_answer(client, run.bucket, key, class_count, actual)

    with ThreadPoolExecutor(THREADS) as pool:
        for page in _listed(client, run, who):
            known = [
                item
                for item in page
                if item[0] in validation.classes or item[0] in validation.negatives
            ]
            answers.update(pool.map(read, known))
    _require_familiarity_of_all_or_none(run, who, answers.values())
    ordered = sorted(answers.items())
    return Answers(
        photos={index: answer for index, answer in ordered if answer.actual != no_class},
        negatives={
            index: answer.familiarity for index, answer in ordered if answer.actual == no_class
        },
    )


def _require_familiarity_of_all_or_none(run: Run, who: Who, answers: Collection[Answer]) -> None:
    """Raise `UnusablePrediction` if some answers have a familiarity and some have none."""
    count = sum(answer.familiarity is not None for answer in answers)
    if 0 < count < len(answers):
        raise UnusablePrediction(
            f"the model gives a familiarity for {count:,} of {len(answers):,} photos and must give "
            f"one for all or for none: check its training image ({run.uri(f'predictions/{who}/')})"
        )


def _listed(client: "S3Client", run: Run, who: Who) -> Iterator[list[tuple[int, str]]]:
    """Yield the photos' indices and the keys of their predictions, page by page."""
    prefix = run.key(f"predictions/{who}/")
    for page in pages(client, run.bucket, prefix):
        keys = [entry["Key"] for entry in page.get("Contents", [])]
        # SageMaker may keep the last part of the input's prefix as a folder.
        names = [_NAME.fullmatch(key.rpartition("/")[2]) for key in keys]
        yield [(int(name["index"]), key) for name, key in zip(names, keys, strict=True) if name]


def _read_answer(
    client: "S3Client", bucket: str, key: str, class_count: int, actual: int
) -> Answer:
    uri = f"s3://{bucket}/{key}"
    with named_faults(f"read {uri}"):
        text = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        reply = read_prediction(text, class_count)
    except UnusablePrediction as error:
        raise UnusablePrediction(f"{error} ({uri})") from error
    familiarity = None if reply.familiarity is None else round(reply.familiarity, DECIMALS)
    return Answer(actual, *most_likely(reply.probabilities), familiarity)
