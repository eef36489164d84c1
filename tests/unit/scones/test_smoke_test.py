import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from math import comb
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from scones.endpoint import EndpointMissing, UnusablePrediction
from scones.runs import RunOutdated
from scones.settings import SmokeTestSettings
from scones.smoke_test import (
    LabeledImage,
    NoImages,
    Request,
    SmokeTestResult,
    minimum_sample_accuracy,
    select_balanced,
    smoke_test,
)
from tests.unit.stored_run import BUCKET, NAME, StoredRun, s3_client


@pytest.fixture
def stored() -> Iterator[StoredRun]:
    with mock_aws():
        yield StoredRun(s3_client())


@dataclass
class Endpoint:
    """An endpoint that answers by the number in a picture, after a time that a clock shows."""

    answer: Callable[[int], Any]
    milliseconds: Callable[[int], float] = lambda call: 10.0
    asked: list[tuple[int, str]] = field(default_factory=list)
    now: float = 0.0

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        assert request["EndpointName"] == "scones--staging"
        self.now += self.milliseconds(len(self.asked)) / 1000
        picture = int(request["Body"].removeprefix(b"picture "))
        self.asked.append((picture, request["ContentType"]))
        return {"Body": BytesIO(json.dumps(self.answer(picture)).encode())}

    def clock(self) -> float:
        return self.now


def right(index: int) -> list[float]:
    """What is right in a run whose classes alternate."""
    return [0.1, 0.9] if index % 2 else [0.9, 0.1]


def put_run(stored: StoredRun, photos: int) -> None:
    stored.put_lists([index % 2 for index in range(photos)])
    for index in range(photos):
        stored.put_picture(index)


def outcome(
    stored: StoredRun,
    endpoint: Endpoint,
    photos: int = 10,
    limit: float = 1000,
    seconds: float = 840,
) -> SmokeTestResult:
    """Test an endpoint in a function that has so many seconds left by the endpoint's clock."""
    settings = SmokeTestSettings(
        DATA_BUCKET=BUCKET,
        CLASS_NAMES="a,b",
        MINIMUM_ACCURACY=0.85,
        MAXIMUM_LATENCY_MS=limit,
        SMOKE_PHOTOS=photos,
    )
    request = Request(endpoint="scones--staging", run=NAME)
    client: Any = endpoint

    def has_time() -> bool:
        return endpoint.now < seconds

    return smoke_test(stored.client, client, request, settings, endpoint.clock, has_time)


def test_an_endpoint_that_is_right_and_quick_passes(stored: StoredRun) -> None:
    put_run(stored, 12)

    result = outcome(stored, Endpoint(right))

    assert result.model_dump() == {
        "passed": True,
        "message": "its accuracy is 1 on 10 photos, at least 0.500, the least that a "
        "model of 0.85 has on so few; 95 % of the answers took up to 10 ms, within the 1000 ms "
        "allowed, not counting one to warm up",
        "photos": 10,
        "accuracy": 1.0,
        "latency_ms": {"p50": 10.0, "p95": 10.0},
    }


def test_too_many_wrong_answers_are_an_outcome(stored: StoredRun) -> None:
    put_run(stored, 10)

    result = outcome(stored, Endpoint(lambda index: right(index if index > 5 else index + 1)))

    assert (result.passed, result.accuracy, result.photos) == (False, 0.4, 10)
    assert "0.4 on 10 photos, below 0.500, the least" in result.message


@given(st.floats(0.5, 0.99), st.integers(5, 200))
def test_hardly_any_model_of_the_minimum_accuracy_fails_by_chance(
    minimum: float, photos: int
) -> None:
    least = round(minimum_sample_accuracy(minimum, photos) * photos)
    failing = sum(
        comb(photos, right) * minimum**right * (1 - minimum) ** (photos - right)
        for right in range(least)
    )

    assert failing < 0.025
    assert minimum_sample_accuracy(minimum, photos) <= minimum


def test_the_first_answer_is_not_counted(stored: StoredRun) -> None:
    put_run(stored, 10)
    endpoint = Endpoint(right, lambda call: 9000.0 if call == 0 else 20.0)

    result = outcome(stored, endpoint)

    assert result.passed
    assert result.latency_ms.p95 == 20.0
    assert len(endpoint.asked) == 11


def test_slow_answers_are_an_outcome_and_end_the_test(stored: StoredRun) -> None:
    put_run(stored, 40)
    endpoint = Endpoint(right, lambda call: 1000.1)

    result = outcome(stored, endpoint, photos=40)

    assert not result.passed
    assert result.photos == 3  # 2 of 40 may be slow
    assert len(endpoint.asked) == 4
    assert "up to 1000.1 ms, over the 1000 ms allowed" in result.message
    assert "not asked about 37 more" in result.message


def test_as_many_slow_answers_as_the_percentile_allows(stored: StoredRun) -> None:
    put_run(stored, 40)

    result = outcome(stored, Endpoint(right, lambda call: 5000.0 if call > 38 else 8.0), photos=40)

    assert result.passed
    assert result.latency_ms.p95 == 8.0
    assert result.photos == 40


def test_one_slow_answer_more_than_that(stored: StoredRun) -> None:
    put_run(stored, 40)

    result = outcome(stored, Endpoint(right, lambda call: 5000.0 if call > 37 else 8.0), photos=40)

    assert not result.passed
    assert (result.latency_ms.p50, result.latency_ms.p95) == (8.0, 5000.0)
    assert result.photos == 40


