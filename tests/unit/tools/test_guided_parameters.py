"""What `sam deploy --guided` saves does not stand in the way of the README, read by SAM CLI."""

import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from samcli.cli.types import CfnParameterOverridesType
from samcli.commands.deploy.guided_config import GuidedConfig
from samcli.lib.config.samconfig import SamConfig

from scones_local.run.deploy import default_parameters
from tools.guided_parameters import main
from tools.locks import ROOT

ANSWERS = {
    **default_parameters(),
    "MinimumAccuracy": "0.9",
    "Runtime": "python3.12",
    "ClassNames": "new bike,driver's van",
    "Hyperparameters": "epochs=6,use_weighted_loss=1",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    return tmp_path


def deploy_guided(project: Path, environment: str = "default") -> None:
    """Save answers as `sam deploy --guided` does."""
    with click.Context(click.Command("deploy"), info_name="deploy"):
        config = GuidedConfig(template_file=str(ROOT / "template.yaml"), section="parameters")
        config.save_config(
            parameter_overrides={
                name: {"Value": value, "Hidden": False} for name, value in ANSWERS.items()
            },
            config_env=environment,
            config_file=str(project / "samconfig.toml"),
            stack_name="scones",
            region="eu-central-1",
        )


def overrides(project: Path, command: str, environment: str = "default") -> dict[str, str]:
    found: Any = SamConfig(project).get_all([command], "parameters", environment)
    values = found["parameter_overrides"]
    lines = [values] if isinstance(values, str) else list(values)
    parameters: dict[str, str] = CfnParameterOverridesType().convert(tuple(lines), None, None)
    return parameters


def edit_as_the_readme_says(project: Path) -> None:
    path = project / "samconfig.toml"
    config = SamConfig(project)
    section = config.get_all(["global"], "parameters", "default")
    chosen = [one for one in section["parameter_overrides"] if not one.startswith("Runtime=")]
    config.put(["global"], "parameters", "parameter_overrides", [*chosen, "Runtime=python3.14"])
    config.flush()
    assert "python3.14" in path.read_text("utf-8")


def test_build_and_deploy_read_the_same_parameters(project: Path) -> None:
    edit_as_the_readme_says(project)

    expected = {"MinimumAccuracy": "0.85", "Runtime": "python3.14"}
    assert overrides(project, "build") == overrides(project, "deploy") == expected


def test_guided_parameters_override_those_of_the_readme(project: Path) -> None:
    """It is for this that they are moved."""
    deploy_guided(project)
    edit_as_the_readme_says(project)

    assert overrides(project, "build")["Runtime"] == "python3.14"
    assert overrides(project, "deploy")["Runtime"] == "python3.12"


@pytest.mark.parametrize("environment", ["default", "staging"])
def test_moved_parameters_are_read_by_build_and_deploy(project: Path, environment: str) -> None:
    before = overrides(project, "build", environment)
    deploy_guided(project, environment)

    assert main([environment], project) == 0

    defaults = default_parameters()
    changed = {name: value for name, value in ANSWERS.items() if value != defaults[name]}
    for command in ("build", "deploy", "sync"):
        assert overrides(project, command, environment) == {
            **before,
            **{name: ANSWERS[name] for name in before},
            **changed,
        }
    saved = SamConfig(project).get_all(["deploy"], "parameters", environment)
    assert (saved["region"], saved["capabilities"]) == ("eu-central-1", "CAPABILITY_IAM")
    comment = "# Bicycles and motorcycles are told apart better than by the template's default."
    assert comment in (project / "samconfig.toml").read_text("utf-8")


def test_the_readme_works_after_moving(project: Path) -> None:
    deploy_guided(project)
    main(["default"], project)
    edit_as_the_readme_says(project)

    assert overrides(project, "deploy")["Runtime"] == "python3.14"
    assert overrides(project, "deploy") == overrides(project, "build")


def test_nothing_to_move(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (project / "samconfig.toml").read_text("utf-8")

    assert main(["default"], project) == 0

    assert "Nothing to move" in capsys.readouterr().out
    assert (project / "samconfig.toml").read_text("utf-8") == text
