"""The whole application, deployed once for all end-to-end tests, with a really trained model."""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from scones_local import samples
from scones_local.cloud import lifecycle
from scones_local.run import deploy
from scones_local.run.application import Settings, deploy_and_train
from scones_local.run.photo_folder import read_dataset
from scones_operator.aws.stack import DEFAULT_STACK_NAME, Stack
from tests.e2e.harness import Application, Inbox
from tests.sample_photos import drawn
from tools.prove_iam.deployed import read_policies
from tools.prove_iam.deployment_test import RECORDING_VARIABLE, REMOVED_STATEMENT_VARIABLE
from tools.prove_iam.recording import FOLDER, INSTALLATION_TEST, Recording, parse_audit_trail
from tools.prove_iam.removal import statement_removed

__all__ = ["drawn"]

WORK = Path(".local")
"""Folder for what is built."""

_started: list[tuple[float, str]] = []


def pytest_runtest_logstart(nodeid: str) -> None:
    """Remember when each test starts."""
    _started.append((time.time(), nodeid))


class SilentOutput:
    """Shows no progress."""

    def step(self, title: str) -> Any:
        return nullcontext(lambda _: None)


LONGEST = ("test_loop", "test_inner_loop", "test_run", "test_copy")
"""Files that take longest. They come first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; `--no-loadscope-reorder` keeps that order."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def application(
    tmp_path_factory: pytest.TempPathFactory, drawn: samples.Samples
) -> Iterator[Application]:
    with lifecycle.start(tmp_path_factory.mktemp("cloud")) as running:
        test = _started[-1][1]
        _started.append((time.time(), INSTALLATION_TEST))
        stack, _ = deploy_and_train(
            running,
            WORK,
            read_dataset(drawn.dataset),
            # So few photos that only the head is trained; tests/integration trains more layers.
            Settings("3,32,32", threshold=0.6, loading_bays="bicycle=A,motorcycle=B"),
            SilentOutput(),
        )
        _started.append((time.time(), test))
        with recorded_iam(running, "application"):
            yield Application(running, stack)


@pytest.fixture(scope="session")
def production(
    tmp_path_factory: pytest.TempPathFactory, application: Application
) -> Iterator[Application]:
    """The same application in another account, on existing resources and without a model."""
    with lifecycle.start(tmp_path_factory.mktemp("production"), account="210987654321") as running:
        image = application.stack.training_image.replace(application.cloud.account, running.account)
        parameters = {
            **application.stack.parameters,
            "TrainingImage": image,
            **existing_resources(running.session()),
        }
        with deploy.lock_folder(WORK):
            deploy.deploy(deploy.built_template(WORK), running.environ(), parameters)
        with recorded_iam(running, "production"):
            yield Application(running, Stack.read(running.session()))


def existing_resources(session: Any) -> dict[str, str]:
    """Create what a team has before the application, and return the template's parameters."""
    s3, ec2 = session.client("s3"), session.client("ec2")
    s3.create_bucket(Bucket="team-data")
    s3.put_bucket_versioning(Bucket="team-data", VersioningConfiguration={"Status": "Enabled"})
    # As in docs/existing-resources.md, which AWS's services need.
    policy = {"Version": "2012-10-17", "Statement": key_statements()}
    key = session.client("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]
        for block in ("10.0.0.0/24", "10.0.1.0/24")
    ]
    group = ec2.create_security_group(GroupName="models", Description="models", VpcId=vpc)
    return {
        "ExistingDataBucket": "team-data",
        "KmsKeyArn": key,
        "SubnetIds": ",".join(subnets),
        "SecurityGroupIds": group["GroupId"],
    }


def key_statements() -> list[Any]:
    """The statements of the key's policy in docs/existing-resources.md."""
    text = Path("docs/existing-resources.md").read_text("utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    statements: list[Any] = json.loads(
        block.replace("ACCOUNT", "210987654321").replace("REGION", "us-east-1")
    )
    return statements


@contextmanager
def recorded_iam(running: lifecycle.Cloud, name: str) -> Iterator[None]:
    """Leave what IAM was asked, for `make prove-iam`, which may name a statement to remove."""
    statement = os.environ.get(REMOVED_STATEMENT_VARIABLE)
    with (
        statement_removed(running.session(), DEFAULT_STACK_NAME, statement)
        if statement
        else nullcontext()
    ):
        yield
        policies = read_policies(running.session(), DEFAULT_STACK_NAME)
        recording = Recording(policies, parse_audit_trail(running.audit(), _started))
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        recording.save(Path(os.environ.get(RECORDING_VARIABLE, FOLDER)) / f"{worker}-{name}.json")


@pytest.fixture(scope="session")
def published(application: Application) -> Inbox:
    """All events of the application's bus, as another team would subscribe to them."""
    inbox = Inbox(application, "published")
    inbox.allow("events.amazonaws.com")
    events = application.client("events")
    bus = application.stack.event_bus
    events.put_rule(
        Name="everything", EventBusName=bus, EventPattern=json.dumps({"source": ["scones"]})
    )
    events.put_targets(
        Rule="everything", EventBusName=bus, Targets=[{"Id": "inbox", "Arn": inbox.arn}]
    )
    return inbox


@pytest.fixture(scope="session")
def notified(application: Application) -> Inbox:
    """What reviewers are told."""
    inbox = Inbox(application, "notified")
    inbox.allow("sns.amazonaws.com")
    application.client("sns").subscribe(
        TopicArn=application.stack.review_topic, Protocol="sqs", Endpoint=inbox.arn
    )
    return inbox


@pytest.fixture(scope="session")
def bicycle(drawn: samples.Samples) -> bytes:
    """A photo that the model is sure of: one that it was trained on."""
    return sorted((drawn.dataset / "train" / "bicycle").iterdir())[0].read_bytes()
