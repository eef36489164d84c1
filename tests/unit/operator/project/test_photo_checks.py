"""Every problem of a folder of photos is found, not only the first."""

import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image

from scones.photos import ImageShape
from scones_operator.progress import ItemProgress
from scones_operator.project.photo_checks import check_photos, warnings

SHAPE = ImageShape.parse("3,32,32")


def photo(number: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (16, 8), (number % 256, number // 256, 9)).save(file, "PNG")
    return file.getvalue()


def fill(folder: Path, count: int = 3) -> Path:
    """Two classes with splits; every photo is different."""
    places = [f"{split}/{name}" for split in ("train", "validation") for name in ("a", "b")]
    for start, place in enumerate(places):
        (folder / place).mkdir(parents=True)
        for number in range(count):
            path = folder / place / f"{number}.png"
            path.write_bytes(photo(start * count + number))
    return folder


def problems(folder: Path) -> list[str]:
    return check_photos(folder, SHAPE, lambda _: None)[1]


def test_a_good_folder_has_no_problems(tmp_path: Path) -> None:
    amounts: list[ItemProgress] = []
    dataset, found = check_photos(fill(tmp_path), SHAPE, amounts.append)

    assert found == []
    assert dataset.class_names == ("a", "b")
    assert ItemProgress("Checking photos", 12, 12) in amounts


def test_all_problems_of_the_layout_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos")
    (folder / "train" / "b,c").mkdir()
    (folder / "train" / "empty").mkdir()
    (folder / "validation" / "odd").mkdir()
    (folder / "train" / "a" / "text.jpg").write_text("no photo")
    (folder / "validation" / "b" / "link.png").symlink_to(Path(__file__))
    shutil.rmtree(folder / "validation" / "a")
    # The class c can be read, so that its photos are checked too.
    for split in ("train", "validation"):
        (folder / split / "c").mkdir()
        (folder / split / "c" / "broken.png").write_bytes(photo(500)[:40])

    found = problems(folder)

    for message in (
        "b,c' cannot be a class because of its name",
        "class empty has no photos",
        "folders that are not a class: odd",
        "links to files or folders outside it",
        "3 photos cannot be used",
        "text.jpg: the file is not a photo",
        f"class a has no folder {folder / 'validation' / 'a'}",
    ):
        assert sum(message in problem for problem in found) == 1, message


def test_damaged_photos_and_photos_in_two_classes_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    whole = (folder / "train/a/0.png").read_bytes()
    (folder / "train/a/broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "none_of_the_classes").mkdir()
    (folder / "none_of_the_classes/broken.png").write_bytes(whole[: len(whole) // 3])
    (folder / "train/b/copy.png").write_bytes(whole)

    damaged, torn = problems(folder)

    assert damaged.startswith("2 photos cannot be used: ")
    assert str(folder / "train/a/broken.png") in damaged
    assert torn.startswith("1 photo is in two classes: ")


def test_too_few_photos_to_hold_out(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(photo(ord(name)))
    (problem,) = problems(tmp_path)
    assert "too few photos of a" in problem


def test_small_datasets_are_warned_of(tmp_path: Path) -> None:
    dataset, _ = check_photos(fill(tmp_path / "few"), SHAPE, lambda _: None)
    few, validation = warnings(dataset)
    assert "Few photos of a (6), b (6)" in few
    assert "Only 6 validation photos" in validation

    dataset, _ = check_photos(fill(tmp_path / "many", 10), SHAPE, lambda _: None)
    assert warnings(dataset) == []


def test_photos_that_are_not_used_are_warned_of(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    shutil.copytree(folder / "validation", folder / "Testing")

    dataset, found = check_photos(folder, SHAPE, lambda _: None)

    assert found == []
    assert warnings(dataset)[0] == "Left out: photos of a test split that is not used (6)."
