"""Stages a folder of somebody's own: photos named after their content, with mirrored copies."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import ImageOps

from scones.classes import NONE_OF_THE_CLASSES
from scones.datasets.splits import SIDES
from scones.photos import UnusablePhoto, fit
from scones_operator.datasets.class_folders import Dataset
from scones_operator.datasets.staging import Place, Staged, content_name, require_nothing_else
from scones_operator.folder_files import FolderError, some
from scones_operator.item_progress import Amount, Tell

LONGEST = 1 << 16
"""Pixels on the longer side that no photo has: mirrored copies are as large as the photo."""


@dataclass
class _Plan:
    """Which photo belongs where, and which are mirrored to where."""

    photos: dict[Place, Path] = field(default_factory=dict)
    mirrored: dict[Place, Path] = field(default_factory=dict)
    copies: int = 0


def stage(
    dataset: Dataset, source: Path, folder: Path, mirrored: Mapping[str, str], tell: Tell
) -> Staged:
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
    tell
        Told how far it is.

    Returns
    -------
    Staged

    Raises
    ------
    FolderError
        If one of the folders is in the other, or a photo is in two classes.
    Refused
        If the folder holds other photos.
    """
    _require_apart(source, folder)
    plan = _plan(dataset, mirrored, tell)
    require_nothing_else(folder, [*plan.photos, *plan.mirrored])
    staged = Staged(folder, dataset.class_names)
    total = len(plan.photos) + len(plan.mirrored)
    for done, (place, path) in enumerate(plan.photos.items(), start=1):
        staged.put(place, path.read_bytes())
        tell(Amount("Writing photos", done, total))
    for done, (place, path) in enumerate(plan.mirrored.items(), start=len(plan.photos) + 1):
        _put_mirrored(staged, place, path)
        tell(Amount("Writing photos", done, total))
    staged.splits = {side: path.relative_to(source) for side, path in dataset.splits.items()}
    staged.left_out["files that are no photos"] += dataset.passed_over
    staged.left_out.update(dataset.photos_left_out)
    staged.unusable = {
        path.relative_to(source).as_posix(): problem for path, problem in dataset.unusable.items()
    }
    staged.left_out["copies of photos that are there"] += plan.copies
    return staged


def require_one_class(dataset: Dataset, tell: Tell) -> None:
    """Raise an error if a photo of a dataset is in two classes.

    Parameters
    ----------
    dataset, tell
        As for `stage`.

    Raises
    ------
    FolderError
        If one is, by its content; the message names the files.
    """
    _plan(dataset, {}, tell)


def mirror(photo: bytes) -> bytes:
    """Return the mirror image of a photo, left to right, as a PNG file of the same size.

    Raises
    ------
    UnusablePhoto
        If it can't be read.
    """
    file = BytesIO()
    ImageOps.mirror(fit(photo, LONGEST)).save(file, "PNG")
    return file.getvalue()


def _require_apart(source: Path, folder: Path) -> None:
    inner, outer = folder.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise FolderError(
            f"{folder} and {source} are inside one another: stage into a separate folder"
        )


def _plan(dataset: Dataset, mirrored: Mapping[str, str], tell: Tell) -> _Plan:
    """Name each photo; validation goes first, so that none is trained on that is validated on."""
    plan = _Plan()
    places: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    by_side = {"validation": dataset.validation, "train": dataset.train, None: dataset.negatives}
    total = sum(map(len, by_side.values()))
    done = 0
    for side in (*reversed(SIDES), None):
        for photo in by_side[side]:
            name = content_name(photo.path.read_bytes(), photo.path.suffix)
            label = photo.label or NONE_OF_THE_CLASSES
            known = places[Path(name).stem]
            plan.copies += label in known
            if label not in known:
                known[label] = photo.path
                plan.photos[Place(side, label, name)] = photo.path
                if side == "train" and label in mirrored:
                    twin = f"{Path(name).stem}-mirrored.png"
                    plan.mirrored[Place(side, mirrored[label], twin)] = photo.path
            done += 1
            tell(Amount("Reading photos", done, total))
    _require_one_class(places.values())
    return plan


def _require_one_class(places: Iterable[Mapping[str, Path]]) -> None:
    torn = [" and ".join(map(str, paths.values())) for paths in places if len(paths) > 1]
    if torn:
        are = "1 photo is" if len(torn) == 1 else f"{len(torn):,} photos are"
        raise FolderError(f"{are} in two classes: {some(torn)}. Leave each in the right one")


def _put_mirrored(staged: Staged, place: Place, path: Path) -> None:
    """Write a mirrored copy; one that is there is whole, and its name says of what it is."""
    if (staged.folder / place.path).is_file():
        staged.keep(place)
        return
    try:
        staged.put(place, mirror(path.read_bytes()))
    except UnusablePhoto:
        staged.left_out["unreadable photos without a mirrored copy"] += 1
