"""Versions of a key with the same bytes share one review."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from scones.records import Record
from scones.reviews import ReviewIncompleteError, Undo, join, respond
from scones.reviews import review as reviewing
from scones.reviews.records import ReviewRecords
from scones.reviews.sharing import complete_copy
from tests.unit.operator.deployed import STACK, Session
from tests.unit.operator.reviewed import Office, caller
from tests.unit.results_table import BROKEN, break_record
from tests.unit.scones.photos.samples import quadrants, written

OTHER_BYTES = written(quadrants(12, 12), "PNG")


@pytest.fixture
def office(session: Session) -> Office:
    return Office(session)


def say(office: Office, record: Record, name: str = "motorcycle", by: str = "anna") -> Record:
    reviewing.label(office.desk, record, name, caller(by), f"{by:0<32}")
    return office.again(record)


def undo(office: Office, record: Record, by: str = "ben") -> None:
    reviewing.undo(office.desk, office.again(record), caller(by))


def joined(office: Office, record: Record) -> str:
    return join(office.desk, record.decision.photo)


def unannounced(office: Office, record: Record) -> None:
    break_record(office.table, STACK.results_table, record.key, {"announced_at": ""})


def published(office: Office) -> list[tuple[str | None, str, str | None]]:
    return [(one.photo.version_id, one.outcome, one.reviewed_version) for one in office.bus.taken]


def not_connected() -> None:
    raise EndpointConnectionError(endpoint_url="https://aws")


# ---- a version that arrives after the review


def test_the_review_of_another_version_counts(office: Office) -> None:
    first = say(office, office.arrive())
    second = office.arrive(minutes=1)

    assert joined(office, second) == "reviewed"

    assert first.review is not None
    kept = office.again(second).review
    assert kept == first.review.model_copy(update={"reviewed_version": first.version})
    assert office.queue_of(second) is None
    event = office.bus.taken[-1]
    assert event.photo == second.decision.photo
    assert (event.outcome, event.label, event.loading_bay) == ("labelled", "motorcycle", "B")
    assert (event.by, event.at) == ("anna", first.review.at)
    assert event.reviewed_version == first.version
    assert office.dataset() == [first.review.dataset_key]


def test_the_latest_of_several_reviews_counts(office: Office) -> None:
    records = [office.arrive(minutes=minutes) for minutes in range(2)]
    for record, name in zip(records, ("bicycle", "motorcycle"), strict=True):
        office.before["dynamodb", "query"] = not_connected
        with pytest.raises(ReviewIncompleteError):
            say(office, record, name)
    office.mend()
    third = office.arrive(minutes=2)

    assert joined(office, third) == "reviewed"
    assert office.again(third).effective_label == "motorcycle"


def test_none_of_the_classes_counts_too(office: Office) -> None:
    first = office.arrive()
    reviewing.label_as_none(office.desk, first, caller("anna"), "a" * 32)
    second = office.arrive(minutes=1)

    assert joined(office, second) == "reviewed"
    event = office.bus.taken[-1]
    assert (event.outcome, event.loading_bay) == ("not_a_vehicle", None)


@pytest.mark.parametrize("arrives", ["before", "after"])
def test_a_gone_photo_that_is_taken_out_of_the_queue_says_nothing_of_one_that_is_there(
    office: Office, arrives: str
) -> None:
    first = office.arrive()
    office.s3.delete_object(
        Bucket=STACK.photos_bucket, Key=first.decision.photo.key, VersionId=first.version
    )
    second = office.arrive(minutes=1) if arrives == "before" else None
    reviewing.label_as_none(office.desk, first, caller("anna"), "a" * 32)
    second = second or office.arrive(minutes=1)

    assert joined(office, second) == "new"

    assert office.again(second).review is None
    assert office.queue_of(second) is not None
    assert [version for version, _, _ in published(office)] == [first.version]


def test_it_is_the_review_of_a_version_that_was_labeled_itself(office: Office) -> None:
    first = say(office, office.arrive())
    for minutes in (1, 2, 3):
        record = office.arrive(minutes=minutes)
        assert joined(office, record) == "reviewed"
        kept = office.again(record).review
        assert kept is not None
        assert kept.reviewed_version == first.version


@pytest.mark.parametrize(
    ("name", "body"), [("a.png", OTHER_BYTES), ("b.png", written(quadrants(), "PNG"))]
)
def test_other_bytes_and_other_keys_are_asked_about(office: Office, name: str, body: bytes) -> None:
    say(office, office.arrive())
    record = office.arrive(name, minutes=1, body=body)

    assert joined(office, record) == "new"
    assert office.again(record).review is None
    assert office.queue_of(record) is not None


def test_an_etag_elsewhere_in_the_event_is_not_its_own(office: Office) -> None:
    first = say(office, office.arrive())
    second = office.arrive(minutes=1, body=OTHER_BYTES)
    photo = second.decision.photo.model_copy(update={"sequencer": first.decision.photo.etag})
    event = second.decision.model_copy(update={"photo": photo}).model_dump_json()
    break_record(office.table, STACK.results_table, second.key, {"event": event})

    assert joined(office, second) == "new"
    assert ReviewRecords(office.table, STACK.results_table).read_same_bytes(first) == []


def test_a_review_by_a_class_that_no_longer_exists_does_not_count(office: Office) -> None:
    say(office, office.arrive())
    second = office.arrive(minutes=1)
    fewer = {**STACK.parameters, "ClassNames": "bicycle,car", "LoadingBays": ""}
    office.stack = replace(STACK, parameters=fewer)

    assert joined(office, second) == "new"


def test_a_photo_that_the_model_classified_is_not_a_review(office: Office) -> None:
    office.arrive(status="classified")

    assert joined(office, office.arrive(minutes=1)) == "new"


def test_an_unreadable_version_does_not_count(office: Office) -> None:
    first = say(office, office.arrive())
    break_record(
        office.table, STACK.results_table, first.key, BROKEN["a review of a later version"]
    )

    assert joined(office, office.arrive(minutes=1)) == "new"


def test_a_photo_that_a_reviewer_labeled_meanwhile_keeps_that(office: Office) -> None:
    say(office, office.arrive(), "motorcycle")
    second = office.arrive(minutes=1)
    office.before["dynamodb", "query"] = once(lambda: say(office.of("x"), second, "bicycle", "eve"))

    assert joined(office, second) == "reviewed"

    kept = office.again(second).review
    assert kept is not None
    assert (kept.label, kept.by, kept.reviewed_version) == ("bicycle", "eve", None)


def test_no_condition_has_a_reserved_word(office: Office) -> None:
    """moto takes them in filters of queries, and DynamoDB does not."""
    asked: list[Any] = []
    office.table.meta.events.register(
        "before-parameter-build.dynamodb.Query", lambda params, **_: asked.append(dict(params))
    )
    joined(office, office.arrive())
    (query,) = asked

    text = f"{query['KeyConditionExpression']} {query['FilterExpression']}"
    words = set(re.findall(r"(?<![#:\w])\w+", text))
    reserved = set(ReservedKeywords.get_reserved_keywords())
    assert {word for word in words if word.upper() in reserved} == {"AND"}


# ---- versions that wait


def test_reviewers_are_not_notified_of_a_second_version_that_waits(office: Office) -> None:
    office.arrive()
    second = office.arrive(minutes=1)

    assert joined(office, second) == "pending"
    assert office.queue_of(second) is not None


def test_of_two_at_the_same_time_reviewers_are_notified_of_both(office: Office) -> None:
    first, second = office.arrive(), office.arrive(minutes=1)
    for record in (first, second):
        unannounced(office, record)

    assert (joined(office, first), joined(office, second)) == ("new", "new")


@pytest.mark.parametrize("labeled", [0, 1])
def test_one_review_answers_all_that_wait(office: Office, labeled: int) -> None:
    records = [office.arrive(minutes=minutes) for minutes in range(3)]
    others = [office.arrive("b.png"), office.arrive(minutes=4, body=OTHER_BYTES)]

    reviewed = say(office, records[labeled])

    assert reviewed.review is not None
    for record in records:
        kept = office.again(record).review
        assert kept is not None
        assert (kept.id, kept.label, kept.at) == (
            reviewed.review.id,
            "motorcycle",
            reviewed.review.at,
        )
        own = record.version == reviewed.version
        assert kept.reviewed_version == (None if own else reviewed.version)
        assert office.queue_of(record) is None
    assert [office.again(record).review for record in others] == [None, None]
    assert len(published(office)) == len(records)
    assert {version for version, _, _ in published(office)} == {one.version for one in records}
    assert office.dataset() == [reviewed.review.dataset_key]


def test_the_others_are_answered_before_the_photo_is_filed(office: Office) -> None:
    """Filing takes a while, in which reviewers would see them."""
    first, second = office.arrive(), office.arrive(minutes=1)
    waited: list[str | None] = []
    office.before["s3", "put_object"] = lambda: waited.append(office.queue_of(second))

    say(office, first)

    assert waited == [None]


# ---- at the same time


def once(action: Callable[[], object]) -> Callable[[], None]:
    left = [action]

    def act() -> None:
        if left:
            left.pop()()

    return act


def test_a_review_that_comes_while_the_second_version_is_classified_counts(office: Office) -> None:
    """`join` has not seen the review, so the review sees the version."""
    first, second = office.arrive(), office.arrive(minutes=1)
    office.after["dynamodb", "query"] = once(lambda: say(office, first))

    joined(office, second)

    kept = office.again(second).review
    assert kept is not None
    assert kept.reviewed_version == first.version
    assert [version for version, _, _ in published(office)].count(second.version) == 1


def test_a_review_that_is_undone_while_it_is_copied_does_not_count(office: Office) -> None:
    """The undoing has not seen the copy, so the copy sees the undoing."""
    first = say(office, office.arrive())
    second = office.arrive(minutes=1)
    office.before["dynamodb", "update_item"] = once(lambda: undo(office, first))

    assert joined(office, second) == "new"

    assert office.again(second).review is None
    assert office.queue_of(second) is not None
    assert all(version == first.version for version, _, _ in published(office))
    undone = office.again(second).undone
    assert undone is not None
    assert undone.by == "ben"


def test_a_copy_of_a_review_that_is_being_undone_names_that_undoing(office: Office) -> None:
    """Not the one before it, which was of another review."""
    first = office.arrive()
    say(office, first)
    undo(office, first, "carl")
    say(office, office.again(first))
    second = office.arrive(minutes=1)

    def break_off() -> None:
        office.bus.refusing = True
        with pytest.raises(ReviewIncompleteError):
            undo(office, first, "ben")
        office.mend()

    office.before["dynamodb", "update_item"] = once(break_off)
    assert joined(office, second) == "new"

    undone = office.again(second).undone
    assert undone is not None
    assert undone.by == "ben"


@pytest.mark.parametrize("service", ["events", "dynamodb"])
def test_a_copy_that_was_left_unfinished_is_finished_by_the_next_reviewer(
    office: Office, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    first = say(office, office.arrive())
    second = office.arrive(minutes=1)
    if service == "events":
        office.bus.refusing = True
    else:
        office.lose_request("dynamodb", "update_item", nth=2)
    with pytest.raises(Exception, match=r"bus|Could not connect"):
        joined(office, second)
    office.mend()
    assert office.queue_of(second) == "filing"
    assert joined(office, second) == "reviewed"
    assert first.review is not None
    later = first.review.at + timedelta(minutes=5)
    monkeypatch.setattr(reviewing, "_now", lambda: later)
    office.calls.clear()

    (found,) = reviewing.resume_reviews(office.desk)

    assert (found.version, found.error) == (second.version, None)
    assert office.queue_of(second) is None
    assert office.bus.taken[-1].photo == second.decision.photo
    assert ("s3", "put_object") not in office.calls


# ---- undoing


def test_undoing_leaves_reviews_of_other_versions_that_have_the_same_id(office: Office) -> None:
    first, second = office.arrive(), office.arrive(minutes=1)
    office.before["dynamodb", "query"] = not_connected
    with pytest.raises(ReviewIncompleteError):
        say(office, first)
    office.mend()
    say(office, second, "bicycle")

    undo(office, first)

    kept = office.again(second).review
    assert kept is not None
    assert kept.label == "bicycle"


def test_undoing_a_copy_removes_the_photo_from_the_dataset(office: Office) -> None:
    """The record of the labeled version expires first, and the copy has its place."""
    first, second = office.arrive(), office.arrive(minutes=1)
    say(office, first)
    office.table.delete_item(TableName=STACK.results_table, Key=first.key)

    undo(office, second)

    assert office.dataset() == []


@pytest.mark.parametrize("through", ["first", "second"])
def test_undoing_holds_for_all_versions(office: Office, through: str) -> None:
    first, second = office.arrive(), office.arrive(minutes=1)
    say(office, first)
    office.bus.taken.clear()

    undo(office, {"first": first, "second": second}[through])

    for record in (first, second):
        now = office.again(record)
        assert now.review is None
        assert now.undone is not None
        assert now.undone.by == "ben"
        assert (office.queue_of(record) or "").startswith("review")
    assert sorted(published(office), key=str) == sorted(
        [(first.version, "withdrawn", None), (second.version, "withdrawn", first.version)], key=str
    )
    assert office.dataset() == []
    say(office, office.again(second), "bicycle")
    assert office.again(first).effective_label == "bicycle"


def test_a_repeated_undoing_through_a_copy_changes_nothing(office: Office) -> None:
    first, second = office.arrive(), office.arrive(minutes=1)
    review = say(office, first).review
    assert review is not None
    request = Undo(photo=second.photo, version=second.version, review=review.id, undo="b" * 32)
    office.bus.taken.clear()

    for _ in range(2):
        answer = respond(office.desk, request, caller("ben"), lambda: True)
        assert answer.kind == "undone"

    assert len(office.bus.taken) == 2


def test_an_undoing_that_broke_off_is_finished(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = office.arrive(), office.arrive(minutes=1)
    say(office, first)
    office.lose_request("dynamodb", "update_item", nth=2)
    with pytest.raises(ReviewIncompleteError):
        undo(office, second)
    office.mend()
    now = office.again(first).review
    assert now is not None
    assert now.withdrawal is not None
    later = now.withdrawal.at + timedelta(minutes=5)
    monkeypatch.setattr(reviewing, "_now", lambda: later)

    (found,) = reviewing.resume_reviews(office.desk)

    assert found.error is None
    assert [office.again(record).review for record in (first, second)] == [None, None]


def test_the_copy_of_a_version_that_was_removed_can_be_undone(office: Office) -> None:
    first, second = office.arrive(), office.arrive(minutes=1)
    say(office, first)
    office.table.delete_item(TableName=STACK.results_table, Key=first.key)

    undo(office, second)

    assert office.again(second).review is None
    assert office.queue_of(second) is not None


def test_a_copy_stays_if_the_record_of_the_reviewed_version_expires(office: Office) -> None:
    first, second = office.arrive(), office.arrive(minutes=1)
    say(office, first)
    copied = office.again(second)
    assert copied.review is not None
    office.table.delete_item(TableName=STACK.results_table, Key=first.key)

    complete_copy(office.desk, copied, copied.review)

    assert office.again(second).review == copied.review
