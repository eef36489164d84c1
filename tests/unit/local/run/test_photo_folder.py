import re
from pathlib import Path

import pytest

from scones.classes import NONE_OF_THE_CLASSES
from scones_local.run.photo_folder import read_dataset, read_photos
from scones_operator.datasets import class_folders
from scones_operator.folder_files import FolderLayoutError
from tests.unit.files_like_photos import JPEG


def fill(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(JPEG + name.encode())


def fill_classes(folder: Path, *classes: str, count: int = 60) -> None:
    for name in classes:
        fill(folder, *(f"{name}/{number} [a] (b).png" for number in range(count)))


def test_folders_are_the_classes_in_alphabetical_order(tmp_path: Path) -> None:
    fill_classes(tmp_path, "van", "bicycle", "motorcycle")

    dataset = read_dataset(tmp_path)

    assert dataset.class_names == ("bicycle", "motorcycle", "van")
    assert len(dataset.train) + len(dataset.validation) == 180


def test_held_back_photos_are_a_tenth_and_always_the_same(tmp_path: Path) -> None:
    fill_classes(tmp_path, "a", "b", count=200)
    first = read_dataset(tmp_path)

    fill(tmp_path, "a/one more.png")
    second = read_dataset(tmp_path)

    assert 20 <= len(first.validation) <= 60
    assert set(first.validation) <= set(second.validation)
    assert not set(first.train) & set(first.validation)


def test_share_that_is_held_back(tmp_path: Path) -> None:
    fill_classes(tmp_path, "a", "b", count=200)

    few, many = (read_dataset(tmp_path, share=share) for share in (0.1, 0.5))

    assert 150 <= len(many.validation) <= 250
    assert set(few.validation) < set(many.validation)


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ("train", "validation"),
        ("train", "test"),
        ("train", "val"),
        ("train", "valid"),
        ("train", "dev"),
        ("Train", "Validation"),
        ("Training", "Testing"),
        ("TRAIN", "Val"),
        ("training_set", "test_set"),
        ("chest/train", "chest/val"),
        ("train/images", "val/images"),
        ("training_set/training_set", "test_set/test_set"),
    ],
)
def test_dataset_with_its_own_validation(tmp_path: Path, train: str, validation: str) -> None:
    fill(tmp_path, f"{train}/a/1.png", f"{train}/b/2.jpg")
    fill(tmp_path, f"{validation}/a/3.png", f"{validation}/b/4.bmp", "__MACOSX/._train")

    dataset = read_dataset(tmp_path)

    assert dataset.class_names == ("a", "b")
    assert [photo.path.name for photo in dataset.train] == ["1.png", "2.jpg"]
    assert [photo.path.name for photo in dataset.validation] == ["3.png", "4.bmp"]
    assert dataset.splits == {"train": tmp_path / train, "validation": tmp_path / validation}
    assert read_dataset(tmp_path, ["b", "a"]).validation[0].path.name == "4.bmp"


def test_photos_that_are_not_used_are_counted(tmp_path: Path) -> None:
    for split in ("train", "val"):
        fill_classes(tmp_path / split, "a", "b", count=1)
    fill(tmp_path, "test/a/1.png", "test/2.png", "test/notes.txt", "loose.png", "train/loose.png")

    dataset = read_dataset(tmp_path)

    assert (len(dataset.train), len(dataset.validation)) == (2, 2)
    assert (dataset.unused, dataset.outside, dataset.skipped) == (2, 2, 1)
    assert list(dataset.excluded_photos.values()) == [2, 2]


def test_classes_in_the_only_folder(tmp_path: Path) -> None:
    fill_classes(tmp_path / "flowers" / "photos", "rose", "tulip")
    fill(tmp_path, "README.txt", "flowers/.DS_Store")

    assert read_dataset(tmp_path).class_names == ("rose", "tulip")
    assert read_dataset(tmp_path, ["tulip", "rose"]).class_names == ("tulip", "rose")


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (["train/a/1.png", "train/b/1.png", "a/1.png", "b/1.png"], "has train.* next to .*: a, b"),
        (["a/1.png", "b/1.png", "val/a/1.png", "val/b/1.png"], "has val,.* next to .*: a, b"),
        (["a/1.png", "b/1.png", "test/1.png"], "has test,.* next to .*: a, b"),
        (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "val and valid are both for valid"),
        (["train/a/1.png", "Train/a/1.png", "val/a/1.png"], "Train and train are both for train"),
        (["test/a/1.png", "val/b/1.png"], "no folder to train on, only test, val"),
        (
            ["test/1.png", "train/1.png"],
            "train and .*test are not in the folder .*If they are classes",
        ),
        (
            ["train/a/1.png", "train/b/1.png", "val/1.png"],
            "photos in .*val are not in the folder of a",
        ),
        (["train/a/1.png", "train/b/1.png", "val/notes.txt"], "val is empty: add one folder"),
        (["train/notes.txt", "val/notes.txt"], "train and .*val are empty"),
        (["cars_train/a/1.png", "cars_test/a/1.png"], "splits or classes: cars_test, cars_train"),
        (["a/train/1.png", "a/test/1.png", "b/1.png"], "a contains folders for splits .*train/a"),
        (["Car/1.png", "car/2.png", "van/1.png"], "only in case: Car, car"),
        (["train/Car/1.png", "train/b/1.png", "val/car/1.png", "val/b/1.png"], "car and Car diff"),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png"], "class b has no folder .*val/b"),
        (["train/a/1.png", "train/b/1.png", *(f"val/{x}/1.png" for x in "abc")], "not a class: c"),
    ],
)
def test_splits_that_are_ambiguous_or_unusable(
    tmp_path: Path, files: list[str], complaint: str
) -> None:
    fill(tmp_path, *files)

    with pytest.raises(FolderLayoutError, match=complaint):
        read_dataset(tmp_path)


