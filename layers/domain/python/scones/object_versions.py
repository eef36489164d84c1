"""Versions of S3 objects: listed, and removed for good."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, or a delete marker.

    Attributes
    ----------
    bucket, key, id
        Location of the object, and S3's ID of the version.
    is_latest
        Whether it is the newest version of its key.
    is_delete_marker
        Whether it only marks the key as deleted.
    modified_at
        Time at which it was written (UTC).
    etag
        Entity tag without quotes; empty for a delete marker.
    size
        Number of bytes; 0 for a delete marker.
    """

    bucket: str
    key: str
    id: str
    is_latest: bool
    is_delete_marker: bool
    modified_at: datetime
    etag: str = ""
    size: int = 0

    @property
    def uri(self) -> str:
        """S3 URI of the object."""
        return f"s3://{self.bucket}/{self.key}"


def list_versions(client: "S3Client", bucket: str, prefix: str) -> Iterator[ObjectVersion]:
    """Yield all versions and delete markers below a prefix, in the order of their keys.

    Parameters
    ----------
    client
        An S3 client.
    bucket, prefix
        Location.
    """
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        versions = [
            *(_version(bucket, item) for item in page.get("Versions", [])),
            *(_version(bucket, item) for item in page.get("DeleteMarkers", [])),
        ]
        yield from sorted(versions, key=lambda version: version.key)


def list_folders(client: "S3Client", bucket: str, prefix: str) -> list[str]:
    """Return the prefixes directly below a prefix, those of deleted objects included."""
    pages = client.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    return [folders["Prefix"] for page in pages for folders in page.get("CommonPrefixes", [])]


def list_key_versions(client: "S3Client", bucket: str, key: str) -> list[ObjectVersion]:
    """Return all versions and delete markers of one key."""
    versions = []
    for version in list_versions(client, bucket, key):
        if version.key != key:  # the keys are sorted, and the shortest comes first
            break
        versions.append(version)
    return versions


def not_deleted(versions: Sequence[ObjectVersion]) -> list[ObjectVersion]:
    """Return those versions of one key that no delete marker is newer than.

    Parameters
    ----------
    versions
        All versions and delete markers of the key.
    """
    deleted_at = max(
        (version.modified_at for version in versions if version.is_delete_marker), default=None
    )
    return [
        version
        for version in versions
        if not version.is_delete_marker
        # S3 tells times in seconds: what was written in the second of a deletion counts as deleted.
        and (version.is_latest or deleted_at is None or version.modified_at > deleted_at)
    ]


def remove_version(client: "S3Client", version: ObjectVersion) -> None:
    """Remove a version for good: no version and no delete marker replaces it."""
    client.delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.id)


def _version(bucket: str, item: Any) -> ObjectVersion:
    return ObjectVersion(
        bucket=bucket,
        key=item["Key"],
        id=item["VersionId"],
        is_latest=item["IsLatest"],
        is_delete_marker="ETag" not in item,
        modified_at=item["LastModified"],
        etag=item.get("ETag", "").strip('"'),
        size=item.get("Size", 0),
    )
