import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.run import photos
from local.run.folders import LabelledPhoto, Photos
from local.run.photos import Result, as_row, decide_photos
from operations.stack import Stack
from tests.unit.local.run.examples import event

STACK = Stack(
    photos_bucket="bucket",
    data_bucket="data",
    results_table="table",
    event_bus="bus",
    review_topic="topic",
    endpoint="endpoint",
    sagemaker_role="role",
    classify_log_group="group",
    retrain_machine="retrain",
    promote_machine="promote",
    model_package_group="group",
    operators_topic="operators",
    classify_machine="classify",
    undelivered_events="queue",
    threshold_parameter="/threshold",
)

DECIDED = {"event": {"S": event("classified", "a").model_dump_json()}}
ANNOUNCED = {**DECIDED, "announced_at": {"S": "2026-01-01T00:00:00Z"}}


class Cloud:
    """S3 that keeps what is put, and a table that answers as it is told to."""

    def __init__(self, record: Callable[[float], Any]) -> None:
        self.record = record
        self.put: dict[str, tuple[bytes, str]] = {}
        self.asked: list[dict[str, Any]] = []
        self.since: dict[str, float] = {}
        self._lock = threading.Lock()

    def client(self, _: str) -> "Cloud":
        return self

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> Any:  # noqa: N803
        assert Bucket == "bucket"
        self.put[Key] = (Body, ContentType)
        self.since[Key] = time.monotonic()
        return {"VersionId": "v1"}

    def get_item(self, **request: Any) -> Any:
        with self._lock:
            self.asked.append(request)
        key = request["Key"]["photo"]["S"].removeprefix("s3://bucket/")
        record = self.record(time.monotonic() - self.since[key])
        return {"Item": record} if record else {}


def decide(
    cloud: Cloud, folder: Path, *names: str, show: Callable[[Result], None] = lambda _: None
) -> list[Result]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    given = tuple(LabelledPhoto(folder / name, "a") for name in names)
    return decide_photos(cloud, STACK, "run", Photos(folder, given), show)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(photos, "ANNOUNCEMENT_SECONDS", 0.5)
    monkeypatch.setattr(photos, "POLL_SECONDS", 0.01)


def test_photo_goes_up_under_its_path_and_comes_back_decided(tmp_path: Path) -> None:
    cloud = Cloud(lambda _: ANNOUNCED)

    (result,) = decide(cloud, tmp_path, "a/my ride [1].jpg")

    assert cloud.put == {"incoming/run/a/my ride [1].jpg": (b"a/my ride [1].jpg", "image/jpeg")}
    assert cloud.asked[0]["ConsistentRead"] is True
    assert cloud.asked[0]["Key"]["version"] == {"S": "v1"}
    assert result.name == "a/my ride [1].jpg"
    assert result.decided == event("classified", "a")
    assert result.announced


def test_latency_ends_with_the_record_not_with_its_announcement(tmp_path: Path) -> None:
    def record(after: float) -> Any:
        if after < 0.1:
            return None
        return ANNOUNCED if after > 0.4 else DECIDED

    (result,) = decide(Cloud(record), tmp_path, "1.png")

    assert result.announced
    assert result.latency_ms is not None
    assert 100 <= result.latency_ms < 400


def test_record_that_never_comes(tmp_path: Path) -> None:
    (result,) = decide(Cloud(lambda _: None), tmp_path, "1.png")

    assert result == Result("1.png", "a", None, False, None)
    assert json.loads(as_row(result))["status"] is None


def test_record_that_is_never_announced(tmp_path: Path) -> None:
    (result,) = decide(Cloud(lambda _: DECIDED), tmp_path, "1.png")

    assert result.decided is not None
    assert not result.announced
    assert json.loads(as_row(result))["announced"] is False


def test_results_are_in_the_order_of_the_photos(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(20)]

    results = decide(Cloud(lambda _: ANNOUNCED), tmp_path, *names)

    assert [result.name for result in results] == names


class Interrupted(Cloud):
    """The user presses Ctrl-C while the first photo is uploaded."""

    def put_object(self, **request: Any) -> Any:
        if request["Key"].endswith("/0.png"):
            raise KeyboardInterrupt
        return super().put_object(**request)


def test_interruption_does_not_wait_for_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "PATIENCE_SECONDS", 5)
    cloud, shown = Interrupted(lambda _: None), list[Result]()

    with pytest.raises(KeyboardInterrupt):
        decide(cloud, tmp_path, "0.png", "1.png", "2.png", show=shown.append)

    assert shown == []
