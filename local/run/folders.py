"""Photos in folders on disk, to decide; a dataset to train on beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.data.folders import (
    Dataset,
    LabelledPhoto,
    count_files,
    is_somebodys_file,
    read_dataset,
    require_folder,
)
from operations.folder_files import FolderError, list_files

__all__ = ["Dataset", "LabelledPhoto", "Photos", "read_dataset", "read_photos"]


@dataclass(frozen=True)
class Photos:
    """Photos to decide.

    Attributes
    ----------
    folder
        Where they are; their names are their paths below it.
    photos
        The photos.
    passed_over
        How many files lie among them that are no photos.
    """

    folder: Path
    photos: tuple[LabelledPhoto, ...]
    passed_over: int = 0


def read_photos(folder: Path, class_names: Sequence[str]) -> Photos:
    """Read photos to decide.

    Parameters
    ----------
    folder
        Holds photos, or one folder a class which does. A folder that is no class holds photos
        without a label.
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
    files = [path for path in list_files(folder, folder) if is_somebodys_file(path, folder)]
    photos = tuple(LabelledPhoto(path, _label(path, folder, class_names)) for path in files)
    if not photos:
        raise FolderError(f"{folder} holds no photos")
    return Photos(folder, photos, count_files(folder) - len(photos))


def _label(path: Path, folder: Path, class_names: Sequence[str]) -> str | None:
    top = path.relative_to(folder).parts[0]
    return top if top in class_names and path.parent != folder else None
