"""`scones simulate` from the outside."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scones.records import Record
from scones_operator.captures import files as fetching
from scones_operator.cli.commands import simulate
from scones_operator.photos.sampling import Sample
from scones_operator.photos.simulation import SentPhoto, Simulation, SimulationPlan
from tests.unit.files_like_photos import JPEG
from tests.unit.operator.captures.files import line
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK
from tests.unit.results_table import decided


class Street:
    """Stands in for the drivers: their photos are decided, and captured, at once."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.samples: list[Sample] = []
        self.statuses: list[str | None] = []
        self.captured = True
        self.waited = 0
        self.interrupted = False

    def simulate(
        self, _session: Any, _stack: Any, plan: SimulationPlan, show: Callable[[SentPhoto], None]
    ) -> Simulation:
        self.samples = list(plan.photos)
        if self.interrupted:
            raise KeyboardInterrupt
        now = datetime.now(UTC)
        sent = []
        for number, sample in enumerate(self.samples):
            status = self.statuses[number] if self.statuses else "classified"
            one = SentPhoto(sample, f"simulated/s/{number}.png", number / plan.rate, f"v{number}")
            if status:
                one.record = Record(decided(f"{number}.png", status), now)
                one.seen_at = one.started_at + 0.5
            show(one)
            sent.append(one)
        if self.captured:
            self.capture(now, len(sent))
        return Simulation("s", sent, now, now, plan.rate)

    def capture(self, at: datetime, count: int, name: str = "id") -> None:
        key = f"captures/scones/AllTraffic/{at:%Y/%m/%d/%H/%M-%S}-000-{name}.jsonl"
        body = "\n".join(line(number, at) for number in range(count))
        self.session.client("s3").put_object(Bucket=STACK.data_bucket, Key=key, Body=body)

    def sleep(self, _: float) -> None:
        self.waited += 1


