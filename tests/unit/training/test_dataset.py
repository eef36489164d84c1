import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scones_training import dataset, hyperparameters
from scones_training.errors import InputError
from tests.unit.training.jobs import Job, other, picture


def load(job: Job) -> dataset.Splits:
    return dataset.load_dataset(
        job.paths.data, hyperparameters.parse_hyperparameters(job.hyperparameters)
    )


def test_pictures_come_in_the_order_of_the_list(small_job: Job) -> None:
    splits = load(small_job)

    assert splits.train.labels.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert splits.train.pixels.shape == (36, 16, 24, 3)
    np.testing.assert_array_equal(splits.train.pixels[13], np.asarray(picture(1, 1)))
    assert len(splits.validation) == 12


def test_a_job_may_have_no_negatives(small_job: Job) -> None:
    assert load(small_job).negatives is None

    (small_job.paths.data / "negatives").mkdir()

    splits = load(small_job)
    assert splits.negatives is None
    assert splits.skipped_negatives == 0


def test_negatives_are_read_at_any_depth(small_job: Job) -> None:
    small_job.add_negatives(9)
    folder = small_job.paths.data / "negatives"
    (folder / "negatives.manifest").write_text("[]")
    (folder / "a folder.png").mkdir()
    other(9).save(folder / "a folder.png" / "other.png")

    splits = load(small_job)

    assert splits.negatives is not None
    assert splits.skipped_negatives == 0
    assert splits.negatives.labels.tolist() == [3] * 10
    assert splits.negatives.pixels.shape == (10, 16, 24, 3)
    expected = {np.asarray(other(number)).tobytes() for number in (*range(9), 9)}
    assert {image.tobytes() for image in splits.negatives.pixels} == expected


@pytest.mark.parametrize(
    ("usable", "used", "too_few"), [(0, 0, 0), (9, 0, 9), (10, 10, 0), (11, 11, 0)]
)
def test_negatives_are_used_if_enough_are_usable(
    small_job: Job, usable: int, used: int, too_few: int
) -> None:
    small_job.add_negatives(usable, unusable=2)

    splits = load(small_job)

    assert len(splits.negatives or ()) == used
    assert splits.skipped_negatives == 2
    assert splits.too_few_negatives == too_few


def test_there_are_at_most_as_many_negatives_as_training_photos(small_job: Job) -> None:
    small_job.add_negatives(80)

    splits = load(small_job)

    assert splits.negatives is not None
    assert len(splits.negatives) == len(splits.train)


def test_stray_files_are_left_alone(small_job: Job) -> None:
    for folder in ("train", "train_lst"):
        for name in (".DS_Store", "Thumbs.db", "._train.lst"):
            (small_job.paths.data / folder / name).write_bytes(b"\0")

    assert len(load(small_job).train) == 36


def lines_of(job: Job, part: str) -> list[str]:
    return job.list_of(part).read_text(encoding="utf-8").splitlines()


def write_lines(job: Job, part: str, lines: list[str]) -> None:
    job.list_of(part).write_text("\n".join(lines), encoding="utf-8")


def damage(job: Job, part: str, class_index: int, *numbers: int) -> None:
    """Replace photos by HTML pages that are named as photos."""
    for number in numbers:
        path = job.paths.data / part / f"class {class_index} [ü]" / f"photo ({number}).png"
        path.write_bytes(b"<!DOCTYPE html><title>not found</title>")


def test_photos_that_cannot_be_decoded_are_left_out(small_job: Job) -> None:
    damage(small_job, "train", 0, 1, 5)
    damage(small_job, "validation", 1, 2)
    cut = small_job.paths.data / "train" / "class 2 [ü]" / "photo (0).png"
    cut.write_bytes(cut.read_bytes()[:300])

    splits = load(small_job)

    assert splits.unusable_train == {
        "class 0 [ü]/photo (1).png": "this is an HTML file",
        "class 0 [ü]/photo (5).png": "this is an HTML file",
        "class 2 [ü]/photo (0).png": "the PNG photo is damaged or incomplete",
    }
    assert splits.unusable_validation == {"class 1 [ü]/photo (2).png": "this is an HTML file"}
    assert splits.train.labels.tolist() == [0] * 10 + [1] * 12 + [2] * 11
    assert (len(splits.train.pixels), len(splits.validation)) == (33, 11)
    np.testing.assert_array_equal(splits.train.pixels[1], np.asarray(picture(0, 2)))
    np.testing.assert_array_equal(splits.train.pixels[-1], np.asarray(picture(2, 11)))


