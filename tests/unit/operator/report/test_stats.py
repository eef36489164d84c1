from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_operator.report import stats
from scones_operator.report.photo_rows import NONE_OF_THE_CLASSES_TEXT
from tests.unit.operator.report.examples import CLASSES, NINE, UNFAMILIAR, photo


def test_predictions_by_class_surely_and_not() -> None:
    photos = [photo(), photo(), photo("bicycle", 0.6), photo("tram"), photo(None)]
    found = stats.count_predictions(photos, CLASSES)
    assert [(one.label, one.classified, one.needs_review, one.photos) for one in found] == [
        ("bicycle", 2, 1, 3),
        ("motorcycle", 0, 0, 0),
        ("tram", 1, 0, 1),
    ]


def test_latency_of_the_steps_that_were_reached() -> None:
    photos = [photo(steps=(float(ms), 10.0, None, 1.0, 2.0)) for ms in range(1, 101)]
    found = {one.step: one for one in stats.latency_stats([*photos, photo(None)])}
    assert list(found) == ["serialize", "classify", "all steps", "upload to decision"]
    assert (found["serialize"].p50, found["serialize"].p95) == (51, 96)
    assert (found["classify"].photos, found["serialize"].photos) == (100, 101)


def test_reasons_the_most_frequent_first_with_the_latest_photo() -> None:
    photos = [
        photo(None, status="failed", reason="EndpointBusy", key="a"),
        photo(None, key="b"),
        photo(None, key="c", message="half is missing"),
        photo(),
        photo(**UNFAMILIAR),
    ]
    first, second = stats.count_reasons(photos)
    assert (first.status, first.reason, first.photos) == ("rejected", "corrupt", 2)
    assert (first.example, first.message) == ("c", "half is missing")
    assert (second.reason, second.photos) == ("EndpointBusy", 1)


def test_the_model_held_against_the_truth() -> None:
    photos = [
        photo("bicycle", truth="bicycle"),
        photo("bicycle", truth="motorcycle"),
        photo("motorcycle", 0.6, truth="motorcycle"),
        photo("motorcycle", truth="tram"),
        photo("bicycle"),
        photo(None, truth="bicycle"),
    ]
    judged = stats.accuracy_by_ground_truth(photos, CLASSES)
    assert judged is not None
    assert (judged.photos, judged.correct) == (4, 2)
    assert judged.by_class == [
        stats.ClassAccuracy("bicycle", photos=1, predicted=2, correct=1),
        stats.ClassAccuracy("motorcycle", photos=2, predicted=2, correct=1),
    ]
    assert (judged.accepted, judged.accepted_correct) == (3, 1)
    assert judged.lines == [
        ("bicycle", [("bicycle", 1), ("motorcycle", 0)]),
        ("motorcycle", [("bicycle", 1), ("motorcycle", 1)]),
        ("tram", [("bicycle", 0), ("motorcycle", 1)]),
    ]
    assert stats.accuracy_by_reviews(photos, CLASSES) is None


def test_a_photo_of_none_of_the_classes_is_right_in_review() -> None:
    photos = [
        photo("bicycle", truth=NONE_OF_THE_CLASSES_TEXT),
        photo("bicycle", 0.6, truth=NONE_OF_THE_CLASSES_TEXT),
        photo("bicycle", truth="bicycle"),
    ]
    judged = stats.accuracy_by_ground_truth(photos, CLASSES)
    assert judged is not None
    assert (judged.correct, judged.photos) == (2, 3)
    assert (judged.accepted_correct, judged.accepted) == (1, 2)


def test_confident_mistakes_are_those_that_nobody_would_look_at() -> None:
    wrong = [
        photo("bicycle", 0.95, truth="motorcycle"),
        photo("bicycle", 0.99, truth=NONE_OF_THE_CLASSES_TEXT),
    ]
    others = [
        photo("bicycle", 0.99, truth="bicycle"),
        photo("bicycle", 0.99),
        photo("bicycle", 0.6, truth="motorcycle"),
        photo("bicycle", 0.6, truth=NONE_OF_THE_CLASSES_TEXT),
        photo(None, truth="bicycle"),
    ]
    assert stats.confident_mistakes([*others, *wrong]) == wrong[::-1]


def test_the_model_held_against_what_people_said() -> None:
    photos = [
        photo("bicycle", 0.6, reviewed_label="bicycle"),
        photo("bicycle", 0.7, reviewed_label="motorcycle"),
        photo("bicycle", 0.7, reviewed_label=NONE_OF_THE_CLASSES_TEXT),
        photo("bicycle", 0.7, reviewed_label="tram"),
    ]
    judged = stats.accuracy_by_reviews(photos, CLASSES)
    assert judged is not None
    assert (judged.photos, judged.correct, judged.accepted) == (4, 1, 0)
    assert judged.rows == ("bicycle", "motorcycle", "tram", NONE_OF_THE_CLASSES_TEXT)
    assert judged.columns == CLASSES


def test_intervals_hold_the_middle_and_what_is_around_it() -> None:
    photos = [photo("bicycle", round(0.9 + i / 1000, 3), minutes=i / 60) for i in range(100)]
    photos += [photo("bicycle", 0.5, minutes=60 * 10, threshold=0.8)]
    first, last = stats.group_by_interval(photos)
    assert (first.start, first.length) == (NINE, timedelta(minutes=10))
    assert (first.photos, first.needs_review) == (100, 30)
    assert (first.low, first.median, first.high) == (0.909, 0.949, 0.989)
    assert (last.photos, last.median, last.threshold) == (1, 0.5, 0.8)


@pytest.mark.parametrize(
    ("hours", "length"), [(0, timedelta(seconds=1)), (1, timedelta(minutes=1)), (24 * 7, "3h")]
)
def test_intervals_are_of_a_length_that_people_count_in(hours: int, length: object) -> None:
    photos = [photo(minutes=0), photo(minutes=hours * 60)]
    wanted = timedelta(hours=3) if length == "3h" else length
    assert stats.group_by_interval(photos)[0].length == wanted


@given(st.lists(st.tuples(st.floats(0, 10**6), st.floats(0, 1)), min_size=1, max_size=200))
def test_no_photo_is_lost_in_intervals_and_there_are_not_too_many(
    given_: list[tuple[float, float]],
) -> None:
    photos = [photo("bicycle", confidence, minutes) for minutes, confidence in sorted(given_)]
    found = stats.group_by_interval(photos)
    assert sum(one.photos for one in found) == len(photos)
    assert len(found) <= stats.MAX_INTERVALS + 2
    assert all(one.low <= one.median <= one.high for one in found)
    starts = [one.start for one in found]
    assert starts == sorted(set(starts))
    assert starts[0] <= photos[0].decided_at < starts[0] + found[0].length
