"""`scones forget` as it is typed."""

import json
from datetime import timedelta
from typing import Any

import pytest

from scones.records import Record
from scones.reviews.labeled_photos import copy_stem
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK
from tests.unit.operator.reviewed import Office
from tests.unit.operator.test_escaping import shows

PHOTO = "incoming/gate/7.png"


@pytest.fixture
def record(session: Any, monkeypatch: pytest.MonkeyPatch) -> Record:
    monkeypatch.setattr("scones_operator.photos.dead_letter_queue.LONG_POLL_SECONDS", 0)
    for queue in (STACK.dead_letter_queue, STACK.missed_metrics_queue):
        session.client("sqs").create_queue(QueueName=queue.rpartition("/")[2])
    record = Office(session).arrive("gate/7.png")
    lists = "retraining/scones-1/lists"
    body = f"0\t0\tbicycle/reviewed/{copy_stem(record.photo)}00000000.png\n".encode()
    for name in ("train.lst", "validation.lst"):
        session.client("s3").put_object(Bucket="data", Key=f"{lists}/{name}", Body=body)
    session.register(run="scones-1")
    return record


def versions(session: Any) -> int:
    return len(session.client("s3").list_object_versions(Bucket="photos").get("Versions", []))


def test_a_photo_is_forgotten_once_it_is_confirmed(
    terminal: Terminal, record: Record, session: Any
) -> None:
    declined = terminal.type("forget", PHOTO)
    assert declined.exit_code == 1
    assert "nothing was removed: confirm it, or give --yes" in words(declined.stderr)
    assert versions(session) == 1

    done = terminal.type("forget", "gate/7.png", "--yes")

    assert done.exit_code == 0, done.output
    said = words(done.stdout)
    assert f"photo {record.photo}" in said
    assert "Model version 1, trained with the photo in the training run scones-1." in said
    assert "Backups of the results table" in said
    assert "Removed 4 traces" in words(done.stderr)
    assert versions(session) == 0


def test_forgetting_again_finds_nothing(terminal: Terminal, record: Record) -> None:
    terminal.type("forget", PHOTO, "--yes")

    again = terminal.type("forget", PHOTO)

    assert (again.exit_code, words(again.stdout)) == (0, f'Nothing found for "{record.photo}".')


def test_the_question_shows_no_controls(
    terminal: Terminal, record: Record, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scones_operator.photos.forget.MAX_EXECUTION_TIME", timedelta(seconds=-1))
    session.client("s3").put_object(Bucket="photos", Key="incoming/x\u202e.png", Body=b"x")
    asked = terminal.type("forget", "incoming/x\u202e.png")
    assert 'traces of "s3://photos/incoming/x\\u202e.png" for good?' in words(asked.stderr)
    assert shows(words(asked.stderr))


def test_a_dry_run_removes_nothing(terminal: Terminal, record: Record, session: Any) -> None:
    shown = terminal.type("--json", "forget", record.photo, "--dry-run")

    answer = json.loads(shown.stdout)
    assert (shown.exit_code, answer["dry_run"], answer["photo"]) == (0, True, record.photo)
    assert [trace["place"] for trace in answer["traces"]] == ["list", "list", "photo", "record"]
    assert answer["models"] == [{"run": "scones-1", "use": "trained", "version": 1}]
    assert versions(session) == 1
