"""What is deleted by accident comes back, and what `scones delete` deletes is gone."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scones_local import samples
from scones_local.cloud import lifecycle
from scones_local.run import deploy
from scones_local.run.application import Settings
from scones_local.run.photo_folder import read_dataset
from scones_operator.aws.stack import DEFAULT_STACK_NAME, Stack
from scones_operator.photos.redrive import redrive, unrecorded_photo_items
from tests.e2e.harness import Application, eventually
from tools import recover_stack

WORK = Path(".local")

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Cloud]:
    """A cloud of its own."""
    with lifecycle.start(tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture(scope="module")
def parameters(running: lifecycle.Cloud, drawn: samples.Samples) -> dict[str, str]:
    dataset = read_dataset(drawn.dataset)
    return Settings("3,32,32").parameters(running, dataset) | deploy.host_parameters()


@pytest.fixture(scope="module")
def deployed(running: lifecycle.Cloud, parameters: Mapping[str, str]) -> Application:
    """The application without a model."""
    with deploy.lock_folder(WORK):
        built = deploy.build(WORK, running.environ(), parameters)
        deploy.deploy(built, running.environ(), parameters)
    return Application(running, Stack.read(running.session()))


def scones(deployed: Application, *words: str, code: int = 0) -> str:
    """Run the command as an administrator, and return what it prints."""
    command = [sys.executable, "-m", "scones_operator.cli", *words]
    # AWS has `sync-states...`, where a loopback address has nothing to put a prefix before.
    environ = deployed.cloud.environ() | {"AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_deleted_table_is_restored_under_its_name(deployed: Application, bicycle: bytes) -> None:
    client, table = deployed.client("dynamodb"), deployed.stack.results_table
    before = deployed.upload("gate/before.png", bicycle)
    assert deployed.decided(before).status == "failed"  # there is no endpoint

    client.delete_table(TableName=table)
    during = deployed.upload("gate/during.png", bicycle)
    eventually(lambda: waiting(deployed) or None)
    (backup,) = client.list_backups(TableName=table, BackupType="SYSTEM")["BackupSummaries"]
    client.restore_table_from_backup(TargetTableName=table, BackupArn=backup["BackupArn"])
    client.get_waiter("table_exists").wait(TableName=table)
    restored = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert restored["TimeToLiveStatus"] == "DISABLED"
    client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )
    client.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )

    assert deployed.record(before) is not None
    scones(deployed, "redrive", code=1)  # it is decided, and fails like the other one
    assert deployed.decided(during).status == "failed"
    assert waiting(deployed) == 0


def waiting(deployed: Application) -> int:
    """Number of messages in the dead-letter queue of uploads."""
    found = deployed.client("sqs").get_queue_attributes(
        QueueUrl=deployed.stack.dead_letter_queue,
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def test_a_deleted_stack_is_recovered_with_its_data(
    deployed: Application,
    parameters: Mapping[str, str],
    bicycle: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, stack = deployed.session, deployed.stack
    photo = deployed.upload("gate/kept.png", bicycle)
    event = deployed.decided(photo)
    kept = {deployed.resource(name) for name in ("PhotosBucket", "DataBucket", "ResultsTable")}
    client = session.client("cloudformation")
    client.delete_stack(StackName=DEFAULT_STACK_NAME)
    client.get_waiter("stack_delete_complete").wait(
        StackName=DEFAULT_STACK_NAME, WaiterConfig={"Delay": 1}
    )
    late = session.client("s3").put_object(
        Bucket=stack.photos_bucket, Key="incoming/gate/late.png", Body=bicycle
    )

    for name, value in deployed.cloud.environ().items():
        monkeypatch.setenv(name, value)
    assert recover_stack.main([]) == 0
    assert recover_stack.main([]) == 1  # there is a stack again
    with deploy.lock_folder(WORK):
        deploy.deploy(deploy.built_template(WORK), deployed.cloud.environ(), parameters)

    again = Application(deployed.cloud, Stack.read(session))
    assert kept == {again.resource(name) for name in ("PhotosBucket", "DataBucket", "ResultsTable")}
    assert again.decided(photo) == event
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    found = unrecorded_photo_items(session, again.stack, in_an_hour - timedelta(days=1), in_an_hour)
    assert [one.status for one in redrive(session, again.stack, list(found), lambda _: None)] == [
        "failed"
    ]
    uri = f"s3://{stack.photos_bucket}/incoming/gate/late.png"
    assert again.decided((uri, late["VersionId"])).status == "failed"
    groups = session.client("sagemaker").list_model_package_groups()
    assert len(groups["ModelPackageGroupSummaryList"]) == 1


def test_nothing_of_a_stack_is_left(deployed: Application, bicycle: bytes) -> None:
    session = deployed.session
    photo = deployed.upload("gate/1.png", bicycle)
    assert deployed.decided(photo).status == "failed"  # there is no endpoint
    for person in ("reviewer", "operator", "approver", "uploader", "privacy_officer"):
        getattr(deployed, person)
    session.client("ssm").put_parameter(
        Name=deployed.stack.threshold_parameter, Value="0.9", Type="String"
    )

    found = json.loads(scones(deployed, "delete", "--dry-run", "--json"))
    kinds = [item["kind"] for item in found["items"]]
    assert kinds.count("attached policy") == 5
    assert (kinds.count("bucket"), kinds.count("table"), kinds.count("parameter")) == (2, 1, 1)
    scones(deployed, "delete", "--yes")

    names = [bucket["Name"] for bucket in session.client("s3").list_buckets()["Buckets"]]
    assert [name for name in names if name.startswith(f"{DEFAULT_STACK_NAME}-")] == []
    assert session.client("dynamodb").list_tables()["TableNames"] == []
    assert session.client("ssm").describe_parameters()["Parameters"] == []
    assert session.client("iam").list_policies(Scope="Local")["Policies"] == []
    assert session.client("lambda").list_functions()["Functions"] == []
    groups = session.client("sagemaker").list_model_package_groups()
    assert groups["ModelPackageGroupSummaryList"] == []
    stacks = session.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])
    assert DEFAULT_STACK_NAME not in [stack["StackName"] for stack in stacks["StackSummaries"]]
