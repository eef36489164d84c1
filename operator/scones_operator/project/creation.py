"""Make a project of one's own from a folder of photos: plan it, then write it."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scones.photos import ImageShape
from scones_operator.application import CHECKOUT
from scones_operator.aws import template_parameters
from scones_operator.datasets.class_folders import Dataset, can_be_class
from scones_operator.errors import PreconditionError
from scones_operator.presets import Preset
from scones_operator.progress import ProgressCallback
from scones_operator.project import git, photo_checks
from scones_operator.project.choices import Choices, make_preset, name_problems
from scones_operator.project.files import Files, project_files


class ProjectError(PreconditionError):
    """The request for a project has problems.

    Attributes
    ----------
    problems
        All problems, a sentence each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class Project:
    """A project that can be written.

    Attributes
    ----------
    folder
        Folder that the project is written to.
    preset
        Its name, classes and loading bays.
    dataset
        Its photos, which are not copied.
    files
        The files that are written.
    warnings
        Warnings about the photos, a sentence each.
    """

    folder: Path
    preset: Preset
    dataset: Dataset
    files: Files
    warnings: tuple[str, ...]

    def overwritten(self) -> list[str]:
        """Return the paths of the files that are in the folder and would be overwritten."""
        return [path for path in self.files if os.path.lexists(self.folder / path)]


def plan(photos: Path, folder: Path, choices: Choices, on_progress: ProgressCallback) -> Project:
    """Check photos, names and folders, and return the project without writing anything.

    Parameters
    ----------
    photos
        Folder of the photos; see `scones_operator.datasets.class_folders.read_dataset`.
    folder
        Folder of the project; may exist.
    choices
        Name, bays and settings that the user chose.
    on_progress
        Called with an `Amount` after each photo.

    Raises
    ------
    ProjectError
        If the photos, the name, the bays or the folders are not usable.
    PreconditionError, OperationError
        If this application is not a Git checkout or one of its files cannot be rewritten.
    """
    checkout = CHECKOUT
    tracked = git.tracked_files(checkout)
    problems = [*name_problems(choices.name), *folder_problems(photos, folder, checkout)]
    dataset, of_photos = photo_checks.check_photos(photos, _shape(choices), on_progress)
    problems += of_photos
    preset = None
    try:
        preset = make_preset(choices, _usable_classes(dataset.class_names))
    except PreconditionError as error:
        problems.append(str(error))
    if problems or preset is None:
        raise ProjectError(problems)
    reference = os.path.relpath(photos.resolve(), folder.resolve())
    files = project_files(checkout, tracked, reference, choices, preset)
    return Project(folder, preset, dataset, files, tuple(photo_checks.warnings(dataset)))


def folder_problems(photos: Path, folder: Path, checkout: Path) -> list[str]:
    """Return why a project cannot be made in a folder; empty if it can be.

    Parameters
    ----------
    photos, folder
        As for `plan`.
    checkout
        The application that is copied.
    """
    images, project, source = photos.resolve(), folder.resolve(), checkout.resolve()
    problems = []
    if project.is_relative_to(source) or source.is_relative_to(project):
        problems.append(
            f"{folder} and the application in {checkout} are in one another: make the project "
            "next to it, such as in ../my-project"
        )
    if images.is_relative_to(project) or project.is_relative_to(images):
        problems.append(
            f"{folder} and the photos in {photos} are in one another: keep photos out of the "
            "project, so that they are not committed"
        )
    if project.exists() and not project.is_dir():
        problems.append(f"{folder} is not a folder: name another one")
    if "\n" in str(images):
        problems.append(f"{photos} has a line break in its path: rename it")
    return problems


def write(project: Project) -> None:
    """Write a project's files, and stage them in its Git repository.

    All files are written to a temporary folder next to the project and then moved, so that a full
    disk or an interruption while copying changes nothing in the project's folder.

    Raises
    ------
    OperationError
        If Git fails.
    """
    target = project.folder.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        _make_folders(Path(scratch), project.files)
        for path, content in project.files.items():
            _write(Path(scratch) / path, content)
        _make_folders(target, project.files)
        for path in project.files:
            (Path(scratch) / path).replace(target / path)
    git.add_to_repository(target, project.files)


def _make_folders(top: Path, paths: Iterable[str]) -> None:
    for folder in sorted({parent for path in paths for parent in Path(path).parents}):
        if not (top / folder).is_dir():
            (top / folder).mkdir()
            # The command's umask would make them private, and Lambda cannot read private files.
            (top / folder).chmod(0o755)


def _write(place: Path, content: Path | str) -> None:
    if isinstance(content, str):
        place.write_text(content, encoding="utf-8")
        place.chmod(0o644)
    else:
        shutil.copy(content, place, follow_symlinks=False)


def _shape(choices: Choices) -> ImageShape:
    """Return the image shape to check photos at: the default if the chosen one is invalid."""
    if template_parameters.is_allowed("ImageShape", choices.image_shape):
        return ImageShape.parse(choices.image_shape)
    return ImageShape.parse(Choices.image_shape)


def _usable_classes(class_names: Iterable[str]) -> tuple[str, ...]:
    """Return class names that the template accepts, to check the other choices with.

    Those that it does not accept are problems of the photos, which are listed already.
    """
    usable = [name for name in class_names if can_be_class(name)]
    return tuple(usable) if len(usable) > 1 else (*usable, "first class", "second class")
