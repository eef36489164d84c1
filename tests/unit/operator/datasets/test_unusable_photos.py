"""Photos that cannot be decoded are found, named, and left out."""

import time
from pathlib import Path

import pytest

from scones.photos import require_decodable
from scones_operator.datasets.class_folders import Dataset, read_dataset, require_enough_photos
from scones_operator.datasets.folder import stage
from scones_operator.datasets.unusable_photos import find_unusable, leave_out_unusable
from scones_operator.folder_files import MAX_NAMED, FolderLayoutError, format_unusable
from scones_operator.progress import ItemProgress, ignore_progress
from tests.unit.whole_photos import HTML, cut, fill, jpeg

PLACES = [f"{split}/{name}" for split in ("train", "validation") for name in ("bus", "car")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three whole photos of two classes to train on, and to validate on."""
    return fill(tmp_path / "from", *(f"{place}/{n}.jpg" for place in PLACES for n in range(3)))


def usable(folder: Path) -> Dataset:
    return leave_out_unusable(read_dataset(folder), ignore_progress)


def test_whole_photos_are_all_usable(folder: Path) -> None:
    assert usable(folder) == read_dataset(folder)


def test_photos_that_cannot_be_decoded_are_left_out_under_their_names(folder: Path) -> None:
    (folder / "train/bus/page.jpg").write_bytes(HTML)
    (folder / "train/bus/unfinished.jpg").touch()
    (folder / "train/car/1.jpg").write_bytes(cut(jpeg("x")))
    (folder / "none_of_the_classes").mkdir()
    (folder / "none_of_the_classes/notes.png").write_text("notes")
    before = read_dataset(folder)

    dataset = leave_out_unusable(before, ignore_progress)

    assert dataset.unusable == {
        folder / "train/bus/page.jpg": "this is an HTML file",
        folder / "train/bus/unfinished.jpg": "the file is empty",
        folder / "train/car/1.jpg": "the JPEG photo is damaged or incomplete",
        folder / "none_of_the_classes/notes.png": "the file is not a photo",
    }
    assert len(before.train) == 8
    names = [photo.path.name for photo in dataset.train]
    assert names == ["0.jpg", "1.jpg", "2.jpg", "0.jpg", "2.jpg"]
    assert dataset.validation == before.validation
    assert dataset.negatives == ()
    assert dataset.excluded_photos == {"photos that cannot be decoded": 4}


def test_staging_goes_on_with_the_rest_and_keeps_the_original_names(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "train/bus/my photo.jpg").write_bytes(HTML)

    staged = stage(usable(folder), folder, tmp_path / "to", {}, ignore_progress)

    assert staged.unusable == {"train/bus/my photo.jpg": "this is an HTML file"}
    assert staged.excluded["photos that cannot be decoded"] == 1
    assert sum(staged.counts.values()) == 12


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_class_without_usable_photos_is_named_with_its_photos(folder: Path, split: str) -> None:
    for number in range(3):
        (folder / split / "car" / f"{number}.jpg").write_bytes(HTML)
    dataset = usable(folder)

    with pytest.raises(FolderLayoutError) as raised:
        require_enough_photos(folder, dataset, 0.1)

    counts = "0 to train on, 3" if split == "train" else "3 to train on, 0"
    few, named = raised.value.problems
    assert f"too few photos of car ({counts} to validate on: 1 missing at least)" in few
    assert f"{folder / split / 'car/2.jpg'}: this is an HTML file" in named


def test_order_and_progress(folder: Path) -> None:
    amounts: list[ItemProgress] = []
    paths = sorted((folder / "train").rglob("*.jpg"))
    for path in paths[::2]:
        path.write_bytes(HTML)

    found = find_unusable(paths, require_decodable, amounts.append)

    assert list(found) == paths[::2]
    assert amounts == [ItemProgress("Checking photos", done, 6) for done in range(1, 7)]


def test_after_an_interruption_the_other_photos_are_not_checked(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    checked: list[bytes] = []

    def check(data: bytes) -> None:
        checked.append(data)
        time.sleep(0.02)

    def interrupt(_: ItemProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_unusable([tmp_path / "photo.jpg"] * 500, check, interrupt)
    assert len(checked) < 500


def test_at_most_some_are_named() -> None:
    unusable = {f"{number}.jpg": "this is an HTML file" for number in range(MAX_NAMED + 2)}

    lines = format_unusable(unusable)

    assert len(lines) == MAX_NAMED + 1
    assert lines[0] == "0.jpg: this is an HTML file"
    assert lines[-1] == "and 2 more"
    assert len(format_unusable(unusable, len(unusable))) == MAX_NAMED + 2
