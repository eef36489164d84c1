"""Photos of a dataset that cannot be decoded: found before they are staged or trained on."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count
from pathlib import Path

from scones.photos import UnusablePhoto, require_decodable
from scones_operator.datasets.class_folders import Dataset, LabeledPhoto
from scones_operator.progress import ItemProgress, ProgressCallback


def leave_out_unusable(dataset: Dataset, on_progress: ProgressCallback) -> Dataset:
    """Decode all photos of a dataset, and return it without those that cannot be decoded.

    A class may then have too few: see `class_folders.require_enough_photos`.

    Parameters
    ----------
    dataset
        As `scones_operator.datasets.class_folders.read_dataset` returns it.
    on_progress
        Called after each photo with an `Amount`.
    """
    every = (*dataset.train, *dataset.validation, *dataset.negatives)
    unusable = find_unusable([photo.path for photo in every], require_decodable, on_progress)
    if not unusable:
        return dataset

    def usable(photos: Sequence[LabeledPhoto]) -> tuple[LabeledPhoto, ...]:
        return tuple(photo for photo in photos if photo.path not in unusable)

    return replace(
        dataset,
        train=usable(dataset.train),
        validation=usable(dataset.validation),
        negatives=usable(dataset.negatives),
        unusable=unusable,
    )


def find_unusable(
    paths: Sequence[Path], check: Callable[[bytes], object], on_progress: ProgressCallback
) -> dict[Path, str]:
    """Check photos in parallel, and return the reason by path of those that are unusable.

    Parameters
    ----------
    paths
        The files.
    check
        Called with the content of each file; raises `UnusablePhoto`.
    on_progress
        Called after each photo with an `Amount`.

    Returns
    -------
    dict of Path to str
        In the order of `paths`.
    """

    def find_problem(path: Path) -> str | None:
        try:
            check(path.read_bytes())
        except UnusablePhoto as error:
            return error.problem
        return None

    unusable: dict[Path, str] = {}
    # Threads suffice, since decoders run without the interpreter lock.
    pool = ThreadPoolExecutor(cpu_count() or 1)
    try:
        problems = pool.map(find_problem, paths)
        for done, (path, problem) in enumerate(zip(paths, problems, strict=True), start=1):
            if problem is not None:
                unusable[path] = problem
            on_progress(ItemProgress("Checking photos", done, len(paths)))
    finally:
        pool.shutdown(cancel_futures=True)
    return unusable
