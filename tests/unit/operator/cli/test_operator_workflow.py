"""The commands about photos from the outside: what they do, what they show, their exit codes."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scones_operator.cli import context
from scones_operator.photos import results as operations
from tests.unit.files_like_photos import JPEG
from tests.unit.operator.classify_logs import create_group, write_log
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK
from tests.unit.operator.step_functions import RETRAIN, StepFunctions
from tests.unit.results_table import (
    ALWAYS_REVIEWED,
    BROKEN,
    START,
    UNFAMILIAR,
    break_record,
    create_table,
    decided,
    key_of,
    put_record,
)

KEY = "incoming/gate/7.png"


@pytest.fixture
def table(session: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the results table, beside the photos bucket, the queue and the log."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("scones_operator.photos.dead_letter_queue.LONG_POLL_SECONDS", 0)
    create_table(session.client("dynamodb"), STACK.results_table)
    create_group(session)
    session.client("sqs").create_queue(QueueName=STACK.dead_letter_queue.rpartition("/")[2])
    client = session.client("s3")
    client.create_bucket(Bucket=STACK.photos_bucket)
    enabled = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=STACK.photos_bucket, VersioningConfiguration=enabled)
    return session.client("dynamodb")


@pytest.fixture
def put(table: Any) -> Callable[..., None]:
    def run(
        name: str,
        status: str = "classified",
        minutes: float = 0,
        changes: dict[str, Any] | None = None,
        **more: str,
    ) -> None:
        event = decided(name, status, minutes, **(changes or {}))
        put_record(table, STACK.results_table, event, **more)

    return run


# ---- upload


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    folder = tmp_path / "gate"
    folder.mkdir()
    for name in ("1.png", "2.png"):
        (folder / name).write_bytes(JPEG + name.encode())
    return folder


def test_upload(terminal: Terminal, session: Any, table: Any, gate: Path) -> None:
    result = terminal.type("upload", str(gate), "--prefix", "north")
    assert result.exit_code == 0
    stored = session.client("s3").list_object_versions(Bucket=STACK.photos_bucket)["Versions"]
    lines = sorted(line.split() for line in result.stdout.splitlines())
    assert lines == [[item["Key"], item["VersionId"]] for item in stored]
    assert [item["Key"] for item in stored] == [f"incoming/north/gate/{n}.png" for n in (1, 2)]
    assert "2 photos uploaded to photos" in result.stderr


def test_upload_as_json(terminal: Terminal, table: Any, gate: Path) -> None:
    result = terminal.type("upload", str(gate / "1.png"), "--json")
    (row,) = map(json.loads, result.stdout.splitlines())
    assert row == {
        "path": str(gate / "1.png"),
        "key": "incoming/1.png",
        "version": row["version"],
    }


@pytest.mark.parametrize("name", ["missing.png", "empty"])
def test_upload_of_nothing(terminal: Terminal, table: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    result = terminal.type("upload", str(tmp_path / name))
    assert result.exit_code == 2
    assert name in words(result.stderr)


@pytest.fixture
def machine(session: Any, table: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Decide photos as they are uploaded; gives how they end, by their names, to be changed."""
    ends: dict[str, str] = {}
    put_object = session.client("s3").put_object

    def put(**given: Any) -> Any:
        answer = put_object(**given)
        name = given["Key"].rpartition("/")[2]
        end = ends.get(name, "classified")
        event = decided(name, "classified" if end == "lost" else end)
        photo = event.photo.model_copy(
            update={"key": given["Key"], "version_id": answer["VersionId"]}
        )
        if end != "lost":
            put_record(table, STACK.results_table, event.model_copy(update={"photo": photo}))
        return answer

    monkeypatch.setattr(session.client("s3"), "put_object", put)
    return ends


def test_upload_that_waits(terminal: Terminal, machine: dict[str, str], gate: Path) -> None:
    machine["2.png"] = "rejected"
    result = terminal.type("upload", str(gate), "--wait")
    assert result.exit_code == 0
    assert sorted(re.sub(" +", " ", line) for line in result.stdout.splitlines()) == [
        "classified bicycle 0.99, bay A gate/1.png",
        "rejected corrupt gate/2.png",
    ]


