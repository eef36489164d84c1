import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.datasets.uploader import (
    MAX_FAILURES,
    leave_out_unusable,
    staged_photos,
    upload,
)
from scones_operator.errors import PreconditionError
from scones_operator.progress import ItemProgress, ignore_progress
from tests.unit.files_like_photos import JPEG
from tests.unit.operator.deployed import clients, session
from tests.unit.whole_photos import jpeg

__all__ = ["clients", "session"]

BUCKET = "data"


class Spied:
    """An S3 client that keeps which keys were put, and refuses some."""

    def __init__(self, client: Any, refused: frozenset[str] = frozenset()) -> None:
        self._client = client
        self.refused = refused
        self.write_photo: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def client(self, _: str) -> "Spied":
        return self

    def put_object(self, **given: Any) -> Any:
        if given["Key"] in self.refused or "*" in self.refused:
            answer = {"Error": {"Code": "AccessDenied", "Message": "no s3:PutObject for you"}}
            raise ClientError(answer, "PutObject")  # type: ignore[arg-type]
        self.write_photo.append(given["Key"])
        return self._client.put_object(**given)


@pytest.fixture
def s3(session: Any) -> Spied:
    client = session.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return Spied(client)


def photo(side: str, label: str, number: int) -> bytes:
    return JPEG + f"{side} {label} {number}".encode()


def staged(folder: Path, count: int = 2, split: str = "validation") -> Path:
    for name in ("train", split):
        for label in ("bicycle", "motorcycle"):
            (folder / name / label).mkdir(parents=True)
            for number in range(count):
                content = photo(name, label, number)
                (folder / name / label / f"{number}.png").write_bytes(content)
    return folder


def objects(s3: Spied) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {
        entry["Key"]: s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
        for entry in found
    }


def test_an_upload(s3: Spied, tmp_path: Path) -> None:
    told: list[ItemProgress] = []
    photos = staged_photos(staged(tmp_path))
    uploaded = upload(s3, BUCKET, photos.files, told.append)  # type: ignore[arg-type]

    assert photos.labels == ("bicycle", "motorcycle")
    assert (uploaded.sent, uploaded.already_present, uploaded.failed) == (8, 0, {})
    assert objects(s3) == {
        f"dataset/{side}/{label}/{number}.png": photo(side, label, number)
        for side in ("train", "validation")
        for label in ("bicycle", "motorcycle")
        for number in range(2)
    }
    assert told[-1] == ItemProgress("Uploading photos", 8, 8)


def test_photos_of_none_of_the_classes_are_uploaded_beside_the_sides(
    s3: Spied, tmp_path: Path
) -> None:
    folder = staged(tmp_path) / "none_of_the_classes"
    (folder / "deep").mkdir(parents=True)
    (folder / "1.png").write_bytes(JPEG + b"1")
    (folder / "deep/2.png").write_bytes(JPEG + b"2")
    photos = staged_photos(tmp_path)
    upload(s3, BUCKET, photos.files, ignore_progress)  # type: ignore[arg-type]

    assert photos.labels == ("bicycle", "motorcycle")
    assert photos.negatives == 2
    root = "dataset/none_of_the_classes/"
    assert {key: body for key, body in objects(s3).items() if key.startswith(root)} == {
        f"{root}1.png": JPEG + b"1",
        f"{root}deep/2.png": JPEG + b"2",
    }
    # A dataset that has them has sides all the same.
    assert upload(s3, BUCKET, photos.files, ignore_progress).already_present == 10  # type: ignore[arg-type]


def test_what_is_there_is_not_uploaded_again(s3: Spied, tmp_path: Path) -> None:
    files = staged_photos(staged(tmp_path)).files
    upload(s3, BUCKET, files, ignore_progress)  # type: ignore[arg-type]
    s3.write_photo.clear()
    s3.delete_object(Bucket=BUCKET, Key="dataset/train/bicycle/0.png")
    # As long as the right one.
    almost = JPEG + b"train bicycle x"
    s3._client.put_object(Bucket=BUCKET, Key="dataset/train/bicycle/1.png", Body=almost)

    again = upload(s3, BUCKET, files, ignore_progress)  # type: ignore[arg-type]

    assert sorted(s3.write_photo) == ["dataset/train/bicycle/0.png", "dataset/train/bicycle/1.png"]
    assert (again.sent, again.already_present) == (2, 6)
    assert objects(s3)["dataset/train/bicycle/1.png"] == photo("train", "bicycle", 1)


