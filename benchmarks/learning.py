"""Measure the trainer by cross-validation: few photos, photos of other things, time and size.

Accuracy, calibration and coverage are of photos that were neither trained on nor used to calibrate.
All choices of the trainer were made by these figures, never by test photos.
"""

import contextlib
import io
import json
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import onnxruntime
import typer

from scones.calibration import expected_calibration_error, reliability_bins
from scones.datasets.hyperparameters import MINI_BATCH_SIZE
from scones.evaluation import metrics
from scones.photos import ImageShape, prepare
from scones_local.run.photo_folder import read_photos
from scones_training import calibrate, export, fit, recipe
from scones_training.dataset import ImageSet, Splits
from scones_training.familiarity import Familiarity
from scones_training.hyperparameters import Hyperparameters, parse_hyperparameters
from scones_training.serve import Model
from scones_training.sources import FeatureSource, Source

AUGMENTATION = "crop"
FOLDS = 5
CALIBRATION_PHOTOS = 100
"""Photos that calibrate temperature and familiarity, as the validation photos of a job do."""
TEST_PHOTOS = 300
"""Most photos to test a training on few photos with."""
MAX_DRAWS = 10
NEGATIVES = 100
THRESHOLD, LIMIT, PRECISION = 0.93, 0.05, 0.99
REPETITIONS = 100

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """Prepared photos, and the classes' names."""

    images: ImageSet
    class_names: Sequence[str]
    files: Sequence[Path]

    def subset(self, indices: Indices) -> ImageSet:
        """Return some of the images."""
        return ImageSet(self.images.pixels[indices], self.images.labels[indices])


@dataclass
class Scores:
    """Predictions of the trainings of one seed for photos that they did not see."""

    predictions: list[metrics.LabeledPrediction] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    familiarities: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return the figures; coverage is at the threshold that these predictions suggest."""
        point = metrics.lowest_threshold(metrics.risk_coverage(self.predictions), PRECISION)
        bins = reliability_bins(answer.graded for answer in self.predictions)
        return {
            "accuracy": float(np.mean(self.accuracies)),
            "calibration_error": expected_calibration_error(bins),
            "coverage_at_99_precision": point.coverage if point else 0.0,
            "below_limit": float(np.mean(np.array(self.familiarities) < LIMIT)),
        }


class Benchmark:
    """Trainings on parts of one dataset; frozen features are computed once.

    Parameters
    ----------
    data
        All photos.
    shape
        The model's image shape.
    """

    def __init__(self, data: Data, shape: ImageShape) -> None:
        self.data, self.shape = data, shape
        self._starts: dict[bool, recipe.Start] = {}

    def train(
        self, train: Indices, held_out: Indices, seed: int, negatives: ImageSet | None = None
    ) -> tuple[fit.FittedModel, Familiarity, float]:
        """Train and calibrate; return the model, its familiarity, and its temperature."""
        options = self._options(len(train))
        start = self._start(options, train, held_out, negatives)
        with contextlib.redirect_stdout(io.StringIO()):
            fitted = fit.fit(start, options, seed=seed)
        labels = self.data.images.labels
        temperature = calibrate.fit_temperature(
            fit.head_logits(fitted.classifier, fitted.validation), labels[held_out]
        )
        familiarity = Familiarity.calibrate(
            (fitted.train, labels[train]), fitted.negatives, fitted.validation
        )
        return fitted, familiarity, temperature

    def embed(self, fitted: fit.FittedModel, images: ImageSet, trained_on: int) -> fit.Embeddings:
        """Return a model's embeddings of any images; it was trained on `trained_on` photos."""
        start = recipe.prepare_start(Splits(images, images), self._options(trained_on))
        return fit.embeddings(fitted.classifier, start.frozen, start.train)

    def embed_own(
        self, fitted: fit.FittedModel, indices: Indices, trained_on: int
    ) -> fit.Embeddings:
        """Return a model's embeddings of some photos of the dataset, from frozen features.

        Parameters
        ----------
        fitted
            The model.
        indices
            Indices of the photos.
        trained_on
            Number of photos that it was trained on.
        """
        start = self._starts[trained_on <= recipe.MAX_FEW_PHOTOS]
        assert isinstance(start.train, FeatureSource)  # noqa: S101
        return fit.embeddings(fitted.classifier, start.frozen, start.train.subset(indices))

    def time_training(self, train: Indices, held_out: Indices) -> float:
        """Return the seconds of a whole training, with the frozen features."""
        options = self._options(len(train))
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            start = recipe.prepare_start(
                Splits(self.data.subset(train), self.data.subset(held_out)), options
            )
            fit.fit(start, options)
        return time.perf_counter() - started

    def _options(self, photos: int) -> Hyperparameters:
        return parse_hyperparameters(
            {
                "num_classes": str(len(self.data.class_names)),
                "num_training_samples": str(photos),
                "image_shape": str(self.shape),
                "augmentation_type": AUGMENTATION,
                "mini_batch_size": str(min(MINI_BATCH_SIZE, photos)),
            }
        )

    def _start(
        self,
        options: Hyperparameters,
        train: Indices,
        held_out: Indices,
        negatives: ImageSet | None,
    ) -> recipe.Start:
        few = len(train) <= recipe.MAX_FEW_PHOTOS
        if few not in self._starts:
            everything = Splits(self.data.images, self.data.subset(np.arange(1)))
            self._starts[few] = recipe.prepare_start(everything, options)
        whole = self._starts[few]
        assert isinstance(whole.train, FeatureSource)  # noqa: S101
        others: Source | None = None
        if negatives is not None:
            others = recipe.prepare_start(Splits(negatives, negatives), options).train
        return recipe.Start(
            whole.classifier,
            whole.frozen,
            whole.train.subset(train),
            whole.train.subset(held_out),
            others,
            Splits(self.data.subset(train), self.data.subset(held_out), negatives),
        )


