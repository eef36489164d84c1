"""Find the folders of a dataset that are its splits, by their names.

The names are those of Hugging Face, of which Ultralytics and Roboflow use some
(https://huggingface.co/docs/datasets/repository_structure), in any capitalization, with what
datasets of Kaggle add to them: ``training_set``, ``Test Images``, ``train2017``.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["train", "validation", "test"]

NAMES: dict[Kind, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "validate", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Names of the folders of each kind, in lower case."""

_KINDS: dict[str, Kind] = {name: kind for kind, names in NAMES.items() for name in names}
_SPLIT = "|".join(sorted(_KINDS, key=len, reverse=True))
_ADDED = r"sets?|data|dataset|images?|imgs?|photos?|pictures?|split|\d+"
_NAME = re.compile(
    rf"(?:(?:{_ADDED})[\W_]*)?(?P<split>{_SPLIT})(?:[\W_]*(?:{_ADDED}))?", re.IGNORECASE
)
_WORD = re.compile(rf"(?:(?<=[\W_])|\A)(?:{_SPLIT})(?=[\W_]|\Z)", re.IGNORECASE)


class AmbiguousFolders(ValueError):
    """The folders may be splits or classes, or a split is there twice or missing.

    The message goes after the name of the folder that they are in: ``has two folders for one
    split: …``.
    """


@dataclass(frozen=True)
class SplitFolders:
    """The folders of a dataset with its own splits.

    Attributes
    ----------
    train
        Name of the folder of the photos to train on.
    validation
        Name of the folder of the photos to validate on, or None if there is none: then photos of
        `train` are held out. It is a folder for tests if there is none for validation.
    unused
        Name of the folder for tests next to one for validation, or None. Nothing reads it.
    """

    train: str
    validation: str | None
    unused: str | None


def split_kind(name: str) -> Kind | None:
    """Return the kind of split that a folder is by its name, or None for other names.

    Examples
    --------
    >>> kind_of("Training"), kind_of("test_set"), kind_of("train station")
    ('train', 'test', None)
    """
    match = _NAME.fullmatch(name.strip())
    return _KINDS[match["split"].lower()] if match else None


def find_split_folders(
    names: Collection[str], class_names: Sequence[str] = ()
) -> SplitFolders | None:
    """Return which folders of a dataset are its splits, or None if its folders are the classes.

    Parameters
    ----------
    names
        Names of the folders at the top of the dataset, without hidden ones and the one for photos
        of none of the classes.
    class_names
        The classes, if they are known. A class may have the name of a split: if every folder is a
        class, none is a split.

    Returns
    -------
    SplitFolders or None
        None if the folders are those of classes.

    Raises
    ------
    AmbiguousFolders
        If splits are next to other folders, if there are two of one kind or none to train on, or
        if names only contain those of splits, such as ``cars_train`` and ``cars_test``.
    """
    if set(names) <= set(class_names):
        return None
    kinds = {name: kind for name in sorted(names) if (kind := split_kind(name))}
    others = sorted(set(names) - set(kinds))
    if others:
        # A class may be called "train": next to other folders it is not a split.
        kinds = {name: kind for name, kind in kinds.items() if name not in class_names}
        _require_no_splits(kinds, others)
        _require_distinct_names([name for name in others if name not in class_names])
        return None
    return _by_kind(kinds) if kinds else None


def require_no_classes_within(
    folder: str, below: Collection[str], class_names: Sequence[str]
) -> None:
    """Raise an error if a folder may be a class or the split that holds all classes.

    Parameters
    ----------
    folder
        Name of a folder that is a class and has the name of the split to train on.
    below
        Names of the folders in it.
    class_names
        The classes.

    Raises
    ------
    AmbiguousFolders
        If each class is one of `below`.
    """
    if set(class_names) <= set(below):
        raise AmbiguousFolders(
            f"has {folder}, which is a class, and holds a folder for each class as a split does. "
            "Rename the class, or the folders in it"
        )


def _by_kind(kinds: dict[str, Kind]) -> SplitFolders:
    by_kind: dict[Kind, str] = {}
    for name, kind in kinds.items():
        if kind in by_kind:
            raise AmbiguousFolders(
                f"has two folders for one split: {by_kind[kind]} and {name} are both for "
                f"{_purpose(kind)}. Put their photos into one of them, or move one away"
            )
        by_kind[kind] = name
    if "train" not in by_kind:
        raise AmbiguousFolders(
            f"has no folder to train on, only {_listed(kinds)}, which {_are(kinds)} by "
            f"{_their(kinds)} to validate or to test on: add train with the photos to train on"
        )
    validation, test = by_kind.get("validation"), by_kind.get("test")
    return SplitFolders(by_kind["train"], validation or test, test if validation else None)


def _require_no_splits(kinds: Collection[str], others: Sequence[str]) -> None:
    if kinds:
        raise AmbiguousFolders(
            f"has {_listed(kinds)}, which {_are(kinds)} by {_their(kinds)} for splits, next to "
            f"other folders: {_listed(others)}. Move the other folders into the splits, or out of "
            "the dataset"
        )


def _require_distinct_names(names: Sequence[str]) -> None:
    """Raise an error for names that differ only in which split they are of."""
    stems: dict[str, list[str]] = {}
    for name in names:
        stem, count = _WORD.subn("*", name.casefold())
        if count:
            stems.setdefault(stem, []).append(name)
    for similar in stems.values():
        if len(similar) > 1:
            raise AmbiguousFolders(
                f"has folders that are splits or classes: {_listed(similar)}. If they are splits, "
                "rename them to train, validation and test"
            )


def _purpose(kind: Kind) -> str:
    return {"train": "training", "validation": "validation", "test": "tests"}[kind]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _are(things: Collection[str]) -> str:
    return "is" if len(things) == 1 else "are"


def _their(things: Collection[str]) -> str:
    return "its name" if len(things) == 1 else "their names"
