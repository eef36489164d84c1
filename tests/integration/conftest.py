from collections.abc import Generator, Iterator

import pytest

from scones_local.cloud import lifecycle
from tests.integration.cloud.tiny_app import TinyApp


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Cloud]:
    with lifecycle.start(tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture(scope="session")
def app(running: lifecycle.Cloud) -> TinyApp:
    return TinyApp(running.session(), running.account, running.region)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Run a worker more than by default: many of these tests wait."""
    return (yield) + 1
