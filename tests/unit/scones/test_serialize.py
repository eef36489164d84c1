import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws
from PIL import Image

from scones.photos import ImageShape
from scones.serialize import (
    PhotoReference,
    Rejected,
    Serialized,
    StorageBusy,
    StorageRefused,
    serialize,
)

BUCKET = "photos"
SHAPE = ImageShape.parse("3,32,32")
LIMIT = 1_000_000
STATE_LIMIT = 262_144
LAMBDA_ENVELOPE = 4_096


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def photo_bytes(colour: tuple[int, int, int] = (200, 10, 10)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return buffer.getvalue()


def upload(s3: Any, data: bytes, key: str = "incoming/a b+ü%41.png") -> PhotoReference:
    answer = s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    return PhotoReference(
        bucket=BUCKET,
        key=key,
        version_id=answer["VersionId"],
        etag=answer["ETag"].strip('"'),
        size=len(data),
    )


def picture_of(result: Serialized | Rejected) -> Image.Image:
    assert isinstance(result, Serialized), result
    return Image.open(io.BytesIO(result.picture.decoded()))


def code_of(result: Serialized | Rejected) -> str:
    assert isinstance(result, Rejected), result
    return result.reason.code


def test_photo_becomes_a_picture_of_the_shape(s3: Any) -> None:
    result = serialize(s3, upload(s3, photo_bytes()), SHAPE, LIMIT)

    picture = picture_of(result)
    assert picture.size == (32, 32)
    assert picture.getpixel((16, 16)) == (200, 10, 10)


def test_the_version_of_the_event_is_read_not_the_newest(s3: Any) -> None:
    first = upload(s3, photo_bytes((200, 10, 10)))
    upload(s3, photo_bytes((10, 200, 10)))

    assert picture_of(serialize(s3, first, SHAPE, LIMIT)).getpixel((16, 16)) == (200, 10, 10)


def test_too_large_is_rejected_before_the_download(s3: Any) -> None:
    photo = PhotoReference(bucket=BUCKET, key="not-even-there", etag="x", size=LIMIT + 1)

    result = serialize(s3, photo, SHAPE, LIMIT)

    assert code_of(result) == "too_large"
    assert "1,000,001 bytes and the limit is 1,000,000" in result.model_dump_json()


def test_largest_allowed_is_taken(s3: Any) -> None:
    data = photo_bytes()

    assert picture_of(serialize(s3, upload(s3, data), SHAPE, len(data)))


def test_text_is_rejected(s3: Any) -> None:
    assert code_of(serialize(s3, upload(s3, b"hello"), SHAPE, LIMIT)) == "not_a_photo"


def test_deleted_photo_is_gone(s3: Any) -> None:
    photo = upload(s3, photo_bytes())
    s3.delete_object(Bucket=BUCKET, Key=photo.key, VersionId=photo.version_id)

    assert code_of(serialize(s3, photo, SHAPE, LIMIT)) == "gone"


def test_unversioned_photo_that_was_replaced(s3: Any) -> None:
    photo = upload(s3, photo_bytes((1, 1, 1))).model_copy(update={"version_id": None})
    upload(s3, photo_bytes((2, 2, 2)))

    assert code_of(serialize(s3, photo, SHAPE, LIMIT)) == "replaced"


@pytest.mark.parametrize(
    ("code", "status", "fault"),
    [
        ("AccessDenied", 403, StorageRefused),
        ("InvalidObjectState", 403, StorageRefused),
        ("SlowDown", 503, StorageBusy),
        ("InternalError", 500, StorageBusy),
    ],
)
def test_faults_of_s3_have_names(code: str, status: int, fault: type[Exception]) -> None:
    client = boto3.client("s3", region_name="us-east-1")
    photo = PhotoReference(bucket=BUCKET, key="k", version_id="v", etag="e", size=1)
    with Stubber(client) as stubber:
        stubber.add_client_error("get_object", code, "says why", http_status_code=status)
        with pytest.raises(fault, match="says why"):
            serialize(client, photo, SHAPE, LIMIT)


def test_body_that_breaks_off_is_a_passing_fault() -> None:
    client = boto3.client("s3", region_name="us-east-1")
    photo = PhotoReference(bucket=BUCKET, key="k", version_id="v", etag="e", size=100)
    with Stubber(client) as stubber:
        body = StreamingBody(io.BytesIO(b"only so much"), content_length=100)
        stubber.add_response("get_object", {"Body": body})
        with pytest.raises(StorageBusy, match="could not be downloaded"):
            serialize(client, photo, SHAPE, LIMIT)


@pytest.mark.parametrize("shape", ["3,16,16", "3,224,224", "3,300,200", "3,512,512"])
def test_noise_fits_into_a_state(s3: Any, shape: str) -> None:
    noise = Image.effect_noise((512, 512), 120)
    photo = Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)])
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")

    result = serialize(s3, upload(s3, buffer.getvalue()), ImageShape.parse(shape), LIMIT)

    assert len(json.dumps(result.model_dump())) + LAMBDA_ENVELOPE < STATE_LIMIT
    assert f"3,{picture_of(result).height},{picture_of(result).width}" == shape
