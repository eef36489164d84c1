"""Check a folder of photos before a project is made of it: all problems, not only the first."""

from collections.abc import Iterator
from pathlib import Path

from scones.photos import ImageShape, prepare
from scones_operator.datasets import folder as any_folder
from scones_operator.datasets.class_folders import Dataset, scan_dataset
from scones_operator.datasets.few_photos import warn_of_few_photos
from scones_operator.datasets.unusable_photos import find_unusable
from scones_operator.folder_files import FolderLayoutError, format_unusable
from scones_operator.progress import ProgressCallback


def check_photos(
    folder: Path, shape: ImageShape, on_progress: ProgressCallback
) -> tuple[Dataset, list[str]]:
    """Read a dataset and find every problem that training would have with it.

    Parameters
    ----------
    folder
        As for `scones_operator.datasets.class_folders.read_dataset`; exists.
    shape
        Image shape that the photos must be usable at.
    on_progress
        Called after each photo with an `Amount`.

    Returns
    -------
    tuple of Dataset and list of str
        What could be read, and the problems, a sentence each.
    """
    dataset, problems = scan_dataset(folder)
    problems += _unusable_photo_problems(dataset, shape, on_progress)
    try:
        any_folder.require_one_class(dataset, on_progress)
    except FolderLayoutError as error:
        problems += error.problems
    return dataset, problems


def warnings(dataset: Dataset) -> list[str]:
    """Return warnings about a dataset that is usable but small, or not used whole."""
    left_out = dataset.excluded_photos
    found = [f"Left out: {what} ({count:,})." for what, count in left_out.items()]
    return [*found, *warn_of_few_photos(dataset)]


def _unusable_photo_problems(
    dataset: Dataset, shape: ImageShape, on_progress: ProgressCallback
) -> Iterator[str]:
    paths = [photo.path for photo in (*dataset.train, *dataset.validation, *dataset.negatives)]
    problems = find_unusable(paths, lambda data: prepare(data, shape), on_progress)
    if problems:
        are = "1 photo" if len(problems) == 1 else f"{len(problems):,} photos"
        named = {str(path): problem for path, problem in problems.items()}
        files = ", ".join(format_unusable(named))
        yield f"{are} cannot be used: {files}. Remove or replace them"
