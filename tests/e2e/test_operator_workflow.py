"""A day at the operator's desk: the commands, with no permissions but those of the policies."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scones.records import record_from_item
from scones.reviews.labeled_photos import read_photo
from scones_local import samples
from scones_operator.console.updates import UpdateFeed
from tests.e2e.harness import Application, Inbox, eventually
from tests.e2e.operations import Operator

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Scones = Callable[..., Said]


@pytest.fixture(scope="module")
def scones(application: Application, tmp_path_factory: pytest.TempPathFactory) -> Scones:
    """The command, with the policy of whoever's work it is."""
    folder = tmp_path_factory.mktemp("desk")
    # AWS has `sync-states...`, where a loopback address has nothing to put a prefix before.
    without_prefix = {"AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    others = {
        "review": application.reviewer,
        "label": application.reviewer,
        "models": application.approver,
        "promote": application.approver,
    }

    def run(*words: str, code: int | None = 0) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "scones_operator.cli", "--json", *words],
            cwd=folder,
            env=others.get(words[0], application.operator).environ() | without_prefix,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert code in (None, done.returncode), done.stderr + done.stdout
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="module")
def unsure(
    application: Application,
    scones: Scones,
    drawn: samples.Samples,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Key of a motorcycle that waits for a person."""
    photo = sorted((drawn.photos / "motorcycle").iterdir())[1]
    file = tmp_path_factory.mktemp("unsure") / f"what is this (1){photo.suffix}"
    file.write_bytes(photo.read_bytes())
    with Operator(application).unsure_of_everything():
        (one,) = scones("upload", str(file), "--wait").lines
    assert one["result"]["status"] == "needs_review"
    return str(one["key"])


def test_uploaded_photos_are_followed_to_their_decision_and_listed(
    scones: Scones, drawn: samples.Samples
) -> None:
    photos = sorted((drawn.dataset / "train" / "bicycle").iterdir())[:3]

    decided = scones("upload", *map(str, photos), "--prefix", "desk", "--wait").lines

    assert [one["result"]["status"] for one in decided] == ["classified"] * 3
    keys = {one["key"] for one in decided}
    assert keys == {f"incoming/desk/{photo.name}" for photo in photos}
    listed = scones("results", "--limit", "3", "--label", "bicycle").answer["results"]
    assert {one["photo"]["key"] for one in listed} == keys
    shown = scones("show", decided[0]["key"]).answer
    assert shown["version"] == decided[0]["version"]
    assert shown["result"]["status"] == "classified"
    assert {"classify", "threshold"} <= {step["step"].lower() for step in shown["steps"]}


def test_what_a_person_says_is_filed_and_published_and_can_be_taken_back(
    application: Application, scones: Scones, unsure: str, published: Inbox
) -> None:
    def filed() -> list[str]:
        listed = application.client("s3").list_objects_v2(
            Bucket=application.stack.data_bucket, Prefix="dataset/"
        )
        return [item["Key"] for item in listed["Contents"] if "/reviewed/" in item["Key"]]

    uri = f"s3://{application.stack.photos_bucket}/{unsure}"
    assert uri in [one["photo"] for one in scones("review").answer["pending"]]
    before = filed()

    said = scones("label", unsure, "motorcycle").answer["review"]
    (key,) = set(filed()) - set(before)
    twice = scones("label", unsure, "bicycle", code=1)
    scones("label", unsure, "--undo")
    taken_back = filed()
    scones("label", unsure, "motorcycle")

    assert (said["label"], said["by"], said["dataset_key"]) == ("motorcycle", "reviewer", key)
    assert key.split("/")[2] == "motorcycle"
    assert "reviewer labeled it motorcycle" in twice.err
    assert taken_back == before
    assert len(filed()) == len(before) + 1
    told = [
        event["detail"]
        for event in published.bodies()
        if event["detail-type"] == "Photo Reviewed" and event["detail"]["photo"]["key"] == unsure
    ]
    assert [one["outcome"] for one in told] == ["labelled", "withdrawn", "labelled"]
    assert told[-1]["loading_bay"] == application.stack.loading_bays["motorcycle"]


def test_nobody_is_asked_again_about_the_same_bytes(
    application: Application, scones: Scones, drawn: samples.Samples, published: Inbox
) -> None:
    body = sorted((drawn.photos / "motorcycle").iterdir())[2].read_bytes()
    key = "desk/sent three times.png"
    uri = f"s3://{application.stack.photos_bucket}/incoming/{key}"

    def upload() -> str:
        with Operator(application).unsure_of_everything():
            photo = application.upload(key, body)
            assert application.decided(photo).status == "needs_review"
        return photo[1]

    def reviews() -> dict[str, Any]:
        return {
            event["detail"]["photo"]["version_id"]: event["detail"]
            for event in published.bodies()
            if event["detail-type"] == "Photo Reviewed"
            and event["detail"]["photo"]["key"] == f"incoming/{key}"
        }

    def waiting() -> list[str]:
        found = scones("review").answer["pending"]
        return [one["version"] for one in found if one["photo"] == uri]

    first, second = upload(), upload()
    assert waiting() == [first]
    page = UpdateFeed(application.reviewer.session(), application.stack)
    page.poll()
    said = scones("label", f"incoming/{key}", "motorcycle").answer["review"]
    told = page.poll()
    third = upload()
    events = eventually(lambda: found if len(found := reviews()) == 3 else None)

    assert told is not None
    assert {first, second} <= {row.version for row in told.rows if row.review}
    assert waiting() == []
    assert {version: one["reviewed_version"] for version, one in events.items()} == {
        first: None,
        second: first,
        third: first,
    }
    assert {(one["label"], one["at"]) for one in events.values()} == {("motorcycle", said["at"])}
    bay = application.stack.loading_bays["motorcycle"]
    assert {one["loading_bay"] for one in events.values()} == {bay}
    listed = application.client("s3").list_objects_v2(
        Bucket=application.stack.data_bucket, Prefix=said["dataset_key"].rsplit("-", 1)[0]
    )
    assert [item["Key"] for item in listed["Contents"]] == [said["dataset_key"]]
    shown = scones("show", f"incoming/{key}", "--version", third).answer["result"]["review"]
    assert (shown["reviewed_version"], shown["label"]) == (first, "motorcycle")

    scones("label", f"incoming/{key}", "--undo")
    assert waiting() == [first]


def test_failed_photos_are_decided_after_all(
    application: Application, scones: Scones, bicycle: bytes
) -> None:
    with Operator(application).configured(
        "ClassifyFunction", ENDPOINT_NAME=f"{application.stack.endpoint}--staging"
    ):
        photo = application.upload("desk/failed.png", bicycle)
        assert application.decided(photo).status == "failed"

    became = scones("redrive", "--failed").lines

    assert [one["status"] for one in became if "desk/failed.png" in one["title"]] == ["classified"]
    assert application.decided(photo).status == "classified"


def test_the_threshold_is_shown_with_what_it_comes_to_and_set(
    scones: Scones, application: Application
) -> None:
    before = scones("threshold").answer
    client, stack = application.client("ssm"), application.stack
    names = (stack.threshold_parameter, stack.familiarity_limit_parameter)
    limit = before["familiarity_limit"]["limit"]
    try:
        scones("threshold", "0.9", "--familiarity-limit", "0.1")
        values = [client.get_parameter(Name=name)["Parameter"]["Value"] for name in names]
        assert values == ["0.9", "0.1"]
    finally:
        scones("threshold", str(before["threshold"]), "--familiarity-limit", str(limit))

    assert limit == 0.05

    assert before["curve"]["photos"] > 0
    assert 0 < before["effect"]["coverage"] <= 1


@pytest.mark.parametrize("machine", ["classify", "retrain", "promote"])
def test_executions_of_a_machine_are_listed(machine: str, scones: Scones) -> None:
    found = scones("executions", machine, "--limit", "2").answer["executions"]

    assert {one["state_machine"] for one in found} == {machine}


def test_an_approver_sees_the_versions_how_good_they_are_and_what_is_asked(
    application: Application, scones: Scones
) -> None:
    seen = scones("models").answer
    plot = some_key(application, application.stack.data_bucket, "retraining/", "confusion.png")

    assert seen["production"]["model_package_arn"]
    assert seen["versions"]
    assert scones("promote", code=None).answer is not None
    answer = (
        application.approver.session()
        .client("s3")
        .get_object(Bucket=application.stack.data_bucket, Key=plot)
    )
    assert answer["Body"].read().startswith(b"\x89PNG")


def some_key(application: Application, bucket: str, prefix: str, suffix: str = "") -> str:
    """Key of an object."""
    listed = application.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    return next(str(item["Key"]) for item in listed if item["Key"].endswith(suffix))


def test_a_simulation_is_captured_and_reported(scones: Scones, tmp_path: Path) -> None:
    figures = scones("simulate", "--count", "4", "--rate", "2", "--seed", "1").answer

    assert (figures["photos"], figures["statuses"].get("failed", 0)) == (4, 0)
    assert len(figures["records"]) == 4
    captured = scones("captures", "--limit", "3", "--output-dir", str(tmp_path / "kept")).answer
    assert len(captured["records"]) == 3
    assert len(list((tmp_path / "kept").rglob("captures.jsonl"))) == 1
    page = tmp_path / "report.html"
    scones("report", "--truth", figures["results"], "--output-file", str(page))
    assert "bicycle" in page.read_text("utf-8")


@pytest.mark.parametrize("prefix", ["incoming/", "simulated/"])
def test_reviewers_and_operators_see_photos(application: Application, prefix: str) -> None:
    key = some_key(application, application.stack.photos_bucket, prefix)
    (item, *_) = application.records_of(f"s3://{application.stack.photos_bucket}/{key}")

    for person in (application.reviewer, application.operator):
        assert read_photo(person.session().client("s3"), record_from_item(item))


def test_a_dataset_is_staged_and_only_what_is_missing_is_uploaded(
    scones: Scones, drawn: samples.Samples, tmp_path: Path
) -> None:
    for label in ("bicycle", "motorcycle"):
        folder = tmp_path / "mine" / label
        folder.mkdir(parents=True)
        for photo in sorted((drawn.dataset / "train" / label).iterdir())[:20]:
            (folder / photo.name).write_bytes(photo.read_bytes())

    staged = scones("data", "folder", str(tmp_path / "mine"), str(tmp_path / "staged"), "--upload")
    again = scones("data", "upload", str(tmp_path / "staged"))

    first, second = staged.answer["upload"], again.answer["upload"]
    assert first["sent"] > 0
    assert first["sent"] + first["already_present"] == 40
    assert (second["sent"], second["already_present"]) == (0, 40)


def test_drift_is_checked(scones: Scones, application: Application) -> None:
    # How many photos there are depends on the tests before.
    said = scones("drift", code=None)
    answer, least = said.answer, int(application.stack.parameters["DriftMinimumPhotos"])

    assert answer["requested_by"] == "operator"
    assert (answer["outcome"] == "too_few") == (answer["photos"] < least)
    assert said.code == (0 if answer["outcome"] == "steady" else 1)


def test_what_is_asked_wrongly_is_said(scones: Scones) -> None:
    assert "no photo" in scones("show", "no/such/photo.png", code=1).err.lower()
    assert "--undo" in scones("label", "1.png", code=2).err
