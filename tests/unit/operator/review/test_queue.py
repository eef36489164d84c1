"""Reviews as commands and the console give them: what the function returns, put in words."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scones.records import Record
from scones_operator.errors import PreconditionError
from scones_operator.review import queue
from scones_operator.review.queue import (
    AlreadyReviewedError,
    ReviewIncompleteError,
    UndoError,
    get_pending,
    get_reviewed,
)
from tests.unit.operator.deployed import Session
from tests.unit.operator.reviewed import Office
from tests.unit.scones.photos.samples import quadrants, written


@pytest.fixture
def office(session: Session) -> Office:
    return Office(session)


def say(office: Any, record: Record, name: str = "motorcycle") -> Record:
    return queue.label(office, office.stack, record, name)


def undo(office: Any, record: Record) -> Record:
    return queue.undo(office, office.stack, record)


def test_a_review_is_by_the_caller(office: Office) -> None:
    with office.used_by("ben"):
        labelled = say(office, office.arrive()).review
    session: Any = office
    other = queue.label_as_none(session, office.stack, office.arrive("b.png")).review
    assert labelled is not None
    assert other is not None
    assert (labelled.by, labelled.label) == ("ben", "motorcycle")
    assert (other.by, other.outcome) == ("anna", "not_a_vehicle")
    assert [event.by for event in office.bus.taken] == ["ben", "anna"]


def test_an_undone_photo_waits_again(office: Office) -> None:
    record = office.arrive()
    back = undo(office, say(office, record))
    assert back == replace(office.again(record), undone=None) == record
    with pytest.raises(PreconditionError, match="has no review to undo"):
        undo(office, back)


def test_who_is_second_is_told_what_was_said(office: Office) -> None:
    record = office.arrive()
    with office.used_by("ben"):
        say(office, record)
    with pytest.raises(AlreadyReviewedError, match=r"a\.png.*ben labeled it motorcycle at 2\d{3}-"):
        say(office, record, "bicycle")


def test_only_what_was_seen_is_undone(office: Office) -> None:
    record = office.arrive()
    first = say(office, record)
    undo(office, first)
    with pytest.raises(UndoError, match="undone already: the photo needs review"):
        undo(office, first)
    say(office, record, "bicycle")
    with pytest.raises(UndoError, match=r"undone already; since then, anna labeled it bicycle at "):
        undo(office, first)


def test_what_is_not_done_yet_is_told_with_what_was_said(office: Office) -> None:
    record = office.arrive()
    office.bus.refusing = True
    with pytest.raises(
        ReviewIncompleteError, match="is saved, but could not be finished"
    ) as raised:
        say(office, record)
    assert raised.value.record.review is not None
    assert raised.value.record.review.by == "anna"


def test_what_the_function_refuses_is_refused(office: Office) -> None:
    record = office.arrive(body=b"not a photo")
    with pytest.raises(PreconditionError, match="cannot be added to the dataset"):
        say(office, record)
    with pytest.raises(PreconditionError, match="unknown class truck"):
        say(office, record, "truck")


def test_unfinished_reviews_are_finished(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    record = office.arrive()
    office.bus.refusing = True
    with pytest.raises(ReviewIncompleteError):
        say(office, record)
    office.mend()
    monkeypatch.setattr("scones.reviews.review.RESUME_AFTER", timedelta(minutes=-1))
    session: Any = office
    (found,) = queue.resume_reviews(session, office.stack)
    assert (found.photo, found.version, found.error) == (record.photo, record.version, None)


def test_a_photo_is_found_by_its_key_or_uri(office: Office) -> None:
    record = office.arrive()
    for named in ("incoming/a.png", "s3://photos/incoming/a.png"):
        assert get_pending(office, office.stack, named) == record


def test_of_several_versions_that_wait_one_must_be_named(office: Office) -> None:
    first, second = office.arrive("a.png"), office.arrive("a.png", 1, written(quadrants(), "BMP"))
    with pytest.raises(
        PreconditionError, match=r"2 versions of .* need review; choose one with --version"
    ):
        get_pending(office, office.stack, "incoming/a.png")
    say(office, second)
    assert get_pending(office, office.stack, "incoming/a.png") == first
    found = get_reviewed(office, office.stack, "incoming/a.png")
    assert found.version == second.version


def test_versions_with_the_same_bytes_wait_as_one(office: Office) -> None:
    first, _ = office.arrive("a.png"), office.arrive("a.png", 1)
    assert get_pending(office, office.stack, "incoming/a.png") == first


@pytest.mark.parametrize(
    ("photo", "version", "told"),
    [
        ("incoming/z.png", None, 'there is no record of "s3://photos/incoming/z.png"'),
        ("incoming/a.png", "other", "no classified version other"),
        ("incoming/a.png", None, "anna labeled it motorcycle at"),
    ],
)
def test_a_photo_that_does_not_wait_is_refused_with_the_reason(
    office: Office, photo: str, version: str | None, told: str
) -> None:
    say(office, office.arrive())
    with pytest.raises(PreconditionError, match=told):
        get_pending(office, office.stack, photo, version)
