"""Where the photos of each class are: the folders of a dataset, held against the class names."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from scones.classes import NONE_OF_THE_CLASSES
from scones.datasets.errors import ClassWithoutPhotos, DatasetEmpty, UnknownClass
from scones.datasets.exclusions import ExclusionReason, exclusion_reason
from scones.datasets.split_folders import (
    AmbiguousFolders,
    SplitFolders,
    find_split_folders,
    require_no_classes_within,
    split_kind,
)
from scones.datasets.splits import SPLITS, Split
from scones.photos.names import is_hidden
from scones.storage import list_level_pages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DATASET = "dataset/"
"""Prefix of the labelled photos in the data bucket."""

TRAIN, VALIDATION = "train", "validation"
"""Names of the folders of a dataset with its own sides, where we write them; those that are there
may have other names (`scones.datasets.split_folders`)."""

NEGATIVES = f"{DATASET}{NONE_OF_THE_CLASSES}/"
"""Prefix of the photos that show none of the classes, whether or not a dataset has own sides."""


@dataclass(frozen=True)
class ClassFolder:
    """The photos of one class, or of none of them.

    Attributes
    ----------
    class_index
        Its class; for photos of none of the classes the number of classes, one after the last.
    root
        Prefix that paths in the lists are relative to.
    prefix
        Prefix of its objects.
    validation_share
        Which share of them is there to validate on, 0 to 1.
    """

    class_index: int
    root: str
    prefix: str
    validation_share: float


@dataclass(frozen=True)
class Layout:
    """The folders of a dataset.

    Attributes
    ----------
    roots
        By side, the prefix that paths in its list are relative to. One and the same prefix for
        both where a dataset has no sides of its own.
    folders
        The folders of the classes, in the order of the class indices for each root.
    hidden
        Prefixes of hidden folders beside them.
    stray_objects
        How many objects lie beside them, by why they are left out.
    unused
        Prefixes of sides that nothing reads: a folder for tests beside one for validation.
    negatives
        The folder of the photos that show none of the classes, or None if there is none.
    """

    roots: Mapping[Split, str]
    folders: tuple[ClassFolder, ...]
    hidden: tuple[str, ...]
    stray_objects: Mapping[ExclusionReason, int]
    unused: tuple[str, ...] = ()
    negatives: ClassFolder | None = None

    @property
    def has_splits(self) -> bool:
        """Whether the dataset itself says which photos are there to validate on."""
        return self.roots["train"] != self.roots["validation"]


@dataclass(frozen=True)
class _Level:
    """What lies directly below a prefix: names of folders, and objects by why they are left out.

    The reserved folder is not one of `visible`; `has_negatives` is True if it exists.
    """

    uri: str
    prefix: str
    visible: tuple[str, ...]
    hidden: tuple[str, ...]
    stray_objects: Counter[ExclusionReason]
    has_negatives: bool


def discover_layout(
    client: "S3Client", bucket: str, class_names: Sequence[str], validation_share: float
) -> Layout:
    """Find the folders of the classes.

    Parameters
    ----------
    client
        An S3 client.
    bucket
        The data bucket, which holds ``dataset/train/CLASS/`` and ``dataset/validation/CLASS/``,
        or ``dataset/CLASS/``, or ``dataset/train/CLASS/`` alone. The first two may have other
        names (`scones.datasets.split_folders`). Next to these it may hold `NEGATIVES`.
    class_names
        The classes in the order of their indices.
    validation_share
        Which share of a dataset without its own sides is held back to validate on, and of the
        photos of none of the classes, which never have sides.

    Returns
    -------
    Layout

    Raises
    ------
    DatasetEmpty
        If there is nothing below ``dataset/``, or no folder.
    UnknownClass
        If a folder is no class, or may be a class or a side.
    ClassWithoutPhotos
        If a class has no folder.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    top = _list_level(client, bucket, DATASET, class_names)
    if not top.visible:
        raise DatasetEmpty(
            f"{top.uri} holds no folder with photos, and {sum(top.stray_objects.values())} objects "
            f"beside: upload one folder for each of the {len(class_names)} classes "
            f"({', '.join(class_names)}), or {TRAIN}/ and {VALIDATION}/ which hold them"
        )
    splits = _splits(client, bucket, top, class_names)
    roots = _roots(splits)
    prefixes = list(dict.fromkeys(roots.values()))
    below = [prefix for prefix in prefixes if prefix != DATASET]
    levels = [top, *(_list_level(client, bucket, prefix, class_names) for prefix in below)]
    for level in levels:
        if level.prefix in prefixes:
            _require_classes(level, class_names)
    shares = _shares(prefixes, validation_share)
    return Layout(
        roots=roots,
        folders=tuple(
            ClassFolder(index, prefix, f"{prefix}{name}/", shares[prefix])
            for prefix in prefixes
            for index, name in enumerate(class_names)
        ),
        hidden=tuple(f"{level.prefix}{name}/" for level in levels for name in level.hidden),
        stray_objects=MappingProxyType(
            sum((level.stray_objects for level in levels), Counter[ExclusionReason]())
        ),
        unused=(f"{DATASET}{splits.unused}/",) if splits and splits.unused else (),
        negatives=ClassFolder(len(class_names), NEGATIVES, NEGATIVES, validation_share)
        if top.has_negatives
        else None,
    )


