"""Whoever waits for photos gets each result, and is not kept waiting for what does not come."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from scones_operator.photos import upload_results
from scones_operator.photos import uploads as photos
from scones_operator.photos.upload_results import (
    ANNOUNCEMENT_TIMEOUT_SECONDS,
    DECISION_TIMEOUT_SECONDS,
    PhotoResult,
    upload_and_wait,
    wait_for_results,
)
from scones_operator.photos.uploads import PhotoFile, upload_photos
from tests.unit.operator.deployed import STACK
from tests.unit.operator.photos.test_uploads import write
from tests.unit.results_table import decided

State = Literal["decided", "announced", "unreadable"] | None


def item(name: str, state: State) -> dict[str, Any]:
    """Return the item of a photo's record."""
    event = decided(f"{name}.png")
    found = {
        "photo": {"S": f"s3://photos/incoming/{name}.png"},
        "version": {"S": event.photo.version_id},
        "event": {"S": "{}" if state == "unreadable" else event.model_dump_json()},
    }
    announced = {"announced_at": {"S": "2026-11-20T09:00:01.250Z"}}
    return found | announced if state == "announced" else found


class Cloud:
    """S3 that takes everything, and a table that answers by how often it was asked of a photo.

    A second passes with each pause.
    """

    def __init__(self, state: Callable[[str, int], State]) -> None:
        self.state = state
        self.requests: list[dict[str, Any]] = []
        self.looks: dict[str, int] = {}
        self.in_flight = self.most_in_flight = 0
        self.now = 0.0
        self._lock = threading.Lock()

    def client(self, _: str) -> "Cloud":
        return self

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _: float) -> None:
        self.now += 1

    def put_object(self, **request: Any) -> Any:
        with self._lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return {"VersionId": f"version-of-{Path(request['Key']).name}"}

    def get_item(self, **request: Any) -> Any:
        name = Path(request["Key"]["photo"]["S"]).stem
        with self._lock:
            self.requests.append(request)
            self.looks[name] = self.looks.get(name, 0) + 1
            state = self.state(name, self.looks[name])
            self.in_flight -= state == "announced"
        return {"Item": item(name, state)} if state else {}


class Bench:
    """Runs both ways of waiting against a `Cloud`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, monkeypatch

    def input(self, cloud: Cloud, count: int) -> list[PhotoFile]:
        clock = SimpleNamespace(monotonic=cloud.monotonic, sleep=cloud.sleep)
        self.patch.setattr(upload_results, "time", clock)
        self.patch.setattr(photos, "time", clock)
        write(self.folder, *(f"{number}.png" for number in range(count)))
        return [
            PhotoFile(self.folder / f"{number}.png", f"incoming/{number}.png")
            for number in range(count)
        ]

    def upload_and_wait(self, cloud: Cloud, count: int = 1) -> list[PhotoResult]:
        given = self.input(cloud, count)
        return upload_and_wait(cloud, STACK, given, lambda _: None)  # type: ignore[arg-type]

    def wait(self, cloud: Cloud, count: int = 1, **options: float) -> list[PhotoResult]:
        given = self.input(cloud, count)
        uploads = upload_photos(cloud, STACK, given, lambda _: None)  # type: ignore[arg-type]
        shown: list[PhotoResult] = []
        results = wait_for_results(cloud, STACK, uploads, shown.append, **options)  # type: ignore[arg-type]
        by_key = sorted(shown, key=lambda found: int(found.upload.photo.path.stem))
        assert by_key == results
        return results


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_photo_comes_back_decided(bench: Bench) -> None:
    cloud = Cloud(lambda *_: "announced")
    (found,) = bench.wait(cloud)
    assert cloud.requests[0]["ConsistentRead"] is True
    assert cloud.requests[0]["Key"]["photo"] == {"S": "s3://photos/incoming/0.png"}
    assert cloud.requests[0]["Key"]["version"] == {"S": "version-of-0.png"}
    assert found.record is not None
    assert found.record.decision == decided("0.png")
    assert found.announced


def test_latency_ends_with_the_record_not_with_its_announcement(bench: Bench) -> None:
    states: list[State] = [None, None, None, *["decided"] * 9]
    (found,) = bench.wait(Cloud(lambda _, look: states[look - 1] if look <= 12 else "announced"))
    assert found.announced
    assert found.latency_ms == 3000


def test_results_are_in_the_order_of_the_photos(bench: Bench) -> None:
    def late(name: str, look: int) -> State:
        return "announced" if look > 20 - int(name) else None

    for results in (bench.wait(Cloud(late), 20), bench.upload_and_wait(Cloud(late), 20)):
        keys = [found.upload.photo.key for found in results]
        assert keys == [f"incoming/{number}.png" for number in range(20)]


def test_only_so_many_are_in_flight(bench: Bench) -> None:
    cloud = Cloud(lambda _, look: "announced" if look > 2 else None)
    bench.upload_and_wait(cloud, 9)
    assert cloud.most_in_flight == upload_results.MAX_IN_FLIGHT


# ---- what does not come


def test_an_unreadable_record_does_not_keep_the_other_results(bench: Bench) -> None:
    cloud = Cloud(lambda name, _: "unreadable" if name == "0" else "announced")
    for first, second in (bench.wait(cloud, 2), bench.upload_and_wait(cloud, 2)):
        assert (first.record, first.announced) == (None, False)
        assert first.error is not None
        assert "cannot be read" in first.error
        assert second.announced


def test_all_are_uploaded_and_waited_for_once_while_photos_vanish(bench: Bench) -> None:
    cloud = Cloud(lambda name, _: "announced" if int(name) % 2 else None)
    results = bench.wait(cloud, 40)
    assert [found.announced for found in results] == [bool(number % 2) for number in range(40)]
    assert {found.latency_ms for found in results if not found.announced} == {None}
    assert cloud.now == DECISION_TIMEOUT_SECONDS


def test_upload_and_wait_tries_the_others_at_once_after_a_first_timeout(bench: Bench) -> None:
    cloud = Cloud(lambda *_: None)
    results = bench.upload_and_wait(cloud, 40)
    assert len(results) == 40
    assert cloud.now == 2 * DECISION_TIMEOUT_SECONDS


def test_the_timeout_counts_from_the_last_record(bench: Bench) -> None:
    cloud = Cloud(lambda name, look: "announced" if name != "2" and look > 8 * int(name) else None)
    results = bench.wait(cloud, 3, timeout=10)
    assert [found.announced for found in results] == [True, True, False]
    assert cloud.now == 18


def test_a_record_that_is_never_announced(bench: Bench) -> None:
    cloud = Cloud(lambda *_: "decided")
    (found,) = bench.wait(cloud)
    assert found.record is not None
    assert not found.announced
    assert cloud.now == ANNOUNCEMENT_TIMEOUT_SECONDS


def test_an_interruption_does_not_wait_for_records(bench: Bench) -> None:
    class Interrupted(Cloud):
        def sleep(self, _: float) -> None:
            raise KeyboardInterrupt

    for wait in (bench.wait, bench.upload_and_wait):
        cloud = Interrupted(lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            wait(cloud, 12)
        assert max(cloud.looks.values()) == 1
