"""What a deployment onto a running stack gives the template as its parameters."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from scones_local.cloud.lifecycle import Cloud
from scones_local.cloud.state import StateFolder
from scones_local.run import application, deploy

TEMPLATE = """
Parameters:
  ClassNames: {Type: String, Default: "bicycle,motorcycle"}
  LogLevel: {Type: String, Default: DEBUG}
  Days: {Type: Number, Default: 7}
  Email: {Type: String, Default: ""}
  CodeVersion: {Type: String, Default: unknown}
Resources: {}
"""


def test_a_template_that_is_not_yaml_is_named_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template.yaml").write_text("Parameters:\n  A: b: c\n")
    monkeypatch.setattr(deploy, "ROOT", tmp_path)

    with pytest.raises(deploy.DeployError, match=r"template\.yaml is not YAML: .*\n.*line 2"):
        deploy.default_parameters()


class Quiet:
    def step(self, title: str) -> Any:
        return nullcontext(lambda _: None)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The parameters of a redeployment, after one with other class names and what is gone."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    state = StateFolder(tmp_path / "up")
    state.path.mkdir()
    before = {"ClassNames": "van,car", "CodeVersion": "old", "Gone": "1", "LogLevel": "INFO"}
    state.parameters.write_text(json.dumps({**before}))
    found: dict[str, str] = {}
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    monkeypatch.setattr(deploy, "code_version", lambda: "new")
    monkeypatch.setattr(deploy, "build", lambda work, *_: work / "built.yaml")
    monkeypatch.setattr(deploy, "deploy", lambda built, environ, given: found.update(given))
    cloud = Cloud(state.path, "http://127.0.0.1:7", "us-east-1", "123456789012", "key", "secret", 1)
    application.redeploy(cloud, tmp_path, Quiet())
    assert state.deployed.exists()
    return found


def test_what_was_given_stays_and_all_else_is_the_template_s(given: dict[str, str]) -> None:
    host = deploy.host_parameters()
    assert {name: value for name, value in given.items() if name not in host} == {
        **{"ClassNames": "van,car", "LogLevel": "INFO", "Days": "7", "Email": ""},
        "CodeVersion": "new",
    }


def test_functions_still_run_on_this_machine(given: dict[str, str]) -> None:
    assert given.items() >= deploy.host_parameters().items()
