"""From labelled photos to a new model in production, and every way that ends before."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore.session
import pytest
from botocore.validate import ParamValidator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scones import lst
from scones.datasets.layout import NEGATIVES
from scones.datasets.splits import digest, is_validation
from scones.records import SIMULATED_PREFIX, Skipped, inference_id
from scones.reviews.labeled_photos import copy_stem
from scones_local import samples
from scones_operator.aws.executions import ExecutionFailedError, ExecutionOutcome
from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.doctor.examination import applies_locally, examine
from scones_operator.models.retraining import start_retraining
from scones_operator.photos.dead_letter_queue import receive_messages
from scones_operator.photos.redrive import failed_photo_items, redrive
from tests.e2e.harness import Application, Inbox, eventually
from tests.e2e.operations import Operator, message_about

pytestmark = pytest.mark.e2e

QUICK = "augmentation_type=none"
# The head stays at zero when rounded, and the first class is always predicted.
HOPELESS = "augmentation_type=none,epochs=1,learning_rate=0.0000000001"
NEW = "new one (1).png"
SLOW = "augmentation_type=none,epochs=1000000"
# What `Incremental=true` makes of the state machine.
TRAINED_ON = ("$from := 'false' = 'true'", "$from := 'true' = 'true'")


@pytest.fixture(scope="module")
def told(application: Application) -> Inbox:
    """What operators are told."""
    inbox = Inbox(application, "operators")
    inbox.allow("sns.amazonaws.com")
    application.client("sns").subscribe(
        TopicArn=application.stack.operators_topic, Protocol="sqs", Endpoint=inbox.arn
    )
    return inbox


@pytest.fixture(scope="module")
def operator(application: Application) -> Iterator[Operator]:
    """Models are trained too shortly here to be as good as the first: that is let pass."""
    found = Operator(application)
    with (
        found.configured("GenerateListsFunction", HYPERPARAMETERS=QUICK),
        found.configured("EvaluateFunction", ACCURACY_MARGIN="0.5"),
    ):
        yield found


def ended(published: Inbox, kind: str) -> list[Any]:
    """Details of the events of a kind so far."""
    return [event["detail"] for event in published.bodies() if event["detail-type"] == kind]


@pytest.fixture(scope="module")
def labelled(operator: Operator, application: Application, drawn: samples.Samples) -> str:
    """Where the photo is of which a person said that it is a motorcycle."""
    photo = sorted((drawn.photos / "motorcycle").iterdir())[0]
    share = float(application.stack.parameters["ValidationShare"])
    with operator.unsure_of_everything():
        uploaded = application.upload(NEW, held_back(photo, share))
        application.decided(uploaded, status="needs_review")
    return operator.label(uploaded, "motorcycle")


def held_back(photo: Path, share: float) -> bytes:
    """A variant of a photo that no other has, and that is there to validate on."""
    for number in range(1000):
        file, info = io.BytesIO(), PngInfo()
        info.add_text("Comment", f"only of this photo: {number}")
        with Image.open(photo) as image:
            image.convert("RGB").save(file, "PNG", pnginfo=info)
        content_id = hashlib.md5(file.getvalue(), usedforsecurity=False).hexdigest()
        if is_validation(digest(content_id), share):
            return file.getvalue()
    raise AssertionError("none of 1,000 variants is held back")


@pytest.fixture(scope="module")
def negatives(operator: Operator, application: Application, drawn: samples.Samples) -> list[str]:
    """Keys of photos of none of the classes: of a reviewer, and one more for each side."""
    photo = sorted((drawn.photos / "neither").iterdir())[0]
    with operator.unsure_of_everything():
        uploaded = application.upload(f"neither{photo.suffix}", photo.read_bytes())
        application.decided(uploaded, status="needs_review")
    keys = [operator.label(uploaded, None)]
    stack = application.stack
    share = float(stack.parameters["ValidationShare"])
    by_side: dict[bool, bytes] = {}
    for shade in range(256):
        body = plain(shade)
        content_id = hashlib.md5(body, usedforsecurity=False).hexdigest()
        by_side[is_validation(digest(content_id), share)] = body
    for name, held_back in {"to train on": False, "held back": True}.items():
        keys.append(f"{NEGATIVES}{name}.png")
        application.client("s3").put_object(
            Bucket=stack.data_bucket, Key=keys[-1], Body=by_side[held_back]
        )
    return keys


def plain(shade: int) -> bytes:
    """Draw a photo of one shade."""
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, shade, shade)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def second(
    operator: Operator, application: Application, labelled: str, negatives: list[str]
) -> int:
    """A second version, made because a photo was labelled, by the schedule itself."""
    with scheduled(application, "rate(1 minute)"):
        execution = eventually(lambda: started_by(application, "schedule"), patience=100)
    outcome = operator.follow_retraining(execution)
    assert outcome.outcome == "registered", outcome.message
    return int(outcome.details["version"])


@contextmanager
def scheduled(application: Application, expression: str) -> Iterator[None]:
    """The application's own schedule, set to another time for a while."""
    client = application.client("scheduler")
    found = client.get_schedule(Name=application.resource("RetrainStateMachineSchedule"))
    kept = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target", "State")
    before = {name: found[name] for name in kept}
    client.update_schedule(**before | {"ScheduleExpression": expression, "State": "ENABLED"})
    yield
    client.update_schedule(**before)


