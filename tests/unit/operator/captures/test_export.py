import json
from pathlib import Path

import pytest

from scones_operator.captures.export import predicted_class, record_json, write_image, write_jsonl
from scones_operator.captures.records import parse_record
from tests.unit.operator.captures.files import PICTURE, record

CLASSES = ("bicycle", "motorcycle")


def test_the_most_likely_class() -> None:
    assert predicted_class(parse_record(record()), CLASSES) == ("bicycle", 0.75)
    assert predicted_class(parse_record(record(answer="[0.1, 0.2, 0.7]")), CLASSES) == (
        "class 2",
        0.7,
    )
    assert predicted_class(parse_record(record(answer="busy")), CLASSES) is None


def test_pictures_are_named_after_their_time_and_id(tmp_path: Path) -> None:
    name = write_image(parse_record(record(7)), tmp_path / "new")
    assert name == "20261120T093000Z-event-7.png"
    assert (tmp_path / "new" / name).read_bytes() == PICTURE + b"\x07"


@pytest.mark.parametrize(
    ("content_type", "suffix"),
    [("image/jpeg", ".jpg"), ("Image/PNG; a=b", ".png"), ("text/csv", ".bin"), (None, ".bin")],
)
def test_pictures_of_other_types(tmp_path: Path, content_type: str | None, suffix: str) -> None:
    asked = {"observedContentType": content_type, "data": "1,2", "encoding": "CSV"}
    captured = parse_record(record(endpointInput=asked))
    assert str(write_image(captured, tmp_path)).endswith(suffix)


def test_a_record_without_a_picture_has_no_file(tmp_path: Path) -> None:
    document = record()
    del document["captureData"]["endpointInput"]
    assert write_image(parse_record(document), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_lines_hold_all_but_the_picture(tmp_path: Path) -> None:
    captured = parse_record(record(), "scones", "AllTraffic")
    file = write_jsonl([record_json(captured, CLASSES), {"label": "vélo"}], tmp_path / "new")
    first, second = file.read_text("utf-8").splitlines()
    assert json.loads(first) == {
        "id": "event-0",
        "at": "2026-11-20T09:30:00+00:00",
        "label": "bicycle",
        "confidence": 0.75,
        "probabilities": [0.75, 0.25],
        "content_type": "image/png",
        "size": len(PICTURE) + 1,
        "endpoint": "scones",
        "variant": "AllTraffic",
    }
    assert "vélo" in second
