"""Copy a registered model version from the stack of another account or region.

Each stack is reached with its own credentials, and the files pass through this computer: neither
account trusts the other.
"""

import base64
import hashlib
import posixpath
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from scones.classes import classes_hash
from scones.evaluation.report import FILE
from scones.lst import LstError
from scones.runs import (
    LISTS_PREFIX,
    MANIFEST,
    NEGATIVES_LIST,
    RETENTION_TAG,
    VALIDATION_LIST,
    Run,
    RunIncomplete,
    RunOutdated,
)
from scones.smoke_test import NoImages, select_images
from scones.storage import list_pages, s3_errors
from scones_operator.aws.stack import Stack
from scones_operator.errors import PreconditionError, storage_errors
from scones_operator.models import registry
from scones_operator.models.registry import APPROVED, PENDING, ModelVersion
from scones_operator.progress import ItemProgress, ProgressCallback

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

SOURCE = "source_model_package"
"""Metadata of a copy: ARN of the version that it is a copy of."""

CHECKSUM = "artifacts_sha256"
"""Metadata of a copy: SHA-256 of the artifacts, 64 hexadecimal digits."""

MAX_OBJECT_BYTES = 5 * 1024**3
"""Bytes that S3 takes in one PutObject, whose condition and checksum hold for the whole object."""

MAX_CONCURRENCY = 8

_BLOCK = 1 << 20

_RUN_NAME = re.compile(r"[a-zA-Z0-9-]{1,63}")

_ONLY_AT_SOURCE = ("saved_model",)
"""Metadata that names a resource of the source account that the copy does not have."""


@dataclass(frozen=True)
class StackLocation:
    """A deployed stack and the session to reach it with."""

    session: "boto3.Session"
    stack: Stack

    @property
    def s3(self) -> "S3Client":
        """A client for the stack's buckets."""
        return self.session.client("s3")


@dataclass(frozen=True)
class CopyResult:
    """Result of `copy_version`.

    Attributes
    ----------
    source
        The version at the source.
    version
        The version at the destination, with the status that it has there.
    is_new
        True if this call registered it, False if an earlier copy exists.
    """

    source: ModelVersion
    version: ModelVersion
    is_new: bool


@dataclass(frozen=True)
class _File:
    """A file of a run.

    Attributes
    ----------
    path
        Path in the folder of the run, such as ``evaluation/evaluation.json``.
    names_photos
        Whether it holds or names photos, so that it expires with them.
    etag
        ETag that the object must have, or None if any version will do.
    """

    path: str
    names_photos: bool = False
    etag: str | None = None


@dataclass(frozen=True)
class _StoredObject:
    """ETag of an object at the destination, and its SHA-256 in hexadecimal digits."""

    etag: str
    sha256: str


def copy_version(
    source: StackLocation, destination: StackLocation, number: int, on_progress: ProgressCallback
) -> CopyResult:
    """Register an approved version of one stack in another stack, pending approval.

    The artifacts, the evaluation, and what the smoke test of the promotion needs are copied to the
    destination's data bucket, under the same keys. Objects that exist are never overwritten, so a
    repeated call continues an interrupted one, and registers nothing twice.

    Parameters
    ----------
    source, destination
        The stacks to copy from and to.
    number
        Number of the version at the source.
    on_progress
        Called after each copied file.

    Raises
    ------
    PreconditionError
        If the version does not exist, is not approved, was not registered by a retraining, was
        trained for other classes or another algorithm than the destination has, has lost files or
        other artifacts than when it was registered, or if the destination holds another object
        under the same key.
    OperationError
        If S3 rejects a request or cannot be reached.
    """
    if source.stack == destination.stack:
        raise PreconditionError(
            "the source and the destination are the same stack: name two stacks"
        )
    original = registry.get_version(source.session, source.stack, number)
    artifacts = _require_copyable(source, destination, original)
    if earlier := _find_copy(destination, original):
        return CopyResult(original, earlier, is_new=False)
    run = _run_at(destination, original)
    with storage_errors():
        stored = _copy_files(source, destination, original, artifacts, on_progress)
    arn = _register(source, destination, original, run.uri(artifacts), stored)
    copied = registry.get_version(
        destination.session, destination.stack, int(arn.rpartition("/")[2])
    )
    return CopyResult(original, copied, is_new=True)


