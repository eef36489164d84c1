"""The first step of a retraining: a dataset's lists, and what there is to know of it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scones.datasets.errors import LastTrainedUnreadable
from scones.datasets.hyperparameters import add_defaults
from scones.datasets.layout import NEGATIVES, discover_layout
from scones.datasets.list_files import split_into_ranges, write_list, write_manifest_file
from scones.datasets.listing import Listing, list_photos
from scones.datasets.manifest import (
    Channel,
    GeneratedLists,
    Manifest,
    Negatives,
    fingerprint,
    require_jpeg_or_png,
    validate_photo_counts,
)
from scones.datasets.splits import SPLITS
from scones.runs import RETENTION_TAG, ListFile
from scones.settings import GenerateListsSettings
from scones.storage import s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LAST_TRAINED_KEY = "retraining/last-trained.json"
"""Where the fingerprint of what was trained last is kept, in the data bucket."""

NEGATIVES_MANIFEST = "negatives.manifest"


class Request(BaseModel):
    """What the function is asked: to list the dataset for this run."""

    run: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")


class LastTrained(BaseModel):
    """What was trained last."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str


@dataclass(frozen=True)
class _OutputFolder:
    """Where a run's lists go: in S3, and on disk before."""

    workspace: Path
    bucket: str
    prefix: str

    def uri(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{name}"

    def upload(self, client: "S3Client", name: str) -> None:
        with s3_errors(f"write {self.uri(name)}"):
            client.upload_file(
                str(self.workspace / name),
                self.bucket,
                f"{self.prefix}{name}",
                ExtraArgs={"Tagging": RETENTION_TAG},
            )


def generate_lists(client: "S3Client", run: str, settings: GenerateListsSettings) -> GeneratedLists:
    """List a dataset for a training job.

    Writes ``train.lst``, ``validation.lst`` and ``manifest.json`` to ``retraining/RUN/lists/`` of
    the data bucket, and a ManifestFile for each side where the dataset has no sides of its own.
    Photos of none of the classes are in neither list, since the built-in algorithm would take them
    for a class: those to train on are in the ManifestFile ``negatives.manifest``, those held out in
    ``negatives.lst``, each of which is written only if it has a photo. In ``negatives.lst`` the
    class index is the number of classes, and the index continues after that of the last validation
    photo, so that one index is one photo of the run.

    The memory it takes does not grow with the dataset; temporary files do, by three to four times
    the length of all keys.

    Parameters
    ----------
    client
        An S3 client.
    run
        Name of the run.
    settings
        The bucket, the classes and how to train.

    Returns
    -------
    GeneratedLists

    Raises
    ------
    scones.datasets.errors.DatasetError
        One of its subclasses, for a dataset that can't be trained on.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    bucket = settings.data_bucket
    layout = discover_layout(client, bucket, settings.class_names, settings.validation_share)
    with tempfile.TemporaryDirectory() as workspace:
        folder = _OutputFolder(Path(workspace), bucket, f"retraining/{run}/lists/")
        listing = list_photos(client, bucket, layout, folder.workspace)
        validate_photo_counts(listing, settings.class_names)
        if settings.algorithm == "builtin":
            require_jpeg_or_png(listing)
        manifest = _manifest(listing, folder, settings)
        _write(client, listing, manifest, folder)
        batches = split_into_ranges(folder.workspace, _to_prepare(listing))
    return GeneratedLists(
        **manifest.model_dump(), last_trained=_last_trained(client, bucket), batches=batches
    )


def _to_prepare(listing: Listing) -> dict[ListFile, int]:
    """Return how many photos the lists for the evaluation have, those without one left out."""
    photos: dict[ListFile, int] = {"validation.lst": listing.count("validation")}
    if held_out := listing.count_negatives("validation"):
        photos["negatives.lst"] = held_out
    return photos


def _manifest(listing: Listing, folder: _OutputFolder, settings: GenerateListsSettings) -> Manifest:
    names = settings.class_names
    hyperparameters = add_defaults(
        settings.algorithm,
        settings.hyperparameters,
        settings.image_shape,
        len(names),
        listing.count("train"),
    )
    return Manifest(
        fingerprint=fingerprint(listing, names, hyperparameters),
        class_names=names,
        counts={
            split: {
                name: photos.count
                for name, photos in zip(names, listing.photos(split), strict=True)
            }
            for split in SPLITS
        },
        skipped=listing.skipped,
        channels=_channels(listing, folder),
        hyperparameters=hyperparameters,
        photos=f"s3://{folder.bucket}/{listing.layout.roots['validation']}",
        negatives=_negatives(listing, folder),
    )


def _negatives(listing: Listing, folder: _OutputFolder) -> Negatives | None:
    counts = {split: listing.count_negatives(split) for split in SPLITS}
    if not any(counts.values()):
        return None
    return Negatives(counts=counts, photos=f"s3://{folder.bucket}/{NEGATIVES}")


def _channels(listing: Listing, folder: _OutputFolder) -> Mapping[str, Channel]:
    """Return the channels; a prefix that both sides share takes a manifest to tell them apart."""
    layout = listing.layout
    channels = {}
    for split in SPLITS:
        if layout.has_splits:
            photos = Channel(
                S3DataType="S3Prefix", S3Uri=f"s3://{folder.bucket}/{layout.roots[split]}"
            )
        else:
            photos = Channel(S3DataType="ManifestFile", S3Uri=folder.uri(f"{split}.manifest"))
        channels[str(split)] = photos
        channels[f"{split}_lst"] = Channel(S3DataType="S3Prefix", S3Uri=folder.uri(f"{split}.lst"))
    if listing.count_negatives("train"):
        manifest = folder.uri(NEGATIVES_MANIFEST)
        channels["negatives"] = Channel(S3DataType="ManifestFile", S3Uri=manifest)
    return channels


def _write(client: "S3Client", listing: Listing, manifest: Manifest, folder: _OutputFolder) -> None:
    names = []
    for split in SPLITS:
        write_list(folder.workspace / f"{split}.lst", listing.photos(split))
        names.append(f"{split}.lst")
        if not listing.layout.has_splits:
            target = folder.workspace / f"{split}.manifest"
            write_manifest_file(target, manifest.photos, listing.photos(split))
            names.append(target.name)
    names += _write_negatives(listing, manifest, folder)
    text = manifest.model_dump_json(indent=2)
    (folder.workspace / "manifest.json").write_text(f"{text}\n", encoding="utf-8")
    # Last, so that where there is a manifest its lists are there too.
    for name in (*names, "manifest.json"):
        folder.upload(client, name)


def _write_negatives(listing: Listing, manifest: Manifest, folder: _OutputFolder) -> list[str]:
    """Write the files of the photos of none of the classes and return the files' names."""
    if listing.negatives is None or manifest.negatives is None:
        return []
    names = []
    photos = listing.negatives.photos
    if photos["train"].count:
        target = folder.workspace / NEGATIVES_MANIFEST
        write_manifest_file(target, manifest.negatives.photos, [photos["train"]])
        names.append(target.name)
    if photos["validation"].count:
        target = folder.workspace / "negatives.lst"
        write_list(
            target,
            [photos["validation"]],
            first_index=listing.count("validation"),
            first_class=listing.negatives.folder.class_index,
        )
        names.append(target.name)
    return names


def _last_trained(client: "S3Client", bucket: str) -> str | None:
    uri = f"s3://{bucket}/{LAST_TRAINED_KEY}"
    with s3_errors(f"read {uri}"):
        try:
            text = client.get_object(Bucket=bucket, Key=LAST_TRAINED_KEY)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
    try:
        return LastTrained.model_validate_json(text).fingerprint
    except ValidationError as error:
        raise LastTrainedUnreadable(
            f"{uri} does not say which fingerprint was trained last ({text[:100]!r}): delete it, "
            "and the next run trains again"
        ) from error