@pytest.mark.parametrize(("photos", "limit"), [(100, 17_999), (450, 2000), (50, 17_999), (1, 10)])
@pytest.mark.parametrize("share_of_limit", [0.99, 1.01])
def test_every_accepted_setting_ends_in_time(
    stored: StoredRun, photos: int, limit: float, share_of_limit: float
) -> None:
    put_run(stored, photos)
    endpoint = Endpoint(right, lambda call: limit * share_of_limit)

    result = outcome(stored, endpoint, photos, limit)

    assert endpoint.now < 840 + 22
    assert result.passed == (share_of_limit < 1)
    assert result.photos >= min(photos, 40) or not result.passed


def test_the_photos_that_were_sent_in_time_decide(stored: StoredRun) -> None:
    put_run(stored, 40)

    result = outcome(stored, Endpoint(right, lambda call: 1000.0), photos=40, seconds=30)

    assert (result.passed, result.photos) == (True, 29)  # one more warmed the endpoint up
    assert result.message.endswith("it was not asked about 11 more, as the time of the test was up")


@pytest.mark.parametrize(("lost", "passed"), [(2, True), (3, False)])
def test_requests_without_an_answer_in_time_are_slow_and_wrong(
    stored: StoredRun, lost: int, passed: bool
) -> None:
    put_run(stored, 40)
    endpoint = Endpoint(right)
    answer = endpoint.invoke_endpoint

    def invoke_endpoint(**request: Any) -> Any:
        if 1 <= len(endpoint.asked) <= lost:
            endpoint.asked.append((0, ""))
            endpoint.now += 18.0
            raise ReadTimeoutError(endpoint_url="https://runtime.sagemaker")
        return answer(**request)

    endpoint.invoke_endpoint = invoke_endpoint  # type: ignore[method-assign]

    result = outcome(stored, endpoint, photos=40)

    assert result.passed == passed
    assert result.accuracy == (0.95 if passed else 0.0)
    assert result.latency_ms.p95 == (10.0 if passed else 18000.0)


def test_pictures_are_sent_as_what_they_are(stored: StoredRun) -> None:
    stored.put_lists([0, 1])
    stored.put_picture(0, ".png")
    stored.put_picture(1, ".jpg")
    endpoint = Endpoint(right)

    outcome(stored, endpoint)

    assert set(endpoint.asked) == {(0, "image/png"), (1, "image/jpeg")}


def test_photos_without_a_picture_are_not_asked_about(stored: StoredRun) -> None:
    put_run(stored, 4)
    stored.put_lists([0, 1] * 3)
    endpoint = Endpoint(right)

    assert outcome(stored, endpoint).photos == 4
    assert {index for index, _ in endpoint.asked} == {0, 1, 2, 3}


def test_what_else_lies_among_the_pictures_is_ignored(stored: StoredRun) -> None:
    put_run(stored, 2)
    for name in ("9.png", "x.png", "1.gif", "1.png.out", "1"):
        stored.put(f"retraining/{NAME}/pictures/{name}", b"picture 1")

    assert outcome(stored, Endpoint(right)).photos == 2


def test_a_run_without_pictures(stored: StoredRun) -> None:
    stored.put_lists([0, 1])

    with pytest.raises(
        NoImages, match=rf"none of the 2 validation photos is in .*{NAME}/pictures/"
    ):
        outcome(stored, Endpoint(right))


def test_a_run_of_other_classes(stored: StoredRun) -> None:
    put_run(stored, 2)
    stored.put_lists([0, 1], class_names=("a", "c"))

    with pytest.raises(RunOutdated, match="a, c"):
        outcome(stored, Endpoint(right))


def test_an_endpoint_that_cannot_be_asked_is_an_error(stored: StoredRun) -> None:
    put_run(stored, 2)

    def missing(_: int) -> None:
        error = {"Code": "ValidationError", "Message": "Endpoint scones--staging not found."}
        raise ClientError({"Error": error}, "InvokeEndpoint")

    with pytest.raises(EndpointMissing):
        outcome(stored, Endpoint(missing))


def test_an_endpoint_with_other_classes_is_an_error(stored: StoredRun) -> None:
    put_run(stored, 2)

    with pytest.raises(UnusablePrediction, match="gives 3 probabilities"):
        outcome(stored, Endpoint(lambda _: [0.5, 0.25, 0.25]))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(1, 60))
def test_the_choice_is_even_and_never_repeats(counts: list[int], wanted: int) -> None:
    pictures = {
        index: [LabeledImage(f"{index}/{place}", index) for place in range(count)]
        for index, count in enumerate(counts)
    }

    chosen = select_balanced(pictures, wanted)

    assert len(chosen) == len(set(chosen)) == min(wanted, sum(counts))
    shares = [sum(subject.class_index == index for subject in chosen) for index in pictures]
    for share, count in zip(shares, counts, strict=True):
        assert share >= min(count, max(shares) - 1)
    assert select_balanced(pictures, wanted) == chosen


def test_the_choice_is_from_all_over_a_class() -> None:
    pictures = {0: [LabeledImage(str(place), 0) for place in range(100)]}

    assert [subject.path for subject in select_balanced(pictures, 4)] == ["12", "37", "62", "87"]
