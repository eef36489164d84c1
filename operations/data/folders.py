"""Labelled photos in folders on disk, one folder a class."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from operations import parameters
from operations.data.layout import VALIDATION_SHARE
from operations.folder_files import FolderError, list_files, require_photos
from scones.datasets.layout import VALIDATION_FOLDERS
from scones.datasets.sides import digest, is_held_back
from scones.labels import NONE_OF_THE_CLASSES
from scones.photos.names import has_photo_suffix, is_hidden, is_left_by_a_program


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo on disk and its class, or None if it has no label or shows none of the classes."""

    path: Path
    label: str | None


@dataclass(frozen=True)
class Dataset:
    """Photos to train on and to validate on.

    Attributes
    ----------
    class_names
        The classes in the order of their indices.
    train, validation
        The photos.
    passed_over
        How many files lie among them that are no photos.
    negatives
        Photos of none of the classes, which are split only in S3.
    """

    class_names: tuple[str, ...]
    train: tuple[LabelledPhoto, ...]
    validation: tuple[LabelledPhoto, ...]
    passed_over: int = 0
    negatives: tuple[LabelledPhoto, ...] = ()


def read_dataset(
    folder: Path, class_names: Sequence[str] = (), share: float = VALIDATION_SHARE
) -> Dataset:
    """Read a dataset of one folder a class.

    Parameters
    ----------
    folder
        Holds one folder a class, or ``train`` and ``validation`` (or ``test``) which do. Next to
        these it may hold `scones.labels.NONE_OF_THE_CLASSES`, with photos that show none of them.
        Files that are no photos by their name are passed over.
    class_names
        The classes in the order of their indices; by default the folders' names, sorted.
    share
        Which share is held back to validate on, 0 to 1, where there is no ``validation``.

    Returns
    -------
    Dataset
        Photos are held back by a hash of their content, so that a photo is always on the same
        side.

    Raises
    ------
    FolderError
        If a class has no folder or no photos, a folder is no class, or its name can't be one's;
        if there are links out of `folder`, or a file that is not a photo by its content. All such
        problems are in one error; whether enough photos can be held back is checked after them.
    """
    dataset, problems = scan_dataset(folder, class_names, share)
    if problems:
        raise FolderError(*problems)
    return dataset


def scan_dataset(
    folder: Path, class_names: Sequence[str] = (), share: float = VALIDATION_SHARE
) -> tuple[Dataset, list[str]]:
    """Read as much of a dataset as can be read, and list what is wrong with the rest.

    Parameters
    ----------
    folder, class_names, share
        As for `read_dataset`.

    Returns
    -------
    tuple of Dataset and list of str
        The dataset without the photos of classes that have a problem; the problems, a sentence
        each.

    Raises
    ------
    FolderError
        If there is no folder.
    """
    require_folder(folder)
    root, problems = _train_folder(folder), list[str]()
    names = tuple(class_names) or _class_folders(root)
    if not class_names:
        problems += _unusable_names(root, names)
    train = _read_classes(root, names, folder, problems)
    negatives: tuple[LabelledPhoto, ...] = ()
    with _noting(problems):
        negatives = _read_photos(folder / NONE_OF_THE_CLASSES, None, folder)
    passed_over = count_files(root) - len(train) - len(negatives)
    if root != folder:
        passed_over += count_files(folder / NONE_OF_THE_CLASSES)
    for other in VALIDATION_FOLDERS:
        if root != folder and (folder / other).is_dir():
            validation = _read_classes(folder / other, names, folder, problems)
            passed_over += count_files(folder / other) - len(validation)
            dataset = Dataset(names, train, validation, passed_over, negatives)
            return dataset, list(dict.fromkeys(problems))
    sides: dict[bool, list[LabelledPhoto]] = {False: [], True: []}
    for photo in train:
        sides[_is_held_back(photo.path, share)].append(photo)
    dataset = Dataset(names, tuple(sides[False]), tuple(sides[True]), passed_over, negatives)
    if not problems:
        with _noting(problems):
            _require_both_sides(folder, dataset)
    return dataset, list(dict.fromkeys(problems))


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Add the problems of a `FolderError` to a list instead of raising it."""
    try:
        yield
    except FolderError as error:
        problems += error.problems


def require_folder(folder: Path) -> None:
    """Make sure that there is a folder; raises FolderError otherwise."""
    if not folder.is_dir():
        raise FolderError(f"there is no folder {folder}")


def _train_folder(folder: Path) -> Path:
    return folder / "train" if (folder / "train").is_dir() else folder


def _unusable_names(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield why a folder's folders can't be the classes."""
    if len(names) < 2:
        yield f"{folder} needs at least two folders, one for each class"
        return
    unusable = [name for name in names if not can_be_class(name)]
    for name in unusable:
        yield (
            f"the folder {str(folder / name)!r} can't be a class because of its name: rename "
            f"it. Class names are {parameters.rule('ClassNames')}"
        )
    if not unusable and not parameters.allows("ClassNames", ",".join(names)):
        yield (
            f"the folders of {folder} can't be the classes: class names are "
            f"{parameters.rule('ClassNames')}"
        )


