import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest

from scones.records import Review, Skipped, Withdrawal, inference_id
from scones_operator.captures.files import TimeRange
from scones_operator.progress import ItemProgress
from scones_operator.report import captured_images, mistakes
from scones_operator.report import render as page
from scones_operator.report.captured_images import read_captured_images
from scones_operator.report.generate import collect_report, write_report
from scones_operator.report.ground_truth import NO_GROUND_TRUTH, GroundTruth
from scones_operator.report.photo_rows import NONE_OF_THE_CLASSES_TEXT, read_photos
from scones_operator.report.render import render
from tests.unit.operator.captures.files import PICTURE, line
from tests.unit.operator.deployed import STACK
from tests.unit.results_table import (
    BROKEN,
    START,
    break_record,
    create_table,
    decided,
    key_of,
    put_record,
)
from tests.unit.scones.photos.samples import quadrants, written

DAY = TimeRange(START - timedelta(hours=1), START + timedelta(hours=23))


@pytest.fixture
def put(session: Any) -> Callable[..., None]:
    """Give the means to write a record."""
    create_table(session.client("dynamodb"), STACK.results_table)

    def run(*arguments: Any, review: str | None = None, **changes: Any) -> None:
        more = {"review": review} if review else {}
        event = decided(*arguments, **changes)
        put_record(session.client("dynamodb"), STACK.results_table, event, **more)

    return run


@pytest.fixture
def capture(session: Any) -> Callable[..., None]:
    """Give the means to write a file of captured data."""
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)

    def run(*lines: str, minute: int = 0) -> None:
        at = START + timedelta(minutes=minute)
        key = f"captures/scones/AllTraffic/{at:%Y/%m/%d/%H/%M-%S}-000-id.jsonl"
        session.client("s3").put_object(
            Bucket=STACK.data_bucket, Key=key, Body="\n".join(lines).encode()
        )

    return run


def review(**changes: Any) -> str:
    values = {"id": "1", "outcome": "labelled", "label": "motorcycle", "by": "anna", "at": START}
    return Review.model_validate(values | changes).model_dump_json()


def test_photos_of_a_range_the_earliest_first(session: Any, put: Callable[..., None]) -> None:
    put("late.png", minutes=24 * 60)
    put("b.png", "needs_review", minutes=2, review=review())
    put("a.png", minutes=1)
    put("c.png", "rejected", minutes=3)
    truth = GroundTruth({"version-of-a.png": "motorcycle"}, {})
    a, b, c = read_photos(session, STACK, DAY, truth, Skipped())
    assert (a.key, a.status, a.label, a.confidence) == (
        "incoming/a.png",
        "classified",
        "bicycle",
        0.99,
    )
    assert (a.reviewed_label, a.truth, a.threshold) == (None, "motorcycle", 0.93)
    assert a.steps == (400, 150, 50, 1000, 2000)
    assert (b.reviewed_label, b.truth) == ("motorcycle", None)
    assert (c.reason, c.message, c.label) == ("corrupt", "c.png is damaged", None)


def test_what_people_take_back_does_not_hold(session: Any, put: Callable[..., None]) -> None:
    put("a.png", "needs_review", review=review(outcome="not_a_vehicle", label=None))
    withdrawal = Withdrawal(by="anna", at=START)
    put("b.png", "needs_review", minutes=1, review=review(withdrawal=withdrawal))
    a, b = read_photos(session, STACK, DAY, NO_GROUND_TRUTH, Skipped())
    assert (a.reviewed_label, b.reviewed_label) == (NONE_OF_THE_CLASSES_TEXT, None)


def test_pictures_that_the_model_was_least_sure_of(
    session: Any, capture: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured_images, "MAX_SHOWN", 3)
    sure = (0.9, 0.55, 0.99, 0.75, 0.6)
    capture(
        *(line(n, START, f"[{value}, {round(1 - value, 2)}]") for n, value in enumerate(sure)),
        "damaged",
        line(9, START, "busy"),
        line(8, START, endpointInput={"data": "1,2", "encoding": "CSV"}),
    )
    found = read_captured_images(session, STACK, DAY)
    assert [one.confidence for one in found.shown] == [0.55, 0.6, 0.75]
    assert {one.label for one in found.shown} == {"bicycle"}
    assert (found.read, found.corrupt, found.complete) == (7, 1, True)
    assert found.shown[0].uri.startswith("data:image/png;base64,iVBORw0KGgog")


