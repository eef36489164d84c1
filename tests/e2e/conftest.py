"""The whole application, deployed once for all end-to-end tests, with a really trained model."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from local import cloud, samples
from local.run.application import Settings, install
from local.run.folders import read_dataset
from tests.e2e.harness import Application, Inbox


class Quiet:
    """Shows no progress."""

    def step(self, title: str) -> Any:
        return nullcontext(lambda _: None)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> samples.Samples:
    folder = tmp_path_factory.mktemp("samples")
    return samples.generate(
        folder, per_class=40, validation_per_class=30, negatives=20, photos=28, seed=7
    )


@pytest.fixture(scope="session")
def application(
    tmp_path_factory: pytest.TempPathFactory, drawn: samples.Samples
) -> Iterator[Application]:
    with cloud.start(tmp_path_factory.mktemp("cloud")) as running:
        stack, _ = install(
            running,
            Path(".local"),
            read_dataset(drawn.dataset),
            # So few photos that only the head is trained; tests/integration trains more layers.
            Settings("3,32,32", threshold=0.6),
            Quiet(),
        )
        yield Application(running, stack)


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
