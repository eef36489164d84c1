"""Picks photos to try the application with, at random, from what no model has trained on."""

import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from scones_operator.aws.stack import Stack
from scones_operator.errors import PreconditionError, storage_errors
from scones_operator.photos.uploads import find_photos

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

MAX_CONCURRENCY = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """A photo on disk, and its class, None where it is not known."""

    path: Path
    label: str | None


def sample_folder(folder: Path, class_names: Sequence[str], count: int, seed: int) -> list[Sample]:
    """Pick photos of a folder, some of them again where it has fewer.

    Parameters
    ----------
    folder
        Holds photos, or one folder a class which does.
    class_names
        The classes.
    count
        How many, 1 or more.
    seed
        The same picks the same, of the same photos.

    Raises
    ------
    PreconditionError
        If there is no photo.
    """
    if not folder.is_dir():
        raise PreconditionError(f"there is no folder {folder}")
    found = [photo.path for photo in find_photos([folder])]
    picked = _pick(found, count, seed)
    return [Sample(path, _label(path.relative_to(folder), class_names)) for path in picked]


def sample_dataset(
    session: "boto3.Session", stack: Stack, count: int, seed: int, into: Path
) -> list[Sample]:
    """Pick photos of the dataset in S3 that are there to validate on; some of them again.

    Parameters
    ----------
    session, stack
        Where.
    count, seed
        As for `pick_from_folder`.
    into
        An empty folder, which those that are picked are downloaded to.

    Raises
    ------
    PreconditionError
        If the dataset has no such photo, or is not laid out as it must be.
    OperationError
        If S3 can't be read.
    """
    client = session.client("s3")
    with storage_errors():
        picked = _pick(sorted(_validation_photos(client, stack)), count, seed)

    def download(key: str) -> tuple[str, Path]:
        path = into / str(numbers[key]) / key.rpartition("/")[2]
        path.parent.mkdir()
        client.download_file(stack.data_bucket, key, str(path))
        return key, path

    numbers = {key: number for number, (key, _) in enumerate(dict(picked).items())}
    with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:
        paths = dict(pool.map(download, numbers))
    return [Sample(paths[key], label) for key, label in picked]


def _validation_photos(client: "S3Client", stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield the keys of the photos that models are validated on, and their classes."""
    # They bring boto3, which takes longer than showing a command's help.
    from scones.datasets.errors import DatasetError  # noqa: PLC0415
    from scones.datasets.exclusions import exclusion_reason  # noqa: PLC0415
    from scones.datasets.layout import discover_layout  # noqa: PLC0415
    from scones.datasets.splits import digest, is_validation  # noqa: PLC0415
    from scones.storage import list_pages  # noqa: PLC0415

    share = float(stack.parameters["ValidationShare"])
    try:
        layout = discover_layout(client, stack.data_bucket, stack.class_names, share)
        for folder in layout.folders:
            for page in (
                list_pages(client, stack.data_bucket, folder.prefix)
                if folder.validation_share
                else ()
            ):
                for entry in page.get("Contents", []):
                    number = digest(entry["ETag"].strip('"'))
                    wanted = is_validation(number, folder.validation_share)
                    path = entry["Key"].removeprefix(folder.prefix)
                    if wanted and not exclusion_reason(path, entry["Size"]):
                        yield entry["Key"], stack.class_names[folder.class_index]
    except DatasetError as error:
        raise PreconditionError(f"{error}; or give your own photos with --photos") from None


def _pick(found: Iterable[T], count: int, seed: int) -> list[T]:
    """Pick so many, all of them before any for the second time."""
    everything = list(found)
    if not everything:
        raise PreconditionError(
            "there are no photos to choose from: give some with --photos, or upload a dataset"
        )
    rng = random.Random(seed)  # noqa: S311
    picked: list[T] = []
    while len(picked) < count:
        picked += rng.sample(everything, min(len(everything), count - len(picked)))
    return picked


def _label(path: Path, class_names: Sequence[str]) -> str | None:
    """Tell a photo's class by the folder that it is in."""
    return next((name for name in path.parts[:-1] if name in class_names), None)