def started_by(application: Application, who: str) -> str | None:
    client = application.client("stepfunctions")
    listed = client.list_executions(stateMachineArn=application.stack.retrain_state_machine)
    for item in listed["executions"]:
        described = client.describe_execution(executionArn=item["executionArn"])
        if json.loads(described["input"]).get("requested_by") == who:
            return str(item["executionArn"])
    return None


def test_schedule_retrains_and_approval_promotes_without_losing_a_photo(
    application: Application,
    operator: Operator,
    second: int,
    published: Inbox,
    bicycle: bytes,
) -> None:
    before = operator.configuration()
    asked = operator.ask(second)
    assert operator.configuration() == before
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        uploads = pool.submit(upload_until, stop, application, bicycle)
        try:
            operator.answer(asked, approved=True, comment="looks fine in staging")
            outcome = operator.end_of(asked)
        finally:
            stop.set()
    photos = uploads.result()

    assert (outcome.outcome, operator.version_in_production()) == ("promoted", second)
    assert operator.configuration() == outcome.details["endpoint_config"] != before
    assert len(photos) >= 5
    assert {application.decided(photo).status for photo in photos} == {"classified"}
    assert application.decided(application.upload("after.png", bicycle)).label == "bicycle"
    assert operator.endpoints() == {application.stack.endpoint}
    (event,) = [
        detail
        for detail in ended(published, "Promotion Ended")
        if detail["model_version"] == second
    ]
    assert (event["outcome"], event["by"]) == ("promoted", "approver")
    assert event["comment"] == "looks fine in staging"


def upload_until(
    stop: threading.Event, application: Application, body: bytes
) -> list[tuple[str, str]]:
    """Upload a photo every now and then."""
    photos = []
    while not stop.wait(0.1):
        photos.append(application.upload(f"meanwhile {len(photos)}.png", body))
    return photos


def test_version_tells_where_it_comes_from(
    application: Application, operator: Operator, second: int
) -> None:
    version = operator.version(second)
    s3, bucket = application.client("s3"), application.stack.data_bucket
    folder = f"retraining/{version.metadata['run']}"

    def read(key: str) -> Any:
        return json.loads(s3.get_object(Bucket=bucket, Key=f"{folder}/{key}")["Body"].read())

    assert read("lists/manifest.json")["fingerprint"] == version.metadata["fingerprint"]
    evaluation = read("evaluation/evaluation.json")
    assert evaluation["candidate"]["accuracy"] == version.metric("accuracy")
    assert evaluation["champion"]["photos"] == evaluation["candidate"]["photos"]
    job = application.client("sagemaker").describe_training_job(
        TrainingJobName=version.metadata["training_job"]
    )
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == version.metadata["artifacts"]
    saved = application.client("sagemaker").describe_model(
        ModelName=version.metadata["saved_model"]
    )
    assert saved["PrimaryContainer"]["ModelDataUrl"] == version.metadata["artifacts"]