def test_upload_that_waits_as_json(terminal: Terminal, machine: dict[str, str], gate: Path) -> None:
    result = terminal.type("upload", str(gate / "1.png"), "--wait", "--json")
    (row,) = map(json.loads, result.stdout.splitlines())
    result = row["result"]
    assert (result["status"], result["label"]) == ("classified", "bicycle")
    assert result["announced_at"] == "2026-11-20T09:00:00+00:00"
    assert (row["key"], row["version"]) == ("incoming/1.png", result["photo"]["version_id"])
    assert row["latency_ms"] > 0


def test_upload_of_a_photo_that_fails(
    terminal: Terminal, machine: dict[str, str], gate: Path
) -> None:
    machine["2.png"] = "failed"
    result = terminal.type("upload", str(gate), "--wait")
    assert result.exit_code == 1
    assert "2 photos: 1 classified, 1 failed." in result.stderr
    assert "scones show gate/2.png" in words(result.stderr)


def test_upload_of_a_photo_that_vanishes(
    terminal: Terminal, machine: dict[str, str], gate: Path
) -> None:
    machine["1.png"] = "lost"
    result = terminal.type("upload", str(gate), "--wait", "--timeout", "1")
    assert result.exit_code == 1
    assert "no record none in 1 s" in words(result.stdout)
    assert "2 photos: 1 classified, 1 no record." in words(result.stderr)
    assert "scones executions classify" in words(result.stderr)
    assert "scones redrive --unrecorded" in words(result.stderr)


# ---- results

REVIEW = '{"id": "1", "outcome": "%s", "label": %s, "by": "anna", "at": "2026-11-20T10:00:00Z"}'


def test_results(terminal: Terminal, put: Callable[..., None]) -> None:
    put("gate/1.png")
    put("gate/2.png", "rejected", 1)
    put("3.png", "needs_review", 2, review=REVIEW % ("labelled", '"motorcycle"'))
    put("4.png", "needs_review", 3, review=REVIEW % ("not_a_vehicle", "null"))
    result = terminal.type("results")
    assert result.exit_code == 0
    assert [re.split("  +", line)[1:] for line in result.stdout.splitlines()] == [
        ["status", "label", "conf.", "bay", "reason or review", "photo"],
        ["needs review", "bicycle", "0.61", "-", "anna: none of the classes", "4.png"],
        ["needs review", "bicycle", "0.61", "B", "anna: motorcycle", "3.png"],
        ["rejected", "-", "-", "-", "corrupt", "gate/2.png"],
        ["classified", "bicycle", "0.99", "A", "gate/1.png"],
    ]


def test_a_record_that_can_not_be_read_does_not_hide_the_others(
    terminal: Terminal, put: Callable[..., None], table: Any
) -> None:
    put("a.png", "failed")
    put("b.png", "failed", 1)
    break_record(table, STACK.results_table, key_of("b.png"), BROKEN["a later version"])

    for command in (["results"], ["redrive", "--failed", "--dry-run"]):
        result = terminal.type(*command)
        assert result.exit_code == 0
        assert "a.png" in result.stdout
        assert "b.png" not in result.stdout
        assert '1 record is skipped: the record of "s3://photos/incoming/b.png"' in result.stderr
    told = json.loads(terminal.type("--json", "results").stdout)
    assert (len(told["results"]), told["skipped"]) == (1, 1)
    shown = terminal.type("show", "a.png")
    assert shown.exit_code == 0


def test_results_say_that_there_are_more(terminal: Terminal, put: Callable[..., None]) -> None:
    for minute in range(3):
        put(f"{minute}.png", "classified", minute)
    two, three = (terminal.type("results", "--limit", str(limit)) for limit in (2, 3))
    assert "These are the latest 2. For more: --limit 4, or --since." in two.stderr
    assert "There are more" not in three.stderr
    assert json.loads(terminal.type("results", "--limit", "2", "--json").stdout)["more"] is True


