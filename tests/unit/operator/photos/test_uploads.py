from pathlib import Path
from typing import Any

import pytest

from scones_operator.errors import PreconditionError
from scones_operator.photos.uploads import UploadedPhoto, find_photos, upload_photos
from tests.unit.files_like_photos import JPEG
from tests.unit.operator.deployed import STACK


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG + name.encode())
    return folder


# ---- which files, and their keys


def test_files_and_folders_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path, "one.JPG", "gate/b.png", "gate/deep/a [1].png", "other/no suffix")
    paths = [tmp_path / "one.JPG", tmp_path / "gate", tmp_path / "other"]
    assert [(photo.key, photo.path.name) for photo in find_photos(paths)] == [
        ("incoming/one.JPG", "one.JPG"),
        ("incoming/gate/b.png", "b.png"),
        ("incoming/gate/deep/a [1].png", "a [1].png"),
        ("incoming/other/no suffix", "no suffix"),
    ]


def test_what_programs_leave_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "gate/1.png", "gate/.hidden.png", "gate/.thumbnails/1.png", "gate/Thumbs.db")
    (tmp_path / "gate" / "empty.png").touch()
    assert [photo.key for photo in find_photos([tmp_path / "gate"])] == ["incoming/gate/1.png"]


@pytest.mark.parametrize(
    "prefix", ["north/gate", "/north/gate/", "incoming/north/gate", "/incoming/north/gate/"]
)
def test_prefix(tmp_path: Path, prefix: str) -> None:
    write(tmp_path, "1.png")
    assert find_photos([tmp_path / "1.png"], prefix)[0].key == "incoming/north/gate/1.png"


def test_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path / "gate", "1.png"))
    assert [photo.key for photo in find_photos([Path()])] == ["incoming/gate/1.png"]


def test_files_that_can_not_be_meant(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "b/1.png", "c/.hidden", f"{'d' * 200}/{'é' * 100}.png")
    (tmp_path / "empty.png").touch()
    for paths, said in (
        ([tmp_path / "missing.png"], "missing.png does not exist"),
        ([tmp_path / "c"], "contains no photos"),
        ([tmp_path / "empty.png"], "is empty"),
        (
            [tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"],
            "would both have the key incoming/1.png",
        ),
    ):
        with pytest.raises(PreconditionError, match=said):
            find_photos(paths)
    with pytest.raises(PreconditionError, match="would have 1025 bytes, 1024 are the most"):
        find_photos([tmp_path / "a" / "1.png"], "p" * (1024 - len("incoming//1.png") + 1))
    assert find_photos([tmp_path / "a" / "1.png"], "p" * (1024 - len("incoming//1.png")))


# ---- uploading


def test_upload(session: Any, tmp_path: Path) -> None:
    client = session.client("s3")
    client.create_bucket(Bucket=STACK.photos_bucket)
    enabled = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=STACK.photos_bucket, VersioningConfiguration=enabled)
    write(tmp_path, "gate/1.jpg", "gate/2", "gate/3.png")
    shown: list[UploadedPhoto] = []
    uploads = upload_photos(session, STACK, find_photos([tmp_path / "gate"]), shown.append)
    assert [upload.photo.key[-5:] for upload in uploads] == ["1.jpg", "ate/2", "3.png"]
    assert sorted(shown, key=lambda upload: upload.photo.key) == uploads
    for upload, kind in zip(
        uploads, ["image/jpeg", "application/octet-stream", "image/png"], strict=True
    ):
        answer = client.get_object(
            Bucket=STACK.photos_bucket, Key=upload.photo.key, VersionId=upload.version
        )
        assert answer["Body"].read() == upload.photo.path.read_bytes()
        assert answer["ContentType"] == kind
