import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from scones_operator.datasets import cifar100
from scones_operator.datasets.cifar100 import FINE_LABELS, stage, validate_labels
from scones_operator.errors import PreconditionError
from scones_operator.progress import ItemProgress, ignore_progress
from tests.unit.operator.datasets.archives import (
    Call,
    array,
    batch,
    meta,
    pickled,
    pixels,
    write_cifar,
)

VEHICLES = ("bicycle", "motorcycle")

TRAIN = [
    ("bicycle", "bike_s_000001.png", pixels(200, 10, 10)),
    ("apple", "apple_s_000002.png", pixels(0, 255, 0)),
    ("motorcycle", "motorbike_s_000003.png", pixels(10, 10, 200)),
    ("bicycle", "bike_s_000004.png", pixels(1, 2, 3)),
]
TEST = [
    ("motorcycle", "motorbike_s_000003.png", pixels(9, 9, 9)),
    ("bicycle", "bike_s_000005.png", pixels(8, 8, 8)),
]


def written(path: Path, **members: Any) -> Path:
    known = {"train": batch(TRAIN), "test": batch(TEST), "meta": meta()}
    return write_cifar(path / "cifar-100-python.tar.gz", known | members)


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_photos_of_the_chosen_classes_by_side(tmp_path: Path) -> None:
    staged = stage(written(tmp_path), tmp_path / "to", VEHICLES, ignore_progress)

    assert set(tree(tmp_path / "to")) == {
        "train/bicycle/bike_s_000001.png",
        "train/bicycle/bike_s_000004.png",
        "train/motorcycle/motorbike_s_000003.png",
        "validation/bicycle/bike_s_000005.png",
        "validation/motorcycle/motorbike_s_000003.png",
    }
    assert staged.by_class() == {
        "bicycle": {"train": 2, "validation": 1},
        "motorcycle": {"train": 1, "validation": 1},
    }
    assert staged.written == 5


def test_pixels_are_the_archives(tmp_path: Path) -> None:
    gradient = bytes(range(256)) * 12
    train = [("bicycle", "a.png", gradient), ("motorcycle", "b.png", pixels(10, 20, 30))]
    stage(written(tmp_path, train=batch(train)), tmp_path, VEHICLES, ignore_progress)

    with Image.open(tmp_path / "train/bicycle/a.png") as photo:
        assert (photo.format, photo.mode, photo.size) == ("PNG", "RGB", (32, 32))
        # Row by row: the pixel at x=5, y=3 is number 101 of each colour.
        assert photo.getpixel((5, 3)) == (gradient[101], gradient[1125], gradient[2149])
    with Image.open(tmp_path / "train/motorcycle/b.png") as photo:
        assert photo.getcolors() == [(1024, (10, 20, 30))]


def test_the_made_archives_are_what_python_2_and_numpy_write() -> None:
    """Read as people do who trust the archive: by pickle and numpy themselves."""
    read = pickle.loads(pickled(batch(TRAIN)), encoding="bytes")
    assert isinstance(read[b"data"], numpy.ndarray)
    assert (read[b"data"].shape, read[b"data"].dtype) == ((4, 3072), numpy.uint8)
    assert [row.tobytes() for row in read[b"data"]] == [row for *_, row in TRAIN]
    assert read[b"filenames"][0] == b"bike_s_000001.png"


def test_names_that_are_out_of_the_ordinary(tmp_path: Path) -> None:
    names = ["safety bicycle's_s_000001.png", "bicycle-built-for-two (2)_s.000002.png"]
    train = [("bicycle", name, pixels(1, 1, 1)) for name in names]
    stage(written(tmp_path, train=batch(train)), tmp_path / "to", VEHICLES, ignore_progress)
    assert {path.name for path in (tmp_path / "to/train/bicycle").iterdir()} == set(names)


def test_other_classes(tmp_path: Path) -> None:
    staged = stage(
        written(tmp_path), tmp_path / "to", ("apple", "bicycle", "apple"), ignore_progress
    )

    assert list(staged.by_class()) == ["apple", "bicycle"]
    assert staged.counts["train", "apple"] == 1
    assert staged.counts["validation", "apple"] == 0


def test_names_that_a_class_has_twice(tmp_path: Path) -> None:
    train = [("bicycle", "x.png", pixels(shade, 0, 0)) for shade in (1, 2, 3)]
    staged = stage(
        written(tmp_path, train=batch(train)), tmp_path / "to", VEHICLES, ignore_progress
    )

    names = {path.name for path in (tmp_path / "to/train/bicycle").iterdir()}
    assert names == {"x.png", "x-2.png", "x-3.png"}
    assert staged.counts["train", "bicycle"] == 3


def test_what_is_there_and_whole_is_left_as_it_is(tmp_path: Path) -> None:
    archive = written(tmp_path)
    stage(archive, tmp_path / "to", VEHICLES, ignore_progress)
    before = tree(tmp_path / "to")
    gone = tmp_path / "to/train/bicycle/bike_s_000001.png"
    half = tmp_path / "to/train/bicycle/bike_s_000004.png"
    kept = tmp_path / "to/validation/bicycle/bike_s_000005.png"
    gone.unlink()
    half.write_bytes(half.read_bytes()[:20])
    written_at = kept.stat().st_mtime_ns

    staged = stage(archive, tmp_path / "to", VEHICLES, ignore_progress)

    assert staged.written == 2
    assert sum(staged.counts.values()) == 5
    assert tree(tmp_path / "to") == before
    assert kept.stat().st_mtime_ns == written_at