def test_a_review_of_another_version_is_shown_as_such(
    terminal: Terminal, put: Callable[..., None]
) -> None:
    review = REVIEW % ("labelled", '"motorcycle"')
    put("7.png", "needs_review", review=f'{review[:-1]}, "reviewed_version": "v1"}}')

    (row,) = terminal.type("results").stdout.splitlines()[1:]
    assert re.search(r"anna: motorcycle \(same bytes, 2026-11-2\d \d\d:\d\d:\d\d\)", row)
    told = json.loads(terminal.type("--json", "results").stdout)["results"][0]
    assert told["review"]["reviewed_version"] == "v1"
    shown = terminal.type("show", "7.png").stdout
    assert re.search(r"reviewed version +v1", shown)
    assert "(another" in shown


def test_results_name_unfamiliar_photos(terminal: Terminal, put: Callable[..., None]) -> None:
    put("tree.png", "needs_review", 0, UNFAMILIAR)
    put("selfie.png", "needs_review", 1, UNFAMILIAR, review=REVIEW % ("not_a_vehicle", "null"))
    reviewed, waiting = terminal.type("results").stdout.splitlines()[1:]
    assert "anna: none of the classes" in reviewed
    assert re.split("  +", waiting)[1:] == [
        *("needs review", "bicycle", "0.99", "-", "unfamiliar 0.012", "tree.png")
    ]
    told = json.loads(terminal.type("results", "--json").stdout)["results"][1]
    assert (told["familiarity"], told["familiarity_limit"]) == (0.012346, 0.05)
    assert told["reason"]["code"] == "unfamiliar"


def test_results_name_classes_that_always_need_review(
    terminal: Terminal, put: Callable[..., None]
) -> None:
    put("7.png", "needs_review", 0, ALWAYS_REVIEWED)
    (waiting,) = terminal.type("results").stdout.splitlines()[1:]
    assert re.split("  +", waiting)[1:] == [
        *("needs review", "bicycle", "0.99", "-", "always_reviewed", "7.png")
    ]
    assert "needs review: bicycle 0.99, always_reviewed" in terminal.type("show", "7.png").stdout


def test_results_that_are_chosen(terminal: Terminal, put: Callable[..., None]) -> None:
    put("1.png")
    put("2.png", "rejected", 1)
    put("3.png", "failed", 2)

    def names(*chosen: str) -> list[str]:
        answer = json.loads(terminal.type("results", "--json", *chosen).stdout)
        return [result["photo"]["key"].removeprefix("incoming/") for result in answer["results"]]

    assert names("--status", "failed", "--status", "classified") == ["3.png", "1.png"]
    assert names("--since", "2026-11-20T09:01:00Z") == ["3.png", "2.png"]
    assert names("--limit", "1") == ["3.png"]
    assert names("--label", "bicycle") == ["1.png"]
    assert "classes are bicycle, motorcycle" in terminal.type("results", "--label", "van").stdout
    assert terminal.type("results", "--status", "lost").exit_code == 2
    assert terminal.type("results", "--since", "yesterday").exit_code == 2


def test_results_that_are_followed(
    terminal: Terminal, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    arriving = [("b.png", "failed", 1), ("c.png", "classified", 1)]

    def sleep(_: float) -> None:
        if not arriving:
            raise KeyboardInterrupt
        put(*arriving.pop(0))

    monkeypatch.setattr(operations, "time", SimpleNamespace(sleep=sleep))
    put("a.png")
    result = terminal.type("results", "--follow", "--json")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["photo"]["key"] for row in rows] == [f"incoming/{name}.png" for name in "abc"]
    assert [row["status"] for row in rows] == ["classified", "failed", "classified"]


# ---- show


