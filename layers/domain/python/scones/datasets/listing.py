"""Lists the photos of a dataset: paths into files, everything else into a few numbers."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from scones.datasets.exclusions import ExclusionReason, exclusion_reason
from scones.datasets.layout import ClassFolder, Layout
from scones.datasets.splits import SPLITS, Split, digest, is_validation
from scones.storage import list_pages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

LISTING_THREADS = 4
"""How many prefixes are listed at once: while S3 answers one, another's page is parsed. Python
parses one page at a time, so further threads mostly contend. With 100 ms a page, four threads took
about a third less time than one."""


@dataclass
class PhotoList:
    """The photos of one class on one side.

    Attributes
    ----------
    paths
        A UTF-8 text file: one path a line, relative to the side's root.
    count
        How many.
    content_digest
        The sum of the digests of their content ids: the same whatever the order and the names,
        another for other photos, and for one more copy of the same.
    """

    paths: Path
    count: int = 0
    content_digest: int = 0


@dataclass
class ListedFolder:
    """What was found in a class's folder."""

    folder: ClassFolder
    photos: Mapping[Split, PhotoList]
    skipped: Counter[ExclusionReason] = field(default_factory=Counter)


@dataclass(frozen=True)
class Listing:
    """What was found in a dataset.

    Attributes
    ----------
    folders
        By class folder, in the layout's order.
    negatives
        The photos of none of the classes, or None if the layout has no folder for them.
    skipped
        How many objects are not listed, by why, those outside the classes' folders among them.
    """

    layout: Layout
    folders: tuple[ListedFolder, ...]
    negatives: ListedFolder | None
    skipped: Mapping[ExclusionReason, int]

    def photos(self, split: Split) -> list[PhotoList]:
        """Return the photos of a side, in the order of the class indices."""
        root = self.layout.roots[split]
        return [listed.photos[split] for listed in self.folders if listed.folder.root == root]

    def count(self, split: Split) -> int:
        """Return how many photos a side has, all classes together."""
        return sum(photos.count for photos in self.photos(split))

    def count_negatives(self, split: Split) -> int:
        """Return how many photos of none of the classes a side has."""
        return self.negatives.photos[split].count if self.negatives else 0


def list_photos(client: "S3Client", bucket: str, layout: Layout, workspace: Path) -> Listing:
    """List the photos of a dataset, several classes at once.

    Parameters
    ----------
    client
        An S3 client.
    bucket
        The data bucket.
    layout
        Where its photos are.
    workspace
        An empty folder for the paths.

    Returns
    -------
    Listing
        The same for the same objects, whichever thread ends first.

    Raises
    ------
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    extra = (layout.negatives,) if layout.negatives else ()
    pool = ThreadPoolExecutor(LISTING_THREADS)
    try:
        running = [
            pool.submit(_list_folder, client, bucket, folder, workspace / str(number))
            for number, folder in enumerate((*layout.folders, *extra))
        ]
        hidden = pool.map(partial(_count, client, bucket), layout.hidden)
        unused = pool.map(partial(_count, client, bucket), layout.unused)
        listed_folders = [future.result() for future in running]
        skipped = Counter(layout.stray_objects)
        for listed in listed_folders:
            skipped.update(listed.skipped)
        skipped.update({"hidden": sum(hidden), "unused_split": sum(unused)})
    finally:
        pool.shutdown(cancel_futures=True)
    negatives = listed_folders.pop() if extra else None
    return Listing(layout, tuple(listed_folders), negatives, +skipped)


def _list_folder(
    client: "S3Client", bucket: str, folder: ClassFolder, workspace: Path
) -> ListedFolder:
    workspace.mkdir()
    listed = ListedFolder(folder, {split: PhotoList(workspace / split) for split in SPLITS})
    with _open(listed, "train") as train, _open(listed, "validation") as validation:
        files = {"train": train, "validation": validation}
        for page in list_pages(client, bucket, folder.prefix):
            for split, paths in _sort(page.get("Contents", []), listed).items():
                files[split].writelines(paths)
    return listed


def _open(listed: ListedFolder, split: Split) -> IO[str]:
    return listed.photos[split].paths.open("w", encoding="utf-8", newline="\n")


def _sort(objects: "list[ObjectTypeDef]", listed: ListedFolder) -> dict[Split, list[str]]:
    """Count a page's objects and return the lines of its photos by side."""
    lines: dict[Split, list[str]] = {split: [] for split in SPLITS}
    folder = listed.folder
    below_root, below_folder = len(folder.root), len(folder.prefix)
    for entry in objects:
        key = entry["Key"]
        reason = exclusion_reason(key[below_folder:], entry["Size"])
        if reason:
            listed.skipped[reason] += 1
            continue
        number = digest(entry["ETag"].strip('"'))
        split: Split = "validation" if is_validation(number, folder.validation_share) else "train"
        photos = listed.photos[split]
        photos.count += 1
        photos.content_digest += number
        lines[split].append(f"{key[below_root:]}\n")
    return lines


def _count(client: "S3Client", bucket: str, prefix: str) -> int:
    return sum(len(page.get("Contents", [])) for page in list_pages(client, bucket, prefix))
