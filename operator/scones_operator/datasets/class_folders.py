"""Labelled photos in folders on disk, one folder a class."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scones.classes import NONE_OF_THE_CLASSES
from scones.datasets.split_folders import (
    AmbiguousFolders,
    SplitFolders,
    find_split_folders,
    require_no_classes_within,
    split_kind,
)
from scones.datasets.splits import Split, digest, is_validation
from scones.photos.names import has_photo_suffix, is_hidden, is_system_file
from scones_operator.aws import template_parameters
from scones_operator.datasets.staging import CANNOT_BE_DECODED, VALIDATION_SHARE
from scones_operator.folder_files import FolderLayoutError, format_unusable, list_files

CLASS_FOLDERS_ADVICE = (
    "If they are classes, rename their folders, or name all classes: --like PRESET, or CLASSES= "
    "of make run"
)


@dataclass(frozen=True)
class LabeledPhoto:
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
    skipped
        How many files lie among them that are no photos.
    negatives
        Photos of none of the classes, which are split only in S3.
    splits
        The folder of each side's classes, if the dataset has own sides; otherwise empty.
    unused
        Number of photos in a folder for tests next to one for validation.
    outside
        Number of photos that are in no folder of a class.
    unusable
        Photos that were left out since they cannot be decoded: the reason by file
        (`scones_operator.datasets.unusable_photos.leave_out_unusable`).
    """

    class_names: tuple[str, ...]
    train: tuple[LabeledPhoto, ...]
    validation: tuple[LabeledPhoto, ...]
    skipped: int = 0
    negatives: tuple[LabeledPhoto, ...] = ()
    splits: Mapping[Split, Path] = field(default_factory=dict)
    unused: int = 0
    outside: int = 0
    unusable: Mapping[Path, str] = field(default_factory=dict)

    @property
    def excluded_photos(self) -> dict[str, int]:
        """Numbers of photos that are not used, by what they are, in words; none of zero."""
        counts = {
            "photos outside the folders of classes": self.outside,
            "photos of a test split that is not used": self.unused,
            CANNOT_BE_DECODED: len(self.unusable),
        }
        return {what: count for what, count in counts.items() if count}


@dataclass(frozen=True)
class _Roots:
    """Folders of the classes: to train on, to validate on (None if held out), and those unused."""

    train: Path
    validation: Path | None = None
    unused: Path | None = None

    @property
    def splits(self) -> dict[Split, Path]:
        return {"train": self.train, "validation": self.validation} if self.validation else {}


def read_dataset(
    folder: Path, class_names: Sequence[str] = (), share: float = VALIDATION_SHARE
) -> Dataset:
    """Read a dataset of one folder a class.

    Parameters
    ----------
    folder
        Holds one folder a class, or one for each split which do, such as ``train`` and
        ``validation`` (`scones.datasets.split_folders`); or nothing but a folder that does. Next
        to these it may hold `scones.classes.NONE_OF_THE_CLASSES`, with photos that show none of
        them. Files that are no photos by their name are passed over. Photos are not decoded
        (`scones_operator.datasets.unusable_photos`).
    class_names
        The classes in the order of their indices; by default the folders' names, sorted.
    share
        Which share is held back to validate on, 0 to 1, if there is no folder for that.

    Returns
    -------
    Dataset
        Photos are held back by a hash of their content, so that a photo is always on the same
        side.

    Raises
    ------
    FolderError
        If a class has no folder or no photos, a folder is no class, its name can't be one's, or it
        may be a class or a split; if there are links out of `folder`. All such problems are in one
        error; whether enough photos can be held back is checked after them.
    """
    dataset, problems = scan_dataset(folder, class_names, share)
    if problems:
        raise FolderLayoutError(*problems)
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
    problems = list[str]()
    top = _unwrapped(folder, class_names)
    try:
        roots = _find_roots(top, class_names)
    except FolderLayoutError as error:
        return Dataset(tuple(class_names), (), ()), list(error.problems)
    names = tuple(class_names) or _class_folders(roots.train)
    if not class_names:
        problems += _unusable_names(roots.train, names)
    problems += _misplaced(top, roots, class_names)
    train = _read_classes(roots.train, names, folder, problems)
    own = roots.validation
    validation = _read_classes(own, names, folder, problems) if own else ()
    negatives: tuple[LabeledPhoto, ...] = ()
    with _collect_problems(problems):
        negatives = _read_photos(top / NONE_OF_THE_CLASSES, None, folder)
    if not own:
        train, validation = _split(train, share)
    photos, unused = _count_photos(folder), _count_photos(roots.unused)
    dataset = Dataset(
        names,
        train,
        validation,
        # Folders behind links are entered only where they are folders of classes.
        max(count_files(folder) - photos, 0),
        negatives,
        roots.splits,
        unused,
        max(photos - len(train) - len(validation) - len(negatives) - unused, 0),
    )
    if not own and not problems:
        with _collect_problems(problems):
            require_enough_photos(folder, dataset, share)
    return dataset, list(dict.fromkeys(problems))


