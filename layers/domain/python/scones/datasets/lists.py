"""Writes the files that a training job reads: lists, manifests, and where to cut a list."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from scones import lst
from scones.datasets.listing import Photos

BATCH_LINES = 500
"""About how many photos one function prepares: some tens of seconds of work."""

MAX_BATCHES = 400
"""So that the batches, with the rest of the answer, fit into a state of 262,144 bytes."""


class Batch(BaseModel):
    """A range of bytes of a list, from the start of a line to the end of one.

    Attributes
    ----------
    start
        Offset of its first byte.
    end
        Offset after its last byte.
    """

    model_config = ConfigDict(frozen=True)

    start: int
    end: int


def write_list(target: Path, classes: Sequence[Photos]) -> None:
    """Write an LST file; see `scones.lst`.

    Parameters
    ----------
    target
        The file to write.
    classes
        The photos of each class in the order of the class indices. The list has them in this
        order, with indices from 0.
    """
    with target.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lst.write(_entries(classes)))


def _entries(classes: Sequence[Photos]) -> Iterator[lst.LstEntry]:
    index = count()
    for class_index, photos in enumerate(classes):
        for path in _paths(photos):
            yield lst.LstEntry(next(index), class_index, path)


def write_manifest_file(target: Path, prefix: str, classes: Iterable[Photos]) -> None:
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


def _paths(photos: Photos) -> Iterator[str]:
    with photos.paths.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line[:-1]


def cut(listed: Path, photos: int) -> list[Batch]:
    """Cut a list into ranges that are worked on one beside the other.

    Parameters
    ----------
    listed
        The list.
    photos
        How many photos it has, one a line.

    Returns
    -------
    list of Batch
        At most `MAX_BATCHES`, of `BATCH_LINES` lines each unless that makes too many. Together
        they are the whole list.
    """
    lines_each = max(BATCH_LINES, math.ceil(photos / MAX_BATCHES))
    ends = [0]
    with listed.open("rb") as lines:
        offset = 0
        for number, line in enumerate(lines, start=1):
            offset += len(line)
            if number % lines_each == 0 or number == photos:
                ends.append(offset)
    return [Batch(start=start, end=end) for start, end in pairwise(ends)]