def split_roots(client: "S3Client", bucket: str, class_names: Sequence[str]) -> Mapping[Split, str]:
    """Find below which prefix each side's class folders are, for who adds a photo.

    Unlike `discover_layout` this takes a dataset that is empty or lacks classes.

    Parameters
    ----------
    client, bucket, class_names
        As for `discover_layout`.

    Returns
    -------
    mapping of str to str
        By side; one and the same prefix for both where the dataset has no sides of its own.

    Raises
    ------
    UnknownClass
        If a folder may be a class or a side.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    top = _list_level(client, bucket, DATASET, class_names)
    return _roots(_splits(client, bucket, top, class_names))


def _list_level(client: "S3Client", bucket: str, prefix: str, class_names: Sequence[str]) -> _Level:
    visible: list[str] = []
    hidden: list[str] = []
    stray_objects: Counter[ExclusionReason] = Counter()
    has_negatives = False
    for page in list_level_pages(client, bucket, prefix):
        for folder in page.get("CommonPrefixes", []):
            if folder["Prefix"] == NEGATIVES:
                has_negatives = True
                continue
            name = folder["Prefix"].removeprefix(prefix).removesuffix("/")
            (hidden if is_hidden(name) and name not in class_names else visible).append(name)
        for entry in page.get("Contents", []):
            path = entry["Key"].removeprefix(prefix)
            stray_objects[exclusion_reason(path, entry["Size"]) or "outside_a_class"] += 1
    uri = f"s3://{bucket}/{prefix}"
    return _Level(uri, prefix, tuple(visible), tuple(hidden), stray_objects, has_negatives)


def _splits(
    client: "S3Client", bucket: str, top: _Level, class_names: Sequence[str]
) -> SplitFolders | None:
    """Tell a dataset with its own sides from one without, which has None."""
    try:
        splits = find_split_folders(top.visible, class_names)
        train_folders = [name for name in top.visible if split_kind(name) == "train"]
        for name in train_folders if splits is None else ():
            level = _list_level(client, bucket, f"{top.prefix}{name}/", class_names)
            require_no_classes_within(name, level.visible, class_names)
    except AmbiguousFolders as error:
        raise UnknownClass(
            f"{top.uri} {error}. If they are classes, deploy with ClassNames that name them all"
        ) from None
    return splits


def _roots(splits: SplitFolders | None) -> Mapping[Split, str]:
    """Return the prefix of each side's class folders."""
    if splits is None:
        return MappingProxyType(dict.fromkeys(SPLITS, DATASET))
    train = f"{DATASET}{splits.train}/"
    validation = f"{DATASET}{splits.validation}/" if splits.validation else train
    return MappingProxyType({"train": train, "validation": validation})


def _shares(prefixes: Sequence[str], validation_share: float) -> dict[str, float]:
    if len(prefixes) == 1:
        return {prefixes[0]: validation_share}
    train, validation = prefixes
    return {train: 0.0, validation: 1.0}


def _require_classes(level: _Level, class_names: Sequence[str]) -> None:
    unknown = [name for name in level.visible if name not in class_names]
    missing = [name for name in class_names if name not in level.visible]
    if unknown:
        raise UnknownClass(
            f"{level.uri} holds {_count(level.visible, 'folder')}, of which {len(unknown)} "
            f"{_are(unknown)} no class: {', '.join(unknown)}. The {len(class_names)} classes are "
            f"{', '.join(class_names)}: {_advice(unknown, missing)}"
        )
    if missing:
        raise ClassWithoutPhotos(
            f"{len(missing)} of {len(class_names)} classes {_have(missing)} no folder in "
            f"{level.uri}: {', '.join(missing)}. Upload photos of each, or deploy with ClassNames "
            "that leave them out"
        )


def _advice(unknown: Sequence[str], missing: Sequence[str]) -> str:
    """Say what to do; that a folder is a class spelled otherwise is the likeliest reason."""
    if NONE_OF_THE_CLASSES in unknown:
        return f"move photos of none of the classes to {NEGATIVES}, beside {TRAIN}/"
    similar = [
        f"{name!r} looks like {class_name!r}"
        for name in unknown
        for class_name in missing
        if _normalize(name) == _normalize(class_name)
    ]
    if similar:
        return (
            f"{', '.join(similar)}, but differs in case, in spaces or in how accents are encoded. "
            "Rename one of the two"
        )
    return "rename or remove the folders, or deploy with ClassNames that name them"


def _normalize(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _count(things: Sequence[str], noun: str) -> str:
    return f"{len(things)} {noun}" + ("" if len(things) == 1 else "s")


def _are(things: Sequence[str]) -> str:
    return "is" if len(things) == 1 else "are"


def _have(things: Sequence[str]) -> str:
    return "has" if len(things) == 1 else "have"