def test_a_labelled_photo_is_in_the_lists_of_the_next_retraining(
    application: Application, operator: Operator, second: int, labelled: str
) -> None:
    _, side, name, folder, _ = labelled.split("/")
    assert (name, folder) == ("motorcycle", "reviewed")

    def class_indices(version: int) -> list[int]:
        key = f"retraining/{operator.version(version).metadata['run']}/lists/{side}.lst"
        found = application.client("s3").get_object(Bucket=application.stack.data_bucket, Key=key)
        entries = lst.read(found["Body"].read().decode().splitlines())
        return [entry.class_index for entry in entries if labelled.endswith(f"/{entry.path}")]

    assert class_indices(1) == []
    assert class_indices(second) == [application.stack.class_names.index("motorcycle")]


def test_photos_of_none_of_the_classes_are_trained_on_or_held_out(
    application: Application, operator: Operator, second: int, negatives: list[str]
) -> None:
    version = operator.version(second)
    s3, bucket = application.client("s3"), application.stack.data_bucket
    folder = f"retraining/{version.metadata['run']}"

    def read(name: str) -> str:
        key = f"{folder}/lists/{name}"
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    to_train_on = {NEGATIVES + path for path in json.loads(read("negatives.manifest"))[1:]}
    entries = list(lst.read(read("negatives.lst").splitlines()))
    held_out = {NEGATIVES + entry.path for entry in entries}
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=NEGATIVES)["Contents"]
    assert to_train_on | held_out == {item["Key"] for item in listed}
    assert not to_train_on & held_out
    labeled, trained_on, held_back = negatives
    assert labeled in to_train_on | held_out
    assert trained_on in to_train_on
    assert held_back in held_out
    for side in ("train", "validation"):
        assert "none_of_the_classes" not in read(f"{side}.lst")
    job = application.client("sagemaker").describe_training_job(
        TrainingJobName=version.metadata["training_job"]
    )
    (channel,) = (item for item in job["InputDataConfig"] if item["ChannelName"] == "negatives")
    assert channel["DataSource"]["S3DataSource"]["S3DataType"] == "ManifestFile"
    for entry in entries:
        s3.head_object(Bucket=bucket, Key=f"{folder}/pictures/{entry.index}.png")


def test_pictures_of_the_evaluation(application: Application, operator: Operator) -> None:
    run = operator.version(1).metadata["run"]
    listed = application.client("s3").list_objects_v2(
        Bucket=application.stack.data_bucket, Prefix=f"retraining/{run}/evaluation/"
    )

    names = {Path(item["Key"]).name for item in listed["Contents"] if item["Size"] > 1000}
    assert names >= {"evaluation.json", "confusion.png", "reliability.png", "risk-coverage.png"}


@pytest.fixture(scope="module")
def third(operator: Operator, second: int, told: Inbox) -> int:
    """A version that never gets to production, whatever is tried with it."""
    return operator.register()


def test_operators_are_told_of_a_registered_version_and_what_to_do(third: int, told: Inbox) -> None:
    message = message_about(told.bodies(), f"scones approve {third}")
    assert "accuracy" in message
    assert "evaluation.json" in message


def test_an_equal_dataset_is_not_trained_on_again(operator: Operator, second: int) -> None:
    versions = operator.versions()

    outcome = operator.retrain()

    assert outcome.outcome == "unchanged"
    assert "nothing has changed" in outcome.message
    assert operator.versions() == versions


def test_an_event_starts_a_retraining(application: Application, operator: Operator) -> None:
    application.client("events").put_events(
        Entries=[
            {
                "EventBusName": application.stack.event_bus,
                "Source": "scones",
                "DetailType": "Retraining Requested",
                "Detail": json.dumps({"requested_by": "another team"}),
            }
        ]
    )

    execution = eventually(lambda: started_by(application, "another team"))
    assert operator.follow_retraining(execution).outcome == "unchanged"


def test_a_killed_training_process_fails_the_run(
    application: Application, operator: Operator, told: Inbox
) -> None:
    before = operator.configuration()

    with (
        operator.with_definition(application.stack.retrain_state_machine, *TRAINED_ON),
        operator.configured("GenerateListsFunction", HYPERPARAMETERS=SLOW),
    ):
        execution = start_retraining(application.session, application.stack, "tests", force=True)
        trainer = eventually(lambda: training_process(application.cloud.state))
        os.kill(trainer, signal.SIGKILL)
        with pytest.raises(ExecutionFailedError, match="exit code: 137"):
            operator.follow_retraining(execution)

    assert operator.configuration() == before
    assert "Retraining failed" in [one["Subject"] for one in told.bodies()]
    message_about(told.bodies(), "exit code: 137")