@pytest.mark.parametrize(("part", "count"), [("train", 12), ("validation", 4)])
def test_at_most_half_of_a_class_is_left_out(small_job: Job, part: str, count: int) -> None:
    damage(small_job, part, 1, *range(count // 2))
    load(small_job)
    damage(small_job, part, 1, count // 2)
    damage(small_job, part, 2, *range(count))

    with pytest.raises(
        InputError,
        match=(
            rf"Too many photos of {part}_lst cannot be decoded: {count // 2 + 1} of {count} photos "
            rf"of class 1, {count} of {count} photos of class 2, such as .*'class 1 .*/photo "
            r"\(0\).png' \(this is an HTML file\).* more\. At most 50% of a class"
        ),
    ):
        load(small_job)


def test_fewer_usable_photos_than_a_batch_are_enough(small_job: Job) -> None:
    """For fewer than 33 listed photos, `retrain` makes all of them one batch."""
    small_job.hyperparameters["mini_batch_size"] = "36"
    damage(small_job, "train", 0, 3)

    assert len(load(small_job).train) == 35


def test_a_photo_that_is_missing_is_named(small_job: Job) -> None:
    (small_job.paths.data / "train" / "class 0 [ü]" / "photo (3).png").unlink()

    with pytest.raises(InputError, match=r"photo \(3\).png' is in train_lst but can't be read"):
        load(small_job)


@pytest.mark.parametrize("channel", ["train", "train_lst", "validation", "validation_lst"])
def test_a_missing_channel_is_named(small_job: Job, channel: str) -> None:
    folder = small_job.paths.data / channel
    folder.rename(folder.with_name("other"))

    with pytest.raises(InputError, match=f"no channel {channel}:"):
        load(small_job)


def test_two_lists_in_a_channel_are_refused(small_job: Job) -> None:
    (small_job.paths.data / "train_lst" / "old.lst").touch()

    with pytest.raises(InputError, match=r"it has old.lst, train.lst"):
        load(small_job)


def test_a_broken_line_is_named(small_job: Job) -> None:
    write_lines(small_job, "train", [*lines_of(small_job, "train"), "36 0 a.png"])

    with pytest.raises(InputError, match=r"train_lst/train.lst, line 37: 1 tab-separated fields"):
        load(small_job)


def test_an_empty_list_is_refused(small_job: Job) -> None:
    write_lines(small_job, "validation", [])

    with pytest.raises(InputError, match=r"validation.lst lists no photo"):
        load(small_job)


def test_a_list_that_is_not_utf_8_is_refused(small_job: Job) -> None:
    small_job.list_of("train").write_bytes(b"0\t0\t\xff.png\n")

    with pytest.raises(InputError, match=r"train.lst is not UTF-8"):
        load(small_job)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_class_beyond_num_classes_is_refused(small_job: Job, part: str) -> None:
    small_job.hyperparameters["num_classes"] = "2"
    if part == "validation":
        kept = [line for line in lines_of(small_job, "train") if "\t2\t" not in line]
        write_lines(small_job, "train", kept)
        small_job.hyperparameters["num_training_samples"] = str(len(kept))

    with pytest.raises(InputError, match=f"{part}_lst has the class index 2, but num_classes is 2"):
        load(small_job)


def test_a_class_without_photos_is_refused(small_job: Job) -> None:
    small_job.hyperparameters["num_classes"] = "5"

    with pytest.raises(
        InputError, match="num_classes is 5, but train_lst has no photo of class 3, 4"
    ):
        load(small_job)


def test_another_number_of_photos_is_refused(small_job: Job) -> None:
    small_job.hyperparameters["num_training_samples"] = "40"

    with pytest.raises(InputError, match="num_training_samples is 40, but train_lst lists 36"):
        load(small_job)


def test_fewer_photos_than_a_batch_are_refused(small_job: Job) -> None:
    small_job.hyperparameters["mini_batch_size"] = "37"

    with pytest.raises(InputError, match="lists 36 photos, fewer than mini_batch_size 37"):
        load(small_job)


def test_nothing_is_left_behind(small_job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = small_job.paths.root / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    load(small_job)

    assert list(Path(scratch).iterdir()) == []


def test_a_temporary_array_is_empty_and_holds_what_is_written() -> None:
    array = dataset.temporary_array((3, 2, 5), np.float16, "features")

    assert array.shape == (3, 2, 5)
    assert array.dtype == np.float16
    assert not array.any()
    array[1] = 7
    assert array.sum() == 70


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file can grow beyond 10,000 bytes, as on a disk with no more room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


with_and_without_fallocate = pytest.mark.parametrize("fallocate", [True, False])


@with_and_without_fallocate
@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_told(
    small_job: Job, monkeypatch: pytest.MonkeyPatch, fallocate: bool
) -> None:
    if not fallocate:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)

    with pytest.raises(
        InputError, match=r"^The prepared photos need 4.15e-05 GB in .*: raise VolumeSizeInGB or"
    ):
        load(small_job)


@with_and_without_fallocate
def test_room_is_taken_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, fallocate: bool
) -> None:
    if not fallocate:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    size = 2_500_000

    with tempfile.TemporaryFile() as file:
        dataset._allocate(file, size, "photos")

        taken = os.fstat(file.fileno())
        assert taken.st_size == size
        assert taken.st_blocks * 512 >= size
