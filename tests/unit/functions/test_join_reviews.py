"""The function `join_reviews`: a photo gets the review of another version with the same bytes."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from scones.reviews import review
from tests.unit.functions.conftest import Context
from tests.unit.operator.deployed import STACK, Session
from tests.unit.operator.reviewed import Office, caller


@pytest.fixture
def office(aws: None) -> Office:
    return Office(Session({}))


@pytest.fixture
def function(load: Callable[..., ModuleType], office: Office) -> ModuleType:
    loaded = load(
        "join_reviews",
        RESULTS_TABLE=STACK.results_table,
        EVENT_BUS=STACK.event_bus,
        CLASS_NAMES=STACK.parameters["ClassNames"],
        LOADING_BAYS=STACK.parameters["LoadingBays"],
    )
    loaded.store.bus = office.bus
    return loaded


def test_a_photo_with_a_review_of_the_same_bytes(
    function: ModuleType, event: Callable[[str], Any], office: Office
) -> None:
    first = office.arrive()
    review.label(office.desk, first, "motorcycle", caller("anna"), "a" * 32)
    second = office.arrive(minutes=1)
    given = event("join-reviews")
    assert set(given) == set(second.decision.photo.model_dump())

    answer = function.handler(second.decision.photo.model_dump(), Context())

    assert answer == {"outcome": "reviewed"}
    assert office.again(second).effective_label == "motorcycle"


def test_a_photo_alone(function: ModuleType, office: Office) -> None:
    photo = office.arrive().decision.photo.model_dump()

    assert function.handler(photo, Context()) == {"outcome": "new"}


def test_a_photo_without_a_record_is_an_error(
    function: ModuleType, event: Callable[[str], Any]
) -> None:
    with pytest.raises(Exception, match="there is no record"):
        function.handler(event("join-reviews"), Context())
