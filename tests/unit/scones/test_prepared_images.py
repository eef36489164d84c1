from collections.abc import Iterator
from io import BytesIO

import pytest
from moto import mock_aws
from PIL import Image
from pydantic import ValidationError

from scones import prepared_images
from scones.lst import LstError
from scones.photos import ImageShape
from scones.prepared_images import BatchSummary, ImageBatch, prepare_images
from scones.runs import RunIncomplete
from scones.serialize import (
    PhotoReference,
    Serialized,
    StorageBusy,
    StorageRefused,
    serialize,
)
from tests.unit.stored_run import BUCKET, NAME, PHOTOS, StoredRun, break_call, photo, s3_client

SHAPE = ImageShape.parse("3,32,32")
FOLDER = "dataset/validation/"


@pytest.fixture
def stored() -> Iterator[StoredRun]:
    with mock_aws():
        yield StoredRun(s3_client())


def list_photos(
    stored: StoredRun, *paths: str, first: int = 0, name: str = "validation.lst"
) -> list[int]:
    """List photos; return where their lines begin and where the last one ends."""
    offsets = [0]
    text = ""
    for index, path in enumerate(paths, start=first):
        text += f"{index}\t0\t{path}\n"
        offsets.append(len(text.encode()))
    stored.put_list(text, name)
    return offsets


def prepared(stored: StoredRun, start: int, end: int, shape: ImageShape = SHAPE) -> BatchSummary:
    batch = ImageBatch(run=NAME, photos=PHOTOS, start=start, end=end)
    return prepare_images(stored.client, BUCKET, batch, shape)


def test_a_picture_is_what_serialize_makes(stored: StoredRun) -> None:
    data = photo(format_name="JPEG")
    stored.put(f"{FOLDER}a/1.jpg", data)
    offsets = list_photos(stored, "a/1.jpg")

    result = prepared(stored, 0, offsets[-1])

    etag = stored.client.head_object(Bucket=BUCKET, Key=f"{FOLDER}a/1.jpg")["ETag"].strip('"')
    reference = PhotoReference(bucket=BUCKET, key=f"{FOLDER}a/1.jpg", etag=etag, size=len(data))
    served = serialize(stored.client, reference, SHAPE, 10**6)
    assert isinstance(served, Serialized)
    picture = stored.get("pictures/0.png")
    assert picture["Body"].read() == served.picture.decoded()
    assert picture["ContentType"] == served.picture.content_type == "image/png"
    assert result == BatchSummary(prepared=1, unreadable=0, examples=[])


def test_photos_of_none_of_the_classes_are_prepared_beside_the_others(stored: StoredRun) -> None:
    root = "dataset/none_of_the_classes/"
    stored.put(f"{FOLDER}a/1.jpg", photo((200, 10, 10)))
    stored.put(f"{root}reviewed/2.jpg", photo((10, 200, 10)))
    prepared(stored, 0, list_photos(stored, "a/1.jpg")[-1])
    end = list_photos(stored, "reviewed/2.jpg", first=1, name="negatives.lst")[-1]
    batch = ImageBatch(
        run=NAME, photos=f"s3://{BUCKET}/{root}", start=0, end=end, list_file="negatives.lst"
    )

    result = prepare_images(stored.client, BUCKET, batch, SHAPE)

    assert result == BatchSummary(prepared=1, unreadable=0, examples=[])
    assert stored.names("pictures/") == ["0.png", "1.png"]
    with Image.open(stored.get("pictures/1.png")["Body"]) as picture:
        assert picture.getpixel((16, 16)) == (10, 200, 10)


def test_a_picture_too_large_for_png_is_written_as_jpeg(stored: StoredRun) -> None:
    noise = Image.effect_noise((512, 512), 120)
    file = BytesIO()
    Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)]).save(file, "PNG")
    stored.put(f"{FOLDER}a.png", file.getvalue())

    prepared(stored, 0, list_photos(stored, "a.png")[-1], ImageShape.parse("3,512,512"))

    assert stored.names("pictures/") == ["0.jpg"]
    assert stored.get("pictures/0.jpg")["ContentType"] == "image/jpeg"