def test_where_the_entity_tag_is_no_md5_the_checksum_tells(s3: Spied, tmp_path: Path) -> None:
    """As in a bucket that is encrypted with KMS."""
    key = "dataset/train/bicycle/0.png"
    content = photo("train", "bicycle", 0)
    started = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")
    given = {"Bucket": BUCKET, "Key": key, "UploadId": started["UploadId"]}
    part = s3.upload_part(**given, PartNumber=1, Body=content)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**given, MultipartUpload=parts)
    files = staged_photos(staged(tmp_path)).files
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    asked = []

    def head_object(**given: Any) -> dict[str, str]:
        asked.append((given["Key"], given["ChecksumMode"]))
        return {"ChecksumSHA256": checksum}

    s3.head_object = head_object  # type: ignore[attr-defined]
    uploaded = upload(s3, BUCKET, files, ignore_progress)  # type: ignore[arg-type]

    assert asked == [(key, "ENABLED")]
    assert (uploaded.sent, uploaded.already_present) == (7, 1)


def test_uploads_carry_the_checksum(s3: Spied, tmp_path: Path) -> None:
    upload(s3, BUCKET, staged_photos(staged(tmp_path)).files, ignore_progress)  # type: ignore[arg-type]
    head = s3.head_object(Bucket=BUCKET, Key="dataset/train/bicycle/0.png", ChecksumMode="ENABLED")
    digest = hashlib.sha256(photo("train", "bicycle", 0)).digest()
    assert head["ChecksumSHA256"] == base64.b64encode(digest).decode()


def test_a_file_that_fails_keeps_no_other_from_it(s3: Spied, tmp_path: Path) -> None:
    s3.refused = frozenset({"dataset/train/bicycle/1.png"})
    uploaded = upload(s3, BUCKET, staged_photos(staged(tmp_path)).files, ignore_progress)  # type: ignore[arg-type]

    (failure,) = uploaded.failed.items()
    assert failure[0] == tmp_path / "train/bicycle/1.png"
    assert "your credentials do not allow PutObject" in failure[1]
    assert (uploaded.sent, uploaded.not_attempted) == (7, 0)

    s3.refused = frozenset()
    assert upload(s3, BUCKET, staged_photos(tmp_path).files, ignore_progress).sent == 1  # type: ignore[arg-type]


def test_a_file_that_is_gone(s3: Spied, tmp_path: Path) -> None:
    files = staged_photos(staged(tmp_path)).files
    gone = tmp_path / "train/bicycle/1.png"
    gone.unlink()
    uploaded = upload(s3, BUCKET, files, ignore_progress)  # type: ignore[arg-type]
    assert list(uploaded.failed) == [gone]
    assert "No such file" in uploaded.failed[gone]


def test_where_all_fail_not_all_are_tried(s3: Spied, tmp_path: Path) -> None:
    s3.refused = frozenset({"*"})
    files = staged_photos(staged(tmp_path, count=25)).files
    uploaded = upload(s3, BUCKET, files, ignore_progress)  # type: ignore[arg-type]

    assert len(uploaded.failed) == MAX_FAILURES
    assert uploaded.not_attempted == 100 - MAX_FAILURES
    assert s3.write_photo == []


def test_a_bucket_that_is_not_there(session: Any, tmp_path: Path) -> None:
    files = staged_photos(staged(tmp_path)).files
    with pytest.raises(ClientError, match="NoSuchBucket"):
        upload(session, "nowhere", files, ignore_progress)


def test_a_dataset_without_sides_is_not_mixed_with_one_that_has_them(
    s3: Spied, tmp_path: Path
) -> None:
    s3.put_object(Bucket=BUCKET, Key="dataset/bicycle/0.png", Body=b"x")
    s3.write_photo.clear()
    with pytest.raises(
        PreconditionError, match=r"other folders than train/ and validation/: dataset/bicycle/"
    ):
        upload(s3, BUCKET, staged_photos(staged(tmp_path)).files, ignore_progress)  # type: ignore[arg-type]
    assert s3.write_photo == []