@pytest.fixture
def street(
    session: Any, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Street:
    street = Street(session)
    monkeypatch.setattr(simulate.simulation, "run_simulation", street.simulate)
    clock = SimpleNamespace(monotonic=lambda: float(street.waited), sleep=street.sleep)
    monkeypatch.setattr(simulate, "time", clock)
    monkeypatch.chdir(tmp_path)
    for name in ("bicycle/1.png", "motorcycle/2.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(JPEG + name.encode())
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)
    return street


def test_a_simulation(terminal: Terminal, street: Street, tmp_path: Path) -> None:
    result = terminal.type("simulate", "--count", "4", "--rate", "8", "--photos", "photos")
    assert result.exit_code == 0
    shown = words(result.stdout)
    assert "photos 4: 4 classified" in shown
    assert "labels 4 bicycle" in shown
    assert "accuracy 0.500" in shown
    assert "upload to record p50 500.0 ms, p95 500.0 ms" in shown
    assert "rate 8 per second, reached 8.00" in shown
    assert "captured 4 records" in shown
    assert "bicycle 0.750" in shown
    assert "--truth build/simulations/s/results.jsonl" in shown
    rows = (tmp_path / "build" / "simulations" / "s" / "results.jsonl").read_text().splitlines()
    assert {json.loads(row)["truth"] for row in rows} == {"bicycle", "motorcycle"}
    assert street.waited == 0


def test_a_seed_picks_the_same_photos(terminal: Terminal, street: Street) -> None:
    options = ("--json", "simulate", "--count", "7", "--photos", "photos")
    answer = json.loads(terminal.type(*options).stdout)
    picked = street.samples
    again = json.loads(terminal.type(*options, "--seed", str(answer["seed"])).stdout)
    assert street.samples == picked
    assert again["seed"] == answer["seed"]
    assert answer["photos"] == len(answer["records"]) == 7


@pytest.mark.parametrize("status", ["failed", None])
def test_a_photo_that_came_to_nothing(
    terminal: Terminal, street: Street, status: str | None
) -> None:
    street.statuses = ["classified", status]
    result = terminal.type("simulate", "--count", "2", "--photos", "photos")
    assert result.exit_code == 1
    assert f"1 classified, 1 {status or 'no record'}" in result.stdout


@pytest.mark.parametrize(("minimum", "exit_code"), [("0.5", 0), ("0.51", 1)])
def test_a_minimum_accuracy(
    terminal: Terminal, street: Street, minimum: str, exit_code: int
) -> None:
    options = ("--count", "4", "--photos", "photos", "--minimum-accuracy", minimum)
    result = terminal.type("simulate", *options)
    assert result.exit_code == exit_code
    assert "accuracy 0.500" in words(result.stdout)
    below = "accuracy 0.500 is below the minimum of 0.51"
    assert (below in words(result.stderr)) == bool(exit_code)


def test_an_unknown_accuracy_is_not_good_enough(terminal: Terminal, street: Street) -> None:
    street.statuses = ["rejected", "rejected"]
    options = ("--count", "2", "--photos", "photos", "--minimum-accuracy", "0")
    result = terminal.type("simulate", *options)
    assert result.exit_code == 1
    assert "the accuracy is unknown" in words(result.stderr)


def test_one_that_is_interrupted_says_where_its_photos_are(
    terminal: Terminal, street: Street
) -> None:
    street.interrupted = True
    result = terminal.type("simulate", "--count", "2", "--photos", "photos")
    assert result.exit_code == 130
    assert "in s3://photos/simulated/2" in words(result.stderr)


def test_captured_data_is_not_waited_for_for_ever(terminal: Terminal, street: Street) -> None:
    street.captured = False
    result = terminal.type(
        "simulate", "--count", "2", "--photos", "photos", "--capture-timeout", "3"
    )
    assert result.exit_code == 0
    assert "no records yet: scones captures" in result.stdout
    assert street.waited == 3


def test_each_file_of_captured_data_is_read_once(
    terminal: Terminal, street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.captured = False
    read: list[str] = []

    def read_files(session: Any, files: Any, *others: Any) -> Any:
        read.extend(file.key for file in files)
        return fetching.read_records(session, files, *others)

    clock = SimpleNamespace(
        monotonic=lambda: 0.0,
        sleep=lambda _: street.capture(datetime.now(UTC), 1, str(len(read))),
    )
    monkeypatch.setattr(simulate, "read_records", read_files)
    monkeypatch.setattr(simulate, "time", clock)
    options = ("--json", "--count", "3", "--photos", "photos", "--capture-timeout", "60")
    records = json.loads(terminal.type("simulate", *options).stdout)["records"]

    assert len(records) == 3
    assert len(read) == len(set(read)) == 3


def test_photos_of_the_dataset(
    terminal: Terminal, street: Street, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = replace(STACK, parameters={**STACK.parameters, "ValidationShare": "0.1"})
    monkeypatch.setattr("scones_operator.cli.context.Stack.read", lambda *_: stack)
    for key in ("train/bicycle/1", "train/motorcycle/1", "test/bicycle/2", "test/motorcycle/2"):
        session.client("s3").put_object(
            Bucket=STACK.data_bucket, Key=f"dataset/{key}.png", Body=key.encode()
        )
    assert terminal.type("simulate", "--count", "2").exit_code == 0
    assert {one.label for one in street.samples} == {"bicycle", "motorcycle"}
    assert all(one.path.name == "2.png" for one in street.samples)
    assert not any(one.path.exists() for one in street.samples)


def test_a_stack_without_a_dataset(
    terminal: Terminal, street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = replace(STACK, parameters={**STACK.parameters, "ValidationShare": "0.1"})
    monkeypatch.setattr("scones_operator.cli.context.Stack.read", lambda *_: stack)
    result = terminal.type("simulate", "--count", "2")
    assert result.exit_code == 1
    assert "or give your own photos with --photos" in words(result.stderr)


@pytest.mark.parametrize(
    "options",
    [["--count", "0"], ["--rate", "0"], ["--photos", "nowhere"], ["--capture-timeout", "-1"]],
)
def test_wrong_usage(terminal: Terminal, street: Street, options: list[str]) -> None:
    assert terminal.type("simulate", *options).exit_code == 2
    assert street.samples == []
