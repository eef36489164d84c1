"""What a training run is made from, in one file beside its lists."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from scones.datasets.errors import ClassWithoutPhotos, TooFewPhotos, UnsupportedPhotos
from scones.datasets.exclusions import ExclusionReason
from scones.datasets.layout import DATASET
from scones.datasets.list_files import ListRange
from scones.datasets.listing import Listing, PhotoList
from scones.datasets.splits import SPLITS, Split

MAX_SHOWN = 5
"""How many photos a refusal names."""

_JPEG_OR_PNG = (".jpg", ".jpeg", ".png")


class Channel(BaseModel):
    """The S3 data source of a training job's channel."""

    S3DataType: Literal["S3Prefix", "ManifestFile"]
    S3Uri: str


class Negatives(BaseModel):
    """The listed photos of none of the classes.

    Attributes
    ----------
    counts
        How many are listed, by side: those to train on, and those held out for the evaluation.
    photos
        S3 URI that the paths of ``negatives.lst`` are relative to.
    """

    model_config = ConfigDict(frozen=True)

    counts: Mapping[Split, int]
    photos: str


class Manifest(BaseModel):
    """What a training run is made from.

    Attributes
    ----------
    fingerprint
        See `fingerprint`.
    class_names
        In the order of the class indices.
    counts
        How many photos are listed, by side and class.
    skipped
        How many objects are not, by why.
    channels
        Where a training job finds its data, by channel.
    hyperparameters
        Of the training job.
    photos
        S3 URI that the paths of ``validation.lst`` are relative to.
    negatives
        The photos of none of the classes, or None if there is not one.
    """

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    class_names: tuple[str, ...]
    counts: Mapping[Split, Mapping[str, int]]
    skipped: Mapping[ExclusionReason, int]
    channels: Mapping[str, Channel]
    hyperparameters: Mapping[str, str]
    photos: str
    negatives: Negatives | None


class GeneratedLists(Manifest):
    """The manifest, and what the steps after need.

    Attributes
    ----------
    last_trained
        Fingerprint of what was trained last, None if there was nothing.
    batches
        How to cut ``validation.lst`` and ``negatives.lst``, see
        `scones.datasets.list_files.split_into_ranges`.
    """

    last_trained: str | None
    batches: list[ListRange]


def require_jpeg_or_png(listing: Listing) -> None:
    """Refuse photos of other formats, before a GPU is paid for: the built-in algorithm takes two.

    https://docs.aws.amazon.com/sagemaker/latest/dg/image-classification.html

    Raises
    ------
    UnsupportedPhotos
        If there are photos whose names end otherwise.
    """
    unsupported: list[str] = []
    count = 0
    for split in SPLITS:
        for photos in listing.photos(split):
            with photos.paths.open(encoding="utf-8") as paths:
                for path in paths:
                    if not path.rstrip("\n").lower().endswith(_JPEG_OR_PNG):
                        count += 1
                        unsupported += [path.rstrip("\n")] if len(unsupported) < MAX_SHOWN else []
    if count:
        more = f" and {count - len(unsupported)} more" if count > len(unsupported) else ""
        raise UnsupportedPhotos(
            f"SageMaker's image classification reads JPEG and PNG only, and {count} photos of the "
            f"dataset are of other formats: {', '.join(unsupported)}{more}. Save them as JPEG, or "
            "deploy the stack with Algorithm=own"
        )


def validate_photo_counts(listing: Listing, class_names: Sequence[str]) -> None:
    """Refuse a dataset in which a class has no photos to train or to validate on.

    Raises
    ------
    ClassWithoutPhotos
        If a class's folder holds no photo.
    TooFewPhotos
        If all photos of a class fall to one side.
    """
    empty = [
        f"{listed.folder.prefix} ({_format_skipped(listed.skipped)})"
        for listed in listing.folders
        if not sum(photos.count for photos in listed.photos.values())
    ]
    if empty:
        raise ClassWithoutPhotos(
            f"{len(empty)} of {len(listing.folders)} folders of classes hold no photo: "
            f"{', '.join(empty)}. Add photos of each, or deploy with ClassNames that leave them out"
        )
    if listing.layout.has_splits:
        return
    short = [
        f"{name} ({train.count} to train on, {validation.count} to validate on)"
        for name, train, validation in zip(
            class_names, listing.photos("train"), listing.photos("validation"), strict=True
        )
        if not (train.count and validation.count)
    ]
    if short:
        raise TooFewPhotos(
            f"{len(short)} of {len(class_names)} classes have too few photos to hold any back for "
            f"validation: {', '.join(short)}. Add photos, or split the dataset yourself into "
            f"{DATASET}train/ and {DATASET}validation/"
        )


def _format_skipped(skipped: Mapping[ExclusionReason, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "empty"


def fingerprint(
    listing: Listing, class_names: Sequence[str], hyperparameters: Mapping[str, str]
) -> str:
    """Return what is the same only if a training would learn from the same again.

    It changes if a photo is added, removed, changed, or moved to another class or side, and with
    the class names, their order, and the hyperparameters, of which the image shape is one. Photos
    of none of the classes count like those of a class. It does not change with photos' names or
    with the order that they are listed in.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    content: dict[str, Any] = {
        "class_names": list(class_names),
        "hyperparameters": dict(hyperparameters),
        "photos": {split: list(map(_content_digest, listing.photos(split))) for split in SPLITS},
    }
    if listing.negatives and any(photos.count for photos in listing.negatives.photos.values()):
        # Only then: without them the fingerprint is what it was before there was such a folder.
        content["negatives"] = {
            split: _content_digest(photos) for split, photos in listing.negatives.photos.items()
        }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _content_digest(photos: PhotoList) -> str:
    return f"{photos.count} {photos.content_digest:x}"