def _require_copyable(
    source: StackLocation, destination: StackLocation, version: ModelVersion
) -> str:
    """Return the path of a version's artifacts in its run; reject what cannot be copied."""
    if version.status != APPROVED:
        raise PreconditionError(
            f"version {version.number} is {version.status} in {source.stack.model_package_group}: "
            "only approved versions can be copied. Approve it there first"
        )
    metadata = version.metadata
    lacking = [name for name in ("run", "artifacts", "artifacts_etag") if not metadata.get(name)]
    if lacking:
        raise PreconditionError(
            f"version {version.number} has no {', '.join(lacking)} in its metadata: only versions "
            "that a retraining registered can be copied"
        )
    if not _RUN_NAME.fullmatch(metadata["run"]):
        raise PreconditionError(
            f"version {version.number} has an invalid run in its metadata: {metadata['run']!r}"
        )
    parameters = destination.stack.parameters
    classes = classes_hash(destination.stack.class_names, parameters["ImageShape"])
    if metadata.get("classes") != classes:
        raise PreconditionError(
            f"version {version.number} was trained for other classes or another image shape than "
            f"the destination has ({parameters['ClassNames']}; {parameters['ImageShape']}): deploy "
            "both stacks with the same ClassNames and ImageShape, in the same order"
        )
    if metadata.get("algorithm") != parameters["Algorithm"]:
        raise PreconditionError(
            f"version {version.number} needs Algorithm={metadata.get('algorithm')}, and the "
            f"destination has Algorithm={parameters['Algorithm']}: its image cannot serve the model"
        )
    folder = _run_at(source, version).uri("")
    if not metadata["artifacts"].startswith(f"{folder}model/"):
        raise PreconditionError(
            f"the artifacts of version {version.number}, {metadata['artifacts']}, are not in "
            f"{folder}model/: only versions that a retraining registered can be copied"
        )
    return metadata["artifacts"].removeprefix(folder)


def _run_at(place: StackLocation, version: ModelVersion) -> Run:
    """Return the run of a version in the data bucket of a place: the same name everywhere."""
    return Run(place.stack.data_bucket, version.metadata["run"])


def _find_copy(destination: StackLocation, original: ModelVersion) -> ModelVersion | None:
    """Return the newest version at the destination that is a copy of another one, or None."""
    known = registry.list_versions(destination.session, destination.stack)
    return next((one for one in known if one.metadata.get(SOURCE) == original.arn), None)


def _copy_files(
    source: StackLocation,
    destination: StackLocation,
    original: ModelVersion,
    artifacts: str,
    on_progress: ProgressCallback,
) -> _StoredObject:
    """Copy what a promotion and the drift check need, and return the stored artifacts."""
    model = _File(artifacts, etag=original.metadata["artifacts_etag"])
    others = _list_files(source, destination, original)
    total = len(others) + 1
    clients = (source.s3, destination.s3)
    runs = (_run_at(source, original), _run_at(destination, original))
    stored = _copy_file(*clients, *runs, model)
    on_progress(ItemProgress("Copying files", 1, total))
    with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:
        copying = [pool.submit(_copy_file, *clients, *runs, file) for file in others]
        try:
            for done, future in enumerate(copying, 2):
                future.result()
                on_progress(ItemProgress("Copying files", done, total))
        finally:
            pool.shutdown(cancel_futures=True)
    return stored


def _list_files(
    source: StackLocation, destination: StackLocation, original: ModelVersion
) -> list[_File]:
    """List a run's evaluation, lists of held-out photos, and pictures of the smoke test."""
    run, stack = _run_at(source, original), destination.stack
    wanted = int(stack.parameters["SmokePhotos"])
    try:
        pictures = select_images(source.s3, run, stack.class_names, wanted)
    except (LstError, NoImages, RunIncomplete, RunOutdated) as error:
        raise PreconditionError(
            f"version {original.number} cannot be smoke-tested in the destination: {error}"
        ) from error
    listed = {
        item["Key"].removeprefix(run.key(""))
        for folder in ("evaluation/", "lists/")
        for page in list_pages(source.s3, run.bucket, run.key(folder))
        for item in page.get("Contents", [])
    }
    lists = [path for path in (MANIFEST, VALIDATION_LIST, NEGATIVES_LIST) if path in listed]
    evaluation = sorted(path for path in listed if path.startswith("evaluation/"))
    return [
        *(_File(path) for path in evaluation),
        *(_File(path, names_photos=True) for path in lists),
        *(_File(picture.path, names_photos=True) for picture in pictures),
    ]


