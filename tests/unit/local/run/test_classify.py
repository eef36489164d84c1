import json
from dataclasses import replace
from pathlib import Path

import pytest

from scones.records import Record
from scones_local.run import classify
from scones_local.run.classify import ResultRow, classify_photos, to_json_line
from scones_local.run.photo_folder import LabeledPhoto, PhotoFolder
from scones_operator.photos.upload_results import PhotoResult
from scones_operator.photos.uploads import PhotoFile as Uploaded
from scones_operator.photos.uploads import UploadedPhoto
from tests.unit.local.run.examples import event

DECIDED = Record(event("classified", "a"), announced_at=None)


def found(photo: Uploaded, record: Record | None = DECIDED) -> PhotoResult:
    return PhotoResult(UploadedPhoto(photo, "v1", 0.0), record, 12.5 if record else None)


@pytest.fixture
def uploaded(monkeypatch: pytest.MonkeyPatch) -> list[Uploaded]:
    """What is handed to those who upload and wait, who know all of it at once."""
    given: list[Uploaded] = []

    def decide(
        _session: object, _stack: object, photos: list[Uploaded], show: object
    ) -> list[PhotoResult]:
        given.extend(photos)
        results = [found(photo) for photo in photos]
        for one in reversed(results):
            show(one)  # type: ignore[operator]
        return results

    monkeypatch.setattr(classify.upload_results, "upload_and_wait", decide)
    return given


def test_keys_keep_the_paths_below_the_folder(uploaded: list[Uploaded], tmp_path: Path) -> None:
    given = (
        LabeledPhoto(tmp_path / "a" / "my ride [1].jpg", "a"),
        LabeledPhoto(tmp_path / "2.png", None),
    )
    shown: list[ResultRow] = []
    results = classify_photos(None, None, "run", PhotoFolder(tmp_path, given), shown.append)  # type: ignore[arg-type]
    assert [photo.key for photo in uploaded] == [
        "incoming/run/a/my ride [1].jpg",
        "incoming/run/2.png",
    ]
    assert [photo.path for photo in uploaded] == [photo.path for photo in given]
    assert results == [
        ResultRow(
            "a/my ride [1].jpg", "a", event("classified", "a"), announced=False, latency_ms=12.5
        ),
        ResultRow("2.png", None, event("classified", "a"), announced=False, latency_ms=12.5),
    ]
    assert shown == results[::-1]


def test_row_of_a_photo_without_a_record() -> None:
    row = json.loads(to_json_line(ResultRow("1.png", "a", None, announced=False, latency_ms=None)))
    assert row == {
        "name": "1.png",
        "truth": "a",
        "status": None,
        "announced": False,
        "latency_ms": None,
    }


def test_row_of_a_photo_with_a_record() -> None:
    silent = ResultRow("1.png", "a", event("classified", "b"), announced=False, latency_ms=7.0)
    assert json.loads(to_json_line(silent))["announced"] is False
    row = json.loads(to_json_line(replace(silent, announced=True)))
    assert (row["announced"], row["status"], row["label"], row["truth"]) == (
        True,
        "classified",
        "b",
        "a",
    )