def splits(data: Data, per_class: int | None, seed: int) -> Iterator[tuple[Indices, ...]]:
    """Yield indices to train on, to calibrate with and to test on.

    With all photos these are `FOLDS` folds. With a number of photos per class it is one split, or
    `MAX_DRAWS` splits if only the head is trained: results vary much between draws of few photos.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(data.images))
    if per_class is None:
        for fold in range(FOLDS):
            rest = np.concatenate([order[at::FOLDS] for at in range(FOLDS) if at != fold])
            yield rest[CALIBRATION_PHOTOS:], rest[:CALIBRATION_PHOTOS], order[fold::FOLDS]
        return
    few = per_class * len(data.class_names) <= recipe.MAX_FEW_PHOTOS
    for _ in range(MAX_DRAWS if few else 1):
        order = generator.permutation(order)
        labels = data.images.labels[order]
        train = np.concatenate([order[labels == index][:per_class] for index in np.unique(labels)])
        rest = order[~np.isin(order, train)]
        yield (
            generator.permutation(train),
            rest[:CALIBRATION_PHOTOS],
            rest[CALIBRATION_PHOTOS:][:TEST_PHOTOS],
        )


def measure(bench: Benchmark, per_class: int | None, seeds: int) -> dict[str, object]:
    """Return the mean figures of the seeds, and the accuracy of each."""
    rows = [_measure_seed(bench, per_class, seed).figures() for seed in range(seeds)]
    means: dict[str, object] = {
        name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]
    }
    return means | {"accuracies": [round(row["accuracy"], 4) for row in rows]}


def _measure_seed(bench: Benchmark, per_class: int | None, seed: int) -> Scores:
    scores = Scores()
    for train, held_out, test in splits(bench.data, per_class, seed):
        fitted, familiarity, temperature = bench.train(train, held_out, seed)
        embeddings = bench.embed_own(fitted, test, len(train))
        scores.familiarities += familiarity.p_values(embeddings).tolist()
        logits = fit.head_logits(fitted.classifier, embeddings)
        probabilities = calibrate.softmax(logits, temperature)
        labels = bench.data.images.labels[test]
        predictions = [
            metrics.LabeledPrediction(int(label), int(row.argmax()), round(float(row.max()), 6))
            for label, row in zip(labels, probabilities, strict=True)
        ]
        scores.predictions += predictions
        scores.accuracies.append(metrics.accuracy(predictions))
    return scores


def measure_others(bench: Benchmark, others: Data, negatives: int, seed: int) -> dict[str, object]:
    """Return what a model on all photos makes of photos of other things.

    The first half of each kind is for choosing, and for negatives; the second half is reported.
    """
    kinds = others.images.labels
    rank = np.array([np.sum(kinds[:at] == kind) for at, kind in enumerate(kinds)])
    sizes = np.bincount(kinds)
    first = np.flatnonzero(rank < sizes[kinds] / 2)
    reported = np.flatnonzero(rank >= sizes[kinds] / 2)
    chosen = np.random.default_rng(seed).permutation(first)[:negatives]
    classes = len(bench.data.class_names)
    labeled = (
        ImageSet(others.images.pixels[chosen], np.full(len(chosen), classes, np.int64))
        if negatives
        else None
    )
    train, held_out, test = next(splits(bench.data, None, seed))
    fitted, familiarity, temperature = bench.train(train, held_out, seed, labeled)
    embeddings = bench.embed(fitted, others.subset(reported), len(train))
    known = familiarity.p_values(bench.embed_own(fitted, test, len(train)))
    values = familiarity.p_values(embeddings)
    confidences = calibrate.softmax(
        fit.head_logits(fitted.classifier, embeddings), temperature
    ).max(axis=1)
    familiar, confident = values >= LIMIT, confidences >= THRESHOLD
    by_kind = {
        name: round(float(np.mean((familiar & confident)[kinds[reported] == index])), 3)
        for index, name in enumerate(others.class_names)
    }
    return {
        "photos": len(reported),
        "negatives": negatives,
        "auroc": round(metrics.auroc(known.tolist(), values.tolist()), 4),
        "familiar": round(float(familiar.mean()), 3),
        "confident": round(float(confident.mean()), 3),
        "classified": round(float((familiar & confident).mean()), 3),
        "classified_by_kind": by_kind,
    }


def measure_serving(bench: Benchmark) -> dict[str, float]:
    """Return the time of a training, and a model's size and time for a photo on one core."""
    train, held_out, _ = next(splits(bench.data, None, 0))
    seconds = bench.time_training(train, held_out)
    fitted, familiarity, _ = bench.train(train, held_out, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        metadata = {"image_shape": str(bench.shape)}
        export.save_model(path, fitted.classifier, metadata, bench.shape)
        familiarity.save(path)
        with tarfile.open(path / "model.tar.gz", "w:gz") as archive:
            for name in (export.ONNX, export.WEIGHTS, export.FACTS, "familiarity.npz"):
                archive.add(path / name, name)
        size = (path / "model.tar.gz").stat().st_size / 1e6
        model = Model(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path / export.ONNX, options)
        photo = bench.data.files[0].read_bytes()
        image = np.asarray(prepare(photo, bench.shape))[np.newaxis]
        times: dict[str, list[float]] = {"served": [], "bare": []}
        for _ in range(REPETITIONS):
            started = time.perf_counter()
            model.predict(photo)
            middle = time.perf_counter()
            session.run(None, {"pictures": image})
            times["served"].append(middle - started)
            times["bare"].append(time.perf_counter() - middle)
    served, bare = (float(np.median(times[name])) * 1000 for name in ("served", "bare"))
    return {
        "training_photos": len(train),
        "training_seconds": round(seconds, 1),
        "model_megabytes": round(size, 1),
        "milliseconds_served": round(served, 2),
        "milliseconds_bare_session": round(bare, 2),
        "ratio": round(served / bare, 3),
    }


def read_dataset(folder: Path, shape: ImageShape) -> Data:
    """Read a folder with one folder per class."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [photo.path for photo in read_photos(folder, names).photos]
    pixels = np.stack([np.asarray(prepare(path.read_bytes(), shape)) for path in files])
    labels = np.array([names.index(path.parent.name) for path in files], np.int64)
    return Data(ImageSet(pixels, labels), names, files)


def main(
    dataset: Annotated[Path, typer.Argument(help="Photos: one folder per class.")],
    others: Annotated[
        Path | None, typer.Option(help="Photos of other things: one folder per kind.")
    ] = None,
    image_shape: Annotated[str, typer.Option(help="Channels, height, width.")] = "3,32,32",
    sizes: Annotated[str, typer.Option(help="Photos per class.")] = "5,10,20,50,100,250",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 3,
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("build/learning.json"),
) -> None:
    """Measure the trainer on a dataset, print each figure, and write all to a JSON file."""
    shape = ImageShape.parse(image_shape)
    bench = Benchmark(read_dataset(dataset, shape), shape)
    smallest = int(np.bincount(bench.data.images.labels).min())
    selected: list[int | None] = [size for size in map(int, sizes.split(",")) if size < smallest]
    results: dict[str, Mapping[str, object]] = {}

    def note(name: str, figures: Mapping[str, object]) -> None:
        results[name] = figures
        print(name, json.dumps(figures), file=sys.stdout, flush=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")

    note("serving", measure_serving(bench))
    if others is not None:
        unexpected = read_dataset(others, shape)
        for seed in range(seeds):
            note(f"others, seed {seed}", measure_others(bench, unexpected, 0, seed))
            name = f"others, {NEGATIVES} negatives, seed {seed}"
            note(name, measure_others(bench, unexpected, NEGATIVES, seed))
    for size in [*selected, None]:
        note("all" if size is None else f"{size} per class", measure(bench, size, seeds))


if __name__ == "__main__":
    typer.run(main)