def _copy_file(
    source: "S3Client", destination: "S3Client", origin: Run, target: Run, file: _File
) -> _StoredObject:
    """Copy an object, unless the destination has it."""
    with TemporaryFile() as body:
        digest, content_type = _download(source, origin, file, body)
        body.seek(0)
        tagging: dict[str, Any] = {"Tagging": RETENTION_TAG} if file.names_photos else {}
        with s3_errors(f"write {target.uri(file.path)}"):
            try:
                # S3 compares the checksum with what it received.
                response = destination.put_object(
                    Bucket=target.bucket,
                    Key=target.key(file.path),
                    Body=body,
                    ContentType=content_type,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=base64.b64encode(digest).decode(),
                    IfNoneMatch="*",
                    **tagging,
                )
            except ClientError as error:
                if _status(error) != HTTPStatus.PRECONDITION_FAILED:
                    raise
                return _existing(destination, target, file, digest)
    return _StoredObject(response["ETag"].strip('"'), digest.hex())


def _download(client: "S3Client", run: Run, file: _File, body: IO[bytes]) -> tuple[bytes, str]:
    """Write an object into a file, and return its SHA-256 and its content type."""
    uri = run.uri(file.path)
    wanted: dict[str, Any] = {"IfMatch": f'"{file.etag}"'} if file.etag else {}
    with s3_errors(f"read {uri}"):
        try:
            found = client.get_object(Bucket=run.bucket, Key=run.key(file.path), **wanted)
        except client.exceptions.NoSuchKey:
            raise PreconditionError(
                f"{uri} does not exist: retrain, and copy the new version"
            ) from None
        except ClientError as error:
            if _status(error) != HTTPStatus.PRECONDITION_FAILED:
                raise
            raise PreconditionError(
                f"{uri} was overwritten after the version was registered: its ETag is not "
                f"{file.etag}. Find out who wrote it, then retrain"
            ) from None
        if found["ContentLength"] > MAX_OBJECT_BYTES:
            raise PreconditionError(
                f"{uri} has {found['ContentLength']:,} bytes: more than {MAX_OBJECT_BYTES:,} "
                "cannot be copied"
            )
        digest = hashlib.sha256()
        for block in found["Body"].iter_chunks(_BLOCK):
            digest.update(block)
            body.write(block)
    return digest.digest(), found["ContentType"]


def _existing(client: "S3Client", run: Run, file: _File, digest: bytes) -> _StoredObject:
    """Return the object that exists at the destination; reject one with another content."""
    found = client.head_object(Bucket=run.bucket, Key=run.key(file.path), ChecksumMode="ENABLED")
    if found.get("ChecksumSHA256") != base64.b64encode(digest).decode():
        raise PreconditionError(
            f"{run.uri(file.path)} exists and is not a copy of the source's "
            f"{posixpath.basename(file.path)}: it has another SHA-256, or none. Find out who wrote "
            "it, and delete it before you copy again"
        )
    return _StoredObject(found["ETag"].strip('"'), digest.hex())


def _register(
    source: StackLocation,
    destination: StackLocation,
    original: ModelVersion,
    artifacts: str,
    stored: _StoredObject,
) -> str:
    """Register the copy, pending approval, and return its ARN."""
    package: Any = source.session.client("sagemaker").describe_model_package(
        ModelPackageName=original.arn
    )
    specification = package["InferenceSpecification"]
    (container,) = specification["Containers"]
    environment = {"Environment": container["Environment"]} if container.get("Environment") else {}
    run = _run_at(destination, original)
    kept = {name: v for name, v in original.metadata.items() if name not in _ONLY_AT_SOURCE}
    description = f"Copy of {original.arn}. {package.get('ModelPackageDescription', '')}"
    registering: Any = destination.session.client("sagemaker")
    response = registering.create_model_package(
        ModelPackageGroupName=destination.stack.model_package_group,
        ModelPackageDescription=description.strip()[:1024],
        ModelApprovalStatus=PENDING,
        InferenceSpecification={
            "Containers": [
                {
                    # The source's image is in the source's registry, or in that of its region.
                    "Image": destination.stack.training_image,
                    "ModelDataUrl": artifacts,
                    **environment,
                }
            ],
            "SupportedContentTypes": specification["SupportedContentTypes"],
            "SupportedResponseMIMETypes": specification["SupportedResponseMIMETypes"],
        },
        ModelMetrics={
            "ModelQuality": {
                "Statistics": {"ContentType": "application/json", "S3Uri": run.uri(FILE)}
            }
        },
        CustomerMetadataProperties={
            **kept,
            "artifacts": artifacts,
            "artifacts_etag": stored.etag,
            CHECKSUM: stored.sha256,
            "lists": run.uri(LISTS_PREFIX),
            SOURCE: original.arn,
        },
    )
    return str(response["ModelPackageArn"])


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
