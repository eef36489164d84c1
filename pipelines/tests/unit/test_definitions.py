"""The definitions are those of the golden files, and are made offline."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from scones_pipelines.commands import definition
from scones_pipelines.commands.pipeline_modules import upload_parameters
from tests.golden_files import GOLDEN, NAMES, define, without_hashes


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a definition needs no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_is_its_golden_file(name: str) -> None:
    golden = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")

    assert without_hashes(define(name)) == golden, "run `make pipeline-definitions`"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_code_gives_the_same_definition(name: str) -> None:
    # Otherwise no step would ever be found in the cache.
    assert define(name) == define(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_default(name: str) -> None:
    # A schedule cannot give values.
    assert all("DefaultValue" in parameter for parameter in define(name)["Parameters"])


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_gives_parameters_that_the_pipeline_has(name: str) -> None:
    assert set(upload_parameters(name)) <= {item["Name"] for item in define(name)["Parameters"]}


def test_region_role_and_names_are_taken_from_the_command_line() -> None:
    text = json.dumps(
        define(
            "abalone",
            "--region",
            "eu-central-1",
            "--role-arn",
            "arn:aws:iam::444455556666:role/team/Pipelines",
            "--kwargs",
            "{'model_package_group_name': 'shells'}",
        )
    )

    assert "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost" in text
    assert "arn:aws:iam::444455556666:role/team/Pipelines" in text
    assert '"ModelPackageGroupName": "shells"' in text


def test_the_command_works_as_an_installed_program(tmp_path: Path) -> None:
    # In a process of its own: the SDK reads the environment when it is imported.
    program = Path(sys.executable).with_name("get-pipeline-definition")
    run = subprocess.run(
        [program, "-n", "scones_pipelines.abalone.pipeline"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["Version"] == "2020-12-01"
    assert not run.stderr


def test_a_definition_is_written_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "definition.json"

    assert definition.main(["-n", "abalone", "-f", str(file)]) == 0
    assert json.loads(file.read_text())["Steps"]


def test_a_role_that_is_not_an_arn_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert definition.main(["-n", "abalone", "--role-arn", "Admin"]) == 2
    assert "is not the ARN of a role" in capsys.readouterr().err


def test_image_of_vehicles_can_be_chosen() -> None:
    image = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/photos:7"

    text = json.dumps(define("vehicles", "--kwargs", json.dumps({"training_image": image})))

    assert (
        text.count(f'"{image}"') == 4
    )  # training, model, package and the preprocessing's argument
