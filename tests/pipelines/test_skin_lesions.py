"""The pipeline `skin_lesions` on an archive of HAM10000's layout with drawn photos."""

import csv
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from scones_operator.datasets.ham10000 import CLASSES
from tests.pipelines.conftest import Pipelines

COLORS = [
    (120, 40, 30),
    (200, 60, 120),
    (90, 90, 30),
    (60, 120, 60),
    (20, 20, 20),
    (150, 90, 40),
    (180, 20, 20),
]
KWARGS = {
    "hyperparameters": {"image_shape": "3,64,64", "augmentation_type": "crop"},
    "validation_share": 0.25,
    "test_share": 0.25,
}


def draw(index: int, generator: random.Random) -> bytes:
    """A spot on skin, in the color and shape of its class."""
    image = Image.new("RGB", (90, 68), (230, 190, 170))
    x, y = generator.randint(20, 50), generator.randint(15, 40)
    radius = generator.randint(8, 16)
    pen = ImageDraw.Draw(image)
    shape = pen.ellipse if index % 2 else pen.rectangle
    shape((x - radius, y - radius, x + radius, y + radius), fill=COLORS[index])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def make_archive(folder: Path, lesions_per_class: int = 20) -> Path:
    """Write the zip that Dataverse gives: a table and two zips of photos, two of each lesion."""
    generator = random.Random(1)
    table = folder / "HAM10000_metadata"
    parts = [folder / f"HAM10000_images_part_{number}.zip" for number in (1, 2)]
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"])
        for part, path in enumerate(parts):
            with zipfile.ZipFile(path, "w") as images:
                for index, label in enumerate(CLASSES):
                    for lesion in range(lesions_per_class):
                        image_id = f"ISIC_{index:02}{lesion:03}{part}"
                        images.writestr(f"{image_id}.jpg", draw(index, generator))
                        lesion_id = f"HAM_{index:02}{lesion:03}"
                        rows.writerow([lesion_id, image_id, label, "histo", "50", "male", "back"])
    archive = folder / "dataverse_files.zip"
    with zipfile.ZipFile(archive, "w") as whole:
        for path in (table, *parts):
            whole.write(path, path.name)
    return archive


def read(pipelines: Pipelines, uri: str) -> bytes:
    key = uri.removeprefix(f"s3://{pipelines.bucket}/")
    body: bytes = pipelines.client("s3").get_object(Bucket=pipelines.bucket, Key=key)["Body"].read()
    return body


def keys(pipelines: Pipelines, prefix: str) -> list[str]:
    pages = pipelines.client("s3").get_paginator("list_objects_v2")
    found: list[str] = []
    for page in pages.paginate(Bucket=pipelines.bucket, Prefix=prefix):
        found += [entry["Key"] for entry in page.get("Contents", [])]
    return found


def test_an_archive_becomes_a_registered_model(pipelines: Pipelines, tmp_path: Path) -> None:
    pipelines.client("s3").upload_file(
        str(make_archive(tmp_path)), pipelines.bucket, "ham10000/dataverse_files.zip"
    )

    run = pipelines.run("skin_lesions", "--kwargs", json.dumps(KWARGS))

    assert run.returncode == 0, run.stdout + run.stderr
    (version,) = pipelines.versions("skin-lesions")
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    (container,) = version["InferenceSpecification"]["Containers"]
    _check_splits(pipelines, container["ModelDataUrl"])
    _check_weighted_loss(read(pipelines, container["ModelDataUrl"]))
    report = json.loads(
        read(pipelines, version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])
    )
    accuracy = report["multiclass_classification_metrics"]["accuracy"]["value"]
    assert accuracy >= 0.6
    assert version["CustomerMetadataProperties"]["accuracy"] == f"{accuracy:.4f}"
    _check_other_branch(pipelines)


def _check_splits(pipelines: Pipelines, artifacts: str) -> None:
    """No lesion is in two splits."""
    folder = artifacts.removeprefix(f"s3://{pipelines.bucket}/").partition("/model/")[0]
    lesions: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        names = [key.rpartition("/")[2] for key in keys(pipelines, f"{folder}/{split}/")]
        # An image_id of these photos ends with the number of its part.
        lesions[split] = {name.removesuffix(".jpg")[:-1] for name in names}
        assert names
    assert not lesions["train"] & lesions["validation"]
    assert not lesions["train"] & lesions["test"]
    assert not lesions["validation"] & lesions["test"]
    assert sum(map(len, lesions.values())) == 20 * len(CLASSES)


def _check_weighted_loss(archive: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file: Any = tar.extractfile("model.json")
        facts = json.load(file)
    assert facts["hyperparameters"]["use_weighted_loss"] == "1"
    assert facts["num_classes"] == len(CLASSES)


def _check_other_branch(pipelines: Pipelines) -> None:
    """Results of the first execution are reused, so that only the condition differs."""
    options = ["--kwargs", json.dumps(KWARGS), "--parameters", "{'MinimumAccuracy': 1.01}"]

    run = pipelines.run("skin_lesions", *options)

    assert run.returncode == 1
    assert "failed: AccuracyTooLow: The accuracy on the test photos is below" in run.stderr
    assert run.stdout.count("result of an earlier execution") == 3
    assert len(pipelines.versions("skin-lesions")) == 1