def can_be_class(name: str) -> bool:
    """Return True if the template accepts a name as that of a class."""
    # The template has a pattern for lists of names only, which a comma would make of one.
    return "," not in name and parameters.allows("ClassNames", f"{name},{name}")


def _class_folders(folder: Path) -> tuple[str, ...]:
    """Return the names of a folder's folders, sorted, without the reserved one."""
    names = {path.name for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)}
    return tuple(sorted(names - {NONE_OF_THE_CLASSES}))


def _read_classes(
    folder: Path, names: Sequence[str], dataset: Path, problems: list[str]
) -> tuple[LabelledPhoto, ...]:
    """Read the photos of every class, in the order of the classes; add what is wrong to a list."""
    # The reserved folder belongs to the top of the dataset.
    if folder != dataset and (folder / NONE_OF_THE_CLASSES).is_dir():
        problems.append(
            f"{folder / NONE_OF_THE_CLASSES} is not in its place: move photos of none of the "
            f"classes to {dataset / NONE_OF_THE_CLASSES}"
        )
    unknown = sorted(set(_class_folders(folder)) - set(names))
    if names and unknown:
        problems.append(
            f"{folder} has folders that are no class: {', '.join(unknown)} "
            f"(the classes are {', '.join(names)}): move them away, or choose them too"
        )
    photos: list[LabelledPhoto] = []
    for name in names:
        with _noting(problems):
            photos += _read_class(folder / name, name, dataset)
    return tuple(photos)


def _read_class(folder: Path, name: str, dataset: Path) -> tuple[LabelledPhoto, ...]:
    require_folder(folder)
    photos = _read_photos(folder, name, dataset)
    if not photos:
        raise FolderError(f"class {name} has no photos: {folder} holds none")
    return photos


def _read_photos(folder: Path, label: str | None, dataset: Path) -> tuple[LabelledPhoto, ...]:
    """Read the photos of a folder; none if it does not exist."""
    paths = [path for path in list_files(folder, dataset) if _is_photo(path, folder)]
    require_photos(paths)
    return tuple(LabelledPhoto(path, label) for path in paths)


def _is_photo(path: Path, folder: Path) -> bool:
    """Tell by its name and size whether a file in a folder is a photo to train on."""
    return is_somebodys_file(path, folder) and has_photo_suffix(path.name)


def is_somebodys_file(path: Path, folder: Path) -> bool:
    """Tell a person's file in a folder from those that programs leave, and from empty ones."""
    return (
        path.is_file()
        and not is_left_by_a_program(path.relative_to(folder).as_posix())
        and path.stat().st_size > 0
    )


def count_files(folder: Path) -> int:
    """Count the files in a folder and in those below it."""
    return sum(path.is_file() for path in folder.rglob("*"))


def _is_held_back(path: Path, share: float) -> bool:
    """Tell by a photo's content; once uploaded to S3 in one part it is on the same side there."""
    content_id = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return is_held_back(digest(content_id), share)


def _require_both_sides(folder: Path, dataset: Dataset) -> None:
    for side in (dataset.train, dataset.validation):
        count = Counter(photo.label for photo in side)
        missing = [name for name in dataset.class_names if not count[name]]
        if missing:
            raise FolderError(
                f"{folder} has too few photos of {', '.join(missing)} to hold any back for "
                "validation: add photos, or split it into train and validation"
            )