def test_show(terminal: Terminal, put: Callable[..., None], session: Any) -> None:
    put("gate/7.png", "needs_review", review=REVIEW % ("labelled", '"motorcycle"'))
    session.client("s3").put_object(Bucket=STACK.photos_bucket, Key=KEY, Body=b"another")
    newer = terminal.type("show", "7.png")
    assert newer.exit_code == 0
    assert "No result yet" in newer.stdout
    assert "scones redrive --queue --dry-run" in words(newer.stdout)
    assert "other versions" in newer.stdout
    result = terminal.type("show", "gate/7.png", "--version", "version-of")
    assert result.exit_code == 0
    assert "needs review: bicycle 0.61" in result.stdout
    bars = re.findall(r"(bicycle|motorcycle) +(0\.\d+) +(█+)", result.stdout)
    assert [(name, share, len(bar)) for name, share, bar in bars] == [
        ("bicycle", "0.6100", 15),
        ("motorcycle", "0.3900", 9),
    ]
    assert "anna: motorcycle" in result.stdout
    assert re.search(r"serialize +- +400 ms", result.stdout)
    assert re.search(r"reviewed by anna: motorcycle +2026-11-20", result.stdout)
    assert max(map(len, result.stdout.splitlines())) <= 80 + len(decided().execution)


def test_show_of_an_unfamiliar_photo(terminal: Terminal, put: Callable[..., None]) -> None:
    put("tree.png", "needs_review", 0, UNFAMILIAR)
    result = terminal.type("show", "tree.png")
    assert result.exit_code == 0
    assert "needs review: bicycle 0.99, unfamiliar 0.012" in result.stdout
    assert re.search(r"familiarity +0\.012346, limit 0\.05", result.stdout)
    assert re.search(r"reason +the photo does not resemble the training photos", result.stdout)


def test_show_of_a_photo_that_failed(
    terminal: Terminal, put: Callable[..., None], session: Any
) -> None:
    # CloudWatch Logs takes no events of long ago.
    now = datetime.now(UTC).replace(microsecond=0)
    put("gate/7.png", "failed", minutes=(now - START) / timedelta(minutes=1))
    busy = {"error": "EndpointBusy", "cause": "try later"}
    write_log(
        session,
        decided().execution,
        now - timedelta(seconds=1),
        ("TaskStateEntered", 0.5, {"name": "Classify"}),
        *(("TaskFailed", 0.5, busy) for _ in range(3)),
        ("TaskStateExited", 0.75, {"name": "Classify"}),
    )
    result = terminal.type("show", f"s3://photos/{KEY}")
    assert "EndpointBusy (3 times)" in words(result.stdout)
    assert "gate/7.png is damaged" in result.stdout
    assert "scones redrive --failed" in result.stdout
    record = json.loads(terminal.type("show", "7.png", "--json").stdout)
    (step,) = (step for step in record["steps"] if step["step"] == "classify")
    assert (step["ms"], step["failures"]) == (250, ["EndpointBusy"] * 3)
    assert record["result"]["status"] == "failed"
    assert record["other_versions"] == []


def test_show_of_what_is_not_looked_at(terminal: Terminal, table: Any, session: Any) -> None:
    client = session.client("s3")
    client.put_object(Bucket=STACK.photos_bucket, Key="elsewhere/1.png", Body=b"x")
    client.put_object(Bucket=STACK.photos_bucket, Key="incoming/empty.png", Body=b"")
    assert (
        "It is not classified: only uploads to incoming/ are."
        in terminal.type("show", "elsewhere/1.png").stdout
    )
    assert "It is not classified, because it is empty." in terminal.type("show", "empty.png").stdout
    missing = terminal.type("show", "missing.png")
    assert missing.exit_code == 1
    assert 'there is no photo "missing.png"' in missing.stderr


# ---- executions


def test_executions(
    terminal: Terminal, machines: StepFunctions, session: Any, put: Callable[..., None]
) -> None:
    now = datetime.now(UTC)
    message = "m" * 200
    output = json.dumps({"outcome": "not_good_enough", "message": message})
    execution = machines.run(RETRAIN, {}, [[]], status="SUCCEEDED", output=output)
    execution.chunks, execution.started_at = [], now - timedelta(hours=1)
    execution.end["stopDate"] = now - timedelta(minutes=55)
    ends = [("ExecutionStarted", 0.0, {}), ("ExecutionFailed", 1.5, {"error": "States.Timeout"})]
    write_log(session, "arn:express:1", now - timedelta(minutes=1), *ends)
    result = terminal.type("executions")
    assert result.exit_code == 0
    classify, retrain = (re.split("  +", line) for line in result.stdout.splitlines()[1:])
    assert (classify[0], *classify[2:]) == ("classify", "1.5 s", "failed", "States.Timeout")
    assert (retrain[0], *retrain[2:4]) == ("retrain", "5 min 0 s", "not good enough")
    assert len(retrain[4]) == 120
    (told,) = json.loads(terminal.type("executions", "retrain", "--json").stdout)["executions"]
    assert (told["outcome"], told["seconds"], told["message"]) == ("not_good_enough", 300, message)
    nothing = terminal.type("executions", "promote", "--since", "2h")
    assert "No executions of promote found" in nothing.stdout
    assert terminal.type("executions", "evaluate").exit_code == 2


