import hashlib
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from scones.photos import ImageShape, UnusablePhoto, prepare
from scones_local.samples import CLASSES, SamplePhoto, Samples, dataset, generate
from scones_local.samples.encodings import ENCODINGS
from scones_local.samples.invalid_files import INVALID_FILES

SHAPE = ImageShape(height=32, width=32)


def digests(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    folder = tmp_path_factory.mktemp("samples")
    return generate(folder, per_class=6, validation_per_class=3, negatives=7, photos=56, seed=1)


@pytest.fixture(scope="module")
def photos(samples: Samples) -> tuple[SamplePhoto, ...]:
    return samples.read_manifest()


def test_the_dataset_has_the_pictures_asked_for(samples: Samples) -> None:
    counts = Counter(
        file.parent.relative_to(samples.dataset).as_posix()
        for file in samples.dataset.rglob("*")
        if file.is_file()
    )

    assert counts == {
        "train/bicycle": 6,
        "train/motorcycle": 6,
        "validation/bicycle": 3,
        "validation/motorcycle": 3,
        "none_of_the_classes": 7,
    }


def test_every_dataset_picture_opens(samples: Samples) -> None:
    for file in samples.dataset.glob("*/*/*"):
        with Image.open(file) as image:
            image.load()
            assert image.mode == "RGB"


def test_there_are_as_many_photos_as_asked_for(photos: tuple[SamplePhoto, ...]) -> None:
    counts = Counter(photo.content for photo in photos)

    assert counts == {"bicycle": 20, "motorcycle": 20, "neither": 8, "not-a-photo": 8}


def test_the_manifest_lists_exactly_the_files(
    samples: Samples, photos: tuple[SamplePhoto, ...]
) -> None:
    assert {photo.path for photo in photos} == set(digests(samples.photos))
    assert len({photo.path.casefold() for photo in photos}) == len(photos)
    assert all(photo.path.split("/")[0] == photo.content for photo in photos)


def test_statuses_match_the_content(
    photos: tuple[SamplePhoto, ...],
) -> None:
    expected = {"not-a-photo": {"rejected"}, "neither": {"needs_review"}}
    for photo in photos:
        decided = expected.get(photo.content, {"classified", "needs_review"})
        assert set(photo.statuses) == decided


def test_the_manifest_is_true_for_the_preparation_all_share(
    samples: Samples, photos: tuple[SamplePhoto, ...]
) -> None:
    for photo in photos:
        data = (samples.photos / photo.path).read_bytes()
        if photo.statuses == ("rejected",):
            with pytest.raises(UnusablePhoto):
                prepare(data, SHAPE)
        else:
            assert prepare(data, SHAPE).size == SHAPE.size


def test_every_kind_of_file_occurs(photos: tuple[SamplePhoto, ...]) -> None:
    kinds = {photo.kind for photo in photos}

    assert kinds == {kind.name for kind in (*ENCODINGS, *INVALID_FILES)}


def test_each_class_comes_in_many_formats(
    samples: Samples, photos: tuple[SamplePhoto, ...]
) -> None:
    for name in CLASSES:
        formats = set()
        for photo in photos:
            if photo.content == name:
                with Image.open(samples.photos / photo.path) as image:
                    formats.add(image.format)
        assert formats == {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"}


@pytest.mark.parametrize(
    "character", [" ", "  ", "+", "%", "[", "(", "#", "&", "=", "'", "~", "自", "🛵", "ø"]
)
def test_names_hold_what_careless_code_trips_over(
    character: str, photos: tuple[SamplePhoto, ...]
) -> None:
    assert any(character in photo.path for photo in photos)


def test_names_are_stored_as_written_on_every_file_system(photos: tuple[SamplePhoto, ...]) -> None:
    for photo in photos:
        assert unicodedata.normalize("NFD", photo.path) == photo.path
        assert not set(photo.path) & set('\\:*?"<>|')


def test_no_picture_occurs_twice(samples: Samples, photos: tuple[SamplePhoto, ...]) -> None:
    pictures = [*digests(samples.dataset).values()]
    pictures += [
        digest for path, digest in digests(samples.photos).items() if not path.startswith("not-a")
    ]

    assert len(set(pictures)) == len(pictures)


def test_the_same_seed_gives_the_same_files_whatever_the_hash_seed(tmp_path: Path) -> None:
    here = generate(
        tmp_path / "here", per_class=2, validation_per_class=1, negatives=2, photos=8, seed=7
    )
    command = [
        *(sys.executable, "-m", "scones_local.samples", str(tmp_path / "there")),
        *("--per-class", "2", "--validation-per-class", "1", "--negatives", "2"),
        *("--photos", "8", "--seed", "7"),
    ]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "99"})

    assert digests(here.dataset.parent) == digests(tmp_path / "there")


def test_another_seed_gives_other_pictures(samples: Samples, tmp_path: Path) -> None:
    other = generate(tmp_path, per_class=6, validation_per_class=3, negatives=2, photos=0, seed=2)

    assert not set(digests(other.dataset).values()) & set(digests(samples.dataset).values())


def test_more_pictures_leave_the_first_as_they_were(samples: Samples, tmp_path: Path) -> None:
    fewer = generate(tmp_path, per_class=2, validation_per_class=1, negatives=2, photos=0, seed=1)

    assert digests(fewer.dataset).items() <= digests(samples.dataset).items()


def test_samples_are_never_mixed_with_older_ones(samples: Samples) -> None:
    folder = samples.dataset.parent

    with pytest.raises(FileExistsError, match="delete it, or choose another folder"):
        generate(folder, per_class=1, validation_per_class=1, negatives=2, photos=1, seed=3)


def test_interrupted_drawing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        assert any(tmp_path.rglob("*.*g"))
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "_write_photos", interrupt)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "samples", per_class=1, validation_per_class=1, negatives=2, photos=1)
    monkeypatch.undo()

    assert list(tmp_path.iterdir()) == []
    drawn = generate(
        tmp_path / "samples", per_class=1, validation_per_class=1, negatives=2, photos=1
    )
    assert len(drawn.read_manifest()) == 1


@pytest.mark.parametrize("count", ["per_class", "validation_per_class", "negatives", "photos"])
def test_a_negative_number_is_refused(count: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        generate(tmp_path, **{count: -1})


def test_the_command_names_the_folder_that_is_in_the_way(samples: Samples) -> None:
    command = [sys.executable, "-m", "scones_local.samples", str(samples.dataset.parent)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert f"{samples.dataset.parent} exists already" in result.stderr
