"""`scones init` from the outside."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scones_operator.cli import __main__ as scones
from scones_operator.project import git
from tests.unit.operator.cli.terminal import Terminal
from tests.unit.operator.project.test_creation import TRACKED
from tests.unit.operator.project.test_photo_checks import fill


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    def stage(folder: Path, _: Iterable[str]) -> None:
        (folder / ".git").mkdir(exist_ok=True)

    monkeypatch.setattr(git, "tracked_files", lambda _: TRACKED)
    monkeypatch.setattr(git, "add_to_repository", stage)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", 10)


def call(photos: Path, folder: Path, *words: str, answer: str = "") -> Any:
    environment = {"COLUMNS": "80"}
    return CliRunner().invoke(
        scones.app, ["init", str(photos), str(folder), *words], env=environment, input=answer
    )


def test_a_project(terminal: Terminal, photos: Path, tmp_path: Path) -> None:
    result = terminal.type("init", str(photos), str(tmp_path / "test-project"))

    assert result.exit_code == 0, result.output
    assert terminal.connected == []
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["a", "10", "10", "A"] in rows
    assert ["b", "10", "10", "B"] in rows
    assert f"cd {tmp_path / 'test-project'}" in result.stdout
    assert (tmp_path / "test-project" / "presets" / "test-project.toml").is_file()


def test_a_project_as_json(photos: Path, tmp_path: Path) -> None:
    (photos / "validation" / "b" / "9.png").unlink()
    result = call(photos, tmp_path / "x y", "--name", "test-project", "--bay", "b=dock 7", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "created": True,
        "project": str(tmp_path / "x y"),
        "name": "test-project",
        "classes": {
            "a": {"train": 10, "validation": 10, "loading_bay": None},
            "b": {"train": 10, "validation": 9, "loading_bay": "dock 7"},
        },
        "none_of_the_classes": 0,
        "files": len(TRACKED) + 4,
        "warnings": [
            "Few photos of b (19): a model learns little from less than 20.",
            "Only 19 validation photos: the familiarity limit needs at least 20, and has no "
            "effect until then.",
        ],
    }
    assert result.stderr == ""


def test_settings(photos: Path, tmp_path: Path) -> None:
    options = ("--no-bays", "--image-shape", "3,64,48", "--minimum-accuracy", "0.9")
    assert call(photos, tmp_path / "test-project", *options).exit_code == 0
    assert (tmp_path / "test-project" / "presets" / "test-project.toml").read_text() == (
        'description = "Photos of test-project: a, b"\n'
        'class_names = ["a", "b"]\n'
        'image_shape = "3,64,48"\n'
        "minimum_accuracy = 0.9\n"
        '\n[hyperparameters]\naugmentation_type = "crop"\n'
    )


def test_problems_are_listed_and_nothing_is_written(photos: Path, tmp_path: Path) -> None:
    (photos / "train" / "empty").mkdir()
    result = call(photos, tmp_path / "My Project")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: 3 problems; nothing was written:\n  - 'My Project'")
    assert "--name my-project" in result.stderr
    assert "class empty has no photos" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "My Project").exists()

    told = json.loads(call(photos, tmp_path / "My Project", "--json").stdout)
    assert told["created"] is False
    assert len(told["problems"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--bay", "b"), "'b' is not a loading bay: use for example --bay van=A"),
        (("--bay", "b=1", "--no-bays"), "give --bay or --no-bays, not both"),
        (("--minimum-accuracy", "60"), "less than or equal to 1"),
    ],
)
def test_wrong_usage(photos: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    result = call(photos, tmp_path / "test-project", *words)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "test-project").exists()
    assert call(tmp_path / "nowhere", tmp_path / "test-project").exit_code == 2


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_nothing_is_overwritten_unasked(photos: Path, tmp_path: Path, answer: str) -> None:
    readme = tmp_path / "test-project" / "README.md"
    readme.parent.mkdir()
    readme.write_text("mine")

    result = call(photos, readme.parent, answer=answer)

    assert result.exit_code == 1
    assert "is not empty, and 1 file is overwritten: README.md. Continue?" in result.stderr
    assert "nothing was written: confirm it, name another folder, or give --yes" in result.stderr
    assert [path.name for path in readme.parent.iterdir()] == ["README.md"]
    assert readme.read_text() == "mine"


@pytest.mark.parametrize(("words", "answer"), [((), "y\n"), (("--yes",), "")])
def test_what_is_agreed_to_is_overwritten(
    photos: Path, tmp_path: Path, words: tuple[str, ...], answer: str
) -> None:
    (tmp_path / "test-project").mkdir()
    (tmp_path / "test-project" / "README.md").write_text("mine")
    result = call(photos, tmp_path / "test-project", *words, answer=answer)
    assert result.exit_code == 0
    assert (tmp_path / "test-project" / "README.md").read_text().startswith("# test-project")


def test_an_empty_repository_is_written_to_unasked(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "test-project" / ".git").mkdir(parents=True)
    result = call(photos, tmp_path / "test-project")
    assert result.exit_code == 0
    assert "is not empty" not in result.stderr
