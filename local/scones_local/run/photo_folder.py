"""Photos in folders on disk, to decide; a dataset to train on beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scones.classes import NONE_OF_THE_CLASSES
from scones_operator.datasets.class_folders import (
    Dataset,
    LabeledPhoto,
    count_files,
    is_user_file,
    read_dataset,
    require_folder,
)
from scones_operator.folder_files import FolderLayoutError, list_files

__all__ = ["Dataset", "LabeledPhoto", "PhotoFolder", "read_dataset", "read_photos"]


@dataclass(frozen=True)
class PhotoFolder:
    """Photos to decide.

    Attributes
    ----------
    folder
        Where they are; their names are their paths below it.
    photos
        The photos.
    passed_over
        How many files lie among them that are no photos.
    not_classes
        Folders that are no class beside folders that are: their photos show none of the classes.
    """

    folder: Path
    photos: tuple[LabeledPhoto, ...]
    skipped: int = 0
    not_classes: tuple[str, ...] = ()


def read_photos(folder: Path, class_names: Sequence[str]) -> PhotoFolder:
    """Read photos to decide.

    Parameters
    ----------
    folder
        Holds photos, or one folder a class which does. Beside such folders, one that is no class
        holds photos of none of the classes; alone, it holds photos without a label.
    class_names
        The classes.

    Returns
    -------
    Photos
        In the order of their paths. Empty and hidden files and the file managers' own are passed
        over; every other file is a photo, whatever its name.

    Raises
    ------
    FolderError
        If there is none, or a link out of `folder`.
    """
    require_folder(folder)
    files = [path for path in list_files(folder, folder) if is_user_file(path, folder)]
    if not files:
        raise FolderLayoutError(f"{folder} contains no photos")
    top_folders = [_top_folder(path, folder) for path in files]
    labels = {name: name for name in class_names if name in top_folders}
    if labels:
        labels |= {name: NONE_OF_THE_CLASSES for name in top_folders if name and name not in labels}
    photos = tuple(
        LabeledPhoto(path, labels.get(top or ""))
        for path, top in zip(files, top_folders, strict=True)
    )
    return PhotoFolder(
        folder,
        photos,
        count_files(folder) - len(photos),
        tuple(sorted(labels.keys() - set(class_names))),
    )


def _top_folder(path: Path, folder: Path) -> str | None:
    """Return the name of the folder directly in `folder` that holds a file, None if none does."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else None