def training_process(state: Path) -> int | None:
    """Process id of the trainer that works for the cloud with that state."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        # Its supervisor has the same words behind its own.
        if words[1:4] == ["-m", "scones_training", "train"] and str(state) in "".join(words):
            return int(path.parent.name)
    return None


def test_a_failing_smoke_test_ends_the_promotion(
    application: Application, operator: Operator, third: int, told: Inbox
) -> None:
    before = operator.configuration()

    with operator.configured("SmokeTestFunction", MAXIMUM_LATENCY_MS="0.001"):
        outcome = operator.approve(third)

    assert outcome.outcome == "smoke_test_failed", outcome
    assert operator.configuration() == before
    assert operator.endpoints() == {application.stack.endpoint}
    assert operator.version(third).status == "Rejected"
    assert "ms" in message_about(told.bodies(), f"version {third} was not promoted")


def test_a_rejection_leaves_production_as_it_is(
    application: Application, operator: Operator, third: int, told: Inbox
) -> None:
    before = operator.configuration()

    asked = operator.ask(third)
    assert f"scones promote --approve {third}" in message_about(
        told.bodies(), f"scones promote --reject {third}"
    )
    operator.answer(asked, approved=False, comment="the confusion matrix looks odd")
    outcome = operator.end_of(asked)

    assert outcome.outcome == "rejected"
    assert operator.configuration() == before
    assert operator.endpoints() == {application.stack.endpoint}
    assert operator.version(third).status == "Rejected"
    message = message_about(told.bodies(), f"version {third} was rejected")
    assert "the confusion matrix looks odd" in message


def test_a_question_that_nobody_answers_leaves_production_as_it_is(
    application: Application, operator: Operator, third: int, told: Inbox
) -> None:
    before = operator.configuration()
    machine = application.stack.promote_state_machine

    with operator.with_definition(machine, "$number('72') * 3600", "2"):
        asked = operator.ask(third)
        outcome = operator.end_of(asked)

    assert outcome.outcome == "timed_out"
    assert operator.configuration() == before
    assert operator.endpoints() == {application.stack.endpoint}
    assert "The approval timed out" in message_about(told.bodies(), f"so version {third} was not")


def test_only_one_promotion_is_under_way(
    application: Application, operator: Operator, third: int
) -> None:
    asked = operator.ask(third)

    twin = operator.start_promotion({"detail": {"ModelPackageArn": operator.version(third).arn}})
    other = operator.start_promotion({"rollback_to": operator.version(1).arn})

    assert twin.outcome == "ignored"
    assert (other.outcome, other.details["kind"]) == ("busy", "rollback")
    checked = examine(application.doctor.session(), DEFAULT_STACK_NAME, applies_locally)
    waits = checked.findings["promotion"].message
    assert waits.startswith(f"version {third} has waited for approval for ")
    operator.answer(asked, approved=False)
    assert operator.end_of(asked).outcome == "rejected"


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"rollback_to": "3"},
        {"artifacts": "model.tar.gz"},
        # Where others than administrators can put a model.
        {"artifacts": "s3://{bucket}/dataset/bicycle/model.tar.gz"},
        {"artifacts": "s3://{bucket}/retraining/scones-1/model/model.tar.gz"},
        {"artifacts": "s3://elsewhere/models/model.tar.gz"},
    ],
)
def test_a_request_that_is_not_understood_changes_nothing(
    application: Application, operator: Operator, told: Inbox, request_: dict[str, str]
) -> None:
    before, bucket = operator.configuration(), application.stack.data_bucket
    request_ = {name: value.format(bucket=bucket) for name, value in request_.items()}

    with pytest.raises(ExecutionFailedError, match="UnknownRequest: the input must be"):
        operator.start_promotion(request_)

    assert operator.configuration() == before
    assert "Promotion failed: the request" in [one["Subject"] for one in told.bodies()]


def test_a_version_of_other_classes_is_refused(
    application: Application, operator: Operator, told: Inbox
) -> None:
    before = operator.configuration()
    machine = application.stack.promote_state_machine

    with operator.with_definition(machine, "bicycle,motorcycle", "motorcycle,bicycle"):
        outcome = operator.start_promotion({"rollback_to": operator.version(1).arn})

    assert outcome.outcome == "refused"
    assert operator.configuration() == before
    message_about(told.bodies(), "version 1 was trained for other classes")


def test_a_version_whose_artifacts_were_overwritten_is_refused(
    application: Application, operator: Operator, told: Inbox
) -> None:
    before, version = operator.configuration(), operator.version(1)
    bucket, _, key = version.metadata["artifacts"].removeprefix("s3://").partition("/")
    s3 = application.client("s3")
    put = s3.put_object(Bucket=bucket, Key=key, Body=b"another model")

    try:
        outcome = operator.start_promotion({"rollback_to": version.arn})
    finally:
        s3.delete_object(Bucket=bucket, Key=key, VersionId=put["VersionId"])

    assert outcome.outcome == "refused"
    assert operator.configuration() == before
    message_about(told.bodies(), "was overwritten since")


def test_an_alarm_during_the_canary_takes_the_model_back(
    application: Application, operator: Operator, third: int, told: Inbox
) -> None:
    before = operator.configuration()
    alarm = application.resource("EndpointErrorsAlarm")
    asked = operator.ask(third)

    operator.answer(asked, approved=True)
    operator.wait_for_update()
    application.client("cloudwatch").set_alarm_state(
        AlarmName=alarm, StateValue="ALARM", StateReason="a test"
    )
    outcome = operator.end_of(asked)
    application.client("cloudwatch").set_alarm_state(
        AlarmName=alarm, StateValue="OK", StateReason="a test"
    )

    assert outcome.outcome == "rolled_back"
    assert alarm in outcome.message
    assert operator.configuration() == before
    message_about(told.bodies(), f"version {third} was rolled back")


def test_rollback_to_an_earlier_version(
    application: Application, operator: Operator, second: int, bicycle: bytes
) -> None:
    assert operator.version_in_production() == second

    outcome = operator.roll_back(1)

    assert (outcome.outcome, operator.version_in_production()) == ("promoted", 1)
    assert application.decided(application.upload("rolled back.png", bicycle)).label == "bicycle"


def test_a_deleted_endpoint_comes_back_with_a_rollback(
    application: Application, operator: Operator, bicycle: bytes
) -> None:
    version, name = operator.version_in_production(), application.stack.endpoint
    assert version is not None
    application.client("sagemaker").delete_endpoint(EndpointName=name)
    eventually(lambda: name not in operator.endpoints() or None)
    photo = application.upload("without endpoint.png", bicycle)
    failed = application.decided(photo)
    assert failed.reason is not None
    assert (failed.status, failed.reason.code) == ("failed", "EndpointMissing")

    outcome = operator.roll_back(version)
    assert (outcome.outcome, operator.version_in_production()) == ("promoted", version)

    session, stack = application.operator.session(), application.stack
    became = redrive(
        session, stack, list(failed_photo_items(session, stack, Skipped())), lambda _: None
    )
    assert [one.status for one in became if "without endpoint.png" in one.item.title] == [
        "classified"
    ]
    assert application.decided(photo, status="classified").label == "bicycle"


@pytest.fixture(scope="class")
def saved(application: Application, operator: Operator, second: int) -> Iterator[ExecutionOutcome]:
    """A model of no version in production, as it was saved in S3."""
    artifacts = operator.version(second).metadata["artifacts"]
    bucket = application.stack.data_bucket
    key = artifacts.removeprefix(f"s3://{bucket}/")
    application.client("s3").copy_object(
        Bucket=bucket, Key="models/saved/model.tar.gz", CopySource={"Bucket": bucket, "Key": key}
    )
    yield operator.host(f"s3://{bucket}/models/saved/model.tar.gz")
    assert operator.roll_back(second).outcome == "promoted"


@pytest.mark.usefixtures("saved")
class TestWithASavedModelInProduction:
    def test_it_is_hosted(
        self, application: Application, operator: Operator, saved: ExecutionOutcome, bicycle: bytes
    ) -> None:
        assert saved.outcome == "promoted"
        assert operator.version_in_production() is None
        assert application.decided(application.upload("hosted.png", bicycle)).label == "bicycle"

    def test_a_worse_model_is_not_registered(
        self, application: Application, operator: Operator, told: Inbox, published: Inbox
    ) -> None:
        versions, before = operator.versions(), operator.configuration()

        with operator.configured("GenerateListsFunction", HYPERPARAMETERS=HOPELESS):
            outcome = operator.retrain(force=True)

        assert outcome.outcome == "not_good_enough"
        assert (operator.versions(), operator.configuration()) == (versions, before)
        message = message_about(told.bodies(), outcome.details["run"])
        assert outcome.message in message
        events = ended(published, "Retraining Ended")
        (event,) = [detail for detail in events if detail["run"] == outcome.details["run"]]
        assert event["accuracy"] < event["champion_accuracy"]
        models = application.client("sagemaker").list_models(NameContains=outcome.details["run"])
        assert models["Models"] == []

    def test_a_bad_hyperparameter_fails_with_its_name(
        self, application: Application, operator: Operator, told: Inbox
    ) -> None:
        versions, before = operator.versions(), operator.configuration()
        bad = f"{QUICK},learning_rate=99"

        with (
            operator.with_definition(application.stack.retrain_state_machine, *TRAINED_ON),
            operator.configured("GenerateListsFunction", HYPERPARAMETERS=bad),
            pytest.raises(ExecutionFailedError, match="learning_rate"),
        ):
            operator.retrain(force=True)

        assert (operator.versions(), operator.configuration()) == (versions, before)
        assert "Production is unchanged" in message_about(told.bodies(), "learning_rate")


def test_a_model_in_production_that_was_rejected_is_not_compared_with(
    application: Application, operator: Operator, second: int, told: Inbox
) -> None:
    assert operator.version_in_production() == second
    arn = operator.reject(second)
    version = operator.version(operator.register())
    back = operator.approve(second)

    assert isinstance(back, ExecutionOutcome)
    assert back.outcome == "already_in_production"
    run, bucket = version.metadata["run"], application.stack.data_bucket
    body = application.client("s3").get_object(
        Bucket=bucket, Key=f"retraining/{run}/evaluation/evaluation.json"
    )["Body"]
    evaluation = json.loads(body.read())
    assert evaluation["champion"] is None
    assert evaluation["champion_message"] == (
        "the model in production was not judged: its batch transform could not be run: "
        f"Model package {arn} is rejected: it can't be deployed"
    )
    message = message_about(told.bodies(), f"scones approve {version.number}")
    assert evaluation["champion_message"] in message


def test_a_photo_is_forgotten_wherever_it_was(
    application: Application, operator: Operator, second: int, labelled: str, tmp_path: Path
) -> None:
    uri = f"s3://{application.stack.photos_bucket}/incoming/{NEW}"
    (first,) = application.records(NEW)
    operator.undo(uri)
    operator.label((uri, first["version"]["S"]), "motorcycle")
    (record,) = application.records(NEW)
    s3, stack = application.client("s3"), application.stack
    original = s3.get_object(Bucket=stack.photos_bucket, Key=f"incoming/{NEW}")["Body"].read()
    names = [NEW, copy_stem(uri), record["version"]["S"], inference_id(uri, record["version"]["S"])]
    told = [*(name.encode() for name in names), original]
    send_copies(application, record)
    waiting = {"detail": {"photo": {"bucket": stack.photos_bucket, "key": f"incoming/{NEW}"}}}
    for queue in (stack.dead_letter_queue, stack.missed_metrics_queue):
        application.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(waiting))
    before = everything(application)
    assert [name for name in told if not names_any([name], before)] == []

    done = forget(application, tmp_path)

    after = everything(application)
    answer = json.loads(done.stdout)
    assert {trace["place"] for trace in answer["traces"]} == {
        *("queue", "capture", "prediction", "image", "list", "dataset copy", "photo", "record")
    }
    assert {(one["use"], one["version"]) for one in answer["models"]} >= {("validated", second)}
    assert names_any(told, after) == []
    # A capture may have been written since, and be removed too.
    were = {where.partition("?")[0] for where in before}
    removed = {where.partition("?")[0] for where in before.keys() - after.keys()}
    assert {trace["name"] for trace in answer["traces"]} & were == removed
    again = json.loads(forget(application, tmp_path).stdout)
    assert (again["traces"], again["models"]) == ([], [])


def send_copies(application: Application, record: Any) -> None:
    """Simulate with the photo's copy, and leave one as reviews filed them before."""
    s3, data = application.client("s3"), application.stack.data_bucket
    key = json.loads(record["review"]["S"])["dataset_key"]
    folder, _, name = key.rpartition("/")
    copied = s3.get_object(Bucket=data, Key=key)["Body"].read()
    simulated = f"{SIMULATED_PREFIX}forget/00001.png"
    s3.put_object(Bucket=application.stack.photos_bucket, Key=simulated, Body=copied)
    old = f"{folder}/{name[: name.rindex('-')]}-0123456789ab.png"
    named = {"photo": quote(record["photo"]["S"], safe=":/ ")}
    s3.put_object(Bucket=data, Key=old, Body=b"x", Metadata=named)
    uri = f"s3://{application.stack.photos_bucket}/{simulated}"
    eventually(lambda: application.records_of(uri) or None)
    capture_beside_another(application, record)


