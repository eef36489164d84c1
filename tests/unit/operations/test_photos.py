import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from operations import photos
from operations.faults import Refused
from operations.photos import Fate, Photo, Upload, decide_photos, find_photos, upload_photos
from tests.unit.files_like_photos import JPEG
from tests.unit.operations.deployed import STACK
from tests.unit.results_table import decided

DECIDED = {"event": {"S": decided().model_dump_json()}}
ANNOUNCED = {**DECIDED, "announced_at": {"S": "2026-11-20T09:00:01.250Z"}}


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
        ([tmp_path / "missing.png"], "no file or folder"),
        ([tmp_path / "c"], "holds no photos"),
        ([tmp_path / "empty.png"], "is empty"),
        ([tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"], "would both be incoming/1.png"),
    ):
        with pytest.raises(Refused, match=said):
            find_photos(paths)
    with pytest.raises(Refused, match="would have 1025 bytes, 1024 are the most"):
        find_photos([tmp_path / "a" / "1.png"], "p" * (1024 - len("incoming//1.png") + 1))
    assert find_photos([tmp_path / "a" / "1.png"], "p" * (1024 - len("incoming//1.png")))


# ---- uploading


def test_upload(session: Any, tmp_path: Path) -> None:
    client = session.client("s3")
    client.create_bucket(Bucket=STACK.photos_bucket)
    enabled = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=STACK.photos_bucket, VersioningConfiguration=enabled)
    write(tmp_path, "gate/1.jpg", "gate/2", "gate/3.png")
    shown: list[Upload] = []
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


# ---- following them


class Cloud:
    """S3 that takes everything, and a table that answers by how often it was asked of a photo.

    Each look takes a second of the clock.
    """

    def __init__(self, record: Callable[[int], Any]) -> None:
        self.record = record
        self.asked: list[dict[str, Any]] = []
        self.looks: dict[str, int] = {}
        self.now = 0.0
        self._lock = threading.Lock()

    def client(self, _: str) -> "Cloud":
        return self

    def monotonic(self) -> float:
        return self.now

    def put_object(self, **_: Any) -> Any:
        return {"VersionId": "v1"}

    def get_item(self, **request: Any) -> Any:
        key = request["Key"]["photo"]["S"]
        with self._lock:
            self.now += 1
            self.asked.append(request)
            self.looks[key] = self.looks.get(key, 0) + 1
            record = self.record(self.looks[key])
        return {"Item": record} if record else {}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(photos, "LONGEST_POLL_SECONDS", 0.0)


@pytest.fixture
def decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Cloud, int], list[Fate]]:
    def run(cloud: Cloud, count: int = 1) -> list[Fate]:
        monkeypatch.setattr(photos, "time", SimpleNamespace(monotonic=cloud.monotonic))
        write(tmp_path, *(f"{number}.png" for number in range(count)))
        given = [
            Photo(tmp_path / f"{number}.png", f"incoming/{number}.png") for number in range(count)
        ]
        return decide_photos(cloud, STACK, given, lambda _: None)  # type: ignore[arg-type]

    return run


def test_photo_comes_back_decided(decide: Any) -> None:
    cloud = Cloud(lambda _: ANNOUNCED)
    (fate,) = decide(cloud)
    assert cloud.asked[0]["ConsistentRead"] is True
    assert cloud.asked[0]["Key"]["photo"] == {"S": "s3://photos/incoming/0.png"}
    assert cloud.asked[0]["Key"]["version"] == {"S": "v1"}
    assert fate.record.decided == decided()
    assert fate.announced


def test_latency_ends_with_the_record_not_with_its_announcement(decide: Any) -> None:
    (fate,) = decide(Cloud(lambda look: None if look < 3 else ANNOUNCED if look > 10 else DECIDED))
    assert fate.announced
    assert fate.latency_ms == 3000


def test_record_that_never_comes(decide: Any) -> None:
    cloud = Cloud(lambda _: None)
    (fate,) = decide(cloud)
    assert (fate.record, fate.latency_ms, fate.announced) == (None, None, False)
    assert cloud.now == photos.PATIENCE_SECONDS


def test_record_that_is_never_announced(decide: Any) -> None:
    (fate,) = decide(Cloud(lambda _: DECIDED))
    assert fate.record is not None
    assert not fate.announced


def test_fates_are_in_the_order_of_the_photos(decide: Any) -> None:
    fates = decide(Cloud(lambda look: ANNOUNCED if look > 2 else None), 20)
    assert [fate.upload.photo.key for fate in fates] == [
        f"incoming/{number}.png" for number in range(20)
    ]


class Interrupted(Cloud):
    """The user presses Ctrl-C while the first photo is uploaded."""

    def put_object(self, **request: Any) -> Any:
        if request["Key"].endswith("/0.png"):
            raise KeyboardInterrupt
        return super().put_object(**request)


def test_interruption_does_not_wait_for_records(
    decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "PATIENCE_SECONDS", float("inf"))
    with pytest.raises(KeyboardInterrupt):
        decide(Interrupted(lambda _: None), 12)
