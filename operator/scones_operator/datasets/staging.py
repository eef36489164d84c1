"""The staged dataset on disk: ``train/CLASS/`` and ``validation/CLASS/``, written once.

Photos of none of the classes are next to them, in ``none_of_the_classes/``.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from scones.classes import NONE_OF_THE_CLASSES
from scones.datasets.splits import SPLITS, Split
from scones.photos.names import is_hidden
from scones_operator.errors import PreconditionError
from scones_operator.folder_files import abbreviate

VALIDATION_SHARE = 0.1
"""Share of a dataset without its own validation photos that is held back to validate on."""

CANNOT_BE_DECODED = "photos that cannot be decoded"

TEMP_PREFIX = ".unfinished-"
"""How the name of a file begins while it is being written; hidden, so never taken for a photo."""


@dataclass(frozen=True)
class StagedPath:
    """Where a photo lies in a staged dataset.

    Attributes
    ----------
    split
        Its side, or None for a photo of none of the classes.
    label
        Its class, or `scones.classes.NONE_OF_THE_CLASSES`.
    name
        Its file name.
    """

    split: Split | None
    label: str
    name: str

    @property
    def path(self) -> PurePosixPath:
        """Its path below the dataset's folder."""
        return PurePosixPath(self.split or "", self.label, self.name)


@dataclass
class StagingResult:
    """What a staging came to.

    Attributes
    ----------
    folder
        The staged dataset.
    class_names
        Its classes, in the order they were asked for.
    counts
        How many photos of each class each side has, and of none of the classes (side None).
    written
        How many were written; the others were there already.
    left_out
        How many are not there, by why, in words.
    splits
        Path of each side's folder in what was staged, if it has own sides; otherwise empty.
    unusable
        Photos that were left out since they cannot be decoded: the reason by the original path,
        relative to what was staged.
    """

    folder: Path
    class_names: tuple[str, ...]
    counts: Counter[tuple[Split | None, str]] = field(default_factory=Counter)
    written: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    splits: Mapping[Split, Path] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    def write_photo(self, staged_path: StagedPath, data: bytes) -> None:
        """Write a photo where it belongs, unless it is there."""
        self.written += write_once(self.folder / staged_path.path, data)
        self.count_photo(staged_path)

    def count_photo(self, staged_path: StagedPath) -> None:
        """Count a photo that is where it belongs."""
        self.counts[staged_path.split, staged_path.label] += 1

    def leave_out_unusable(self, path: str, problem: str) -> None:
        """Count and name a photo that cannot be decoded."""
        self.unusable[path] = problem
        self.excluded[CANNOT_BE_DECODED] += 1

    def by_class(self) -> Mapping[str, Mapping[Split, int]]:
        """Return the counts by class and side."""
        return {
            name: {split: self.counts[split, name] for split in SPLITS} for name in self.class_names
        }

    @property
    def negatives(self) -> int:
        """Number of photos of none of the classes."""
        return self.counts[None, NONE_OF_THE_CLASSES]


def content_name(content: bytes, suffix: str) -> str:
    """Name a photo after its content, as a dataset names photos that come from anywhere.

    Names of files may repeat in different folders, be as long as a name can be, and hold what
    lists can't. Two copies of a photo have one name.

    Parameters
    ----------
    content
        The file, whole.
    suffix
        How its name ends, such as ``.JPG``.
    """
    return hashlib.sha256(content).hexdigest()[:20] + suffix.lower()


def write_once(path: Path, data: bytes) -> bool:
    """Write a file unless it is there, whole and the same; True if it was written.

    Whoever is interrupted leaves no half file under its name.
    """
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{TEMP_PREFIX}{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def require_no_other_files(folder: Path, staged_paths: Iterable[StagedPath]) -> None:
    """Make sure that a folder holds no photos but those of a staging.

    Photos of an earlier one, with another share, would be on both sides; those of other classes
    would be trained on unasked.

    Raises
    ------
    PreconditionError
        If it does; nothing was written.
    """
    expected = {staged_path.path for staged_path in staged_paths}
    unexpected = [path for path in staged_files(folder) if path not in expected]
    if unexpected:
        raise PreconditionError(
            f"{folder} contains {_count(unexpected, 'file')} that {_are(unexpected)} not of this "
            f"dataset, such as {abbreviate(map(str, unexpected))}: use another folder, or remove "
            "them"
        )


def staged_files(folder: Path) -> list[PurePosixPath]:
    """Return the paths of the files of a staged dataset, below its folder, without hidden ones."""
    found = (
        PurePosixPath(path.relative_to(folder).as_posix())
        for top in (*SPLITS, NONE_OF_THE_CLASSES)
        for path in (folder / top).rglob("*")
        if path.is_file()
    )
    return sorted(path for path in found if not is_hidden(str(path)))


def _count(things: Collection[object], noun: str) -> str:
    return f"{len(things):,} {noun}" + ("" if len(things) == 1 else "s")


def _are(things: Collection[object]) -> str:
    return "is" if len(things) == 1 else "are"
