"""The environments of samconfig.toml, as SAM CLI reads them, and deployments to them."""

from pathlib import Path
from typing import Any

import pytest
from samcli.lib.config.samconfig import SamConfig
from samcli.yamlhelper import yaml_parse

from scones_operator.aws.stack import DEFAULT_STACK_NAME
from tools import deploy
from tools.deploy import (
    ROOT,
    DeployError,
    list_environments,
    main,
    make_commands,
    make_overrides,
    read_overrides,
    read_stack_name,
)

VARIABLES = {
    "ARTIFACTS_BUCKET": "artifacts",
    "EXECUTION_ROLE": "arn:aws:iam::123456789012:role/bootstrap/execution",
    "ROLE_BOUNDARY": "arn:aws:iam::123456789012:policy/bootstrap/boundary",
}
DEPLOYED = ("staging", "production")


def settings(command: str, environment: str) -> Any:
    return SamConfig(ROOT).get_all([command], "parameters", environment)


def test_environments() -> None:
    assert list_environments() == ["dev", *DEPLOYED]


@pytest.mark.parametrize("environment", list_environments())
def test_stack_names(environment: str) -> None:
    assert read_stack_name(environment) == f"{DEFAULT_STACK_NAME}-{environment}"


@pytest.mark.parametrize("command", ["build", "deploy"])
def test_the_default_is_what_it_was(command: str) -> None:
    found = settings(command, "default")
    assert found["stack_name"] == DEFAULT_STACK_NAME
    assert found["parameter_overrides"] == ["MinimumAccuracy=0.85"]
    if command == "deploy":
        assert found["confirm_changeset"] is True
        assert found["resolve_s3"] is True


@pytest.mark.parametrize("environment", ["default", *list_environments()])
def test_overrides_are_parameters_of_the_template(environment: str) -> None:
    parameters = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Parameters"]
    assert read_overrides(environment).keys() <= parameters.keys()


@pytest.mark.parametrize("environment", list_environments())
def test_environments_share_no_names(environment: str) -> None:
    """Stack and model package group of two environments may be in one account."""
    name = f"{DEFAULT_STACK_NAME}-{environment}"
    for command in ("build", "deploy", "sync"):
        assert settings(command, environment)["stack_name"] == name
    assert read_overrides(environment)["EndpointName"] == name


@pytest.mark.parametrize("environment", DEPLOYED)
def test_deployments_need_no_answer(environment: str) -> None:
    found = settings("deploy", environment)
    assert found["confirm_changeset"] is False
    assert found["fail_on_empty_changeset"] is False
    assert "resolve_s3" not in found  # SAM CLI accepts it only without --s3-bucket


def test_sync_may_create_roles() -> None:
    assert "CAPABILITY_IAM" in settings("sync", "dev")["capabilities"]


def test_the_deployment_adds_to_the_configured_parameters() -> None:
    found = make_overrides({"MinimumAccuracy": "0.85"}, "1a2b3c", VARIABLES)
    assert found == {
        "MinimumAccuracy": "0.85",
        "CodeVersion": "1a2b3c",
        "PermissionsBoundary": VARIABLES["ROLE_BOUNDARY"],
    }


def test_a_training_image_is_for_the_own_algorithm() -> None:
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/scones:1"
    found = make_overrides({}, "1a2b3c", {**VARIABLES, "TRAINING_IMAGE": image})
    assert (found["Algorithm"], found["TrainingImage"]) == ("own", image)


@pytest.mark.parametrize("missing", VARIABLES)
def test_missing_variables_are_named(missing: str) -> None:
    variables = {**VARIABLES, missing: ""}
    with pytest.raises(DeployError, match=f"not set: {missing}[.]"):
        make_overrides({}, "1a2b3c", variables)


def test_commands() -> None:
    build, package = make_commands("staging", {"CodeVersion": "1a2b3c"}, VARIABLES)
    chosen = ["--parameter-overrides", 'ParameterKey=CodeVersion,ParameterValue="1a2b3c"']
    config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", "staging"]
    assert build[1:] == ["build", *config, *chosen]
    stack = f"{DEFAULT_STACK_NAME}-staging"
    bootstrap = ["--s3-bucket", "artifacts", "--s3-prefix", stack]
    bootstrap += ["--role-arn", VARIABLES["EXECUTION_ROLE"], "--tags", f"scones:stack={stack}"]
    assert package[1:] == ["deploy", *config, *bootstrap, *chosen]
    assert Path(build[0]).exists()


@pytest.mark.parametrize("failing", ["build", "deploy", None])
def test_a_failure_is_the_exit_code(monkeypatch: pytest.MonkeyPatch, failing: str | None) -> None:
    ran: list[tuple[str, bool]] = []

    def run(command: list[str], env: dict[str, str], **_: Any) -> Any:
        ran.append((command[1], "PIP_CONSTRAINT" in env))
        return type("Done", (), {"returncode": 3 if command[1] == failing else 0})

    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    monkeypatch.setattr(deploy, "read_commit", lambda: "1a2b3c")
    monkeypatch.setattr(deploy.subprocess, "run", run)
    assert main(["staging"]) == (3 if failing else 0)
    # A wrong hash of a package must end the build, and `sam deploy` runs no pip.
    expected = [("build", True), ("deploy", False)]
    assert ran == (expected[:1] if failing == "build" else expected)


def test_without_the_bootstrap(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert main(["production"]) == 2
    assert "docs/ci.md" in capsys.readouterr().err


def test_an_unknown_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["moon"])
    assert "invalid choice: 'moon'" in capsys.readouterr().err
