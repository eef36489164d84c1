"""Reads what a batch transform wrote: one object a picture, with its class probabilities."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from scones.decisions import most_likely
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


def read_answers(
    client: "S3Client", run: Run, who: Who, validation: ValidationSet, class_count: int
) -> dict[int, Answer]:
    """Read the answers of one model to the validation photos.

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
    dict of int to Answer
        By the photo's index, in ascending order, for the photos that there is a prediction of.

    Raises
    ------
    UnusablePrediction
        If an object is something else; the message names it.
    StorageBusy, StorageRefused
        As `scones.storage.named_faults`.
    """
    answers: dict[int, Answer] = {}

    def read(item: tuple[int, str]) -> tuple[int, Answer]:
        index, key = item
        guess = _read_guess(client, run.bucket, key, class_count)
        return index, Answer(validation.classes[index], *guess)

    with ThreadPoolExecutor(THREADS) as pool:
        for page in _listed(client, run, who):
            known = [item for item in page if item[0] in validation.classes]
            answers.update(pool.map(read, known))
    return dict(sorted(answers.items()))


def _listed(client: "S3Client", run: Run, who: Who) -> Iterator[list[tuple[int, str]]]:
    """Yield the photos' indices and the keys of their predictions, page by page."""
    prefix = run.key(f"predictions/{who}/")
    for page in pages(client, run.bucket, prefix):
        keys = [entry["Key"] for entry in page.get("Contents", [])]
        # SageMaker may keep the last part of the input's prefix as a folder.
        names = [_NAME.fullmatch(key.rpartition("/")[2]) for key in keys]
        yield [(int(name["index"]), key) for name, key in zip(names, keys, strict=True) if name]


def _read_guess(client: "S3Client", bucket: str, key: str, class_count: int) -> tuple[int, float]:
    uri = f"s3://{bucket}/{key}"
    with named_faults(f"read {uri}"):
        text = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        return most_likely(read_prediction(text, class_count).probabilities)
    except UnusablePrediction as error:
        raise UnusablePrediction(f"{error} ({uri})") from error
