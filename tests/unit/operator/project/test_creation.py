"""A project is planned as a whole, and written only if nothing is wrong."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from scones_operator.application import CHECKOUT
from scones_operator.errors import OperationError
from scones_operator.project import creation, git
from scones_operator.project.choices import Choices
from scones_operator.project.creation import ProjectError
from tests.unit.operator.project.test_photo_checks import fill

TRACKED = [
    *(
        "README.md",
        "events/threshold.json",
        "operator/scones_operator/aws/stack.py",
        "samconfig.toml",
    ),
    *("template.yaml", ".ci/run"),
]


@pytest.fixture(autouse=True)
def staged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkout of a few files, and what is staged of a project."""
    staged: list[str] = []

    def stage(_: Path, paths: Iterable[str]) -> None:
        staged.extend(paths)

    monkeypatch.setattr(git, "tracked_files", lambda _: TRACKED)
    monkeypatch.setattr(git, "add_to_repository", stage)
    return staged


def plan(photos: Path, folder: Path, choices: Choices | None = None) -> creation.Project:
    return creation.plan(photos, folder, choices or Choices("test-project"), lambda _: None)


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


def test_a_project_is_a_copy_with_files_of_its_own(tmp_path: Path, staged: list[str]) -> None:
    project = plan(fill(tmp_path / "photos"), tmp_path / "deep" / "project")
    assert not (tmp_path / "deep").exists()

    os.umask(0o077)
    creation.write(project)

    written = [p.relative_to(project.folder) for p in project.folder.rglob("*") if p.is_file()]
    own = [
        "docs/scones.md",
        "presets/test-project.toml",
        "project.mk",
        "tests/unit/test_project.py",
    ]
    assert sorted(map(str, written)) == sorted([*TRACKED, *own]) == sorted(staged)
    copy = project.folder / ".ci" / "run"
    assert copy.read_bytes() == (CHECKOUT / ".ci" / "run").read_bytes()
    assert os.access(copy, os.X_OK)
    # Whatever the umask is: Lambda cannot read private files.
    assert all(mode & 0o444 == 0o444 for mode in modes(project.folder))
    assert list(project.folder.parent.iterdir()) == [project.folder]


def test_photos_are_referred_to(tmp_path: Path) -> None:
    project = plan(fill(tmp_path / "my $photos #1"), tmp_path / "project")
    assert "DATASET ?= ../my $$photos \\#1\n" in str(project.files["project.mk"])
    assert '    "../my $photos #1",\n' in str(project.files["tests/unit/test_project.py"])
    assert len(project.dataset.train) == 6


def test_readme_has_the_classes_and_bays(tmp_path: Path) -> None:
    photos, folder = fill(tmp_path / "photos"), tmp_path / "project"
    text = str(plan(photos, folder, Choices("test-project", {"b": "x|y"})).files["README.md"])
    assert "| 0 | a |  |\n| 1 | b | x\\|y |\n" in text
    assert "`augmentation_type` is `crop`, which mirrors photos" in text


def test_links_of_the_readme_lead_to_headings(tmp_path: Path) -> None:
    files = plan(fill(tmp_path / "photos"), tmp_path / "project").files
    links = re.findall(r"\]\(([^)#]+)#?([^)]*)\)", str(files["README.md"]))
    assert ("docs/scones.md", "deploy-it-to-aws") in links
    for target, anchor in links:
        headings = re.findall(r"^#+ (.*)$", str(files[target]), re.MULTILINE)
        assert not anchor or anchor in [line.lower().replace(" ", "-") for line in headings]


def test_the_manual_of_a_project_made_by_a_project_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "tracked_files", lambda _: [*TRACKED, "docs/scones.md"])
    project = plan(fill(tmp_path / "photos"), tmp_path / "project")
    assert project.files["docs/scones.md"] == CHECKOUT / "docs/scones.md"


def test_all_problems_at_once(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos")
    (photos / "train" / "empty").mkdir()
    (photos / "train" / "b,c").mkdir()
    choices = Choices("My Project", {"x": "A"}, image_shape="3,64,64")

    with pytest.raises(ProjectError) as raised:
        plan(photos, CHECKOUT / "project", choices)

    for message in (
        "'My Project' cannot be the project's name",
        "in one another: make the project next to it",
        "class empty has no photos",
        "b,c' cannot be a class because of its name",
        "loading_bays names x, which is no class",
    ):
        assert sum(message in problem for problem in raised.value.problems) == 1, message


def test_an_image_shape_that_the_template_does_not_accept(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as raised:
        plan(fill(tmp_path / "a"), tmp_path / "b", Choices("x", image_shape="3,9,9"))
    (problem,) = raised.value.problems
    assert problem.startswith("image_shape: '3,9,9' is not")


@pytest.mark.parametrize(
    ("photos", "folder", "message"),
    [
        ("a", "a/project", "keep photos out of the project"),
        ("project/data", "project", "keep photos out of the project"),
        ("a", "file", "is not a folder"),
        ("a\nb", "project", "has a line break in its path"),
    ],
)
def test_folders_that_do_not_fit(tmp_path: Path, photos: str, folder: str, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match=message):
        plan(fill(tmp_path / photos), tmp_path / folder)


def test_files_that_would_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("mine")
    (tmp_path / "project" / "notes.md").write_text("mine")

    project = plan(fill(tmp_path / "photos"), tmp_path / "project")
    assert project.overwritten() == ["README.md"]
    creation.write(project)

    assert (tmp_path / "project" / "notes.md").read_text() == "mine"
    assert (tmp_path / "project" / "README.md").read_text().startswith("# test-project")


def test_a_checkout_that_lacks_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "tracked_files", lambda _: ["README.md"])
    with pytest.raises(
        OperationError, match=r"has no operator/scones_operator/aws/stack\.py that Git tracks"
    ):
        plan(fill(tmp_path / "photos"), tmp_path / "project")
