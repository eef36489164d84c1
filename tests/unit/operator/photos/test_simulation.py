import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.photos import simulation
from scones_operator.photos.sampling import Sample
from scones_operator.photos.simulation import (
    Clock,
    SentPhoto,
    SimulationPlan,
    run_simulation,
    summarize,
    write_results,
)
from scones_operator.photos.upload_results import (
    ANNOUNCEMENT_TIMEOUT_SECONDS,
    DECISION_TIMEOUT_SECONDS,
)
from scones_operator.report.ground_truth import read_ground_truth
from tests.unit.files_like_photos import JPEG
from tests.unit.operator.deployed import STACK
from tests.unit.results_table import UNFAMILIAR, create_table, decided, put_record


class Application:
    """Decides what lies in the bucket some seconds after it came; time passes when one waits."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.now = 1000.0
        self.matches = 0.5
        self.announces = True
        self.decides: Callable[[str], dict[str, Any] | None] = lambda _: {}
        self.sent_at: dict[str, float] = {}
        self.decided: set[str] = set()
        self.clock = Clock(lambda: self.now, self.wait)
        self.s3, self.dynamodb = session.client("s3"), session.client("dynamodb")
        create_table(self.dynamodb, STACK.results_table)
        self.s3.create_bucket(Bucket=STACK.photos_bucket)
        self.s3.put_bucket_versioning(
            Bucket=STACK.photos_bucket, VersioningConfiguration={"Status": "Enabled"}
        )

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        listed = self.s3.list_object_versions(Bucket=STACK.photos_bucket)
        versions = {found["Key"]: found["VersionId"] for found in listed.get("Versions", [])}
        for key in versions:
            self.sent_at.setdefault(key, self.now)
        self.now += seconds
        for key in versions.keys() - self.decided:
            if self.now >= self.sent_at[key] + self.matches:
                self.decided.add(key)
                self.decide(key, versions[key])

    def decide(self, key: str, version: str) -> None:
        changes = self.decides(key)
        if changes is None:
            return
        photo = {"bucket": STACK.photos_bucket, "key": key, "version_id": version}
        event = decided(**{"photo": {**photo, "etag": "e", "size": 1}, **changes})
        put_record(self.dynamodb, STACK.results_table, event)
        if not self.announces:
            self.dynamodb.update_item(
                TableName=STACK.results_table,
                Key={"photo": {"S": f"s3://{photo['bucket']}/{key}"}, "version": {"S": version}},
                UpdateExpression="REMOVE announced_at",
            )


class AtOnce:
    """Does what it is given at once, where a pool of threads does it meanwhile."""

    def __init__(self, _: int) -> None:
        pass

    def submit(self, do: Callable[[SentPhoto], SentPhoto], one: SentPhoto) -> "Future[SentPhoto]":
        future: Future[SentPhoto] = Future()
        try:
            future.set_result(do(one))
        except ClientError as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_: bool) -> None:
        pass


@pytest.fixture
def application(session: Any, monkeypatch: pytest.MonkeyPatch) -> Application:
    monkeypatch.setattr(simulation, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(simulation, "POLL_SECONDS", 0.2)
    return Application(session)


@pytest.fixture
def photos(tmp_path: Path) -> list[Sample]:
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        path.write_bytes(JPEG + b"photo")
        found.append(Sample(path, "bicycle" if number % 2 else "motorcycle"))
    return found


def run(
    application: Application,
    photos: list[Sample],
    rate: float = 4,
    show: Callable[[SentPhoto], None] = lambda _: None,
) -> simulation.Simulation:
    plan = SimulationPlan(photos, rate)
    return run_simulation(application.session, STACK, plan, show, application.clock)


def test_photos_are_sent_at_a_steady_rate(application: Application, photos: list[Sample]) -> None:
    done = run(application, photos)
    begun = done.sent[0].started_at
    assert [one.started_at - begun for one in done.sent] == pytest.approx(
        [0, 0.25, 0.5, 0.75, 1, 1.25]
    )
    assert done.achieved_rate == pytest.approx(4)


def test_a_slow_upload_does_not_delay_those_behind_it(
    application: Application, photos: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = application.s3.put_object

    def put_slowly(**options: Any) -> Any:
        application.now += 0.3 if "00001" in options["Key"] else 0
        return put(**options)

    monkeypatch.setattr(application.s3, "put_object", put_slowly)
    done = run(application, photos)
    begun = done.sent[0].started_at
    assert [one.started_at - begun for one in done.sent] == pytest.approx(
        [0, 0.25, 0.55, 0.75, 1, 1.25]
    )


def test_photos_go_to_a_folder_of_the_simulations_own(
    application: Application, photos: list[Sample]
) -> None:
    first, second = run(application, photos[:2]), run(application, photos[:2])
    assert [one.key for one in first.sent] == [
        f"simulated/{first.name}/00000-0.png",
        f"simulated/{first.name}/00001-1.png",
    ]
    assert first.name != second.name
    stored = application.s3.get_object(Bucket=STACK.photos_bucket, Key=first.sent[0].key)
    assert (stored["ContentType"], stored["Body"].read()) == (
        "image/png",
        JPEG + b"photo",
    )


def test_each_photo_is_shown_when_it_is_decided(
    application: Application, photos: list[Sample]
) -> None:
    shown: list[SentPhoto] = []
    done = run(application, photos, show=shown.append)
    assert sorted(one.key for one in shown) == [one.key for one in done.sent]
    assert all(one.status == "classified" for one in shown)
    assert all(499.9 < (one.latency_ms or 0) < 700.1 for one in done.sent)


def test_more_photos_than_the_table_gives_at_once(
    application: Application, photos: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "BATCH_SIZE", 4)
    done = run(application, photos, rate=10_000)
    assert {one.status for one in done.sent} == {"classified"}
    assert len({one.seen_at for one in done.sent}) == 1


def test_a_photo_that_nobody_decides_is_not_waited_for_for_ever(
    application: Application, photos: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "POLL_SECONDS", 20.0)
    application.decides = lambda key: None if "00001" in key else {}
    begun = application.now
    done = run(application, photos[:3], rate=100)
    assert [one.status for one in done.sent] == ["classified", None, "classified"]
    assert done.sent[1].latency_ms is None
    waited = application.now - begun
    assert DECISION_TIMEOUT_SECONDS < waited < DECISION_TIMEOUT_SECONDS + 60


def test_a_decision_that_is_not_announced_in_time(
    application: Application, photos: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "POLL_SECONDS", 5.0)
    application.announces = False
    begun = application.now
    (one,) = run(application, photos[:1]).sent
    assert one.record is not None
    assert not one.record.announced
    assert one.latency_ms == 5_000
    assert application.now - begun > ANNOUNCEMENT_TIMEOUT_SECONDS


def test_an_upload_that_is_refused_ends_the_simulation(
    application: Application, photos: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")

    monkeypatch.setattr(application.s3, "put_object", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        run(application, photos)


def test_figures_and_results_that_a_report_can_use(
    application: Application,
    photos: list[Sample],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulation, "DECISION_TIMEOUT_SECONDS", 2.0)
    outcomes: dict[str, dict[str, Any] | None] = {
        "00000": {},
        "00001": {},
        "00002": {"status": "needs_review", **UNFAMILIAR},
        "00003": {"status": "rejected"},
        "00004": None,
    }
    application.decides = lambda key: outcomes[key.rpartition("/")[2][:5]]
    done = run(application, photos[:5], rate=100)
    summary = summarize(done, seed=7, captured=3)
    assert summary["statuses"] == {
        "classified": 2,
        "needs_review": 1,
        "rejected": 1,
        "no record": 1,
    }
    assert summary["unfamiliar"] == 1
    assert summary["labels"] == {"bicycle": 3}
    assert (summary["photos"], summary["seed"], summary["captured"]) == (5, 7, 3)
    assert summary["accuracy"] == 0.3333
    assert summary["accepted_accuracy"] == 0.5
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert done.prediction_count == 3

    results = write_results(done, summary, tmp_path)
    assert results == tmp_path / done.name / "results.jsonl"
    assert json.loads((results.parent / "summary.json").read_text()) == summary
    rows = [json.loads(text) for text in results.read_text().splitlines()]
    assert [row["truth"] for row in rows] == ["motorcycle", "bicycle"] * 2 + ["motorcycle"]
    assert [row["status"] for row in rows][-2:] == ["rejected", None]
    truth = read_ground_truth(results)
    assert truth.label("photos", "k", done.sent[1].version) == "bicycle"
    assert truth.label("photos", done.sent[4].key, "any") == "motorcycle"


def test_one_photo_has_no_rate(application: Application, photos: list[Sample]) -> None:
    done = run(application, photos[:1])
    assert done.achieved_rate is None
    assert summarize(done, 1, 0)["rate_reached"] is None
