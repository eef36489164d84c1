"""Stages a folder of somebody's own: photos named after their content, with mirrored copies."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import ImageOps

from scones.classes import NONE_OF_THE_CLASSES
from scones.datasets.splits import SPLITS
from scones.photos import UnusablePhoto, resize_to_fit
from scones_operator.datasets.class_folders import Dataset
from scones_operator.datasets.staging import (
    StagedPath,
    StagingResult,
    content_name,
    require_no_other_files,
)
from scones_operator.folder_files import FolderLayoutError, abbreviate
from scones_operator.progress import ItemProgress, ProgressCallback

MAX_SIDE_PIXELS = 1 << 16
"""Pixels on the longer side that no photo has: mirrored copies are as large as the photo."""


@dataclass
class _Plan:
    """Which photo belongs where, and which are mirrored to where."""

    photos: dict[StagedPath, Path] = field(default_factory=dict)
    mirrored: dict[StagedPath, Path] = field(default_factory=dict)
    copies: int = 0


def stage(
    dataset: Dataset,
    source: Path,
    folder: Path,
    mirrored: Mapping[str, str],
    on_progress: ProgressCallback,
) -> StagingResult:
    """Write the photos of a dataset, and mirrored copies of those to train on.

    Parameters
    ----------
    dataset
        The photos, see `scones_operator.datasets.class_folders.read_dataset`, without unusable ones
        (`scones_operator.datasets.unusable_photos`).
    source
        The folder that they are in.
    folder
        Where to; what is there is left as it is.
    mirrored
        Which class the mirror image of a class's photo is of; none to mirror nothing.
    on_progress
        Told how far it is.

    Returns
    -------
    Staged

    Raises
    ------
    FolderError
        If one of the folders is in the other, or a photo is in two classes.
    PreconditionError
        If the folder holds other photos.
    """
    _require_apart(source, folder)
    plan = _plan(dataset, mirrored, on_progress)
    require_no_other_files(folder, [*plan.photos, *plan.mirrored])
    staged = StagingResult(folder, dataset.class_names)
    total = len(plan.photos) + len(plan.mirrored)
    for done, (staged_path, path) in enumerate(plan.photos.items(), start=1):
        staged.write_photo(staged_path, path.read_bytes())
        on_progress(ItemProgress("Writing photos", done, total))
    for done, (staged_path, path) in enumerate(plan.mirrored.items(), start=len(plan.photos) + 1):
        _write_flipped(staged, staged_path, path)
        on_progress(ItemProgress("Writing photos", done, total))
    staged.splits = {split: path.relative_to(source) for split, path in dataset.splits.items()}
    staged.excluded["files that are no photos"] += dataset.skipped
    staged.excluded.update(dataset.excluded_photos)
    staged.unusable = {
        path.relative_to(source).as_posix(): problem for path, problem in dataset.unusable.items()
    }
    staged.excluded["copies of photos that are there"] += plan.copies
    return staged


def require_one_class(dataset: Dataset, on_progress: ProgressCallback) -> None:
    """Raise an error if a photo of a dataset is in two classes.

    Parameters
    ----------
    dataset, on_progress
        As for `stage`.

    Raises
    ------
    FolderError
        If one is, by its content; the message names the files.
    """
    _plan(dataset, {}, on_progress)


def flip(photo: bytes) -> bytes:
    """Return the mirror image of a photo, left to right, as a PNG file of the same size.

    Raises
    ------
    UnusablePhoto
        If it can't be read.
    """
    file = BytesIO()
    ImageOps.mirror(resize_to_fit(photo, MAX_SIDE_PIXELS)).save(file, "PNG")
    return file.getvalue()


def _require_apart(source: Path, folder: Path) -> None:
    inner, outer = folder.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise FolderLayoutError(
            f"{folder} and {source} are inside one another: stage into a separate folder"
        )


def _plan(dataset: Dataset, mirrored: Mapping[str, str], on_progress: ProgressCallback) -> _Plan:
    """Name each photo; validation goes first, so that none is trained on that is validated on."""
    plan = _Plan()
    staged_paths: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    by_side = {"validation": dataset.validation, "train": dataset.train, None: dataset.negatives}
    total = sum(map(len, by_side.values()))
    done = 0
    for split in (*reversed(SPLITS), None):
        for photo in by_side[split]:
            name = content_name(photo.path.read_bytes(), photo.path.suffix)
            label = photo.label or NONE_OF_THE_CLASSES
            known = staged_paths[Path(name).stem]
            plan.copies += label in known
            if label not in known:
                known[label] = photo.path
                plan.photos[StagedPath(split, label, name)] = photo.path
                if split == "train" and label in mirrored:
                    mirror_class = f"{Path(name).stem}-mirrored.png"
                    plan.mirrored[StagedPath(split, mirrored[label], mirror_class)] = photo.path
            done += 1
            on_progress(ItemProgress("Reading photos", done, total))
    _require_one_class(staged_paths.values())
    return plan


def _require_one_class(staged_paths: Iterable[Mapping[str, Path]]) -> None:
    divided = [" and ".join(map(str, paths.values())) for paths in staged_paths if len(paths) > 1]
    if divided:
        are = "1 photo is" if len(divided) == 1 else f"{len(divided):,} photos are"
        raise FolderLayoutError(
            f"{are} in two classes: {abbreviate(divided)}. Leave each in the right one"
        )


def _write_flipped(staged: StagingResult, staged_path: StagedPath, path: Path) -> None:
    """Write a mirrored copy; one that is there is whole, and its name says of what it is."""
    if (staged.folder / staged_path.path).is_file():
        staged.count_photo(staged_path)
        return
    try:
        staged.write_photo(staged_path, flip(path.read_bytes()))
    except UnusablePhoto:
        staged.excluded["unreadable photos without a mirrored copy"] += 1
