"""The scripts of the pipeline `skin_lesions`: splits by lesion, lists and the evaluation."""

import csv
import io
import json
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scones.lst import read
from scones_operator.datasets.ham10000 import CLASSES
from scones_operator.errors import PreconditionError
from scones_pipelines.skin_lesions import evaluate, preprocess

Row = tuple[str, str, str]
"""lesion_id, image_id, dx."""


def table_rows(lesions_per_class: int, photos_per_lesion: int = 2) -> list[Row]:
    return [
        (f"HAM_{label}{lesion}", f"ISIC_{label}{lesion}x{photo}", label)
        for label in CLASSES
        for lesion in range(lesions_per_class)
        for photo in range(photos_per_lesion)
    ]


def photo_of(image_id: str) -> bytes:
    """Return a small JPEG that no other photo equals."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", comment=image_id)
    return file.getvalue()


def write_archive(folder: Path, rows: Iterable[Row], *, whole: bool = False) -> Path:
    """Write what Dataverse publishes: a table and two zips, or one zip of these."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    with (folder / "HAM10000_metadata").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"])
        writer.writerows([*row, "histo", "50", "male", "back"] for row in rows)
    for part in (1, 2):
        with zipfile.ZipFile(folder / f"HAM10000_images_part_{part}.zip", "w") as images:
            for _, image_id, _ in rows[part - 1 :: 2]:
                images.writestr(f"{image_id}.jpg", photo_of(image_id))
    if whole:
        names = list(folder.iterdir())
        with zipfile.ZipFile(folder / "dataverse_files.zip", "w") as archive:
            for path in names:
                archive.write(path, path.name)
                path.unlink()
    return folder


def splits_by_lesion(folder: Path, rows: Iterable[Row]) -> dict[str, set[str]]:
    lesions = {image_id: lesion for lesion, image_id, _ in rows}
    found: dict[str, set[str]] = defaultdict(set)
    for path in folder.glob("*/*/*.jpg"):
        found[lesions[path.stem]].add(path.parts[-3])
    return found


@settings(max_examples=25, deadline=None)
@given(
    validation=st.floats(0.05, 0.45),
    test=st.floats(0.05, 0.45),
    sizes=st.lists(st.integers(1, 4), min_size=40, max_size=60),
    salt=st.integers(0, 10**6),
)
def test_no_lesion_is_in_two_splits(
    validation: float, test: float, sizes: list[int], salt: int
) -> None:
    rows = [
        (f"HAM_{salt}_{lesion}", f"ISIC_{salt}_{lesion}x{photo}", CLASSES[lesion % len(CLASSES)])
        for lesion, size in enumerate(sizes)
        for photo in range(size)
    ]
    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch.object(preprocess, "_require_all_classes"),
    ):
        folder = Path(name)
        archive = write_archive(folder / "archive", rows)
        preprocess.split(archive, folder / "splits", (validation, test))

        splits = splits_by_lesion(folder / "splits", rows)
        photos = list((folder / "splits").glob("*/*/*.jpg"))

    assert all(len(names) == 1 for names in splits.values())
    assert len(splits) == len(sizes)
    assert len(photos) == len(rows)


@pytest.mark.parametrize("whole", [True, False])
def test_all_three_splits_have_all_classes_in_their_shares(tmp_path: Path, whole: bool) -> None:
    rows = table_rows(60)
    archive = preprocess.find_archive(write_archive(tmp_path / "in", rows, whole=whole))

    preprocess.split(archive, tmp_path, (0.2, 0.2))

    counts = {name: preprocess.count_photos(tmp_path / name) for name in preprocess.SPLITS}
    assert sum(sum(count.values()) for count in counts.values()) == len(rows)
    assert all(set(count) == set(CLASSES) for count in counts.values())
    for name, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert sum(counts[name].values()) / len(rows) == pytest.approx(share, abs=0.06)


def test_a_larger_test_share_keeps_what_was_tested_on(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "in", table_rows(60))
    tested = []
    for share in (0.1, 0.2):
        folder = tmp_path / str(share)
        preprocess.split(archive, folder, (0.2, share))
        tested.append({path.name for path in (folder / "test").glob("*/*.jpg")})

    assert tested[0] < tested[1]


def test_photos_are_those_of_the_archive(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "in", table_rows(60))

    preprocess.split(archive, tmp_path, (0.2, 0.2))

    for path in tmp_path.glob("t*/*/*.jpg"):
        assert path.read_bytes() == photo_of(path.stem)
        assert path.parent.name in path.stem


@pytest.mark.parametrize("shares", [(0.0, 0.1), (0.1, 0.0), (0.5, 0.5)])
def test_shares_that_leave_a_split_empty_are_refused(
    tmp_path: Path, shares: tuple[float, float]
) -> None:
    with pytest.raises(PreconditionError, match="both are above 0, their sum is below 1"):
        preprocess.split(tmp_path, tmp_path, shares)