def test_classes_that_are_named_like_splits(tmp_path: Path) -> None:
    """Class names settle what the folders alone can't."""
    fill_classes(tmp_path, "train", "test", "bus")
    with pytest.raises(FolderLayoutError, match="name all classes: --like PRESET"):
        read_dataset(tmp_path)

    assert read_dataset(tmp_path, ["train", "test", "bus"]).class_names == ("train", "test", "bus")

    fill_classes(tmp_path / "train", "train", "test", "bus")
    with pytest.raises(
        FolderLayoutError, match="has train, which is a class, and holds a folder for"
    ):
        read_dataset(tmp_path, ["train", "test", "bus"])


def test_a_split_that_is_a_link_to_the_other(tmp_path: Path) -> None:
    fill(tmp_path, "train/a/1.png", "train/b/2.png")
    (tmp_path / "val").symlink_to("train")

    with pytest.raises(FolderLayoutError, match="are the same folder, through a link"):
        read_dataset(tmp_path)


def test_configured_order_wins(tmp_path: Path) -> None:
    fill_classes(tmp_path, "left", "right", "middle")

    dataset = read_dataset(tmp_path, ["right", "left", "middle"])

    assert dataset.class_names == ("right", "left", "middle")
    assert dataset.train[0].label == "right"


def test_stray_files_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png")
    fill(tmp_path, "train/.DS_Store", "train/a/.DS_Store", "train/a/Thumbs.db", "train/a/notes.txt")
    fill(tmp_path, "train/.hidden/5.png", "train/a/._1.png")

    dataset = read_dataset(tmp_path)

    assert [photo.path.name for photo in dataset.train] == ["1.png", "2.png"]
    assert dataset.skipped == 6


@pytest.mark.parametrize(
    ("files", "classes", "complaint"),
    [
        ([], [], "at least two folders"),
        (["a/1.png"], [], "at least two folders"),
        (["a/1.png", "b/notes.txt"], [], "class b has no photos"),
        (["a/1.png", "b/1.png"], ["a", "b", "c"], "class c has no folder .*c"),
        (["a/1.png", "b/1.png", "c/1.png"], ["a", "b"], "that are not a class: c"),
        (["a/1.png", "b/1.png"], [], "too few photos of"),
    ],
)
def test_folders_that_are_no_dataset(
    tmp_path: Path, files: list[str], classes: list[str], complaint: str
) -> None:
    fill(tmp_path, *files)

    with pytest.raises(FolderLayoutError, match=complaint):
        read_dataset(tmp_path, classes)


