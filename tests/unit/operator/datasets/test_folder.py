import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from scones.photos import UnusablePhoto
from scones_operator.datasets.class_folders import read_dataset
from scones_operator.datasets.folder import flip, stage
from scones_operator.datasets.staging import StagingResult
from scones_operator.errors import PreconditionError
from scones_operator.folder_files import FolderLayoutError
from scones_operator.progress import ItemProgress, ignore_progress
from tests.unit.files_like_photos import JPEG

MIRRORED = {"left": "right", "right": "left", "none": "none"}


def png(left: tuple[int, int, int], right: tuple[int, int, int], size: int = 8) -> bytes:
    picture = Image.new("RGB", (2 * size, size), left)
    picture.paste(right, (size, 0, 2 * size, size))
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def views(folder: Path) -> Path:
    """Three classes, with sides; every photo is another."""
    return fill(
        folder,
        {
            f"{side}/{label}/{number}.PNG": png((number, len(side), ord(label[0])), (255, 255, 255))
            for side in ("train", "validation")
            for label in MIRRORED
            for number in range(3)
        },
    )


def staged(source: Path, to: Path, mirrored: dict[str, str] | None = None) -> StagingResult:
    return stage(read_dataset(source), source, to, mirrored or {}, ignore_progress)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_photos_lie_by_side_and_class_under_names_of_their_content(tmp_path: Path) -> None:
    source = views(tmp_path / "from")
    result = staged(source, tmp_path / "to")

    expected = {}
    for path in source.rglob("*.PNG"):
        content = path.read_bytes()
        name = hashlib.sha256(content).hexdigest()[:20] + ".png"
        expected[f"{path.relative_to(source).parent.as_posix()}/{name}"] = content
    assert contents(tmp_path / "to") == expected
    assert result.by_class() == {name: {"train": 3, "validation": 3} for name in sorted(MIRRORED)}


def test_a_folder_without_sides_gets_them_by_content(tmp_path: Path) -> None:
    names = [f"{label}/{n}.jpg" for label in "ab" for n in range(60)]
    photos = {name: JPEG + name.encode() for name in names}
    first = staged(fill(tmp_path / "from", photos), tmp_path / "one")
    elsewhere = {f"{path.partition('/')[0]}/deep/{path[2:]}": data for path, data in photos.items()}
    staged(fill(tmp_path / "moved", elsewhere), tmp_path / "two")

    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert 4 <= first.counts["validation", "a"] + first.counts["validation", "b"] <= 24


def test_stray_files_and_copies_are_counted(tmp_path: Path) -> None:
    source = views(tmp_path / "from")
    twice = (source / "train/left/0.PNG").read_bytes()
    validated = (source / "validation/right/0.PNG").read_bytes()
    fill(
        source,
        {
            **{"train/left/copy.png": twice, "train/right/of-validation.png": validated},
            **{"train/left/notes.txt": b"x", "train/.DS_Store": b"x"},
        },
    )
    result = staged(source, tmp_path / "to")

    assert result.excluded == {
        "files that are no photos": 2,
        "copies of photos that are there": 2,
    }
    sides = [path for path, data in contents(tmp_path / "to").items() if data == validated]
    assert [path.partition("/")[0] for path in sides] == ["validation"]


