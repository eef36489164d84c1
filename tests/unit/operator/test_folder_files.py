from collections.abc import Callable
from pathlib import Path

import pytest

from scones_local.run.photo_folder import read_photos
from scones_operator.datasets.class_folders import read_dataset
from scones_operator.datasets.uploader import staged_photos
from scones_operator.errors import PreconditionError
from scones_operator.photos.uploads import find_photos
from tests.unit.files_like_photos import JPEG

READERS: dict[str, Callable[[Path], object]] = {
    "scones data folder, make run DATASET=": read_dataset,
    "scones data upload": staged_photos,
    "scones upload": lambda folder: find_photos([folder]),
    "make run PHOTOS=": lambda folder: read_photos(folder, ["a", "b"]),
}
every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "chosen"
    for split in ("train", "validation"):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
            (folder / split / label / "1.jpg").write_bytes(JPEG + f"{split} {label}".encode())
    return folder


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "credentials.jpg"
    path.parent.mkdir()
    path.write_bytes(JPEG + b"aws_secret_access_key = x")
    return path


@every_reader
def test_links_out_of_the_folder_are_refused(
    folder: Path, credentials: Path, read: Callable[[Path], object]
) -> None:
    (folder / "train/a/2.jpg").symlink_to(credentials)
    with pytest.raises(
        PreconditionError, match=r"links to files .* outside it: .*train/a/2\.jpg\. Copy"
    ):
        read(folder)


@every_reader
def test_a_folder_that_is_a_link_out_of_the_chosen_one_is_refused(
    folder: Path, credentials: Path, read: Callable[[Path], object]
) -> None:
    (folder / "train/a/1.jpg").unlink()
    (folder / "train/a").rmdir()
    (folder / "train/a").symlink_to(credentials.parent, target_is_directory=True)
    with pytest.raises(PreconditionError, match=r"outside it: .*train/a\. Copy"):
        read(folder)


@every_reader
def test_links_within_the_folder_and_to_it_are_followed(
    folder: Path, read: Callable[[Path], object]
) -> None:
    (folder / "train/a/2.jpg").symlink_to("../../validation/a/1.jpg")
    (folder.parent / "link").symlink_to(folder)
    read(folder.parent / "link")


@every_reader
@pytest.mark.parametrize("target", ["2.jpg", "gone.jpg"])
def test_links_that_lead_nowhere_are_refused(
    folder: Path, read: Callable[[Path], object], target: str
) -> None:
    (folder / "train/a/2.jpg").symlink_to(target)
    with pytest.raises(PreconditionError, match=r"broken links: .*train/a/2\.jpg\. Remove"):
        read(folder)


def test_files_that_are_no_photos_by_their_content_are_refused(folder: Path) -> None:
    """Datasets leave them out instead: `scones_operator.datasets.unusable_photos`."""
    (folder / "train/b/id_rsa.jpg").write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    with pytest.raises(
        PreconditionError, match=r"not photos by their content: .*id_rsa\.jpg\. Remove"
    ):
        find_photos([folder])


def test_a_file_that_is_named_is_uploaded_whatever_it_is(tmp_path: Path) -> None:
    """It is how an operator tries what becomes of a file that is no photo."""
    (tmp_path / "notes.txt").write_bytes(b"notes")
    assert len(find_photos([tmp_path / "notes.txt"])) == 1