def capture_beside_another(application: Application, record: Any) -> None:
    """Let a file of captures hold this photo's and another one's, as production writes them."""
    s3, bucket = application.client("s3"), application.stack.data_bucket
    own = inference_id(record["photo"]["S"], record["version"]["S"]).encode()

    def look() -> tuple[str, bytes, bytes] | None:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="captures/")
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        files = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
        with_it = [key for key, body in files.items() if own in body]
        without = [body for body in files.values() if own not in body]
        return (with_it[0], files[with_it[0]], without[0]) if with_it and without else None

    key, body, another = eventually(look)
    s3.put_object(Bucket=bucket, Key=key, Body=body.rstrip() + b"\n" + another)


def forget(application: Application, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a person who may do nothing else."""
    words = [
        sys.executable,
        "-m",
        "scones_operator.cli",
        "--json",
        "forget",
        f"incoming/{NEW}",
        "--yes",
    ]
    environ = application.privacy_officer.environ()
    return subprocess.run(
        words, cwd=folder, env=environ, capture_output=True, text=True, check=True
    )


def everything(application: Application) -> dict[str, bytes]:
    """Every version of every object, every record and message that the stack has, by its place."""
    s3, stack = application.client("s3"), application.stack
    found = {}
    for bucket in (stack.photos_bucket, stack.data_bucket):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for page in pages:
            for item in page.get("DeleteMarkers", []):
                found[f"s3://{bucket}/{item['Key']}?{item['VersionId']}"] = item["Key"].encode()
            for item in page.get("Versions", []):
                which = {"Bucket": bucket, "Key": item["Key"], "VersionId": item["VersionId"]}
                answer = s3.get_object(**which)
                content = repr((item["Key"], answer["Metadata"])).encode() + answer["Body"].read()
                found[f"s3://{bucket}/{item['Key']}?{item['VersionId']}"] = content
    items = application.client("dynamodb").scan(TableName=stack.results_table)["Items"]
    for item in items:
        found[f"{item['photo']['S']} {item['version']['S']}"] = json.dumps(item).encode()
    for queue in (stack.dead_letter_queue, stack.missed_metrics_queue):
        with receive_messages(application.session, queue) as messages:
            for message in messages:
                found[f"{queue}?{message.id}"] = message.body.encode()
    return found


def names_any(names: list[bytes], content: dict[str, bytes]) -> list[str]:
    """Return the places that have one of the names in them."""
    return [
        where for where, body in content.items() if any(n in where.encode() + body for n in names)
    ]


def test_arguments_of_sagemaker_tasks_are_what_aws_s_model_of_the_api_takes(
    application: Application,
) -> None:
    service = botocore.session.get_session().get_service_model("sagemaker")
    asked = [
        (request["action"].removeprefix("sagemaker:"), request["parameters"])
        for request in application.cloud.audit()
        if "parameters" in request
    ]

    assert {action for action, _ in asked} >= {
        "CreateTrainingJob",
        "CreateTransformJob",
        "CreateModelPackage",
        "CreateEndpointConfig",
        "UpdateEndpoint",
    }
    for action, parameters in asked:
        if action in service.operation_names:
            shape = service.operation_model(action).input_shape
            report = ParamValidator().validate(parameters, shape)
            assert not report.has_errors(), f"{action}: {report.generate_report()}"
