import sys
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from fastapi.testclient import TestClient
from PIL import Image

from scones.records import Record
from scones_operator.console import app
from scones_operator.console.app import ConsoleContext
from scones_operator.console.auth import AuthMiddleware
from scones_operator.console.clients import ClientCache
from scones_operator.console.updates import UpdateFeed
from scones_operator.errors import OperationError
from scones_operator.escaping import escape
from scones_operator.photos import decoding
from scones_operator.review import queue
from tests.unit.operator.console.conftest import HERE, PORT, TOKEN, follow_the_link, open_browser
from tests.unit.operator.reviewed import Office, refusal
from tests.unit.operator.step_functions import PROMOTE, StepFunctions, asked
from tests.unit.operator.test_escaping import ATTACKS, shows
from tests.unit.results_table import BROKEN, START, break_record, decided, key_of, put_record
from tests.unit.scones.photos.samples import HEIC


def which(record: Record) -> dict[str, str]:
    return {"photo": record.photo, "version": record.version}


def test_results_of_the_last_hours_come_the_latest_first(
    office: Office, browser: TestClient
) -> None:
    for minutes in (0, 1):
        put_record(
            office.table, office.stack.results_table, decided(f"{minutes}.png", "rejected", minutes)
        )
    found = browser.get("/api/results", params={"hours": 24 * 365}).json()
    assert [row["key"] for row in found["rows"]] == ["incoming/1.png", "incoming/0.png"]
    assert found["more"] is False
    assert browser.get("/api/results", params={"hours": 0.01}).json()["rows"] == []


def test_results_are_filtered_by_state_class_name_and_time(
    office: Office, browser: TestClient
) -> None:
    table, name = office.table, office.stack.results_table
    for minutes, (key, status) in enumerate(
        [("gate/a.png", "classified"), ("gate/b.png", "needs_review"), ("c.png", "needs_review")]
    ):
        put_record(table, name, decided(key, status, minutes))

    def keys(**filters: str) -> list[str]:
        found = browser.get("/api/results", params={"hours": 24 * 365, **filters}).json()
        assert (found["more"], found["searched_since"]) == (False, None)
        return [row["key"].removeprefix("incoming/") for row in found["rows"]]

    assert keys(state="waiting") == ["c.png", "gate/b.png"]
    assert keys(name="GATE") == ["gate/b.png", "gate/a.png"]
    assert keys(label="motorcycle") == []
    since, until = (f"{START + timedelta(minutes=minutes):%Y-%m-%dT%H:%MZ}" for minutes in (1, 2))
    assert keys(since=since, until=until) == ["gate/b.png"]


@pytest.mark.parametrize(
    ("name", "value"), [("state", "needs_review"), ("since", "2026-11-20T09:00"), ("until", "x")]
)
def test_an_invalid_filter_is_named(browser: TestClient, name: str, value: str) -> None:
    answer = browser.get("/api/results", params={name: value})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(f"{name}: ")


def test_periods_in_production_are_told_with_the_time_of_the_request(
    office: Office, browser: TestClient
) -> None:
    session: Any = office._session
    nothing = browser.get("/api/production").json()
    assert (nothing["endpoint"], nothing["periods"]) == (None, [])
    session.put_into_production(ModelPackageName=session.register("Approved"))
    found = browser.get("/api/production").json()
    assert (found["endpoint"], found["status"]) == ("scones", "InService")
    ((version, until),) = [(one["version"], one["until"]) for one in found["periods"]]
    assert (version, until) == (1, None)
    assert datetime.fromisoformat(found["read_at"]).tzinfo


@pytest.mark.parametrize("hours", ["0", "-1", "x", "nan"])
def test_a_period_that_is_none_is_refused_in_words(browser: TestClient, hours: str) -> None:
    answer = browser.get("/api/results", params={"hours": hours})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("hours: Input should be")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_others_wrote_is_shown_escaped(
    office: Office, browser: TestClient, attack: str
) -> None:
    name = attack.encode("utf-8", "replace").decode()
    put_record(office.table, office.stack.results_table, decided(name, "classified"))

    (row,) = browser.get("/api/results", params={"hours": 24 * 365}).json()["rows"]
    assert row["key"] == escape(f"incoming/{name}")
    for answer in (
        browser.post("/api/label", json={**photo_of(row), "label": "bicycle"}),
        browser.get("/api/photo", params={"photo": name, "version": name}),
    ):
        assert answer.status_code == 409
        assert shows(answer.json()["message"])