@contextmanager
def _collect_problems(problems: list[str]) -> Iterator[None]:
    """Add the problems of a `FolderError` to a list instead of raising it."""
    try:
        yield
    except FolderLayoutError as error:
        problems += error.problems


def require_folder(folder: Path) -> None:
    """Make sure that there is a folder; raises FolderError otherwise."""
    if not folder.is_dir():
        raise FolderLayoutError(f"there is no folder {folder}")


def _unwrapped(folder: Path, class_names: Sequence[str]) -> Path:
    """Return the folder of the classes or splits, if `folder` has no photos and no other folder.

    Archives often have one folder that holds all the others, and datasets one for the images.
    """
    inner = folder
    while only := _only_folder(inner):
        if only.name in class_names or split_kind(only.name) not in {None, split_kind(inner.name)}:
            break
        inner = only
    found = _class_folders(inner)
    return inner if len(found) > 1 or any(map(split_kind, found)) else folder


def _only_folder(folder: Path) -> Path | None:
    """Return the only folder in a folder without photos, or None; links are not followed."""
    paths = [path for path in folder.iterdir() if not is_hidden(path.name)]
    folders = [path for path in paths if path.is_dir()]
    photos = [path for path in paths if path.is_file() and has_photo_suffix(path.name)]
    if len(folders) != 1 or photos or folders[0].is_symlink():
        return None
    return None if folders[0].name == NONE_OF_THE_CLASSES else folders[0]


def _find_roots(top: Path, class_names: Sequence[str]) -> _Roots:
    """Find the folders of the classes.

    Raises
    ------
    FolderError
        If a folder may be a class or a split, or a split can't be used.
    """
    names = _class_folders(top)
    try:
        splits = find_split_folders(names, class_names)
        for name in names:
            if splits is None and split_kind(name) == "train":
                require_no_classes_within(name, _class_folders(top / name), class_names)
    except AmbiguousFolders as error:
        raise FolderLayoutError(f"{top} {error}. {CLASS_FOLDERS_ADVICE}") from None
    if splits is None:
        return _Roots(top)
    _require_classes_in(top, splits, class_names)
    roots = _Roots(
        _unwrapped(top / splits.train, class_names),
        _unwrapped(top / splits.validation, class_names) if splits.validation else None,
        top / splits.unused if splits.unused else None,
    )
    if roots.validation and roots.train.resolve() == roots.validation.resolve():
        raise FolderLayoutError(
            f"{top / splits.train} and {roots.validation} are the same folder, through a link: a "
            "model would be validated on its training photos. Remove the link"
        )
    return roots


def _require_classes_in(top: Path, splits: SplitFolders, class_names: Sequence[str]) -> None:
    """Raise an error if a split has no folder of a class: it has no labels, or is a class."""
    used = [top / name for name in (splits.train, splits.validation) if name]
    bare = [path for path in used if not _class_folders(path)]
    if not bare:
        return
    if any(map(_count_photos, bare)):
        raise FolderLayoutError(
            f"the photos in {' and '.join(map(str, bare))} are not in the folder of a class: put "
            "them into one folder per class, or move them away if their classes are unknown. "
            f"{CLASS_FOLDERS_ADVICE}"
        )
    raise FolderLayoutError(
        f"{' and '.join(map(str, bare))} {'is' if len(bare) == 1 else 'are'} empty: add one folder "
        "per class, or remove the folder (without a validation folder, photos are held out)"
    )


