"""From a photo in S3 to the picture a model takes, small enough for a state machine's state."""

import base64
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field
from urllib3.exceptions import HTTPError

from scones import photos
from scones.photos import ImageShape, UnusablePhoto
from scones.storage import StorageBusy, StorageRefused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from scones.photos import EncodedImage

MAX_IMAGE_BYTES = 184_000
"""Largest encoded picture: with base64 and Lambda's envelope it stays under the 262,144 bytes
that a Step Functions state may hold."""


class PhotoReference(BaseModel):
    """One version of one S3 object, as its "Object Created" event names it.

    Attributes
    ----------
    bucket, key
        Where it is; the key as it is, not URL-encoded.
    version_id
        Which version; None in a bucket without versioning.
    etag
        Its entity tag, without quotes.
    size
        Its size in bytes.
    sequencer
        Hexadecimal number that orders the versions of one key, or None if it is unknown: S3 names
        it in the event only. docs/events.md says how to compare two of them.
    """

    model_config = ConfigDict(frozen=True)

    bucket: str
    key: str
    version_id: str | None = None
    etag: str
    size: int = Field(ge=0)
    # Records of photos that were uploaded before this field existed lack it.
    sequencer: str | None = None

    @property
    def uri(self) -> str:
        """S3 URI of the object."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def version(self) -> str:
        """ID of the version, or the entity tag in a bucket without versioning."""
        return self.version_id or self.etag


class ImagePayload(BaseModel):
    """A photo as the model takes it: its type (``image/png``, ``image/jpeg``) and base64 data."""

    content_type: str
    data: str

    def decoded(self) -> bytes:
        """Return the encoded picture's bytes."""
        return base64.b64decode(self.data, validate=True)


class IdentifiedImage(ImagePayload):
    """A picture with the ID of its photo, `scones.records.inference_id`, if it is known."""

    inference_id: str | None = None


class Serialized(BaseModel):
    """A photo that can be classified."""

    outcome: Literal["serialized"] = "serialized"
    picture: ImagePayload


class Reason(BaseModel):
    """Why a photo can't be used: a code for programs, a message for people."""

    code: str
    message: str


class Rejected(BaseModel):
    """A photo that can't be classified, whoever tries."""

    outcome: Literal["rejected"] = "rejected"
    reason: Reason


def serialize(
    client: "S3Client", photo: PhotoReference, shape: ImageShape, max_photo_bytes: int
) -> Serialized | Rejected:
    """Download a photo and bring it to the model's shape.

    Parameters
    ----------
    client
        An S3 client.
    photo
        The photo.
    shape
        The model's picture shape.
    max_photo_bytes
        Size in bytes over which a photo is rejected without downloading it.

    Returns
    -------
    Serialized or Rejected
        Rejected is an outcome: the photo is too large, gone, or no usable picture.

    Raises
    ------
    StorageBusy
        For faults of S3 and of the network, which pass.
    StorageRefused
        If the photo may not be read.
    """
    if photo.size > max_photo_bytes:
        return _rejected(
            "too_large",
            f"the photo has {photo.size:,} bytes and the limit is {max_photo_bytes:,}: "
            "upload a smaller one",
        )
    try:
        data = _download(client, photo)
        encoded = encode_model_input(data, shape)
    except UnusablePhoto as error:
        return _rejected(error.code, str(error))
    except ClientError as error:
        return _rejected(*_gone(error))
    except (BotoCoreError, HTTPError) as error:
        raise StorageBusy(f"the photo could not be downloaded: {error}") from error
    return Serialized(
        picture=ImagePayload(
            content_type=encoded.content_type, data=base64.b64encode(encoded.data).decode("ascii")
        )
    )


def encode_model_input(data: bytes, shape: ImageShape) -> "EncodedImage":
    """Make the picture that the model is sent, of the same bytes for the same photo.

    Parameters
    ----------
    data
        The photo's file, whole.
    shape
        The model's picture shape.

    Returns
    -------
    EncodedImage
        At most `MAX_IMAGE_BYTES`.

    Raises
    ------
    UnusablePhoto
        If it is no photo that a picture can be made of.
    ValueError
        If a picture of that shape can't be encoded in so few bytes.
    """
    return photos.encode(photos.prepare(data, shape), MAX_IMAGE_BYTES)


def _download(client: "S3Client", photo: PhotoReference) -> bytes:
    selector: dict[str, Any] = (
        {"VersionId": photo.version_id} if photo.version_id else {"IfMatch": f'"{photo.etag}"'}
    )
    return client.get_object(Bucket=photo.bucket, Key=photo.key, **selector)["Body"].read()


def _gone(error: ClientError) -> tuple[str, str]:
    """Say why an object is not there any more; everything else S3 says is a fault."""
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if code in {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}:
        return "gone", "the photo was deleted before it could be read: upload it again"
    if code == "PreconditionFailed":
        return "replaced", "the photo was replaced by a newer upload before it could be read"
    if status >= 500 or code == "SlowDown":
        raise StorageBusy(f"S3 can't give the photo now: {error}") from error
    raise StorageRefused(
        f"S3 does not let the photo be read; check the permissions of the function's role, of the "
        f"key it is encrypted with, and that it is not archived: {error}"
    ) from error


def _rejected(code: str, message: str) -> Rejected:
    return Rejected(reason=Reason(code=code, message=message))