def photo_of(row: dict[str, str]) -> dict[str, str]:
    return {"photo": row["photo"], "version": row["version"]}


def test_names_of_reviewers_are_shown_escaped(office: Office, browser: TestClient) -> None:
    session: Any = office
    with office.used_by("ben\u202e"):
        queue.label(session, office.stack, office.arrive(), "bicycle")
    (row,) = browser.get("/api/results", params={"hours": 24 * 365}).json()["rows"]
    assert row["review"]["by"] == "ben\\u202e"


def test_a_label_and_its_undoing(office: Office, browser: TestClient) -> None:
    record = office.arrive()
    row = browser.post("/api/label", json={**which(record), "label": "motorcycle"}).json()
    assert row["review"]["label"] == "motorcycle"
    assert row["review"]["by"] == "anna"
    assert row["loading_bay"] == "B"
    assert office.dataset() == [row["review"]["dataset_key"]]
    undone = browser.post("/api/undo", json={**which(record), "review": row["review"]["id"]})
    assert undone.json()["review"] is None
    assert office.dataset() == []


def test_who_is_second_is_told_what_was_said(office: Office, browser: TestClient) -> None:
    record = office.arrive()
    session: Any = office
    with office.used_by("ben"):
        queue.label_as_none(session, office.stack, record)
    answer = browser.post("/api/label", json={**which(record), "label": "bicycle"})
    assert answer.status_code == 409
    assert answer.json()["kind"] == "already_reviewed"
    assert "ben labeled it none of the classes at " in answer.json()["message"]


def test_only_the_review_that_was_seen_is_undone(office: Office, browser: TestClient) -> None:
    record = office.arrive()
    browser.post("/api/label", json={**which(record), "label": "bicycle"})
    answer = browser.post("/api/undo", json={**which(record), "review": "an earlier one"})
    assert answer.status_code == 409
    assert "undone already; since then, anna labeled it bicycle" in answer.json()["message"]
    assert office.again(record).review is not None


def test_a_label_that_is_not_filed_yet_says_so_and_can_be_undone(
    office: Office, browser: TestClient
) -> None:
    record = office.arrive()
    office.lose_request("s3", "put_object")
    answer = browser.post("/api/label", json={**which(record), "label": "bicycle"})
    assert answer.status_code == 502
    told = answer.json()
    assert told["kind"] == "incomplete"
    undone = browser.post(
        "/api/undo", json={**which(record), "review": told["row"]["review"]["id"]}
    )
    assert undone.status_code == 200


def test_a_heic_photo_is_sent_as_jpeg(office: Office, browser: TestClient) -> None:
    record = office.arrive("a.heic", body=(HEIC / "turned.heic").read_bytes())
    answer = browser.get("/api/photo", params=which(record))
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(BytesIO(answer.content)).format == "JPEG"
    office.calls.clear()
    assert browser.get("/api/photo", params=which(record)).content == answer.content
    assert office.calls == [("s3", "get_paginator")]  # it is kept, if it is not deleted


def test_a_deleted_photo_is_not_shown_by_its_version(office: Office, browser: TestClient) -> None:
    seen, unseen = office.arrive("seen.png"), office.arrive("unseen.png")
    assert browser.get("/api/photo", params=which(seen)).status_code == 200
    for record in (seen, unseen):
        office.s3.delete_object(Bucket="photos", Key=record.decision.photo.key)

    for record in (seen, unseen):
        answer = browser.get("/api/photo", params=which(record))
        assert answer.status_code == 409
        assert "deleted" in answer.json()["message"]


def test_a_photo_that_crashes_its_decoder_is_not_shown_and_others_are(
    office: Office, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = office.arrive("a.heic", body=(HEIC / "turned.heic").read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "COMMAND", (sys.executable, "-c", "import os; os.abort()"))
        answer = browser.get("/api/photo", params=which(record))
    assert answer.status_code == 409
    assert "the photo cannot be shown: its decoder crashed (SIGABRT)" in answer.json()["message"]
    assert browser.get("/api/photo", params=which(record)).status_code == 200


def test_only_photos_with_a_record_are_shown(office: Office, browser: TestClient) -> None:
    office.s3.put_object(Bucket="data", Key="secret.png", Body=b"x")
    answer = browser.get("/api/photo", params={"photo": "s3://data/secret.png", "version": "1"})
    assert answer.status_code == 409
    assert 'there is no record of "s3://data/secret.png"' in answer.json()["message"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refusal("ThrottlingException"), "request throttled"),
        (refusal("ExpiredTokenException"), "AWS rejected your credentials"),
        (NoCredentialsError(), "no credentials"),
    ],
)
def test_what_aws_refuses_is_said_in_words(
    office: Office, browser: TestClient, error: Exception, told: str
) -> None:
    def fail() -> None:
        raise error

    office.before["dynamodb", "get_paginator"] = fail
    answer = browser.get("/api/results")
    assert answer.status_code == 502
    assert told in answer.json()["message"]
    office.mend()
    assert browser.get("/api/results").status_code == 200