def test_a_class_without_a_photo_in_a_split_is_refused(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "in", table_rows(1))

    with pytest.raises(PreconditionError, match=r"no photo of .* in the split"):
        preprocess.split(archive, tmp_path, (0.1, 0.1))


def test_an_empty_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="the input is empty"):
        preprocess.find_archive(tmp_path)


def arguments(folder: Path) -> list[str]:
    words = ["preprocess.py", "--input-archive", str(folder / "in")]
    for name in (*preprocess.SPLITS, "train_lst", "validation_lst", "summary"):
        (folder / "out" / name).mkdir(parents=True)
        words += [f"--output-{name}", str(folder / "out" / name)]
    return [*words, "--exit-message", str(folder / "message")]


def test_lists_name_the_photos_with_their_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(tmp_path / "in", table_rows(60), whole=True)
    monkeypatch.setattr(sys, "argv", arguments(tmp_path))

    assert preprocess.main() == 0

    out = tmp_path / "out"
    for name in ("train", "validation"):
        with (out / f"{name}_lst" / f"{name}.lst").open(newline="\n") as lines:
            listed = list(read(lines))
        assert {entry.path for entry in listed} == {
            path.relative_to(out / name).as_posix() for path in (out / name).glob("*/*.jpg")
        }
        assert all(entry.path.startswith(CLASSES[entry.class_index] + "/") for entry in listed)
    summary = json.loads((out / "summary" / "summary.json").read_text())
    photos = len(list((out / "train").glob("*/*.jpg")))
    assert summary["hyperparameters"] == {
        "num_classes": "7",
        "num_training_samples": str(photos),
        "mini_batch_size": "32",
    }


def test_photos_that_cannot_be_decoded_are_excluded_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table_rows(60)
    write_archive(tmp_path / "in", rows)
    with zipfile.ZipFile(tmp_path / "in" / "HAM10000_images_part_3.zip", "w") as images:
        images.writestr("ISIC_broken.jpg", photo_of("broken")[:200])
    with (tmp_path / "in" / "HAM10000_metadata").open("a", newline="") as file:
        csv.writer(file).writerow(["HAM_b", "ISIC_broken", "nv", "histo", "50", "male", "back"])
    monkeypatch.setattr(sys, "argv", arguments(tmp_path))

    assert preprocess.main() == 0

    assert "ISIC_broken.jpg: excluded, it cannot be decoded" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out" / "summary" / "summary.json").read_text())
    assert summary["unusable"] == 1
    assert sum(sum(counts.values()) for counts in summary["counts"].values()) == len(rows)


def test_a_damaged_archive_is_the_reason_of_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "dataverse_files.zip").write_bytes(b"not a zip")
    monkeypatch.setattr(sys, "argv", arguments(tmp_path))

    assert preprocess.main() == 1
    assert "dataverse_files.zip is corrupt or not a zip file" in (tmp_path / "message").read_text()


def certain(label: str) -> list[float]:
    return [float(name == label) for name in CLASSES]


def test_accuracy_and_balanced_accuracy_are_measured(tmp_path: Path) -> None:
    for label, count in (("nv", 8), ("mel", 2)):
        (tmp_path / label).mkdir()
        for number in range(count):
            (tmp_path / label / f"{number}.jpg").write_text(label)

    answers = [
        answer for _, answer in evaluate.predict_all(lambda _: certain("nv"), tmp_path, CLASSES)
    ]
    document = evaluate.report(
        evaluate.compute_model_metrics([answer for answer in answers if answer], CLASSES, 0.99),
        unusable=0,
    )

    metrics = document["multiclass_classification_metrics"]
    assert metrics["accuracy"]["value"] == pytest.approx(0.8)
    assert metrics["balanced_accuracy"]["value"] == pytest.approx(0.5)
    nv, mel = CLASSES.index("nv"), CLASSES.index("mel")
    assert metrics["confusion_matrix"][mel][nv] == 2
    assert document["metadata"] == {
        "accuracy": "0.8000",
        "balanced_accuracy": "0.5000",
        "photos": "10",
    }


def test_a_missing_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(evaluate.EvaluationError, match=r"cannot unpack model\.tar\.gz"):
        evaluate.load_model(tmp_path / "model.tar.gz", tmp_path)


def test_a_model_of_another_trainer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.params").write_text("MXNet")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "model.params", "model.params")
    with pytest.raises(evaluate.EvaluationError, match=r"has no model\.onnx"):
        evaluate.load_model(tmp_path / "model.tar.gz", tmp_path / "model")
