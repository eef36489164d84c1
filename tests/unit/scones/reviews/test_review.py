import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from scones.datasets.generate import generate_lists
from scones.errors import PreconditionError
from scones.lst import read
from scones.records import Record, Skipped, read_queue
from scones.reviews import AlreadyReviewedError, ReviewIncompleteError, labeled_photos, review
from scones.settings import GenerateListsSettings
from tests.unit.operator.deployed import STACK, Session
from tests.unit.operator.reviewed import Office, caller
from tests.unit.results_table import BROKEN, break_record
from tests.unit.scones.photos.samples import FOUR, HEIC, corners_of, quadrants, written

STAGES = replace(STACK, parameters={**STACK.parameters, "ValidationShare": "0.5"})


@pytest.fixture
def office(session: Session) -> Office:
    return Office(session, STAGES)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass."""
    moment = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def pass_by(minutes: float) -> None:
        nonlocal moment
        moment += timedelta(minutes=minutes)

    monkeypatch.setattr(review, "_now", lambda: moment)
    return pass_by


OUTCOMES = {"motorcycle": "labelled", None: "not_a_vehicle"}
"""What is said of a photo: a class, or that it shows none."""


def say(
    office: Office, record: Record, name: str | None = "motorcycle", by: str = "anna"
) -> Record:
    review_id = uuid.uuid4().hex
    if name is None:
        return review.label_as_none(office.desk, record, caller(by), review_id)
    return review.label(office.desk, record, name, caller(by), review_id)


def leave_unfinished(office: Office, record: Record) -> None:
    """Say what a photo shows while something fails, which is over then."""
    with pytest.raises(ReviewIncompleteError):
        say(office, record)
    office.mend()


def undo(office: Office, record: Record, by: str = "ben") -> Record:
    return review.undo(office.desk, record, caller(by))


def finish(office: Office) -> list[review.ResumedReview]:
    return review.resume_reviews(office.desk)


def waiting(office: Office) -> list[str]:
    return [
        record.photo for record in read_queue(office.table, office.stack.results_table, Skipped())
    ]


# ---- what a word of a person does


def test_a_label_is_kept_filed_and_published_and_leaves_the_queue(office: Office) -> None:
    record = office.arrive("north gate 7.png")
    spoken = say(office, record)
    assert spoken.review is not None
    kept = office.again(record)
    assert kept.review == spoken.review
    assert (kept.review.outcome, kept.review.label, kept.review.by) == (
        *("labelled", "motorcycle"),
        "anna",
    )
    assert office.dataset() == [kept.review.dataset_key]
    assert office.queue_of(record) is None
    assert waiting(office) == []
    (event,) = office.bus.taken
    assert event.model_dump() == {
        "version": "1",
        "outcome": "labelled",
        "photo": record.decision.photo.model_dump(),
        "label": "motorcycle",
        "loading_bay": "B",
        "guess": "bicycle",
        "confidence": 0.61,
        "by": "anna",
        "at": kept.review.at,
        "reviewed_version": None,
    }


@pytest.mark.parametrize("dataset", [[], ["train/bicycle/1.jpg"], ["train/a/1.jpg", "stray/1.jpg"]])
def test_what_is_not_a_vehicle_is_filed_apart_however_the_dataset_is_laid_out(
    office: Office, dataset: list[str]
) -> None:
    office.fill_dataset(*dataset)
    record = office.arrive("Tor 7.png")
    say(office, record, None)
    kept = office.again(record).review
    assert kept is not None
    assert (kept.outcome, kept.label) == ("not_a_vehicle", None)
    assert kept.dataset_key is not None
    assert kept.dataset_key.startswith("dataset/none_of_the_classes/reviewed/Tor-7-")
    assert kept.dataset_key.endswith(".png")
    filed, answer = picture(office, kept.dataset_key)
    assert filed.size == quadrants().size
    assert answer["Metadata"]["review"] == kept.id
    (event,) = office.bus.taken
    assert (event.outcome, event.label, event.loading_bay) == ("not_a_vehicle", None, None)
    assert office.queue_of(record) is None


def test_a_repeated_label_changes_nothing_after_its_photo_is_gone(office: Office) -> None:
    record = office.arrive()
    review.label(office.desk, record, "motorcycle", caller("anna"), "a" * 32)
    photo = record.decision.photo
    office.s3.delete_object(Bucket=photo.bucket, Key=photo.key, VersionId=photo.version_id)
    now = office.again(record)

    again = review.label(office.desk, now, "motorcycle", caller("anna"), "a" * 32)
    assert again.review == now.review
    with pytest.raises(AlreadyReviewedError, match="anna"):
        review.label(office.desk, now, "motorcycle", caller("ben"), "b" * 32)


def test_a_review_is_not_finished_by_another_of_the_same_id(office: Office) -> None:
    record = office.arrive()
    first = review.label(office.desk, record, "motorcycle", caller("anna"), "a" * 32)
    assert first.review is not None
    undo(office, first, "ben")
    now = review.label(office.desk, office.again(record), "bicycle", caller("ben"), "a" * 32)
    assert now.review is not None

    assert office.desk.records.complete(record, first.review) is False
    assert office.again(record).review == now.review


def test_a_class_that_does_not_exist_is_refused(office: Office) -> None:
    record = office.arrive()
    with pytest.raises(
        PreconditionError, match="unknown class truck: choose one of bicycle, motorcycle"
    ):
        say(office, record, "truck")
    assert waiting(office) == [record.photo]


@pytest.mark.parametrize("status", ["classified", "rejected", "failed"])
def test_only_what_waits_for_a_person_is_labelled(office: Office, status: str) -> None:
    record = office.arrive(status=status)
    with pytest.raises(PreconditionError, match=f"does not need review: its status is {status}"):
        say(office, record)
    assert office.again(record).review is None
    assert (office.dataset(), office.bus.taken) == ([], [])


def test_photos_sent_to_try_the_application_are_not_labelled(office: Office) -> None:
    record = office.arrive("20261121/00001.png", folder="simulated")
    with pytest.raises(PreconditionError, match="a test photo of a simulation"):
        say(office, record)
    assert waiting(office) == office.dataset() == office.bus.taken == []


def test_a_photo_that_is_gone_can_only_leave_the_queue(office: Office) -> None:
    record = office.arrive()
    photo = record.decision.photo
    office.s3.delete_object(Bucket=photo.bucket, Key=photo.key, VersionId=photo.version_id)
    with pytest.raises(
        labeled_photos.PhotoNotFoundError, match="to remove it from the review queue"
    ):
        say(office, record)
    assert waiting(office) == [record.photo]
    spoken = say(office, record, None)
    assert spoken.review is not None
    assert spoken.review.dataset_key is None
    assert office.queue_of(record) is None
    assert office.dataset() == []
    assert office.bus.outcomes() == ["not_a_vehicle"]
    undo(office, spoken)
    assert waiting(office) == [record.photo]


def test_a_photo_that_cannot_be_read_can_only_leave_the_queue(office: Office) -> None:
    record = office.arrive(body=b"not a photo")
    with pytest.raises(labeled_photos.PhotoUnreadableError, match="cannot be added to the dataset"):
        say(office, record)
    assert waiting(office) == [record.photo]
    say(office, record, None)
    assert office.queue_of(record) is None
    assert office.dataset() == []


def test_a_photo_that_is_gone_before_it_is_filed_leaves_the_queue(
    office: Office, later: Callable[[float], None]
) -> None:
    record = office.arrive()
    office.lose_request("s3", "put_object")
    with pytest.raises(ReviewIncompleteError):
        say(office, record, None)
    office.mend()
    photo = record.decision.photo
    office.s3.delete_object(Bucket=photo.bucket, Key=photo.key, VersionId=photo.version_id)
    later(2)
    assert [item.error for item in finish(office)] == [None]
    assert office.queue_of(record) is None
    assert office.dataset() == []


# ---- two reviewers


def test_the_second_reviewer_is_told_who_said_what_and_nothing_is_doubled(office: Office) -> None:
    record = office.arrive()
    say(office, record, "motorcycle", "anna")
    with pytest.raises(
        AlreadyReviewedError, match=r"a\.png.*anna labeled it motorcycle at 2\d{3}-"
    ):
        say(office, record, "bicycle", "ben")
    assert len(office.dataset()) == 1
    assert office.bus.outcomes() == ["labelled"]


def test_a_reviewer_who_is_overtaken_while_the_photo_is_read_is_refused(office: Office) -> None:
    record = office.arrive()

    def overtake() -> None:
        del office.after["s3", "get_object"]
        say(office, record, "bicycle", "ben")

    office.after["s3", "get_object"] = overtake
    with pytest.raises(AlreadyReviewedError, match="ben labeled it bicycle"):
        say(office, record)
    assert [key.split("/")[1] for key in office.dataset()] == ["bicycle"]


def test_a_claim_whose_answer_was_lost_is_ones_own(office: Office, session: Session) -> None:
    record = office.arrive()

    def claim_twice() -> None:
        # botocore sends a request again whose answer it did not get.
        office.after.clear()
        raise_condition(office, record)

    def raise_condition(office: Office, record: Record) -> None:
        raise office.table.exceptions.ConditionalCheckFailedException(
            {"Error": {"Code": "ConditionalCheckFailedException", "Message": "no"}}, "UpdateItem"
        )

    office.after["dynamodb", "update_item"] = claim_twice
    say(office, record)
    assert office.bus.outcomes() == ["labelled"]
    assert office.queue_of(record) is None


# ---- undo


@pytest.mark.parametrize("name", OUTCOMES)
def test_undo_removes_what_was_filed_and_the_photo_waits_again(
    office: Office, name: str | None
) -> None:
    record = office.arrive()
    back = undo(office, say(office, record, name))
    assert back.review is None
    assert office.again(record).review is None
    assert office.dataset() == []
    assert waiting(office) == [record.photo]
    labelled, withdrawn = office.bus.taken
    assert labelled.outcome == OUTCOMES[name]
    assert (withdrawn.outcome, withdrawn.label, withdrawn.by) == ("withdrawn", None, "ben")
    assert withdrawn.at > labelled.at


def test_undo_removes_all_versions_of_what_was_filed(office: Office) -> None:
    spoken = say(office, office.arrive())
    assert spoken.review is not None
    key = spoken.review.dataset_key
    office.s3.put_object(Bucket="data", Key=key, Body=b"filed twice")
    office.s3.put_object(Bucket="data", Key=f"{key}.other", Body=b"of another photo")

    undo(office, spoken)

    left = office.s3.list_object_versions(Bucket="data")
    assert [item["Key"] for item in left["Versions"]] == [f"{key}.other"]
    assert "DeleteMarkers" not in left


def test_a_deleted_photo_can_not_be_labelled_though_its_version_is_there(office: Office) -> None:
    record = office.arrive()
    office.s3.delete_object(Bucket="photos", Key=record.decision.photo.key)

    with pytest.raises(labeled_photos.PhotoNotFoundError, match="deleted"):
        say(office, record)


def test_a_deleted_version_can_not_be_labelled_though_the_key_was_used_again(
    office: Office,
) -> None:
    record = office.arrive()
    bucket, key = record.decision.photo.bucket, record.decision.photo.key
    office.s3.delete_object(Bucket=bucket, Key=key)
    office.s3.put_object(Bucket=bucket, Key=key, Body=b"another photo")
    with pytest.raises(labeled_photos.PhotoNotFoundError):
        say(office, record)


def test_a_label_is_finished_though_the_photo_is_gone_since_it_was_filed(
    office: Office, later: Callable[[float], None]
) -> None:
    record = office.arrive()
    office.bus.refusing = True
    leave_unfinished(office, record)
    photo = record.decision.photo
    office.s3.delete_object(Bucket="photos", Key=photo.key, VersionId=photo.version_id)
    later(5)

    (found,) = finish(office)

    assert found.error is None
    assert office.queue_of(record) is None


def test_after_undo_another_label_can_be_given(office: Office) -> None:
    record = office.arrive()
    say(office, undo(office, say(office, record)), "bicycle", "ben")
    assert [key.split("/")[1] for key in office.dataset()] == ["bicycle"]
    assert office.bus.outcomes() == ["labelled", "withdrawn", "labelled"]


def test_only_what_was_seen_is_undone(office: Office) -> None:
    record = office.arrive()
    first = say(office, record)
    undo(office, first)
    with pytest.raises(PreconditionError, match="undone already: the photo needs review"):
        undo(office, first)
    say(office, record, "bicycle", "ben")
    with pytest.raises(
        PreconditionError, match=r"undone already; since then, ben labeled it bicycle at "
    ):
        undo(office, first)
    assert len(office.dataset()) == 1
    assert office.bus.outcomes() == ["labelled", "withdrawn", "labelled"]


def test_what_was_filed_is_removed_whatever_has_become_of_the_dataset(office: Office) -> None:
    record = office.arrive()
    spoken = say(office, record)
    office.fill_dataset("train/bicycle/1.jpg", "stray/1.jpg")
    undo(office, spoken)
    assert office.dataset() == ["dataset/stray/1.jpg", "dataset/train/bicycle/1.jpg"]
    assert waiting(office) == [record.photo]


def test_a_label_that_the_dataset_has_no_place_for_can_be_undone(office: Office) -> None:
    office.fill_dataset("train/bicycle/1.jpg", "stray/1.jpg")
    record = office.arrive()
    with pytest.raises(ReviewIncompleteError):
        say(office, record)
    undo(office, office.again(record))
    assert waiting(office) == [record.photo]


def test_there_is_nothing_to_undo_where_nobody_has_spoken(office: Office) -> None:
    with pytest.raises(PreconditionError, match="has no review to undo"):
        undo(office, office.arrive())


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_label_that_is_undone_before_it_is_filed_leaves_nothing(
    office: Office, name: str | None
) -> None:
    record = office.arrive()

    def undo_meanwhile() -> None:
        del office.before["s3", "put_object"]
        undo(office, office.again(record))

    office.before["s3", "put_object"] = undo_meanwhile
    with pytest.raises(PreconditionError, match="undone in the meantime"):
        say(office, record, name)
    assert office.dataset() == []
    assert waiting(office) == [record.photo]
    assert office.bus.outcomes() == ["withdrawn"]


# ---- interrupted, and finished by anybody

STEPS_OF_A_LABEL = [
    ("dynamodb", "update_item", 2),  # after the claim: noting where it is filed
    ("s3", "put_object", 1),
    ("dynamodb", "get_item", 1),  # looking whether it was undone meanwhile
    ("events", "put_events", 1),
    ("dynamodb", "update_item", 3),  # leaving the queue
]
STEPS_OF_UNDOING = [
    ("s3", "delete_object", 1),
    ("events", "put_events", 1),
    ("dynamodb", "update_item", 2),
]


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("lost", ["lose_request", "lose_answer"])
@pytest.mark.parametrize("step", STEPS_OF_A_LABEL)
def test_a_label_that_was_interrupted_is_finished_later(
    office: Office,
    later: Callable[[float], None],
    step: tuple[str, str, int],
    lost: str,
    name: str | None,
) -> None:
    record = office.arrive()
    getattr(office, lost)(*step)
    with pytest.raises(
        ReviewIncompleteError, match="is saved, but could not be finished"
    ) as raised:
        say(office, record, name)
    assert raised.value.record.review is not None
    office.mend()
    later(2)
    found = finish(office)
    # Where only the last answer was lost, there is nothing left to do.
    assert [item.error for item in found] == (
        [] if (step, lost) == (STEPS_OF_A_LABEL[-1], "lose_answer") else [None]
    )
    kept = office.again(record).review
    assert kept is not None
    assert office.dataset() == [kept.dataset_key]
    assert set(office.bus.outcomes()) == {OUTCOMES[name]}
    assert office.queue_of(record) is None
    assert finish(office) == []


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("lost", ["lose_request", "lose_answer"])
@pytest.mark.parametrize("step", STEPS_OF_UNDOING)
def test_undoing_that_was_interrupted_is_finished_later(
    office: Office,
    later: Callable[[float], None],
    step: tuple[str, str, int],
    lost: str,
    name: str | None,
) -> None:
    record = office.arrive()
    spoken = say(office, record, name)
    getattr(office, lost)(*step)
    with pytest.raises(ReviewIncompleteError, match="being undone"):
        undo(office, spoken)
    office.mend()
    later(2)
    finish(office)
    assert office.again(record).review is None
    assert office.dataset() == []
    assert waiting(office) == [record.photo]
    withdrawn = office.bus.taken[1:]
    assert {event.outcome for event in withdrawn} == {"withdrawn"}
    assert {event.by for event in withdrawn} == {"ben"}


def test_undoing_removes_what_was_filed_though_nobody_was_told_so(office: Office) -> None:
    record = office.arrive()
    office.lose_answer("s3", "put_object")
    with pytest.raises(ReviewIncompleteError) as raised:
        say(office, record)
    office.mend()
    assert len(office.dataset()) == 1
    # Whoever undoes it may have read it before its place was noted.
    assert raised.value.record.review is not None
    assert raised.value.record.review.dataset_key is None
    undo(office, raised.value.record)
    assert office.dataset() == []
    assert waiting(office) == [record.photo]


def test_a_place_that_was_noted_and_the_answer_lost_is_ones_own(office: Office) -> None:
    record = office.arrive()
    updates = 0

    def refuse_the_second() -> None:
        # botocore sends a request again whose answer it did not get.
        nonlocal updates
        updates += 1
        if updates == 2:
            raise office.table.exceptions.ConditionalCheckFailedException(
                {"Error": {"Code": "ConditionalCheckFailedException", "Message": "no"}},
                "UpdateItem",
            )

    office.after["dynamodb", "update_item"] = refuse_the_second
    spoken = say(office, record)
    assert spoken.review is not None
    assert office.dataset() == [spoken.review.dataset_key]
    assert office.queue_of(record) is None


def test_a_place_that_was_noted_stays_though_the_dataset_is_laid_out_anew(
    office: Office, later: Callable[[float], None]
) -> None:
    record = office.arrive()
    office.lose_answer("s3", "put_object")
    leave_unfinished(office, record)
    (first,) = office.dataset()
    office.fill_dataset("train/motorcycle/1.jpg", "test/motorcycle/2.jpg")
    later(2)
    assert [item.error for item in finish(office)] == [None]
    kept = office.again(record).review
    assert kept is not None
    assert kept.dataset_key == first
    assert [key for key in office.dataset() if "reviewed" in key] == [first]


def test_of_two_who_finish_the_same_the_first_says_where_it_is_filed(
    office: Office, later: Callable[[float], None]
) -> None:
    record = office.arrive()
    office.lose_request("dynamodb", "update_item", 2)
    leave_unfinished(office, record)
    later(2)

    def finish_meanwhile() -> None:
        office.mend()
        office.fill_dataset("train/motorcycle/1.jpg", "test/motorcycle/2.jpg")
        assert [item.error for item in finish(office)] == [None]

    office.before["dynamodb", "update_item"] = finish_meanwhile
    assert [item.error for item in finish(office)] == [None]
    kept = office.again(record).review
    assert kept is not None
    assert [key for key in office.dataset() if "reviewed" in key] == [kept.dataset_key]
    assert office.queue_of(record) is None


def test_undoing_while_the_place_is_noted_removes_what_is_filed(
    office: Office, later: Callable[[float], None]
) -> None:
    record = office.arrive()
    office.lose_request("dynamodb", "update_item", 2)
    leave_unfinished(office, record)
    seen = office.again(record)
    later(2)

    def finish_meanwhile() -> None:
        office.mend()
        assert [item.error for item in finish(office)] == [None]

    office.before["dynamodb", "update_item"] = finish_meanwhile
    undo(office, seen)
    assert office.dataset() == []
    assert waiting(office) == [record.photo]
    assert office.bus.outcomes() == ["labelled", "withdrawn"]


def test_an_event_that_the_bus_does_not_take_is_published_later(
    office: Office, later: Callable[[float], None]
) -> None:
    record = office.arrive()
    office.bus.refusing = True
    with pytest.raises(ReviewIncompleteError, match="bus bus rejected the event: InternalFailure"):
        say(office, record)
    office.mend()
    later(2)
    assert [item.error for item in finish(office)] == [None]
    assert office.bus.outcomes() == ["labelled"]


def test_what_somebody_is_at_is_left_to_them(
    office: Office, later: Callable[[float], None]
) -> None:
    record = office.arrive()
    office.lose_request("s3", "put_object")
    leave_unfinished(office, record)
    later(0.5)
    assert finish(office) == []
    assert office.queue_of(record) == "filing"


def test_two_who_finish_the_same_do_no_harm(office: Office, later: Callable[[float], None]) -> None:
    record = office.arrive()
    office.lose_request("s3", "put_object")
    leave_unfinished(office, record)
    later(2)

    def finish_meanwhile() -> None:
        office.mend()
        finish(office)

    office.after["s3", "put_object"] = finish_meanwhile
    finish(office)
    kept = office.again(record).review
    assert kept is not None
    assert office.dataset() == [kept.dataset_key]
    assert office.queue_of(record) is None


def test_what_can_not_be_finished_is_told_and_does_not_keep_the_rest(
    office: Office, later: Callable[[float], None]
) -> None:
    records = [office.arrive("a.png"), office.arrive("b.png", 1)]
    for record in records:
        office.lose_request("s3", "put_object")
        with pytest.raises(ReviewIncompleteError):
            say(office, record)
    office.mend()
    later(2)
    photo = records[0].decision.photo
    office.s3.delete_object(Bucket=photo.bucket, Key=photo.key, VersionId=photo.version_id)
    first, second = finish(office)
    assert first.error is not None
    assert "is gone" in first.error
    assert second.error is None
    # It can be undone all the same.
    undo(office, office.again(records[0]))
    assert waiting(office) == [records[0].photo]


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_record_that_can_not_be_read_is_told_and_does_not_keep_the_rest(
    office: Office, later: Callable[[float], None], change: dict[str, str]
) -> None:
    records = [office.arrive(f"{name}.png", minutes) for minutes, name in enumerate("abc")]
    for record in records:
        office.lose_request("s3", "put_object")
        with pytest.raises(ReviewIncompleteError):
            say(office, record)
    office.mend()
    later(3)
    break_record(office.table, office.stack.results_table, records[1].key, change)

    found = {one.photo.rpartition("/")[2]: one.error for one in finish(office)}

    assert found["a.png"] is found["c.png"] is None
    assert found["b.png"] is not None
    assert "cannot be read" in found["b.png"]
    assert len(office.dataset()) == 2


def test_an_unexpected_error_is_told_and_does_not_keep_the_rest(
    office: Office, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for minutes, name in enumerate(("a.png", "b.png")):
        office.lose_request("s3", "put_object")
        with pytest.raises(ReviewIncompleteError):
            say(office, office.arrive(name, minutes))
    office.mend()
    later(2)
    file_picture = labeled_photos.add_to_dataset

    def fail_once(*given: Any) -> None:
        monkeypatch.setattr(labeled_photos, "add_to_dataset", file_picture)
        raise ZeroDivisionError("of the test")

    monkeypatch.setattr(labeled_photos, "add_to_dataset", fail_once)
    first, second = finish(office)
    assert first.error is not None
    assert "ZeroDivisionError('of the test')" in first.error
    assert second.error is None


# ---- where photos are filed


def place(office: Office, record: Record) -> str:
    spoken = say(office, record).review
    assert spoken is not None
    assert spoken.dataset_key is not None
    return spoken.dataset_key


def picture(office: Office, key: str) -> tuple[Image.Image, Any]:
    answer = office.s3.get_object(Bucket=office.stack.data_bucket, Key=key)
    image = Image.open(BytesIO(answer["Body"].read()))
    image.load()
    return image, answer


def test_a_photo_is_filed_below_its_class(office: Office) -> None:
    key = place(office, office.arrive("Nördlich, Tor 7.PNG"))
    assert key.startswith("dataset/motorcycle/reviewed/N-rdlich-Tor-7-")
    assert key.endswith(".png")
    assert key.isascii()


def test_photos_of_the_same_name_do_not_replace_each_other(office: Office) -> None:
    keys = {place(office, office.arrive("a.png", number)) for number in range(3)}
    assert len(keys) == 3
    assert sorted(keys) == office.dataset()


def test_a_dataset_with_sides_of_its_own_gets_copies_on_the_same_side(office: Office) -> None:
    office.fill_dataset("train/bicycle/1.jpg", "test/bicycle/2.jpg")
    sides = set()
    for number in range(8):
        body = written(Image.new("RGB", (8, 8), (number, 0, 0)), "PNG")
        keys = [place(office, office.arrive(f"{number}-{copy}.png", 0, body)) for copy in range(2)]
        assert len({key.split("/")[1] for key in keys}) == 1
        sides.add(keys[0].split("/")[1])
    assert sides == {"train", "test"}


@pytest.mark.parametrize(
    "dataset",
    [
        [f"{name}/{number}.jpg" for name in ("bicycle", "motorcycle") for number in range(9)],
        [
            f"{side}/{name}/1.jpg"
            for side in ("train", "validation")
            for name in ("bicycle", "motorcycle")
        ],
    ],
)
def test_the_next_retraining_lists_a_filed_photo_under_its_class(
    office: Office, dataset: list[str]
) -> None:
    office.fill_dataset(*dataset)
    key = place(office, office.arrive())
    say(office, office.arrive("b.png"), None)
    settings = {
        "DATA_BUCKET": office.stack.data_bucket,
        "CLASS_NAMES": "bicycle,motorcycle",
        "IMAGE_SHAPE": "3,32,32",
        "ALGORITHM": "own",
        "HYPERPARAMETERS": "mini_batch_size=2",
        "VALIDATION_SHARE": "0.5",
    }
    made = generate_lists(office.s3, "run-1", GenerateListsSettings.read(settings))
    assert made.negatives is not None
    assert sum(made.negatives.counts.values()) == 1
    listed = {}
    for side in ("train", "validation"):
        own = f"dataset/{side}/" if made.channels["train"].S3DataType == "S3Prefix" else "dataset/"
        body = office.s3.get_object(Bucket="data", Key=f"retraining/run-1/lists/{side}.lst")["Body"]
        entries = read(body.read().decode().splitlines())
        listed |= {own + entry.path: entry.class_index for entry in entries}
    assert listed[key] == 1
    assert made.skipped == {}


def test_a_dataset_that_has_no_place_is_told_and_the_label_is_kept(office: Office) -> None:
    office.fill_dataset("train/bicycle/1.jpg", "stray/1.jpg")
    record = office.arrive()
    with pytest.raises(
        ReviewIncompleteError, match=r"the photo cannot be added to the dataset: .*stray"
    ):
        say(office, record)
    kept = office.again(record).review
    assert kept is not None
    assert (kept.label, kept.dataset_key) == ("motorcycle", None)


def test_what_is_filed_is_upright_and_says_nothing_of_where_it_was_taken(office: Office) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    lying = quadrants(96, 64, (FOUR[2], FOUR[0], FOUR[3], FOUR[1]))
    turned = lying.transpose(Image.Transpose.ROTATE_180)
    body = written(turned, "JPEG", quality=95, exif=exif)
    assert b"Exif" in body
    image, answer = picture(office, place(office, office.arrive("a.jpg", body=body)))
    assert image.size == (64, 96)
    assert image.mode == "RGB"
    assert not image.getexif()
    assert answer["ContentType"] == "image/png"
    assert answer["Metadata"]["reviewed-by"] == "anna"
    assert answer["Metadata"]["photo"] == "s3://photos/incoming/a.jpg"


def test_a_heic_photo_is_filed_as_one_that_the_built_in_algorithm_takes(office: Office) -> None:
    body = (HEIC / "turned.heic").read_bytes()
    image, _ = picture(office, place(office, office.arrive("a.heic", body=body)))
    assert image.format in ("PNG", "JPEG")
    assert corners_of(image)


def test_a_large_photo_is_scaled_down(office: Office) -> None:
    noise = Image.effect_noise((3000, 1000), 90).convert("RGB")
    body = written(noise, "JPEG", quality=80)
    image, answer = picture(office, place(office, office.arrive("a.jpg", body=body)))
    assert image.size == (2048, 683)
    assert image.format == "JPEG"
    assert answer["ContentLength"] <= labeled_photos.MAX_BYTES


def test_what_s3_metadata_can_not_hold_is_left_out(office: Office) -> None:
    record = office.arrive("ü" * 400 + ".png")
    _, answer = picture(office, place(office, record))
    assert "photo" not in answer["Metadata"]
    assert answer["Metadata"]["photo-version"] == record.version