# ---- redrive


@pytest.fixture
def fails(machines: StepFunctions, put: Callable[..., None]) -> set[str]:
    """Have the machine decide photos anew; gives the names of those that fail again."""
    again: set[str] = set()

    def run(event: Any) -> dict[str, str]:
        name = event["detail"]["object"]["key"].removeprefix("incoming/")
        if name in again:
            return {"status": "FAILED", "error": "EndpointMissing"}
        put(name)
        return {"status": "SUCCEEDED"}

    machines.express = run
    return again


def send(session: Any, body: str) -> None:
    session.client("sqs").send_message(QueueUrl=STACK.dead_letter_queue, MessageBody=body)


def test_redrive(
    terminal: Terminal, session: Any, put: Callable[..., None], fails: set[str]
) -> None:
    assert "There is nothing to redrive" in terminal.type("redrive").stderr
    put("1.png", "failed")
    put("2.png", "failed", 1)
    send(session, "garbage")
    fails.add("2.png")
    plan = terminal.type("redrive", "--dry-run")
    assert plan.exit_code == 0
    assert "1 messages in the queue, 2 other photos" in plan.stderr
    assert "classify        incoming/1.png" in plan.stdout
    result = terminal.type("redrive")
    assert result.exit_code == 1
    assert "classified      incoming/1.png  bicycle 0.99" in result.stdout
    assert "failed          incoming/2.png  EndpointMissing" in result.stdout
    assert "its message stays in the queue" in result.stdout
    said = result.stderr.strip().split(", ")
    assert sorted(said) == ["1 classified", "1 failed", "1 not understood"]


def test_redrive_of_failed_photos_alone(
    terminal: Terminal, session: Any, put: Callable[..., None], fails: set[str]
) -> None:
    put("1.png", "failed")
    put("2.png", "failed", 1)
    send(session, "garbage")
    result = terminal.type("redrive", "--failed", "--limit", "1", "--json")
    assert result.exit_code == 0
    (row,) = map(json.loads, result.stdout.splitlines())
    assert row == {
        "state_machine": "classify",
        "title": "incoming/2.png",
        "error": None,
        "messages": [],
        "status": "classified",
        "message": "bicycle 0.99",
    }


def test_redrive_of_the_queue_alone(
    terminal: Terminal, session: Any, put: Callable[..., None], fails: set[str]
) -> None:
    put("1.png", "failed")
    send(session, "garbage")
    result = terminal.type("redrive", "--queue", "--json")
    assert result.exit_code == 1
    (row,) = map(json.loads, result.stdout.splitlines())
    assert (row["status"], row["bodies"]) == ("not_understood", ["garbage"])


def test_a_photo_in_the_queue_is_not_tried_twice(
    terminal: Terminal, session: Any, put: Callable[..., None], fails: set[str]
) -> None:
    put("1.png", "failed")
    fails.add("1.png")
    plan = terminal.type("redrive", "--failed", "--dry-run", "--json").stdout
    assert json.loads(plan)["title"] == "incoming/1.png"
    photo = decided("1.png").photo
    found = {"key": photo.key, "size": 1, "etag": photo.etag, "version-id": photo.version_id}
    detail = {"bucket": {"name": STACK.photos_bucket}, "object": found}
    event = {"detail-type": "Object Created", "time": "2026-11-20T09:00:00Z", "detail": detail}
    send(session, json.dumps(event))
    result = terminal.type("redrive")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert "1 failed" in result.stderr


