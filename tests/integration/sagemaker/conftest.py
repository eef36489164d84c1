import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.integration.sagemaker.local_sagemaker import BUCKET, Cloud


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def cloud(aws: str, tmp_path: Path) -> Iterator[Cloud]:
    requests.post(f"{aws}/moto-api/reset", timeout=10)
    made = Cloud(aws, tmp_path / "state")
    made.s3.create_bucket(Bucket=BUCKET)
    yield made
    made.service.shutdown()