def _misplaced(top: Path, roots: _Roots, class_names: Sequence[str]) -> Iterator[str]:
    """Yield why folders are not where they must be, or can't be told apart."""
    for root in (roots.train, roots.validation):
        # The reserved folder belongs to the top of the dataset.
        if root not in {None, top} and (root / NONE_OF_THE_CLASSES).is_dir():
            yield (
                f"{root / NONE_OF_THE_CLASSES} is in the wrong place: move photos of none of "
                f"the classes to {top / NONE_OF_THE_CLASSES}"
            )
    alike: dict[str, list[str]] = {}
    for name in _class_folders(roots.train):
        alike.setdefault(name.casefold(), []).append(name)
        yield from _inner_splits(roots.train / name)
    for names in alike.values():
        if len(names) > 1 and not set(names) <= set(class_names):
            yield (
                f"{roots.train} has folders whose names differ only in case: "
                f"{', '.join(names)}. Put their photos into one of them, or rename one"
            )


def _inner_splits(folder: Path) -> Iterator[str]:
    """Yield that the folder of a class has splits in it, whose photos would all be trained on."""
    below = _class_folders(folder)
    kinds = {kind: name for name in below if (kind := split_kind(name))}
    if "train" in kinds and len(kinds) > 1:
        yield (
            f"{folder} contains folders for splits ({', '.join(below)}): put the classes into the "
            f"splits instead, such as {folder.parent / kinds['train'] / folder.name}"
        )


def _unusable_names(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield why a folder's folders can't be the classes."""
    if len(names) < 2:
        yield f"{folder} needs at least two folders, one per class"
        return
    unusable = [name for name in names if not can_be_class(name)]
    for name in unusable:
        yield (
            f"the folder {str(folder / name)!r} cannot be a class because of its name: rename "
            f"it. Class names are {template_parameters.constraint('ClassNames')}"
        )
    if not unusable and not template_parameters.is_allowed("ClassNames", ",".join(names)):
        yield (
            f"the folders of {folder} cannot be the classes: class names are "
            f"{template_parameters.constraint('ClassNames')}"
        )


def can_be_class(name: str) -> bool:
    """Return True if the template accepts a name as that of a class."""
    # The template has a pattern for lists of names only, which a comma would make of one.
    return "," not in name and template_parameters.is_allowed("ClassNames", f"{name},{name}")


def _class_folders(folder: Path) -> tuple[str, ...]:
    """Return the names of a folder's folders, sorted, without the reserved one."""
    names = {path.name for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)}
    return tuple(sorted(names - {NONE_OF_THE_CLASSES}))


def _read_classes(
    folder: Path, names: Sequence[str], dataset: Path, problems: list[str]
) -> tuple[LabeledPhoto, ...]:
    """Read the photos of every class, in the order of the classes; add what is wrong to a list."""
    existing = _class_folders(folder)
    unknown = sorted(set(existing) - set(names))
    if names and unknown:
        problems.append(
            f"{folder} has folders that are not a class: {', '.join(unknown)} "
            f"(the classes are {', '.join(names)}): {_advice(unknown, set(names) - set(existing))}"
        )
    photos: list[LabeledPhoto] = []
    for name in names:
        with _collect_problems(problems):
            photos += _read_class(folder / name, name, dataset)
    return tuple(photos)


def _advice(unknown: Sequence[str], missing: Set[str]) -> str:
    for name in unknown:
        for other in sorted(missing):
            if name.casefold() == other.casefold():
                return f"{name} and {other} differ only in case: rename one of them"
    return "move them out of the dataset, or add them to the classes"


