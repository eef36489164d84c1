"""The files of one run of `retrain`: where they are, and what its validation photos are."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from scones import lst
from scones.storage import s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ListFile = Literal["validation.lst", "negatives.lst"]
"""Name of a list whose photos are prepared for the evaluation: held out of the classes, or of none
of them."""

RUNS_PREFIX = "retraining/"
"""Prefix of all runs in the data bucket."""

RETENTION_TAG = "retention=photos"
"""Tag of the files of a run that hold or name photos, as S3 takes it: a rule of the data bucket
deletes them after PhotoRetentionDays, and leaves the run's model and evaluation."""

LISTS_PREFIX = "lists/"
VALIDATION_LIST = f"{LISTS_PREFIX}validation.lst"
NEGATIVES_LIST = f"{LISTS_PREFIX}negatives.lst"
MANIFEST = "lists/manifest.json"
IMAGES_PREFIX = "pictures/"

RunName = Annotated[str, Field(pattern=r"\A[a-zA-Z0-9-]{1,63}\z")]
"""A run's name, which is its training job's too."""


class RunIncomplete(Exception):
    """A file that an earlier step of the run should have written is not there."""


class RunOutdated(Exception):
    """The run was made for other classes than the stack has now."""


@dataclass(frozen=True)
class Run:
    """One run of `retrain`.

    Attributes
    ----------
    bucket
        The data bucket.
    name
        The run's name.
    """

    bucket: str
    name: str

    def key(self, path: str) -> str:
        """Return the key of one of the run's files, such as ``lists/validation.lst``."""
        return f"{RUNS_PREFIX}{self.name}/{path}"

    def uri(self, path: str) -> str:
        """Return the S3 URI of one of the run's files."""
        return f"s3://{self.bucket}/{self.key(path)}"


@dataclass(frozen=True)
class ValidationSet:
    """What a run is validated on.

    Attributes
    ----------
    fingerprint
        Of everything that the run trained on.
    classes
        Class index by the photo's index.
    negatives
        Indices of the held-out photos of none of the classes.
    """

    fingerprint: str
    classes: Mapping[int, int]
    negatives: frozenset[int] = frozenset()


def read_validation_set(client: "S3Client", run: Run, class_names: Sequence[str]) -> ValidationSet:
    """Read the manifest of a run and the lists of its held-out photos.

    Parameters
    ----------
    client
        An S3 client.
    run
        The run.
    class_names
        The stack's classes in the order of their indices.

    Raises
    ------
    RunOutdated
        If the run was made for other classes, or for another order of them.
    RunIncomplete
        If a file is missing, or the manifest is not one.
    LstError
        If a list breaks its format, the validation list holds a class index that there is no class
        for, or both lists hold the same index.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    manifest = _read_manifest(client, run)
    if manifest["class_names"] != list(class_names):
        raise RunOutdated(
            f"run {run.name} is of the classes {', '.join(manifest['class_names'])}, and the stack "
            f"has {', '.join(class_names)} now: start retrain again"
        )
    entries = read_entries(read_file(client, run, VALIDATION_LIST))
    classes = {entry.index: entry.class_index for entry in entries}
    highest = max(classes.values(), default=0)
    if highest >= len(class_names):
        raise lst.LstError(
            f"{run.uri(VALIDATION_LIST)} holds the class index {highest}, and the highest of the "
            f"{len(class_names)} classes is {len(class_names) - 1}: start retrain again"
        )
    return ValidationSet(
        manifest["fingerprint"], classes, _read_negatives(client, run, manifest, classes)
    )


def _read_manifest(client: "S3Client", run: Run) -> Mapping[str, Any]:
    try:
        manifest = json.loads(read_file(client, run, MANIFEST))
    except ValueError:
        manifest = None
    fields = {"class_names", "fingerprint"}
    if not isinstance(manifest, dict) or not fields <= manifest.keys():
        raise RunIncomplete(
            f"{run.uri(MANIFEST)} is not the manifest of a run: start retrain again"
        )
    return manifest


def _read_negatives(
    client: "S3Client", run: Run, manifest: Mapping[str, Any], classes: Mapping[int, int]
) -> frozenset[int]:
    """Return the indices of the held-out photos of none of the classes."""
    # A manifest from before there were negatives does not have the field.
    listed = manifest.get("negatives")
    if not listed or not listed["counts"]["validation"]:
        return frozenset()
    entries = read_entries(read_file(client, run, NEGATIVES_LIST))
    indices = frozenset(entry.index for entry in entries)
    if shared := indices & classes.keys():
        raise lst.LstError(
            f"{run.uri(NEGATIVES_LIST)} and {run.uri(VALIDATION_LIST)} both hold the index "
            f"{min(shared)}: start retrain again"
        )
    return indices


def read_entries(data: bytes) -> list[lst.LstEntry]:
    """Read (a part of) a list as it lies in S3; see `scones.lst.read`."""
    # Not str.splitlines: it knows more ends of lines, which a path may hold.
    return list(lst.read(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="\n")))


def read_file(client: "S3Client", run: Run, path: str) -> bytes:
    """Read one of the run's files.

    Raises
    ------
    RunIncomplete
        If there is no such file.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    return _read(client, run, path, {})


def read_range(client: "S3Client", run: Run, path: str, start: int, end: int) -> bytes:
    """Read some bytes of one of the run's files: from `start` on, up to and without `end`.

    Raises
    ------
    RunIncomplete, StorageBusy, StorageRefused
        As `read_file`.
    """
    return _read(client, run, path, {"Range": f"bytes={start}-{end - 1}"})


def _read(client: "S3Client", run: Run, path: str, selector: dict[str, Any]) -> bytes:
    uri = run.uri(path)
    with s3_errors(f"read {uri}"):
        try:
            return client.get_object(Bucket=run.bucket, Key=run.key(path), **selector)[
                "Body"
            ].read()
        except client.exceptions.NoSuchKey as error:
            raise RunIncomplete(
                f"{uri} does not exist: start retrain again, and look at the step that writes it"
            ) from error


def write_file(client: "S3Client", run: Run, path: str, data: bytes, content_type: str) -> None:
    """Write one of a run's files that hold photos, with the tag `RETENTION_TAG`.

    Raises
    ------
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    with s3_errors(f"write {run.uri(path)}"):
        client.put_object(
            Bucket=run.bucket,
            Key=run.key(path),
            Body=data,
            ContentType=content_type,
            Tagging=RETENTION_TAG,
        )


def write_once(client: "S3Client", run: Run, path: str, data: bytes, content_type: str) -> None:
    """Write one of a run's files, unless it exists: then it stays as it is.

    An earlier attempt of the same step may have written it. The permission is for such writes only,
    so that no run can change what another one has written:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html

    Raises
    ------
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    key = run.key(path)
    with s3_errors(f"write {run.uri(path)}"):
        try:
            client.put_object(
                Bucket=run.bucket, Key=key, Body=data, ContentType=content_type, IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
