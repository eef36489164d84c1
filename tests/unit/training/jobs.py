"""Small training jobs: their files, and the way to run them."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from scones import lst
from scones_training import job
from scones_training.paths import Paths

SHAPE = "3,16,24"


def picture(class_index: int, seed: int) -> Image.Image:
    """Draw noise with a bright bar: upright, lying or none."""
    generator = np.random.default_rng((class_index, seed))
    pixels = generator.integers(0, 60, (16, 24, 3), dtype=np.uint8)
    at = int(generator.integers(3, 12))
    if class_index == 0:
        pixels[:, at : at + 3] += 180
    if class_index == 1:
        pixels[at : at + 3] += 180
    return Image.fromarray(pixels)


def other(seed: int) -> Image.Image:
    """Draw colored blocks, which none of the classes shows."""
    generator = np.random.default_rng((9, seed))
    blocks = generator.integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks.repeat(4, axis=0).repeat(4, axis=1))


@dataclass
class Job:
    """A training job of three classes, 12 photos each, from random weights: that is quick."""

    paths: Paths
    hyperparameters: dict[str, str] = field(
        default_factory=lambda: {
            "num_classes": "3",
            "num_training_samples": "36",
            "image_shape": SHAPE,
            "use_pretrained_model": "0",
            "mini_batch_size": "12",
            "epochs": "2",
        }
    )

    def add(self, part: str, per_class: int) -> None:
        entries = []
        for class_index in range(3):
            folder = self.paths.data / part / f"class {class_index} [ü]"
            folder.mkdir(parents=True)
            for number in range(per_class):
                path = folder / f"photo ({number}).png"
                picture(class_index, number + 1000 * (part == "validation")).save(path)
                relative = path.relative_to(self.paths.data / part).as_posix()
                entries.append(lst.LstEntry(len(entries), class_index, relative))
        self.list_of(part).parent.mkdir()
        self.list_of(part).write_text("".join(lst.write(entries)), encoding="utf-8")

    def add_negatives(self, count: int, unusable: int = 0) -> None:
        """Add photos of none of the classes, at several depths as S3 keys have them."""
        folder = self.paths.data / "negatives" / "none_of_the_classes"
        for number in range(count):
            path = folder.joinpath(*["deeper"] * (number % 3), f"other ({number}).PNG")
            path.parent.mkdir(parents=True, exist_ok=True)
            other(number).save(path)
        for number in range(unusable):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"broken ({number}).jpg").write_bytes(b"not a photo")

    def list_of(self, part: str) -> Path:
        return self.paths.data / f"{part}_lst" / f"{part}.lst"

    def run(self) -> int:
        self.write_hyperparameters()
        return job.run(self.paths)

    def write_hyperparameters(self) -> None:
        self.paths.hyperparameters.parent.mkdir(parents=True, exist_ok=True)
        self.paths.hyperparameters.write_text(json.dumps(self.hyperparameters), encoding="utf-8")

    @property
    def failure(self) -> str:
        return self.paths.failure.read_text(encoding="utf-8")


def make_job(root: Path) -> Job:
    made = Job(Paths(root))
    made.add("train", 12)
    made.add("validation", 4)
    return made


@dataclass(frozen=True)
class Trained:
    """A job that has run."""

    job: Job
    status: int
    log: str