def hold_out(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Hold out the photos with these paths below the dataset, and no others."""
    held = tuple(f"/{name}" for name in names)
    monkeypatch.setattr(
        class_folders, "_is_validation", lambda path, _: path.as_posix().endswith(held)
    )


def test_all_classes_with_too_few_photos_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_classes(tmp_path, "bus", "car", "van", "bike", count=3)
    hold_out(
        monkeypatch, *(f"car/{number} [a] (b).png" for number in range(3)), "van/1 [a] (b).png"
    )

    with pytest.raises(FolderLayoutError) as raised:
        read_dataset(tmp_path)

    (problem,) = raised.value.problems
    assert problem == (
        f"{tmp_path} has too few photos of "
        "bike (3 to train on, 0 to validate on: about 7 missing), "
        "bus (3 to train on, 0 to validate on: about 7 missing), "
        "car (0 to train on, 3 to validate on: about 7 missing). "
        "One photo in 10 is held out for validation, chosen by its content: "
        "add photos, or split the folder into train/ and validation/"
    )


def test_photos_by_class(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/deep/2.png", "other/3.png", "4.png", "a/Thumbs.db", ".DS_Store")

    found = read_photos(tmp_path, ["a", "b"])

    assert {(photo.path.name, photo.label) for photo in found.photos} == {
        ("1.png", "a"),
        ("2.png", "b"),
        ("3.png", NONE_OF_THE_CLASSES),
        ("4.png", None),
    }
    assert found.not_classes == ("other",)


def test_photos_in_folders_of_which_none_is_a_class(tmp_path: Path) -> None:
    fill(tmp_path, "monday/1.png", "tuesday/2.png")

    found = read_photos(tmp_path, ["a", "b"])

    assert {photo.label for photo in found.photos} == {None}
    assert found.not_classes == ()


def test_photos_to_decide_may_have_any_name(tmp_path: Path) -> None:
    fill(tmp_path, "no suffix", "text.txt")

    assert len(read_photos(tmp_path, ["a", "b"]).photos) == 2


def test_hidden_folders_hold_no_photos(tmp_path: Path) -> None:
    shown = ["train/a/1.png", "train/b/deep/2.png", "test/a/3.png", "test/b/4.png"]
    fill(tmp_path, *shown)
    fill(tmp_path, "train/a/.cache/5.png", "train/b/deep/.thumbnails/x/6.png", "test/a/.x/7.png")
    dataset = read_dataset(tmp_path)
    fill(tmp_path, "photos/a/8.png", "photos/__MACOSX/a/9.png", "photos/.thumbnails/10.jpg")
    photos = read_photos(tmp_path / "photos", ["a", "b"])

    found = [photo.path for photo in (*dataset.train, *dataset.validation)]
    assert found == [tmp_path / name for name in shown]
    assert dataset.skipped == 3
    assert [photo.path.name for photo in photos.photos] == ["8.png"]
    assert photos.skipped == 2


def test_photos_in_a_hidden_folder_that_the_user_names(tmp_path: Path) -> None:
    fill(tmp_path, ".photos/1.png")

    assert len(read_photos(tmp_path / ".photos", ["a"]).photos) == 1


@pytest.mark.parametrize("name", ["a,b", " a", "a ", ","])
def test_folder_whose_name_no_class_can_have(tmp_path: Path, name: str) -> None:
    fill_classes(tmp_path, "van", name)

    with pytest.raises(
        FolderLayoutError, match=re.escape(repr(str(tmp_path / name))) + ".* rename it"
    ):
        read_dataset(tmp_path)


def test_folders_whose_names_are_too_long_together(tmp_path: Path) -> None:
    fill_classes(tmp_path, *(f"{number:0200}" for number in range(8)), count=1)

    with pytest.raises(FolderLayoutError, match="1500 characters at most"):
        read_dataset(tmp_path)


def test_no_photos(tmp_path: Path) -> None:
    with pytest.raises(FolderLayoutError, match="contains no photos"):
        read_photos(tmp_path, ["a"])
    with pytest.raises(FolderLayoutError, match="there is no folder"):
        read_photos(tmp_path / "nowhere", ["a"])


@pytest.mark.parametrize("sides", [("train", "validation"), ("train",), ("",)])
def test_photos_of_none_of_the_classes_are_no_class(tmp_path: Path, sides: tuple[str, ...]) -> None:
    for side in sides:
        fill_classes(tmp_path / side, "a", "b")
    before = read_dataset(tmp_path)
    fill(tmp_path, "none_of_the_classes/1.png", "none_of_the_classes/reviewed/2.jpg")
    fill(tmp_path, "none_of_the_classes/notes.txt")

    dataset = read_dataset(tmp_path)

    assert [(photo.path.name, photo.label) for photo in dataset.negatives] == [
        ("1.png", None),
        ("2.jpg", None),
    ]
    assert (before.skipped, dataset.skipped) == (0, 1)
    assert dataset.class_names == before.class_names == ("a", "b")
    assert (dataset.train, dataset.validation) == (before.train, before.validation)
    assert read_dataset(tmp_path, ["b", "a"]).negatives == dataset.negatives


@pytest.mark.parametrize("sides", [("train", "test"), ("train",)])
@pytest.mark.parametrize("classes", [[], ["a", "b"]])
def test_photos_of_none_of_the_classes_have_no_side(
    tmp_path: Path, classes: list[str], sides: tuple[str, ...]
) -> None:
    for side in sides:
        fill_classes(tmp_path / side, "a", "b", count=20)
    fill(tmp_path, f"{sides[-1]}/none_of_the_classes/1.png")

    with pytest.raises(FolderLayoutError, match=r"move photos of .* to .*/none_of_the_classes"):
        read_dataset(tmp_path, classes)
