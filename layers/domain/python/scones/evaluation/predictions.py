"""Read the output of a batch transform: one object per image, with the model's reply."""

import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scones.decisions import DECIMALS, top_class
from scones.endpoint import UnusablePrediction, read_prediction
from scones.evaluation.metrics import LabeledPrediction
from scones.runs import Run, ValidationSet
from scones.storage import list_pages, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 32
"""How many predictions are on their way at once."""

ModelRole = Literal["candidate", "champion"]

_NAME = re.compile(r"(?P<index>[0-9]+)\.[a-z]+\.out")


@dataclass(frozen=True)
class Predictions:
    """Answers of one model to the held-out photos.

    Attributes
    ----------
    photos
        Answer by the photo's index, in ascending order, for validation photos of the classes.
    negatives
        Familiarity by the photo's index, for photos of none of the classes; None if the model gives
        none.
    """

    photos: dict[int, LabeledPrediction]
    negatives: dict[int, float | None]


def read_predictions(
    client: "S3Client", run: Run, role: ModelRole, validation: ValidationSet, class_count: int
) -> Predictions:
    """Read the answers of one model to the held-out photos.

    Only the likeliest class of each is kept, so that 100,000 photos fit in some megabytes.

    Parameters
    ----------
    client
        An S3 client, with at least `THREADS` connections.
    run
        The run.
    role
        Whose predictions.
    validation
        The photos.
    class_count
        How many probabilities a prediction must hold.

    Returns
    -------
    Predictions
        Of the photos that there is a prediction of.

    Raises
    ------
    UnusablePrediction
        If an object is something else; the message names it. Also if the model gives a familiarity
        for some photos only: figures of the others would say nothing of all, and in production the
        rule would silently not apply to some photos.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    predictions: dict[int, LabeledPrediction] = {}
    no_class = class_count

    def read(item: tuple[int, str]) -> tuple[int, LabeledPrediction]:
        index, key = item
        actual = validation.classes.get(index, no_class)
        return index, _read_prediction(client, run.bucket, key, class_count, actual)

    with ThreadPoolExecutor(THREADS) as pool:
        for page in _list_keys(client, run, role):
            known = [
                item
                for item in page
                if item[0] in validation.classes or item[0] in validation.negatives
            ]
            predictions.update(pool.map(read, known))
    _validate_familiarity(run, role, predictions.values())
    ordered = sorted(predictions.items())
    return Predictions(
        photos={
            index: prediction for index, prediction in ordered if prediction.actual != no_class
        },
        negatives={
            index: prediction.familiarity
            for index, prediction in ordered
            if prediction.actual == no_class
        },
    )


def _validate_familiarity(
    run: Run, role: ModelRole, predictions: Collection[LabeledPrediction]
) -> None:
    """Raise `UnusablePrediction` if some answers have a familiarity and some have none."""
    count = sum(prediction.familiarity is not None for prediction in predictions)
    if 0 < count < len(predictions):
        raise UnusablePrediction(
            f"the model gives a familiarity for {count:,} of {len(predictions):,} photos and must "
            f"give one for all or for none: check its training image "
            f"({run.uri(f'predictions/{role}/')})"
        )


def _list_keys(client: "S3Client", run: Run, role: ModelRole) -> Iterator[list[tuple[int, str]]]:
    """Yield the photos' indices and the keys of their predictions, page by page."""
    prefix = run.key(f"predictions/{role}/")
    for page in list_pages(client, run.bucket, prefix):
        keys = [entry["Key"] for entry in page.get("Contents", [])]
        # SageMaker may keep the last part of the input's prefix as a folder.
        names = [_NAME.fullmatch(key.rpartition("/")[2]) for key in keys]
        yield [(int(name["index"]), key) for name, key in zip(names, keys, strict=True) if name]


def _read_prediction(
    client: "S3Client", bucket: str, key: str, class_count: int, actual: int
) -> LabeledPrediction:
    uri = f"s3://{bucket}/{key}"
    with s3_errors(f"read {uri}"):
        text = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        output = read_prediction(text, class_count)
    except UnusablePrediction as error:
        raise UnusablePrediction(f"{error} ({uri})") from error
    familiarity = None if output.familiarity is None else round(output.familiarity, DECIMALS)
    return LabeledPrediction(actual, *top_class(output.probabilities), familiarity)
