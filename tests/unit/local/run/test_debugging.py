import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from scones_local.cloud.lifecycle import Cloud
from scones_local.cloud.state import StateFolder
from scones_local.lambda_runtime import DebugRequests
from scones_local.run import debugging, deploy
from scones_local.run.debugging import DebugError


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    deployed = {"SerializeFunction": "scones-serialize-1"}
    monkeypatch.setattr(debugging, "physical_ids", lambda _: deployed)
    return Cloud(tmp_path, "http://127.0.0.1:7", "us-east-1", "123456789012", "key", "secret", 1)


@pytest.mark.parametrize("name", ["serialize", "SerializeFunction"])
def test_a_function_is_asked_for_by_either_name_as_long_as_it_is_entered(
    running: Cloud, name: str
) -> None:
    requests = DebugRequests(StateFolder(running.state).debugging)

    with debugging.debugging(running, name, 5679):
        request = requests.claim("scones-serialize-1", self := object())
        other = requests.claim("scones-serialize-1", object())

    assert request is not None
    assert request.port == 5679
    assert request.code == (
        str(deploy.ROOT / "functions" / "serialize"),
        str(deploy.ROOT / "layers" / "domain" / "python"),
    )
    assert other is None
    assert requests.claim("scones-serialize-1", self) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("serialise", r"no function 'serialise': choose one of answer_promotion, check_drift, "),
        ("classify", "ClassifyFunction is not deployed yet: run `make redeploy`"),
    ],
)
def test_what_can_t_be_debugged_is_named(running: Cloud, name: str, said: str) -> None:
    with pytest.raises(DebugError, match=said), debugging.debugging(running, name, 5679):
        pass


def test_a_function_is_debugged_once_at_a_time(running: Cloud) -> None:
    with ExitStack() as first:
        first.enter_context(debugging.debugging(running, "serialize", 5679))
        with (
            pytest.raises(DebugError, match="being debugged already, in another terminal"),
            debugging.debugging(running, "serialize", 5680),
        ):
            pass


def test_who_was_killed_asks_no_more(running: Cloud) -> None:
    folder = StateFolder(running.state).debugging
    folder.mkdir()
    # What SIGKILL leaves: a file that nobody holds locked.
    (folder / "scones-serialize-1.json").write_text('{"port": 5679, "code": []}')

    assert DebugRequests(folder).claim("scones-serialize-1", object()) is None


def test_the_documented_configuration_of_vs_code_fits() -> None:
    document = (deploy.ROOT / "docs" / "development.md").read_text("utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", document, re.DOTALL)
    (configuration,) = json.loads(block)["configurations"]

    assert configuration["connect"] == {"host": "127.0.0.1", "port": debugging.DEFAULT_PORT}
    assert (configuration["type"], configuration["request"]) == ("debugpy", "attach")
