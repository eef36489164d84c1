"""Check a folder of photos before a project is made of it: all problems, not only the first."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from operations.data import any_folder
from operations.data.amounts import Tell
from operations.data.folders import Dataset, scan_dataset
from operations.data.usability import find_unusable
from operations.folder_files import FolderError, format_unusable
from scones.photos import ImageShape, prepare

MIN_VALIDATION_PHOTOS = 20
"""Minimum number of validation photos for a familiarity limit of 0.05."""

MIN_CLASS_PHOTOS = 20
"""Photos of a class below which the user is warned."""


def check_photos(folder: Path, shape: ImageShape, on_progress: Tell) -> tuple[Dataset, list[str]]:
    """Read a dataset and find every problem that training would have with it.

    Parameters
    ----------
    folder
        As for `operations.data.folders.read_dataset`; exists.
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
    problems += _damaged(dataset, shape, on_progress)
    try:
        any_folder.require_one_class(dataset, on_progress)
    except FolderError as error:
        problems += error.problems
    return dataset, problems


def warnings(dataset: Dataset) -> list[str]:
    """Return warnings about a dataset that is usable but small, or not used whole."""
    photos = Counter(photo.label for photo in (*dataset.train, *dataset.validation))
    few = [
        f"{name} ({photos[name]})"
        for name in dataset.class_names
        if photos[name] < MIN_CLASS_PHOTOS
    ]
    found = [f"Left out: {what} ({count:,})." for what, count in dataset.photos_left_out.items()]
    if few:
        found.append(
            f"Few photos of {', '.join(few)}: a model learns little from less than "
            f"{MIN_CLASS_PHOTOS}."
        )
    if len(dataset.validation) < MIN_VALIDATION_PHOTOS:
        found.append(
            f"Only {len(dataset.validation)} validation photos: the familiarity limit needs at "
            f"least {MIN_VALIDATION_PHOTOS}, and has no effect until then."
        )
    return found


def _damaged(dataset: Dataset, shape: ImageShape, on_progress: Tell) -> Iterator[str]:
    paths = [photo.path for photo in (*dataset.train, *dataset.validation, *dataset.negatives)]
    problems = find_unusable(paths, lambda data: prepare(data, shape), on_progress)
    if problems:
        are = "1 photo" if len(problems) == 1 else f"{len(problems):,} photos"
        named = {str(path): problem for path, problem in problems.items()}
        files = ", ".join(format_unusable(named))
        yield f"{are} cannot be used: {files}. Remove or replace them"