def test_no_more_pictures_than_a_page_can_take(
    session: Any, capture: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture(*(line(number, START) for number in range(4)))
    whole = read_captured_images(session, STACK, DAY)
    assert len(whole.shown) == 4
    monkeypatch.setattr(
        captured_images, "MAX_TOTAL_BYTES", 2 * len(whole.shown[0].uri) + len(PICTURE)
    )
    assert len(read_captured_images(session, STACK, DAY).shown) == 2
    monkeypatch.setattr(captured_images, "MAX_READ", 3)
    few = read_captured_images(session, STACK, DAY)
    assert (few.read, few.complete) == (3, False)


def test_captured_pictures_are_assigned_to_photos_by_inference_id(
    session: Any, put: Callable[..., None], capture: Callable[..., None]
) -> None:
    put("a.png")
    put("b.png", minutes=1)
    known = json.loads(line(1, START))
    uri = f"s3://{STACK.photos_bucket}/incoming/b.png"
    known["eventMetadata"]["inferenceId"] = inference_id(uri, "version-of-b.png")
    capture(json.dumps(known), line(2, START))
    truth = GroundTruth({"version-of-b.png": "motorcycle"}, {})
    photos = read_photos(session, STACK, DAY, truth, Skipped())
    found = read_captured_images(session, STACK, DAY, photos)
    assert sorted(one.photo.label_shown or "" for one in found.shown if one.photo) == ["motorcycle"]
    assert [one.photo for one in found.shown].count(None) == 1


def test_images_of_confident_mistakes_are_read_the_most_confident_first(
    session: Any, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    session.client("s3").create_bucket(Bucket="photos")
    session.client("s3").put_bucket_versioning(
        Bucket="photos", VersioningConfiguration={"Status": "Enabled"}
    )
    shares = {"a.png": 0.95, "b.png": 0.99, "c.png": 0.97}
    for name, confidence in shares.items():
        key = f"incoming/{name}"
        body = written(quadrants(), "PNG")
        version = session.client("s3").put_object(Bucket="photos", Key=key, Body=body)["VersionId"]
        photo = {"bucket": "photos", "key": key, "version_id": version, "etag": "e", "size": 1}
        put(name, photo=photo, confidence=confidence)
    session.client("s3").delete_object(Bucket="photos", Key="incoming/b.png")
    monkeypatch.setattr(mistakes, "MAX_SHOWN", 2)
    truth = GroundTruth({}, dict.fromkeys(shares, "motorcycle"))
    photos = read_photos(session, STACK, DAY, truth, Skipped())
    told: list[ItemProgress] = []

    found = mistakes.read_mistakes(session, STACK, photos, told.append)

    first, second = found.shown
    assert (found.count, first.photo.key, first.uri) == (3, "incoming/b.png", None)
    assert first.error == "the photo was deleted or has expired"
    assert (second.photo.key, second.error) == ("incoming/c.png", None)
    assert str(second.uri).startswith("data:image/jpeg;base64,")
    assert told[-1] == ItemProgress("Photos", 2, 2)


def test_a_report_of_what_is_there(
    session: Any,
    put: Callable[..., None],
    capture: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "get_plotlyjs", lambda: "var Plotly;")
    session.register("Approved", accuracy="0.9")
    arn = session.register("Approved", accuracy="0.95")
    session.register("Approved")
    session.put_into_production(ModelPackageName=arn)
    put("a.png")
    capture(line(1, START), "damaged")
    told: list[ItemProgress] = []
    found = collect_report(session, STACK, DAY, on_progress=told.append)
    assert (found.endpoint, found.region, found.class_names) == (
        "scones",
        "us-east-1",
        ("bicycle", "motorcycle"),
    )
    assert found.version is not None
    assert (found.version.number, found.version.metadata["accuracy"]) == (2, "0.95")
    assert (len(found.photos), len(found.captured_images.shown)) == (1, 1)
    assert told == [
        *(ItemProgress("Results", 1, None), ItemProgress("Results", 1, 1)),
        *(ItemProgress("Captured data", done, None) for done in (1, 2)),
        ItemProgress("Captured data", 2, 2),
    ]
    write_report(found, tmp_path / "new" / "report.html")
    assert "<h1>Results for 1 photo</h1>" in (tmp_path / "new" / "report.html").read_text()


def test_versions_that_are_not_in_production_are_not_read(
    session: Any, put: Callable[..., None], capture: Callable[..., None]
) -> None:
    session.register()
    session.put_into_production(ModelPackageName=session.register())
    session.register()
    described = Mock(wraps=session.client("sagemaker").describe_model_package)
    with patch.object(session.client("sagemaker"), "describe_model_package", described):
        found = collect_report(session, STACK, DAY)
    assert found.version is not None
    assert found.version.number == 2
    assert described.call_count == 1


def test_a_report_of_nothing(
    session: Any, put: Callable[..., None], capture: Callable[..., None]
) -> None:
    found = collect_report(session, STACK, DAY)
    assert (found.photos, found.captured_images.shown, found.production) == ([], (), None)


def test_a_report_of_a_saved_model(
    session: Any, put: Callable[..., None], capture: Callable[..., None]
) -> None:
    session.put_into_production(Image="image", ModelDataUrl="s3://data/mine.tar.gz")
    found = collect_report(session, STACK, DAY)
    assert found.version is None
    assert found.production is not None
    assert found.production.artifacts == "s3://data/mine.tar.gz"


def test_a_record_that_can_not_be_read_is_named_on_the_page(
    session: Any, put: Callable[..., None], capture: Callable[..., None]
) -> None:
    put("a.png")
    put("b.png", minutes=1)
    client = session.client("dynamodb")
    break_record(client, STACK.results_table, key_of("b.png"), BROKEN["a later version"])

    report = collect_report(session, STACK, DAY)

    assert [photo.key for photo in report.photos] == ["incoming/a.png"]
    assert "1 record is skipped" in render(report)