# ---- threshold


FAMILIARITY = {
    "photos": 50,
    "limit": 0.05,
    "below_limit": 0.06,
    "negatives": 40,
    "auroc": 0.97,
    "negatives_passed": 0.125,
}


@pytest.fixture
def parameter(session: Any) -> Callable[[], str]:
    """Give how to read the parameter; in production is a version with its evaluation."""
    client = session.client("ssm")
    client.put_parameter(Name=STACK.threshold_parameter, Value="0.93", Type="String")
    client.put_parameter(Name=STACK.familiarity_limit_parameter, Value="0.05", Type="String")
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)
    shares = [(0.99, 0.4, 0.0), (0.9, 0.8, 0.02), (0.6, 1.0, 0.1)]
    points = [dict(zip(("threshold", "coverage", "risk"), point, strict=True)) for point in shares]
    judgement = {"photos": 50, "at_threshold": None, "risk_coverage": points}
    judgement["confusion_matrix"] = [[25, 0], [5, 20]]
    judgement["familiarity"] = FAMILIARITY
    document = {"version": "1", "class_names": ["bicycle", "motorcycle"], "candidate": judgement}
    session.client("s3").put_object(
        Bucket=STACK.data_bucket,
        Key="retraining/scones-1/evaluation/evaluation.json",
        Body=json.dumps(document).encode(),
    )
    arn = session.register("Approved", run="scones-1")
    session.put_into_production(ModelPackageName=arn)

    def read() -> str:
        return str(client.get_parameter(Name=STACK.threshold_parameter)["Parameter"]["Value"])

    return read


def test_threshold(terminal: Terminal, parameter: Callable[[], str]) -> None:
    result = terminal.type("threshold")
    assert result.exit_code == 0
    assert "A photo with a confidence below 0.93 needs review." in result.stdout
    assert "50 validation photos of version 1" in result.stdout
    marked = [line.split() for line in result.stdout.splitlines() if "◀" in line]
    assert [(line[0], line[1], line[2], *line[5:]) for line in marked] == [
        ("0.93", "40.0%", "0.00%", "now"),
        ("0.99", "40.0%", "0.00%", "precision", "0.99"),
    ]
    assert marked[0][3] == "█" * 8 + "░" * 12
    assert parameter() == "0.93"


def test_threshold_names_the_classes_to_which_it_does_not_apply(
    terminal: Terminal, parameter: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_class = {"ThresholdByClass": "bicycle=0.90,motorcycle=review"}
    stack = replace(STACK, parameters={**STACK.parameters, **by_class})
    monkeypatch.setattr(context.Stack, "read", lambda *_: stack)
    told = words(terminal.type("threshold").stdout)
    assert "Classes with another threshold: bicycle 0.9. Photos of these classes always" in told
    assert "always need review: motorcycle." in told
    told = json.loads(terminal.type("threshold", "--json").stdout)
    assert told["by_class"] == {"bicycle": "0.9", "motorcycle": "review"}
    assert parameter() == "0.93"


def test_threshold_of_a_precision(terminal: Terminal, parameter: Callable[[], str]) -> None:
    plan = terminal.type("threshold", "--precision", "0.98", "--dry-run")
    assert plan.exit_code == 0
    assert "is 0.93 and would be set to 0.9" in plan.stdout
    assert parameter() == "0.93"
    result = terminal.type("threshold", "--precision", "0.98")
    assert result.exit_code == 0
    assert "was 0.93 and is now 0.9. It applies within a minute" in words(result.stdout)
    assert parameter() == "0.9"


def test_threshold_of_a_value(terminal: Terminal, parameter: Callable[[], str]) -> None:
    told = json.loads(terminal.type("threshold", "0.00001", "--json").stdout)
    assert parameter() == "0.00001"
    curve = told.pop("curve")
    assert told == {
        "parameter": STACK.threshold_parameter,
        "before": 0.93,
        "threshold": 0.00001,
        "effect": {"coverage": 1.0, "risk": 0.1},
        "by_class": {},
        "set": True,
        "familiarity_limit": {
            "parameter": STACK.familiarity_limit_parameter,
            "before": 0.05,
            "limit": 0.05,
            "set": False,
            "evaluation": FAMILIARITY,
        },
    }
    assert (curve["version"], curve["photos"], len(curve["points"])) == (1, 50, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        ["1.1"],
        ["high"],
        ["--precision", "2"],
        ["0.9", "--precision", "1"],
        ["--familiarity-limit", "1.1"],
    ],
)
def test_threshold_used_wrongly(
    terminal: Terminal, parameter: Callable[[], str], wrong: list[str]
) -> None:
    assert terminal.type("threshold", *wrong).exit_code == 2
    assert parameter() == "0.93"