def _read_class(folder: Path, name: str, dataset: Path) -> tuple[LabeledPhoto, ...]:
    if not folder.is_dir():
        raise FolderLayoutError(
            f"class {name} has no folder {folder}: add it, with photos of the class"
        )
    photos = _read_photos(folder, name, dataset)
    if not photos:
        raise FolderLayoutError(f"class {name} has no photos: add some to {folder}")
    return photos


def _read_photos(folder: Path, label: str | None, dataset: Path) -> tuple[LabeledPhoto, ...]:
    """Read the photos of a folder; none if it does not exist."""
    paths = (path for path in list_files(folder, dataset) if _is_photo(path, folder))
    return tuple(LabeledPhoto(path, label) for path in paths)


def _is_photo(path: Path, folder: Path) -> bool:
    """Return True if a file in a folder is a photo to train on by its name.

    Empty files are included: decoding finds them, and they are listed with the reason.
    """
    return _is_kept(path, folder) and has_photo_suffix(path.name)


def is_user_file(path: Path, folder: Path) -> bool:
    """Tell a person's file in a folder from those that programs leave, and from empty ones."""
    return _is_kept(path, folder) and path.stat().st_size > 0


def _is_kept(path: Path, folder: Path) -> bool:
    """Return True for a file that no program left, False for one that did and for a folder."""
    return path.is_file() and not is_system_file(path.relative_to(folder).as_posix())


def count_files(folder: Path) -> int:
    """Count the files in a folder and in those below it."""
    return sum(path.is_file() for path in folder.rglob("*"))


def _count_photos(folder: Path | None) -> int:
    """Count the photos in a folder and in those below it; none if there is no folder."""
    return sum(_is_photo(path, folder) for path in folder.rglob("*")) if folder else 0


def _split(
    photos: Sequence[LabeledPhoto], share: float
) -> tuple[tuple[LabeledPhoto, ...], tuple[LabeledPhoto, ...]]:
    """Hold out a share of the photos, and return those to train on and those to validate on."""
    validation = [_is_validation(photo.path, share) for photo in photos]
    train = tuple(
        p for p, in_validation in zip(photos, validation, strict=True) if not in_validation
    )
    return train, tuple(
        p for p, in_validation in zip(photos, validation, strict=True) if in_validation
    )


def _is_validation(path: Path, share: float) -> bool:
    """Tell by a photo's content; once uploaded to S3 in one part it is on the same side there."""
    content_id = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return is_validation(digest(content_id), share)


def require_enough_photos(folder: Path, dataset: Dataset, share: float) -> None:
    """Raise an error unless each class has photos to train on and to validate on.

    Parameters
    ----------
    folder
        Folder of the dataset, for the message.
    dataset
        The photos.
    share
        Share that is held out for validation, 0 to 1, if the dataset has no splits.

    Raises
    ------
    FolderError
        Names each class that has too few, how many it has, and how many are missing.
    """
    short = list(_short_classes(dataset, share))
    if not short:
        return
    advice = (
        "Add photos to these folders"
        if dataset.splits
        else f"One photo in {round(1 / share)} is held out for validation, chosen by its content: "
        "add photos, or split the folder into train/ and validation/"
    )
    problems = [f"{folder} has too few photos of {', '.join(short)}. {advice}"]
    if dataset.unusable:
        named = {str(path): problem for path, problem in dataset.unusable.items()}
        problems.append(
            f"{CANNOT_BE_DECODED}, and so do not count: {', '.join(format_unusable(named))}"
        )
    raise FolderLayoutError(*problems)


def _short_classes(dataset: Dataset, share: float) -> Iterator[str]:
    """Yield each class that has no photo in a split, with what it has and what is missing."""
    train = Counter(photo.label for photo in dataset.train)
    validation = Counter(photo.label for photo in dataset.validation)
    for name in dataset.class_names:
        if train[name] and validation[name]:
            continue
        total = train[name] + validation[name]
        counts = f"{train[name]} to train on, {validation[name]} to validate on"
        if dataset.splits:
            missing = f"{(not train[name]) + (not validation[name])} missing at least"
        else:
            missing = f"about {max(1, math.ceil(1 / share) - total)} missing"
        yield f"{name} ({counts}: {missing})"
