"""`scones init` makes a project of this checkout that holds its own tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scones_local import samples
from scones_operator.application import CHECKOUT
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.project import git

NAME = "made-by-tests"
CLASSES = ("cargo bike", "left 'hand' cart")

needs_git = pytest.mark.skipif(
    not (CHECKOUT / ".git").exists(), reason="this copy of the application is not a Git checkout"
)


ROOTS = ("layers/domain/python", "operator", "training", "local")
"""Folders of the packages."""


def run(folder: Path, *command: str, **environment: str) -> Any:
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def repository(folder: Path, *names: str) -> Path:
    """A Git repository with staged files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    git.add_to_repository(folder, names)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photos of two classes, in folders with awkward names."""
    folder = tmp_path_factory.mktemp("drawn") / "my photos"
    drawn = samples.generate(folder, per_class=6, validation_per_class=3, negatives=2, photos=0)
    for split in ("train", "validation"):
        for before, after in zip(samples.CLASSES, CLASSES, strict=True):
            (drawn.dataset / split / before).rename(drawn.dataset / split / after)
    return drawn.dataset


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    folder = tmp_path_factory.mktemp("projects") / NAME
    made = run(
        CHECKOUT,
        sys.executable,
        "-m",
        "scones_operator.cli",
        "init",
        str(photos),
        str(folder),
        "--json",
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert json.loads(made.stdout)["files"] > 500
    return folder


def inside(project: Path, *module: str) -> Any:
    """Run a module of Python with the project's own packages."""
    roots = [project, *(project / name for name in ROOTS)]
    return run(project, sys.executable, "-m", *module, PYTHONPATH=os.pathsep.join(map(str, roots)))


@needs_git
def test_a_project_passes_its_own_tests_and_ruffs(project: Path) -> None:
    tests = inside(project, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_project.py")

    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "skipped" not in tests.stdout
    for path in ("ruff format --check", "ruff check"):
        checked = inside(project, *path.split(), "--no-cache", "tests/unit/test_project.py")
        assert checked.returncode == 0, checked.stdout


@needs_git
@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (f"presets/{NAME}.toml", '"cargo bike", ', ""),
        (f"presets/{NAME}.toml", '= "A"', '= "C"'),
        (f"presets/{NAME}.toml", "0.6", "0.7"),
        ("template.yaml", 'Default: "cargo bike,', 'Default: "cargo bikes,'),
        ("samconfig.toml", f'"{NAME}"', '"other"'),
        ("operator/scones_operator/aws/stack.py", f'"{NAME}"', '"other"'),
    ],
)
def test_a_projects_tests_fail_where_its_files_differ(
    project: Path, path: str, old: str, new: str
) -> None:
    before = (project / path).read_text("utf-8")
    assert old in before
    (project / path).write_text(before.replace(old, new, 1), "utf-8")
    try:
        tests = inside(
            project, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_project.py"
        )
    finally:
        (project / path).write_text(before, "utf-8")
    assert tests.returncode == 1, tests.stdout


@needs_git
def test_a_projects_template_is_valid(project: Path) -> None:
    validated = inside(project, "samcli", "validate", "--lint", "--region", "us-east-1")
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "is a valid SAM Template" in validated.stdout


@needs_git
def test_a_project_is_a_repository_of_what_is_tracked_here(project: Path) -> None:
    here, there = set(git.tracked_files(CHECKOUT)), set(git.tracked_files(project))
    own = {f"presets/{NAME}.toml", "project.mk", "tests/unit/test_project.py", "docs/scones.md"}
    assert there == here | own
    assert run(project, "git", "status", "--short", "--untracked-files").stdout.count("??") == 0


@needs_git
def test_make_uses_the_projects_photos_and_preset(project: Path, photos: Path) -> None:
    # The Makefile's own commands would install packages first.
    recipe = 'include project.mk\nrun up other:\n\t@echo "$$PRESET, $$(cd "$$DATASET" && pwd -P)"\n'
    (project / "build").mkdir(exist_ok=True)
    (project / "build" / "test.mk").write_text(recipe)

    def make(*words: str, **environment: str) -> str:
        made = run(project, "make", "--silent", "-f", "build/test.mk", *words, **environment)
        return str(made.stdout.strip())

    assert make("run") == make("up") == f"{NAME}, {photos.resolve()}"
    assert make("run", "DATASET=docs") == f"{NAME}, {project.resolve() / 'docs'}"
    assert make("run", DATASET="docs", PRESET="x") == f"x, {project.resolve() / 'docs'}"
    assert make("run", "DATASET=.", "PRESET=").startswith(", ")
    assert not make("other").startswith(NAME)
    assert "\n-include project.mk\n" in (project / "Makefile").read_text("utf-8")


def test_only_tracked_files_that_exist_are_of_a_checkout(tmp_path: Path) -> None:
    folder = repository(tmp_path / "checkout", "a b.py", "été/ü.txt", "gone.py", "secret.env")
    (folder / "gone.py").unlink()
    (folder / "notes.txt").write_text("not tracked")
    (folder / "link").symlink_to("nowhere")
    git.add_to_repository(folder, ["link"])

    assert git.tracked_files(folder) == ["a b.py", "link", "secret.env", "été/ü.txt"]


def test_ignored_files_of_a_project_are_staged_too(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project", ".gitignore", "keep.txt")
    (folder / ".gitignore").write_text("*.txt\n")
    (folder / "other.txt").write_text("not of the project")
    git.add_to_repository(folder, [".gitignore", "keep.txt"])
    assert git.tracked_files(folder) == [".gitignore", "keep.txt"]


def test_the_repository_of_a_hook_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other", "other.txt")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))

    folder = repository(tmp_path / "project", "a.txt")

    assert (folder / ".git").is_dir()
    assert git.tracked_files(folder) == ["a.txt"]
    assert git.tracked_files(other) == ["other.txt"]


def test_a_folder_that_is_no_checkout(tmp_path: Path) -> None:
    folder = repository(tmp_path / "checkout", "deep/a.txt")
    for place in (tmp_path, folder / "deep"):
        with pytest.raises(PreconditionError, match=r"is not a Git checkout.*clone the repository"):
            git.tracked_files(place)


def test_git_that_fails_or_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "checkout", "a.txt")
    with pytest.raises(OperationError, match=r"git add failed in .*pathspec 'b\.txt'"):
        git.add_to_repository(folder, ["b.txt"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationError, match="Git is not installed"):
        git.tracked_files(folder)


@needs_git
@pytest.mark.parametrize("options", [["--no-bays"], ["--bay", "cargo bike=dock 7"]])
def test_ruff_accepts_the_tests_of_other_projects(
    tmp_path: Path, photos: Path, options: list[str]
) -> None:
    # A long way to the photos, too.
    folder = tmp_path.joinpath(*(f"folder {number}" for number in range(40)), NAME)
    command = (
        sys.executable,
        "-m",
        "scones_operator.cli",
        "init",
        str(photos),
        str(folder),
        *options,
    )
    assert run(CHECKOUT, *command).returncode == 0
    for words in ("format --check", "check"):
        path = folder / "tests" / "unit" / "test_project.py"
        checked = inside(folder, "ruff", *words.split(), "--no-cache", str(path))
        assert checked.returncode == 0, checked.stdout