def test_a_photo_in_two_classes_is_refused(tmp_path: Path) -> None:
    source = views(tmp_path / "from")
    fill(source, {"train/right/x.png": (source / "train/left/0.PNG").read_bytes()})

    with pytest.raises(FolderLayoutError, match=r"1 photo is in two classes: .*0.PNG and .*x.png"):
        staged(source, tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(("source", "to"), [("a", "a"), ("a", "a/to"), ("a/b", "a")])
def test_folders_in_one_another(tmp_path: Path, source: str, to: str) -> None:
    views(tmp_path / source)
    with pytest.raises(FolderLayoutError, match="inside one another"):
        staged(tmp_path / source, tmp_path / to)


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    source = views(tmp_path / "from")
    staged(source, tmp_path / "to", MIRRORED)
    before = contents(tmp_path / "to")
    for path in list(before)[:2]:
        (tmp_path / "to" / path).unlink()

    again = staged(source, tmp_path / "to", MIRRORED)

    assert again.written == 2
    assert contents(tmp_path / "to") == before
    with pytest.raises(PreconditionError, match="9 files that are not of this dataset"):
        staged(source, tmp_path / "to")


def test_mirrored_copies_are_under_the_mirrored_label_and_to_train_on_only(tmp_path: Path) -> None:
    source = views(tmp_path / "from")
    result = staged(source, tmp_path / "to", MIRRORED)

    assert set(result.counts.values()) == {6, 3}
    assert [result.counts["train", label] for label in MIRRORED] == [6, 6, 6]
    original = source / "train/left/2.PNG"
    name = hashlib.sha256(original.read_bytes()).hexdigest()[:20]
    with Image.open(tmp_path / f"to/train/right/{name}-mirrored.png") as copy:
        assert copy.size == (16, 8)
        assert copy.getpixel((0, 0)) == (255, 255, 255)
        assert copy.getpixel((15, 7)) == (2, 5, ord("l"))


def test_a_class_that_is_not_named_is_not_mirrored(tmp_path: Path) -> None:
    result = staged(views(tmp_path / "from"), tmp_path / "to", {"left": "right", "right": "left"})
    assert result.counts["train", "none"] == 3


def test_a_photo_is_turned_upright_before_it_is_mirrored() -> None:
    picture = Image.open(BytesIO(png((255, 0, 0), (0, 0, 255), 16)))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned clockwise to be upright: red is on top
    file = BytesIO()
    picture.save(file, "PNG", exif=exif)

    with Image.open(BytesIO(flip(file.getvalue()))) as mirrored:
        assert mirrored.size == (16, 32)
        assert mirrored.getpixel((8, 2)) == (255, 0, 0)
        assert mirrored.getpixel((8, 30)) == (0, 0, 255)
        assert not mirrored.getexif()


def test_photos_that_can_not_be_mirrored_are_counted(tmp_path: Path) -> None:
    source = fill(views(tmp_path / "from"), {"train/left/broken.jpg": JPEG + b"broken"})
    result = staged(source, tmp_path / "to", MIRRORED)

    assert result.excluded["unreadable photos without a mirrored copy"] == 1
    assert result.counts["train", "left"] == 7
    with pytest.raises(UnusablePhoto):
        flip(b"no photo")


def test_how_far_it_is(tmp_path: Path) -> None:
    told: list[ItemProgress] = []
    source = views(tmp_path / "from")
    stage(read_dataset(source), source, tmp_path / "to", MIRRORED, told.append)
    assert ItemProgress("Reading photos", 18, 18) in told
    assert told[-1] == ItemProgress("Writing photos", 27, 27)


def test_photos_of_none_of_the_classes_are_staged_beside_the_sides(tmp_path: Path) -> None:
    source, same = views(tmp_path / "from"), JPEG + b"x"
    fill(source, {"none_of_the_classes/x.PNG": same, "none_of_the_classes/copy.png": same})
    to = tmp_path / "to"

    result = staged(source, to, MIRRORED)

    name = hashlib.sha256(same).hexdigest()[:20] + ".png"
    assert (to / "none_of_the_classes" / name).read_bytes() == same
    assert result.negatives == 1
    assert result.excluded["copies of photos that are there"] == 1
    assert list(result.by_class()) == sorted(MIRRORED)
    # The staged folder is a dataset again, and staging it twice writes nothing.
    assert len(read_dataset(to).negatives) == 1
    assert staged(source, to, MIRRORED).written == 0


def test_photos_of_none_of_the_classes_that_an_earlier_staging_had_are_refused(
    tmp_path: Path,
) -> None:
    source = views(tmp_path / "from")
    fill(tmp_path / "to", {"none_of_the_classes/old.png": b"old"})

    with pytest.raises(
        PreconditionError, match=r"not of this dataset, such as none_of_the_classes/old\.png"
    ):
        staged(source, tmp_path / "to")


def test_a_photo_of_a_class_and_of_none_is_refused(tmp_path: Path) -> None:
    source = views(tmp_path / "from")
    same = (source / "train/left/0.PNG").read_bytes()
    fill(source, {"none_of_the_classes/same.png": same})

    with pytest.raises(
        FolderLayoutError, match=r"1 photo is in two classes: .*none_of_the_classes"
    ):
        staged(source, tmp_path / "to")
