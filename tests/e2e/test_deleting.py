"""The application as it is deployed is deleted completely, by the command."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cloud, samples
from local.run import deploy
from local.run.application import Settings
from local.run.folders import read_dataset
from operations.stack import STACK, Stack
from tests.e2e.harness import Application

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def deployed(
    drawn: samples.Samples, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    """The application without a model, in a cloud of its own."""
    dataset, work = read_dataset(drawn.dataset), Path(".local")
    with cloud.start(tmp_path_factory.mktemp("cloud")) as running:
        parameters = Settings("3,32,32").parameters(running, dataset) | deploy.host_parameters()
        with deploy.alone_in(work):
            built = deploy.build(work, running.environ(), parameters)
            deploy.deploy(built, running.environ(), parameters)
        yield Application(running, Stack.read(running.session()))


def scones(deployed: Application, *words: str) -> str:
    """Run the command as an administrator, and return what it prints."""
    command = [sys.executable, "-m", "cli", *words]
    # AWS has `sync-states...`, where a loopback address has nothing to put a prefix before.
    environ = deployed.cloud.environ() | {"AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    assert [name for name in names if name.startswith(f"{STACK}-")] == []
    assert session.client("dynamodb").list_tables()["TableNames"] == []
    assert session.client("ssm").describe_parameters()["Parameters"] == []
    assert session.client("iam").list_policies(Scope="Local")["Policies"] == []
    assert session.client("lambda").list_functions()["Functions"] == []
    groups = session.client("sagemaker").list_model_package_groups()
    assert groups["ModelPackageGroupSummaryList"] == []
    stacks = session.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])
    assert STACK not in [stack["StackName"] for stack in stacks["StackSummaries"]]