def test_only_the_photos_of_the_range_are_prepared(stored: StoredRun) -> None:
    paths = [f"c/{number} größe+(%41)\u2028.png" for number in range(6)]
    for path in paths:
        stored.put(FOLDER + path, photo())
    offsets = list_photos(stored, *paths)

    result = prepared(stored, offsets[2], offsets[5])

    assert result == BatchSummary(prepared=3, unreadable=0, examples=[])
    assert stored.names("pictures/") == ["2.png", "3.png", "4.png"]


def test_doing_it_again_writes_the_same(stored: StoredRun) -> None:
    stored.put(f"{FOLDER}a.png", photo())
    end = list_photos(stored, "a.png")[-1]

    first = prepared(stored, 0, end), stored.get("pictures/0.png")["Body"].read()
    second = prepared(stored, 0, end), stored.get("pictures/0.png")["Body"].read()

    assert first == second
    assert stored.names("pictures/") == ["0.png"]


def test_photos_that_make_no_picture_are_counted_with_the_reason(
    stored: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_images, "MAX_PHOTO_BYTES", 2000)
    stored.put(f"{FOLDER}broken.png", photo()[:-40])
    stored.put(f"{FOLDER}text.png", b"hello")
    stored.put(f"{FOLDER}large.png", bytes(2001))
    stored.put(f"{FOLDER}good.png", photo())
    offsets = list_photos(stored, "broken.png", "text.png", "gone.png", "large.png", "good.png")

    result = prepared(stored, 0, offsets[-1])

    assert (result.prepared, result.unreadable) == (1, 4)
    assert [example.split(":")[0] for example in result.examples] == [
        "broken.png",
        "text.png",
        "gone.png",
        "large.png",
    ]
    assert "the PNG photo is damaged or incomplete" in result.examples[0]
    assert "deleted since the lists were made" in result.examples[2]
    assert "2,001 bytes and the limit is 2,000" in result.examples[3]
    assert stored.names("pictures/") == ["4.png"]


def test_examples_of_all_batches_fit_in_a_state(stored: StoredRun) -> None:
    paths = [f"{number}/{'ü' * 100}.png" for number in range(50)]
    offsets = list_photos(stored, *paths)

    result = prepared(stored, 0, offsets[-1])

    assert result.unreadable == 50
    assert 400 * len(result.model_dump_json()) < 262_144 * 0.75


def test_at_most_ten_examples(stored: StoredRun) -> None:
    offsets = list_photos(stored, *(f"{number}" for number in range(20)))

    examples = prepared(stored, 0, offsets[-1]).examples

    assert 1 <= len(examples) <= 10
    assert examples[0].startswith("0: ")


@pytest.mark.parametrize(
    ("operation", "code", "status", "fault"),
    [
        ("GetObject", "AccessDenied", 403, StorageRefused),
        ("GetObject", "SlowDown", 503, StorageBusy),
        ("PutObject", "AccessDenied", 403, StorageRefused),
        ("PutObject", "InternalError", 500, StorageBusy),
    ],
)
def test_faults_of_s3_have_names(
    stored: StoredRun, operation: str, code: str, status: int, fault: type[Exception]
) -> None:
    stored.put(f"{FOLDER}a.png", photo())
    end = list_photos(stored, "a.png")[-1]
    break_call(stored.client, operation, code, status)

    with pytest.raises(fault, match="says why"):
        prepared(stored, 0, end)


def test_a_photo_that_may_not_be_read_is_a_fault_not_an_unreadable_one(stored: StoredRun) -> None:
    end = list_photos(stored, "a.png")[-1]
    batch = ImageBatch(run=NAME, photos="s3://no-such-bucket/x/", start=0, end=end)

    with pytest.raises(StorageRefused, match="s3://no-such-bucket/x/a"):
        prepare_images(stored.client, BUCKET, batch, SHAPE)


def test_a_run_without_a_list(stored: StoredRun) -> None:
    with pytest.raises(RunIncomplete, match=r"lists/validation\.lst does not exist"):
        prepared(stored, 0, 10)


def test_a_range_that_cuts_a_line(stored: StoredRun) -> None:
    end = list_photos(stored, "a.png", "b.png")[-1]

    with pytest.raises(LstError, match="line 1"):
        prepared(stored, 5, end)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": 10, "end": 10},
        {"start": -1},
        {"photos": "dataset/"},
        {"run": "../x"},
        {"list_file": "train.lst"},
    ],
)
def test_a_malformed_batch_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ImageBatch.model_validate({"run": NAME, "photos": PHOTOS, "start": 0, "end": 10} | wrong)
