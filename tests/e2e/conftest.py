"""The whole application, deployed once for all end-to-end tests, with a really trained model."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from local import cloud, samples
from local.run.application import Settings, install
from local.run.folders import read_dataset
from operations.stack import STACK
from tests.e2e.harness import Application, Inbox
from tests.once import made_once
from tools.prove_iam.deployed import read_policies
from tools.prove_iam.real import INTO, WITHOUT
from tools.prove_iam.recording import FOLDER, INSTALLATION, Recording, requests_of
from tools.prove_iam.removal import removed

_started: list[tuple[float, str]] = []


def pytest_runtest_logstart(nodeid: str) -> None:
    """Remember when each test starts."""
    _started.append((time.time(), nodeid))


class Quiet:
    """Shows no progress."""

    def step(self, title: str) -> Any:
        return nullcontext(lambda _: None)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> samples.Samples:
    return made_once(tmp_path_factory, "samples", draw)


def draw(folder: Path) -> samples.Samples:
    return samples.generate(
        folder, per_class=40, validation_per_class=30, negatives=20, photos=28, seed=7
    )


@pytest.fixture(scope="session")
def application(
    tmp_path_factory: pytest.TempPathFactory, drawn: samples.Samples
) -> Iterator[Application]:
    with cloud.start(tmp_path_factory.mktemp("cloud")) as running:
        test = _started[-1][1]
        _started.append((time.time(), INSTALLATION))
        stack, _ = install(
            running,
            Path(".local"),
            read_dataset(drawn.dataset),
            # So few photos that only the head is trained; tests/integration trains more layers.
            Settings("3,32,32", threshold=0.6, loading_bays="bicycle=A,motorcycle=B"),
            Quiet(),
        )
        _started.append((time.time(), test))
        statement = os.environ.get(WITHOUT)
        with removed(running.session(), STACK, statement) if statement else nullcontext():
            yield Application(running, stack)
            record_iam(running)


def record_iam(running: cloud.Cloud) -> None:
    """Leave what IAM was asked, for `make prove-iam`."""
    policies = read_policies(running.session(), STACK)
    recording = Recording(policies, requests_of(running.audit(), _started))
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    recording.save(Path(os.environ.get(INTO, FOLDER)) / f"{worker}.json")


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
