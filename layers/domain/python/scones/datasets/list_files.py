"""Writes the files that a training job reads: lists, manifests, and where to cut a list."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from scones import lst
from scones.datasets.listing import PhotoList
from scones.runs import ListFile

BATCH_LINES = 500
"""About how many photos one function prepares: some tens of seconds of work."""

MAX_BATCHES = 400
"""Of all lists together: so that the batches, with the rest of the answer, fit into a state of
262,144 bytes."""


class ListRange(BaseModel):
    """A range of bytes of a list, from the start of a line to the end of one.

    Attributes
    ----------
    start
        Offset of its first byte.
    end
        Offset after its last byte.
    list_file
        Name of the list.
    """

    model_config = ConfigDict(frozen=True)

    start: int
    end: int
    list_file: ListFile


def write_list(
    target: Path, classes: Sequence[PhotoList], first_index: int = 0, first_class: int = 0
) -> None:
    """Write an LST file; see `scones.lst`.

    Parameters
    ----------
    target
        The file to write.
    classes
        The photos of each class in the order of the class indices. The list has them in this
        order.
    first_index
        Index of the first photo; those of the others follow.
    first_class
        Class index of the first of `classes`.
    """
    with target.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lst.write(_entries(classes, first_index, first_class)))


def _entries(
    classes: Sequence[PhotoList], first_index: int, first_class: int
) -> Iterator[lst.LstEntry]:
    index = count(first_index)
    for class_index, photos in enumerate(classes, start=first_class):
        for path in _paths(photos):
            yield lst.LstEntry(next(index), class_index, path)


def write_manifest_file(target: Path, prefix: str, classes: Iterable[PhotoList]) -> None:
    """Write a SageMaker ManifestFile: a JSON array of a prefix and the keys below it.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html

    Parameters
    ----------
    target
        The file to write.
    prefix
        S3 URI that the photos' paths are relative to, with the slash at its end.
    classes
        The photos.
    """
    with target.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"[{json.dumps({'prefix': prefix})}")
        for photos in classes:
            file.writelines(f",\n{json.dumps(path)}" for path in _paths(photos))
        file.write("\n]\n")


def _paths(photos: PhotoList) -> Iterator[str]:
    with photos.paths.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line[:-1]


def split_into_ranges(folder: Path, photos: Mapping[ListFile, int]) -> list[ListRange]:
    """Cut lists into ranges that are worked on one beside the other.

    Parameters
    ----------
    folder
        Folder of the lists.
    photos
        How many photos each list has, one a line; at least one.

    Returns
    -------
    list of ListRange
        At most `MAX_BATCHES`, of `BATCH_LINES` lines each unless that makes too many. Those of one
        list are together the whole list.
    """
    # The last batch of each list may be a short one.
    full_batches = MAX_BATCHES - len(photos) + 1
    lines_each = max(BATCH_LINES, math.ceil(sum(photos.values()) / full_batches))
    return [
        ListRange(start=start, end=end, list_file=name)
        for name, number in photos.items()
        for start, end in pairwise(_ends(folder / name, number, lines_each))
    ]


def _ends(listed: Path, photos: int, lines_each: int) -> list[int]:
    """Return the offsets at which a list is cut, its beginning and its end among them."""
    ends = [0]
    with listed.open("rb") as lines:
        offset = 0
        for number, line in enumerate(lines, start=1):
            offset += len(line)
            if number % lines_each == 0 or number == photos:
                ends.append(offset)
    return ends
