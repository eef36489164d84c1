import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scones_operator.cli import context
from scones_operator.console import server
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.reviewed import Office
from tests.unit.results_table import ALWAYS_REVIEWED, UNFAMILIAR


@pytest.fixture
def office(session: Any, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A stack with photos, at which the commands of `terminal` are at work."""
    office = Office(session)
    monkeypatch.setattr(context, "aws_session", lambda *_: office)
    monkeypatch.setattr(context.Stack, "read", lambda *_: office.stack)
    return office


def test_the_queue_is_listed_the_longest_waiting_first(office: Office, terminal: Terminal) -> None:
    office.arrive("new.png", 5)
    office.arrive("old.png", 1)
    result = terminal.type("review")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()[1:3]
    assert first.split()[-3:] == ["old.png", "bicycle", "0.610"]
    assert "new.png" in second
    assert (
        "scones label old.png CLASS (CLASS: bicycle, motorcycle), or scones console"
        in result.stdout
    )


def test_an_unfamiliar_photo_in_the_queue(office: Office, terminal: Terminal) -> None:
    office.arrive("tree.png", **UNFAMILIAR)
    row = terminal.type("review").stdout.splitlines()[1]
    assert row.split()[-5:] == ["tree.png", "bicycle", "0.990", "unfamiliar", "0.012"]
    (told,) = json.loads(terminal.type("review", "--json").stdout)["pending"]
    assert (told["familiarity"], told["familiarity_limit"]) == (0.012346, 0.05)
    assert told["reason"] == UNFAMILIAR["reason"]


def test_a_class_that_always_needs_review_in_the_queue(office: Office, terminal: Terminal) -> None:
    office.arrive("7.png", **ALWAYS_REVIEWED)
    row = terminal.type("review").stdout.splitlines()[1]
    assert row.split()[-4:] == ["7.png", "bicycle", "0.990", "always_reviewed"]


def test_the_queue_as_json(office: Office, terminal: Terminal) -> None:
    for number in range(2):
        office.arrive(f"{number}.png", number)
    told = json.loads(terminal.type("review", "--limit", "1", "--json").stdout)
    assert [item["photo"] for item in told["pending"]] == ["s3://photos/incoming/0.png"]
    assert told["pending"][0]["probabilities"] == {"bicycle": 0.61, "motorcycle": 0.39}
    assert told["more"] is True
    assert told["resumed"] == []


def test_versions_with_the_same_bytes_are_one_photo(office: Office, terminal: Terminal) -> None:
    records = [office.arrive(minutes=minutes) for minutes in (1, 2)]
    (told,) = json.loads(terminal.type("review", "--json").stdout)["pending"]
    assert told["version"] == records[0].version
    assert terminal.type("label", "a.png", "bicycle").exit_code == 0
    assert terminal.type("review").stdout == "No photos need review.\n"
    result = terminal.type("label", "a.png", "bicycle", "--version", records[1].version)
    assert result.exit_code == 1
    assert "another version with the same bytes" in words(result.stderr)
    assert terminal.type("label", "a.png", "--undo").exit_code == 0
    assert [office.again(record).review for record in records] == [None, None]


def test_versions_with_other_bytes_are_two_photos(office: Office, terminal: Terminal) -> None:
    office.arrive(minutes=1)
    office.arrive(minutes=2, body=b"others")
    assert len(json.loads(terminal.type("review", "--json").stdout)["pending"]) == 2
    result = terminal.type("label", "a.png", "bicycle")
    assert result.exit_code == 1
    assert "2 versions" in words(result.stderr)


def test_an_empty_queue(office: Office, terminal: Terminal) -> None:
    result = terminal.type("review")
    assert (result.exit_code, result.stdout) == (0, "No photos need review.\n")


def test_what_can_not_be_finished_is_told_and_another_exit_code(
    office: Office, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.arrive()
    office.lose_request("s3", "put_object")
    terminal.type("label", "a.png", "motorcycle")
    office.lose_request("s3", "put_object")
    monkeypatch.setattr("scones.reviews.review.RESUME_AFTER", timedelta(minutes=-1))

    result = terminal.type("review")

    assert result.exit_code == 1
    assert "is saved, but could not be finished" in words(result.stderr)


def test_what_somebody_left_unfinished_is_finished_and_told(
    office: Office, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.arrive()
    office.lose_request("s3", "put_object")
    left = terminal.type("label", "a.png", "motorcycle")
    assert left.exit_code == 3
    assert "is saved, but could not be finished" in words(left.stderr)
    office.mend()
    monkeypatch.setattr("scones.reviews.review.RESUME_AFTER", timedelta(minutes=-1))
    result = terminal.type("review")
    assert "finished an interrupted review" in words(result.stderr)
    assert len(office.dataset()) == 1


@pytest.mark.parametrize("named", ["a.png", "incoming/a.png", "s3://photos/incoming/a.png"])
def test_a_photo_is_labelled(office: Office, terminal: Terminal, named: str) -> None:
    record = office.arrive()
    result = terminal.type("label", named, "motorcycle")
    assert result.exit_code == 0
    assert "a.png is motorcycle, loading bay B." in result.stdout
    (key,) = office.dataset()
    assert f"filed s3://data/{key}" in words(result.stdout)
    kept = office.again(record).review
    assert kept is not None
    assert kept.by == "anna"


def test_what_is_not_a_vehicle_and_undo(office: Office, terminal: Terminal) -> None:
    record = office.arrive()
    result = terminal.type("label", "a.png", "--none", "--json")
    said = json.loads(result.stdout)["review"]
    assert said["outcome"] == "not_a_vehicle"
    assert office.dataset() == [said["dataset_key"]]
    result = terminal.type("label", "a.png", "--undo")
    assert result.exit_code == 0
    assert "needs review again (anna labeled it none of the classes at" in words(result.stdout)
    assert office.again(record).review is None


def test_where_a_photo_of_none_of_the_classes_is_filed(office: Office, terminal: Terminal) -> None:
    office.arrive()
    shown = words(terminal.type("label", "a.png", "--not-a-vehicle").stdout)
    (key,) = office.dataset()
    assert f"a.png shows none of the classes. filed s3://data/{key}" in shown


def test_a_photo_that_cannot_be_filed_leaves_the_queue(office: Office, terminal: Terminal) -> None:
    record = office.arrive(body=b"not a photo")
    result = terminal.type("label", "a.png", "--not-a-vehicle")
    assert result.exit_code == 0
    assert "cannot be read, so it is not filed" in words(result.stdout)
    assert office.queue_of(record) is None


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["a.png"], 2, "give one of CLASS, --none and --undo"),
        (["a.png", "bicycle", "--undo"], 2, "give one of CLASS"),
        (["a.png", "truck"], 1, "unknown class truck: choose one of bicycle, motorcycle"),
        (["a.png", "--undo"], 1, "has no review to undo"),
        (["b.png", "bicycle"], 1, "b.png"),
    ],
)
def test_label_used_wrongly(
    office: Office, terminal: Terminal, arguments: list[str], code: int, told: str
) -> None:
    office.arrive()
    result = terminal.type("label", *arguments)
    assert result.exit_code == code
    assert told in words(result.stderr)
    assert office.dataset() == []


def test_the_second_reviewer_is_refused(office: Office, terminal: Terminal) -> None:
    office.arrive()
    terminal.type("label", "a.png", "bicycle")
    result = terminal.type("label", "a.png", "motorcycle")
    assert result.exit_code == 1
    assert "anna labeled it bicycle at" in words(result.stderr)


def test_the_console_prints_its_link_and_opens_it(
    office: Office, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited: list[str] = []
    monkeypatch.setattr(
        "webbrowser.open", lambda url: visited.append(Path(url.removeprefix("file://")).read_text())
    )
    monkeypatch.setattr(server.ConsoleServer, "serve", lambda page, opened: opened())
    result = terminal.type("console", "--port", "0")
    assert result.exit_code == 0
    link = result.stdout.strip()
    assert link.startswith("http://127.0.0.1:")
    (page,) = visited
    assert link in page
    terminal.type("console", "--port", "0", "--no-open")
    assert len(visited) == 1


def test_a_console_on_a_port_that_is_in_use(office: Office, terminal: Terminal) -> None:
    page = server.ConsoleServer(lambda: None, office.stack, "anna", 0)  # type: ignore[arg-type,return-value]
    port = page.url.split(":")[2].split("/")[0]
    result = terminal.type("console", "--port", port)
    assert result.exit_code == 1
    assert f"port {port} cannot be used" in words(result.stderr)