@pytest.mark.parametrize("names", [("Training", "Testing"), ("train", "val")])
def test_splits_of_any_name_are_uploaded_to_those_there(
    s3: Spied, tmp_path: Path, names: tuple[str, str]
) -> None:
    staged(tmp_path, split="validation")
    (tmp_path / "validation").rename(tmp_path / "Valid")
    (tmp_path / "test/bicycle").mkdir(parents=True)
    (tmp_path / "test/bicycle/1.png").write_bytes(JPEG)
    photos = staged_photos(tmp_path)
    assert {key.split("/")[1] for key in photos.files} == {"train", "validation"}
    assert (len(photos.files), photos.unused) == (8, 1)
    assert photos.splits == {"train": "train", "validation": "Valid"}
    for name in names:
        s3._client.put_object(Bucket=BUCKET, Key=f"dataset/{name}/bicycle/0.png", Body=b"x")

    upload(s3, BUCKET, photos.files, ignore_progress)  # type: ignore[arg-type]

    assert {key.split("/")[1] for key in s3.write_photo} == set(names)
    assert len(s3.write_photo) == 8


def test_classes_there_that_are_named_like_splits_are_not_taken_for_some(
    s3: Spied, tmp_path: Path
) -> None:
    files = staged_photos(staged(tmp_path)).files
    for name in ("train", "test"):
        s3._client.put_object(Bucket=BUCKET, Key=f"dataset/{name}/0.png", Body=b"x")
    with pytest.raises(PreconditionError, match="dataset/test/, dataset/train/"):
        upload(s3, BUCKET, files, ignore_progress, ["train", "test"])  # type: ignore[arg-type]


def test_ambiguous_splits_are_not_uploaded_from_or_to(s3: Spied, tmp_path: Path) -> None:
    files = staged_photos(staged(tmp_path)).files
    for name in ("val", "valid", "train"):
        s3._client.put_object(Bucket=BUCKET, Key=f"dataset/{name}/bicycle/0.png", Body=b"x")
    with pytest.raises(
        PreconditionError, match=r"s3://data/dataset/ has .* val and valid are both"
    ):
        upload(s3, BUCKET, files, ignore_progress)  # type: ignore[arg-type]
    (tmp_path / "dev").mkdir()
    with pytest.raises(PreconditionError, match="dev and validation are both"):
        staged_photos(tmp_path)


def test_what_is_no_photo_of_a_class_is_passed_over(tmp_path: Path) -> None:
    staged(tmp_path, split="test")
    for name in ("train/loose.png", "train/bicycle/notes.txt", "train/bicycle/.unfinished-7"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "train/bicycle/tab\there.png").write_bytes(b"x")
    photos = staged_photos(tmp_path)

    assert photos.skipped == 4
    assert len(photos.files) == 8
    assert {key.split("/")[1] for key in photos.files} == {"train", "validation"}


def test_an_empty_photo_is_named(tmp_path: Path) -> None:
    staged(tmp_path)
    for number, path in enumerate(sorted(tmp_path.rglob("*.png"))):
        path.write_bytes(jpeg(str(number)))
    (tmp_path / "train/bicycle/unfinished.png").touch()

    photos = leave_out_unusable(staged_photos(tmp_path), ignore_progress)

    assert photos.unusable == {"train/bicycle/unfinished.png": "the file is empty"}
    assert len(photos.files) == 8


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (["bicycle", "motorcycle"], "scones data folder"),
        (["train"], "does not have both train/ and validation/"),
        (["train", "validation"], "contains no photos"),
    ],
)
def test_folders_that_are_not_staged(tmp_path: Path, folders: list[str], said: str) -> None:
    for name in folders:
        (tmp_path / "from" / name).mkdir(parents=True)
    with pytest.raises(PreconditionError, match=said):
        staged_photos(tmp_path / "from")
    with pytest.raises(PreconditionError, match="there is no folder"):
        staged_photos(tmp_path / "nowhere")
