"""The job of `make run` on somebody's own classes, as a user starts it."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CLASSES = ("van", "bicycle", "scooter", "handcart", "motorcycle")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def draw(folder: Path, per_class: int, seed: int) -> None:
    """Fill a folder a class with pictures of stripes, told apart by colour and direction."""
    rng = random.Random(seed)
    for index, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            size = (rng.randint(40, 90), rng.randint(40, 90))
            picture = Image.new("RGB", size, tuple(rng.randint(0, 60) for _ in range(3)))
            pen = ImageDraw.Draw(picture)
            hue = f"hsv({(index * 72 + rng.randint(-8, 8)) % 360}, 90%, 90%)"
            for start in range(-90, 180, 14):
                pen.line((start, 0, start + index * 12, 90), fill=hue, width=5)
            suffix = SUFFIXES[number % len(SUFFIXES)]
            picture.save(folder / name / f"{name} [{number}] (side view){suffix}")
        (folder / name / ".DS_Store").write_bytes(b"Bud1")
        (folder / name / "Thumbs.db").write_bytes(b"thumbs")
    (folder / ".DS_Store").write_bytes(b"Bud1")


def test_five_classes_of_a_shape_that_is_no_square(tmp_path: Path) -> None:
    draw(tmp_path / "to learn", per_class=33, seed=1)
    draw(tmp_path / "to decide", per_class=4, seed=2)
    (tmp_path / "to decide" / "van" / "no photo.jpg").write_text("I am no photo")
    (tmp_path / "to learn" / "van" / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")

    run = subprocess.run(
        [
            *(sys.executable, "-m", "scones_local", "run"),
            *("--dataset", tmp_path / "to learn", "--photos", tmp_path / "to decide"),
            *("--classes", ",".join(CLASSES), "--image-shape", "3,24,16"),
            *("--augmentation", "none", "--threshold", "0.5"),
            *("--work", tmp_path / "work", "--report", tmp_path / "report"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    summary = json.loads((tmp_path / "report" / "summary.json").read_text("utf-8"))
    rows = [
        json.loads(line)
        for line in (tmp_path / "report" / "results.jsonl").read_text("utf-8").splitlines()
    ]
    assert summary["photos"] == len(rows) == 21
    assert summary["failed"] == 0
    assert summary["rejected"] == 1
    assert summary["accuracy"] >= 0.9
    assert {row["name"] for row in rows} >= {"van/van [0] (side view).jpg", "van/no photo.jpg"}
    assert all(row["truth"] == row["name"].split("/")[0] for row in rows)
    assert all(row["announced"] for row in rows)
    assert f"Skipped 11 files that are not photos in {tmp_path / 'to learn'}" in run.stdout
    assert "Skipped: photos that cannot be decoded (1)" in run.stdout
    assert "\n  van/page.jpg: this is an HTML file\n" in run.stdout
    assert "Training with image_shape=3,24,16 (IMAGE_SHAPE), augmentation_type=none" in run.stdout
    training = summary["training"]
    assert f"the last of {training['epochs']} epochs" in " ".join(run.stdout.split())
    assert 1 <= training["best_epoch"] <= training["epochs"]
    assert "Results for 21 photos" in (tmp_path / "report" / "report.html").read_text("utf-8")
    decided = [row for row in rows if row["status"] == "classified"]
    assert list(decided[0]["probabilities"]) == list(CLASSES)
    assert not (tmp_path / "work" / "run" / "cloud.json").exists()
