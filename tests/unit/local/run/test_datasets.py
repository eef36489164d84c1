from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from scones_local.run.datasets import upload_dataset
from scones_local.run.photo_folder import Dataset, LabeledPhoto
from scones_operator.errors import OperationError
from scones_operator.progress import ItemProgress, ignore_progress
from tests.unit.operator.deployed import clients, session

__all__ = ["clients", "session"]


def photo(folder: Path, name: str, label: str) -> LabeledPhoto:
    path = folder / label / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(f"{label}/{name}".encode())
    return LabeledPhoto(path, label)


def objects(session: Any) -> dict[str, bytes]:
    s3 = session.client("s3")
    return {
        entry["Key"]: s3.get_object(Bucket="data", Key=entry["Key"])["Body"].read()
        for entry in s3.list_objects_v2(Bucket="data").get("Contents", [])
    }


def test_photos_lie_by_side_and_class_under_names_that_lists_can_hold(
    session: Any, tmp_path: Path
) -> None:
    session.client("s3").create_bucket(Bucket="data")
    longest = "x" * 251 + ".PNG"
    train = (photo(tmp_path, longest, "b"), photo(tmp_path, "tab\there.jpg", "a"))
    dataset = Dataset(("b", "a"), train, (photo(tmp_path, "1.png", "a"),))
    told: list[ItemProgress] = []

    upload_dataset(session, "data", dataset, told.append)

    assert told[-1] == ItemProgress("Uploading photos", 3, 3)
    found = objects(session)
    assert {key.rpartition("/")[0]: body for key, body in found.items()} == {
        "dataset/train/b": f"b/{longest}".encode(),
        "dataset/train/a": b"a/tab\there.jpg",
        "dataset/validation/a": b"a/1.png",
    }
    assert all(len(PurePosixPath(key).name) < 32 and "\t" not in key for key in found)
    assert {PurePosixPath(key).suffix for key in found} == {".png", ".jpg"}


def test_photos_of_none_of_the_classes_go_to_their_folder(session: Any, tmp_path: Path) -> None:
    session.client("s3").create_bucket(Bucket="data")
    negative = LabeledPhoto(photo(tmp_path, "2.JPG", "n").path, None)
    dataset = Dataset(("a",), (), (photo(tmp_path, "1.png", "a"),), negatives=(negative,))

    upload_dataset(session, "data", dataset, ignore_progress)

    found = objects(session)
    (key,) = (key for key in found if not key.startswith("dataset/validation/"))
    assert PurePosixPath(key).parent == PurePosixPath("dataset/none_of_the_classes")
    assert PurePosixPath(key).suffix == ".jpg"
    assert found[key] == b"n/2.JPG"


def test_a_photo_that_can_not_be_uploaded_is_a_fault(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = session.client("s3")
    client.create_bucket(Bucket="data")

    def fail(**_: object) -> None:
        raise OSError("the disk is broken")

    monkeypatch.setattr(client, "put_object", fail)
    dataset = Dataset(("a",), (photo(tmp_path, "1.png", "a"),), ())
    with pytest.raises(OperationError, match=r"1.png can't be uploaded: the disk is broken"):
        upload_dataset(session, "data", dataset, ignore_progress)