def familiarity_limit(session: Any) -> str:
    client = session.client("ssm")
    found = client.get_parameter(Name=STACK.familiarity_limit_parameter)
    return str(found["Parameter"]["Value"])


def test_familiarity_limit_is_shown_with_its_effect(
    terminal: Terminal, parameter: Callable[[], str]
) -> None:
    told = words(terminal.type("threshold").stdout)
    assert "A photo with a familiarity below 0.05 needs review, whatever its confidence." in told
    assert (
        "Of 50 validation photos, 6.0% are below a familiarity of 0.05; of 40 held-out photos of "
        "none of the classes, 87.5% are. The shares above are by confidence alone."
    ) in told


def test_familiarity_limit_without_effect_is_named(
    terminal: Terminal, parameter: Callable[[], str]
) -> None:
    lowest = words(terminal.type("threshold", "--familiarity-limit", "0.02").stdout)
    below = words(terminal.type("threshold", "--familiarity-limit", "0.01").stdout)

    assert "has no effect" not in lowest
    assert (
        "A limit of 0.01 has no effect with 50 validation photos: it needs at least 100." in below
    )
    assert "by construction" not in below


def test_familiarity_limit_is_set(
    terminal: Terminal, session: Any, parameter: Callable[[], str]
) -> None:
    plan = words(terminal.type("threshold", "--familiarity-limit", "0.1", "--dry-run").stdout)
    assert "The familiarity limit is 0.05 and would be set to 0.1." in plan
    assert "At a limit of 0.1, about 10.0% of photos of the learned classes need review" in plan
    assert familiarity_limit(session) == "0.05"

    told = words(terminal.type("threshold", "--familiarity-limit", "0.1").stdout)
    assert "The familiarity limit was 0.05 and is now 0.1. It applies within a minute" in told
    assert (familiarity_limit(session), parameter()) == ("0.1", "0.93")
    again = terminal.type("threshold", "--familiarity-limit", "0.1").stdout
    assert "The familiarity limit is already 0.1." in again

    both = json.loads(
        terminal.type("threshold", "0.9", "--familiarity-limit", "0", "--json").stdout
    )
    assert (familiarity_limit(session), parameter()) == ("0", "0.9")
    assert both["set"] is True
    assert (both["familiarity_limit"]["limit"], both["familiarity_limit"]["set"]) == (0, True)
    off = terminal.type("threshold").stdout
    assert "The familiarity limit is 0: unfamiliar photos are classified like any other." in off


def test_threshold_without_a_model(terminal: Terminal, session: Any) -> None:
    client = session.client("ssm")
    client.put_parameter(Name=STACK.familiarity_limit_parameter, Value="low", Type="String")
    client.put_parameter(Name=STACK.threshold_parameter, Value="high", Type="String")
    shown = terminal.type("threshold")
    assert shown.exit_code == 0
    assert "No curve: no model is in production" in shown.stdout
    assert "not a number from 0 to 1" in shown.stdout
    assert "The familiarity limit is not a number from 0 to 1" in shown.stdout
    refused = terminal.type("threshold", "--precision", "0.9")
    assert refused.exit_code == 1
    assert "error: no model is in production" in refused.stderr
    assert terminal.type("threshold", "0.5").exit_code == 0
    value = client.get_parameter(Name=STACK.threshold_parameter)["Parameter"]["Value"]
    assert value == "0.5"
