import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from scones_local.cloud.lifecycle import Cloud
from scones_local.run import invocation
from scones_local.run.invocation import InvocationError, invoke, write_template

BUILT = """
Parameters:
  Runtime: {Type: String, Default: python3.0}
  Architecture: {Type: String, Default: other}
Resources:
  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: Layer}}
  SerializeFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: SerializeFunction
      Environment: {Variables: {THRESHOLD_PARAMETER: !Ref Parameter}}
  Bus: {Type: AWS::Events::EventBus}
"""


class Deployed:
    """Answers for a deployed function."""

    def client(self, _: str) -> "Deployed":
        return self

    def describe_stack_resource(self, **given: str) -> Any:
        return {"StackResourceDetail": {"PhysicalResourceId": f"real-{given['LogicalResourceId']}"}}

    def get_function_configuration(self, *, FunctionName: str) -> Any:  # noqa: N803
        assert FunctionName == "real-SerializeFunction"
        return {"Environment": {"Variables": {"THRESHOLD_PARAMETER": "/real/name"}}}


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the local cloud")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(Cloud, "session", lambda _: Deployed())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "template.yaml").write_text(BUILT)
    state = tmp_path / "my state"
    state.mkdir()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    yield Cloud(state, endpoint, "us-east-1", "123456789012", "key", "secret", 1)
    server.shutdown()
    server.server_close()


def test_template_declares_what_the_deployed_function_has(running: Cloud, tmp_path: Path) -> None:
    copy = write_template(running, tmp_path / "build" / "template.yaml", "http://172.17.0.1:9")

    template = yaml_parse(copy.read_text("utf-8"))
    function = template["Resources"]["SerializeFunction"]["Properties"]
    assert function["CodeUri"] == str(tmp_path / "build" / "SerializeFunction")
    assert function["Environment"]["Variables"] == {
        "THRESHOLD_PARAMETER": "/real/name",
        "AWS_ENDPOINT_URL": "http://172.17.0.1:9",
    }
    layer = template["Resources"]["Layer"]["Properties"]
    assert layer["ContentUri"] == str(tmp_path / "build" / "Layer")
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert template["Parameters"]["Runtime"]["Default"] == f"python{minor}"
    assert copy.stat().st_mode & 0o777 == 0o600


SAM = """#!{python}
import os, sys, urllib.request
assert sys.argv[1:4] == ["local", "invoke", "--template"], sys.argv
assert sys.argv[5:] == ["SerializeFunction", "--event", "event.json", "--debug"], sys.argv
assert os.environ["AWS_ENDPOINT_URL"] in open(sys.argv[4]).read()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
for _ in range(3):
    with opener.open(os.environ["AWS_ENDPOINT_URL"], timeout=10) as answer:
        assert answer.read() == b"the local cloud"
assert os.environ["AWS_ENDPOINT_URL"] != {direct!r}
sys.exit(7)
"""


def test_function_reaches_the_embedded_cloud(
    running: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = tmp_path / "sam"
    sam.write_text(SAM.format(python=sys.executable, direct=running.endpoint))
    sam.chmod(0o700)
    monkeypatch.setattr(invocation, "_docker_bridge_address", lambda: "127.0.0.1")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    built = tmp_path / "build" / "template.yaml"

    status = invoke(running, built, "SerializeFunction", Path("event.json"), ["--debug"])

    assert status == 7


def test_bridge_in_a_virtual_machine(
    running: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocation, "_docker_bridge_address", lambda: "192.0.2.1")

    with pytest.raises(InvocationError, match="needs Docker on Linux"):
        invoke(running, tmp_path / "build" / "template.yaml", "F", Path("event.json"))


def test_no_docker(running: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")

    with pytest.raises(InvocationError, match="Docker does not answer"):
        invoke(replace(running), tmp_path / "build" / "template.yaml", "F", Path("event.json"))


@pytest.mark.parametrize("gateway", [{"Gateway": "172.17.0.1"}, {}])
def test_the_bridge_s_address_is_its_gateway(
    monkeypatch: pytest.MonkeyPatch, gateway: dict[str, str]
) -> None:
    config = [{"Subnet": "172.17.0.0/16", **gateway}]
    bridge = SimpleNamespace(attrs={"IPAM": {"Config": config}})
    networks = SimpleNamespace(get=lambda name: bridge)
    monkeypatch.setattr(invocation.docker, "from_env", lambda: SimpleNamespace(networks=networks))

    assert invocation._docker_bridge_address() == "172.17.0.1"