def test_a_folder_with_photos_of_something_else_is_left_alone(tmp_path: Path) -> None:
    archive = written(tmp_path)
    stage(archive, tmp_path / "to", ("apple", "bicycle"), ignore_progress)
    before = tree(tmp_path / "to")

    with pytest.raises(
        PreconditionError, match=r"1 file that is not of this dataset.*apple_s_000002.png"
    ):
        stage(archive, tmp_path / "to", VEHICLES, ignore_progress)

    assert tree(tmp_path / "to") == before


def test_how_far_it_is(tmp_path: Path) -> None:
    told: list[ItemProgress] = []
    archive = written(tmp_path)
    stage(archive, tmp_path / "to", VEHICLES, told.append)

    size = archive.stat().st_size
    assert ItemProgress("Reading the archive", size, size, "bytes") in told
    assert told[-1] == ItemProgress("Writing photos", 5, 5)


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def evil(target: Path) -> dict[str, bytes]:
    """Pickles that would make a file, in the ways that pickles have."""
    path = str(target)
    return {
        "reduce": pickle.dumps({b"data": Evil(target)}),
        "global": f"cos\nsystem\n(S'touch {path}'\ntR.".encode(),
        "instance": f"(S'touch {path}'\nios\nsystem\n.".encode(),
        "object": f"(cos\nsystem\nS'touch {path}'\no.".encode(),
        "by way of numpy": f"cnumpy\nload\n(S'{path}'\ntR.".encode(),
        "builtin": f'c__builtin__\neval\n(S\'open("{path}", "w")\'\ntR.'.encode(),
    }


@pytest.mark.parametrize("way", evil(Path("x")))
def test_nothing_is_run_whatever_the_archive_holds(tmp_path: Path, way: str) -> None:
    target = tmp_path / "made"
    archive = written(tmp_path, train=evil(target)[way])

    with pytest.raises(PreconditionError, match=r"not CIFAR-100.*would call"):
        stage(archive, tmp_path / "to", VEHICLES, ignore_progress)

    assert not target.exists()
    assert not (tmp_path / "to").exists()


def test_those_pickles_would_have_made_a_file(tmp_path: Path) -> None:
    ways = evil(tmp_path / "made")
    for way in ("reduce", "global", "instance", "object", "builtin"):
        pickle.loads(ways[way])
        assert (tmp_path / "made").exists()
        (tmp_path / "made").unlink()


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"meta": meta(("cat", "dog"))}, "its classes are cat, dog"),
        ({"train": b"no pickle"}, "not CIFAR-100"),
        ({"train": batch(TRAIN) | {b"fine_labels": [1]}}, "not CIFAR-100"),
        ({"train": {}}, "not CIFAR-100"),
        (
            {"train": batch(TRAIN) | {b"data": array([b"short"] * 4)}},
            "not an array of rows of 3,072",
        ),
        (
            {"train": batch(TRAIN) | {b"data": array([row for *_, row in TRAIN], b"O8")}},
            "not an array of rows of 3,072",
        ),
        ({"train": batch(TRAIN) | {b"data": Call("numpy.ndarray", ())}}, "not CIFAR-100"),
        (
            {"train": batch([("bicycle", "../../x.png", pixels(1, 1, 1))])},
            r"invalid photo name '../../x.png'",
        ),
        ({"train": batch([("bicycle", ".x.png", pixels(1, 1, 1))])}, "invalid photo name '.x.png'"),
        (
            {"train": batch([("bicycle", "/tmp/x.png", pixels(1, 1, 1))])},
            "invalid photo name '/tmp/x.png'",
        ),
        ({"train": batch([("bicycle", "x\ty.png", pixels(1, 1, 1))])}, "invalid photo name"),
    ],
)
def test_archives_of_something_else(tmp_path: Path, members: dict[str, Any], why: str) -> None:
    with pytest.raises(PreconditionError, match=why):
        stage(written(tmp_path, **members), tmp_path / "to", VEHICLES, ignore_progress)
    assert not (tmp_path / "to").exists()


def test_an_archive_without_a_member(tmp_path: Path) -> None:
    archive = write_cifar(tmp_path / "a.tar.gz", {"train": batch(TRAIN), "meta": meta()})
    with pytest.raises(PreconditionError, match="it has no test"):
        stage(archive, tmp_path / "to", VEHICLES, ignore_progress)


def test_an_archive_that_unpacks_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar100, "MAX_MEMBER_BYTES", 1000)
    with pytest.raises(PreconditionError, match="train has more than 1,000 bytes"):
        stage(written(tmp_path), tmp_path / "to", VEHICLES, ignore_progress)


def test_an_archive_of_links(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name in ("train", "test", "meta"):
            link = tarfile.TarInfo(f"cifar-100-python/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    with pytest.raises(PreconditionError, match="not CIFAR-100"):
        stage(tmp_path / "a.tar.gz", tmp_path / "to", VEHICLES, ignore_progress)


def test_no_archive_at_all(tmp_path: Path) -> None:
    half = tmp_path / "half.tar.gz"
    half.write_bytes(written(tmp_path).read_bytes()[:-200])
    for archive in (half, tmp_path / "nowhere.tar.gz"):
        with pytest.raises(PreconditionError, match="not CIFAR-100 for Python"):
            stage(archive, tmp_path / "to", VEHICLES, ignore_progress)


def test_labels_that_there_are(tmp_path: Path) -> None:
    validate_labels(VEHICLES)
    assert len(set(FINE_LABELS)) == 100
    assert list(FINE_LABELS) == sorted(FINE_LABELS)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("bicycle", "motorbike"), "no class 'motorbike': did you mean motorcycle"),
        (("Pickup truck", "bus"), "did you mean pickup_truck"),
        (("bicycle", "zzz"), "docs/data.md lists them"),
        (("bicycle", "bicycle"), "only one class given, bicycle"),
    ],
)
def test_labels_that_there_are_not(labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(PreconditionError, match=said):
        validate_labels(labels)