@pytest.mark.parametrize(("code", "connections"), [("ExpiredToken", 2), ("SlowDown", 1)])
def test_credentials_that_are_not_taken_are_read_anew(
    office: Office, code: str, connections: int
) -> None:
    made: list[Office] = []
    client = open_browser(lambda: made.append(office) or office)
    follow_the_link(client)

    def fail() -> None:
        raise refusal(code)

    office.before["dynamodb", "get_paginator"] = fail
    client.get("/api/results")
    office.mend()
    assert client.get("/api/results").status_code == 200
    assert len(made) == connections


def test_models_and_the_question(
    office: Office, session: Any, machines: StepFunctions, browser: TestClient
) -> None:
    session.put_into_production(ModelPackageName=session.register("Approved", accuracy="0.91"))
    pending = session.register(accuracy="0.95", threshold="none")
    machines.waiting.add("token")
    machines.run(PROMOTE, {"detail": {}}, [asked("token", 2)])
    found = browser.get("/api/models").json()
    assert [(item["number"], item["in_production"]) for item in found["versions"]] == [
        (2, False),
        (1, True),
    ]
    assert found["versions"][0]["threshold"] is None
    assert found["promotions"][0]["approval_request"]["version"] == 2
    assert "token" not in str(found["promotions"])
    answer = browser.post("/api/models/2/promotion", json={"approved": False, "comment": "no"})
    assert answer.json() == {"message": "Version 2 is not promoted."}
    assert machines.answers == [("token", {"approved": False, "by": "anna", "comment": "no"})]
    assert browser.post("/api/models/2/reject", json={"comment": "no"}).status_code == 200
    assert session.status(pending) == "Rejected"
    again = browser.post("/api/models/2/reject", json={})
    assert again.status_code == 409
    assert again.json()["message"] == "version 2 is already rejected"


def test_a_comment_that_is_too_long_is_refused(browser: TestClient) -> None:
    answer = browser.post("/api/models/1/reject", json={"comment": "x" * 1025})
    assert answer.status_code == 422
    assert "comment: String should have at most 1024 characters" in answer.json()["message"]


def test_results_that_can_not_be_read_are_named(office: Office, browser: TestClient) -> None:
    for minutes, name in enumerate(("a.png", "b.png")):
        put_record(office.table, office.stack.results_table, decided(name, "rejected", minutes))
    break_record(
        office.table, office.stack.results_table, key_of("b.png"), BROKEN["a later version"]
    )

    found = browser.get("/api/results", params={"hours": 24 * 365}).json()

    assert [row["key"] for row in found["rows"]] == ["incoming/a.png"]
    assert '1 record is skipped: the record of "s3://photos/incoming/b.png"' in found["skipped"]


def test_the_stream_of_news_survives_what_nobody_expected(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = office
    room = ConsoleContext(ClientCache(lambda: session), office.stack, "anna")
    errors: list[Exception] = [
        ZeroDivisionError("of the test"),
        OperationError("the table is gone"),
    ]

    def look(watch: UpdateFeed) -> None:
        if errors:
            raise errors.pop(0)
        watch.skipped = "1 record is skipped"
        room.stopping.set()

    monkeypatch.setattr(UpdateFeed, "poll", look)
    monkeypatch.setattr(app, "POLL_SECONDS", 0.01)
    client = TestClient(AuthMiddleware(app.create_app(room), TOKEN, PORT), base_url=HERE)
    follow_the_link(client)

    told = client.get("/api/updates").text

    events = [line.removeprefix("event: ") for line in told.splitlines() if "event" in line]
    assert events == ["error", "error", "update", "skipped"]
    assert "unexpected error: ZeroDivisionError('of the test')" in told
    assert "the table is gone" in told
