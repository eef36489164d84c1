"""What the function `review` takes and returns."""

import json
import uuid
from typing import Any

import pytest
from pydantic import ValidationError

from scones.callers import Caller
from scones.records import Record
from scones.reviews import ANSWER, REQUEST, Label, Resume, Undo, respond
from tests.unit.operator.deployed import Session
from tests.unit.operator.reviewed import Office, caller
from tests.unit.results_table import break_record


@pytest.fixture
def office(session: Session) -> Office:
    return Office(session)


def ask(office: Office, request: Any, by: str = "anna") -> Any:
    answer = respond(office.desk, request, caller(by), lambda: True)
    assert ANSWER.validate_json(answer.model_dump_json()) == answer
    return answer


def label(record: Record, name: str | None = "motorcycle", review: str = "") -> Label:
    return Label(
        photo=record.photo,
        version=record.version,
        review=review or uuid.uuid4().hex,
        label=name,
    )


@pytest.mark.parametrize("name", ["motorcycle", None])
def test_a_repeated_request_changes_nothing(office: Office, name: str | None) -> None:
    record = office.arrive()
    request = label(record, name)
    first = ask(office, request)
    kept, filed = office.again(record), office.dataset()

    again = ask(office, request)

    assert (first.kind, again) == ("reviewed", first)
    assert office.again(record) == kept
    assert office.dataset() == filed
    assert office.queue_of(record) is None


def test_another_caller_can_not_take_a_review_for_their_own(office: Office) -> None:
    record = office.arrive()
    request = label(record)
    ask(office, request)

    answer = ask(office, request, "ben")

    assert (answer.kind, answer.review.by) == ("already_reviewed", "anna")


def test_the_same_review_can_not_be_given_another_label(office: Office) -> None:
    record = office.arrive()
    request = label(record)
    ask(office, request)

    answer = ask(office, label(record, "bicycle", request.review))

    assert (answer.kind, answer.review.label) == ("already_reviewed", "motorcycle")


def test_what_was_undone_by_whom(office: Office) -> None:
    record = office.arrive()
    review = ask(office, label(record)).review
    undo = Undo(photo=record.photo, version=record.version, review=review.id)

    assert ask(office, undo, "ben").kind == "undone"
    assert office.bus.taken[-1].by == "ben"
    again = ask(office, undo, "ben")
    assert (again.kind, again.found) == ("not_undone", None)


def undo_of(record: Record, review: str) -> Undo:
    return Undo(photo=record.photo, version=record.version, review=review, undo=uuid.uuid4().hex)


def test_a_repeated_undo_changes_nothing(office: Office) -> None:
    record = office.arrive()
    undo = undo_of(record, ask(office, label(record)).review.id)
    first = ask(office, undo, "ben")
    events = len(office.bus.taken)

    assert ask(office, undo, "ben") == first
    assert first.kind == "undone"
    assert len(office.bus.taken) == events
    # Also if somebody has said something else since.
    later = ask(office, label(record, "bicycle")).review
    assert ask(office, undo, "ben") == first
    assert office.again(record).review == later


def test_an_undo_that_was_interrupted_is_finished_by_its_repetition(office: Office) -> None:
    record = office.arrive()
    undo = undo_of(record, ask(office, label(record)).review.id)
    office.bus.refusing = True
    assert ask(office, undo).kind == "unfinished"
    office.mend()

    assert ask(office, undo).kind == "undone"
    assert office.again(record).review is None


@pytest.mark.parametrize("change", ["caller", "id"])
def test_another_undo_of_the_same_review_is_told(office: Office, change: str) -> None:
    record = office.arrive()
    review = ask(office, label(record)).review.id
    undo = undo_of(record, review)
    ask(office, undo, "ben")

    if change == "caller":
        again = ask(office, undo, "anna")
    else:
        again = ask(office, undo_of(record, review), "ben")

    assert (again.kind, again.found) == ("not_undone", None)


def test_records_have_the_arn_and_the_id_of_the_caller(office: Office) -> None:
    record = office.arrive()

    review = ask(office, label(record)).review
    ask(office, undo_of(record, review.id), "ben")

    anna, ben = caller("anna"), caller("ben")
    assert (review.by, review.arn, review.user_id) == ("anna", anna.arn, anna.user_id)
    undone = office.again(record).undone
    assert undone is not None
    assert (undone.by, undone.arn, undone.user_id) == ("ben", ben.arn, ben.user_id)


def test_two_callers_of_the_same_name_are_told_apart(office: Office) -> None:
    record = office.arrive()
    request = label(record)
    ask(office, request)
    other = Caller("arn:aws:sts::123456789012:assumed-role/Reviewers/anna", "AROA:anna")

    answer = respond(office.desk, request, other, lambda: True)

    assert answer.kind == "already_reviewed"


def test_a_review_from_before_there_were_arns_can_be_undone(office: Office) -> None:
    record = office.arrive()
    review = ask(office, label(record)).review
    before = review.model_dump_json(exclude={"arn", "user_id"})
    break_record(office.table, office.stack.results_table, record.key, {"review": before})

    assert ask(office, undo_of(record, review.id)).kind == "undone"


def test_a_photo_without_a_record_is_refused(office: Office) -> None:
    request = Label(photo="s3://photos/a", version="1", review="0" * 32, label=None)
    answer = ask(office, request)
    assert answer.kind == "refused"
    assert 'no record of "s3://photos/a"' in answer.message


def test_no_other_review_is_begun_when_time_is_over(office: Office) -> None:
    office.bus.refusing = True
    ask(office, label(office.arrive()))
    answer = respond(office.desk, Resume(), caller("anna"), lambda: False)
    assert json.loads(answer.model_dump_json()) == {"kind": "finished", "reviews": []}


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"action": "delete"},
        {"action": "label", "photo": "p", "version": "v", "review": "0" * 32},
        {"action": "label", "photo": "p", "version": "v", "review": '"', "label": None},
        {"action": "finish", "by": "ben"},
        {"action": "label", "photo": "p", "version": "v", "review": "0" * 32, "label": None}
        | {"by": "ben"},
    ],
)
def test_other_requests_and_names_in_them_are_refused(request_: Any) -> None:
    with pytest.raises(ValidationError):
        REQUEST.validate_python(request_)
