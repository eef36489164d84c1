"""Familiarity: how much a photo is like the photos that a model was trained on.

It is a conformal p-value (Vovk et al. 2005; Bates et al. 2023, https://arxiv.org/abs/2104.08279):
the share of held-out photos of the learned classes that are at least as unlike the training photos
as this one. How unlike a photo is, is the distance of its embedding to that of the k-th nearest
training photo (Sun et al. 2022, https://arxiv.org/abs/2204.06507); if there are photos of none of
the classes, less the distance to the k-th nearest of those. docs/training.md has the measurements
that the details were chosen by. Only NumPy is used, as the server needs it too.
"""

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

FILE_NAME = "familiarity.npz"

NEIGHBORS = 3
"""Number of the nearest photo to use, or the last one if there are fewer."""

TRAINED_WEIGHT = 0.5
"""Weight of the trained embedding next to the reference embedding."""

COMPONENTS = 64
"""Principal components of the training photos' embeddings that are scaled down."""

SHRINKAGE = 0.3
"""Share of the covariance that is replaced by a multiple of the identity matrix."""

MAX_PHOTOS, MAX_NEGATIVES = 800, 400
"""Training photos, and photos of none of the classes, that are kept; 6 MB together."""

SEED = 0
"""Fixes which are kept."""


@dataclass(frozen=True)
class Metric:
    """A linear map after which Euclidean distance is the distance between photos.

    It whitens half: directions in which the training photos vary much are scaled down by the
    fourth root of their variance, so that few of them do not decide alone.

    Attributes
    ----------
    mean
        float32, (width,): of the training photos.
    components
        float32, (components, width): principal components, of length 1.
    gains
        float32, (components,): factor of each component, less 1.
    """

    mean: Floats
    components: Floats
    gains: Floats

    @classmethod
    def fit(cls, features: Floats) -> Self:
        """Fit the metric to the features (n, width) of training photos."""
        mean = features.mean(axis=0)
        centered = features - mean
        _, singular, components = np.linalg.svd(centered, full_matrices=False)
        variances = singular**2 / len(features)
        floor = SHRINKAGE * variances.sum() / features.shape[1]
        shrunk = (1 - SHRINKAGE) * variances[:COMPONENTS] + floor
        # Photos that are all the same have no variance.
        gains = (max(floor, 1e-12) / np.maximum(shrunk, 1e-12)) ** 0.25 - 1
        return cls(mean, components[:COMPONENTS], gains.astype(np.float32))

    def __call__(self, features: Floats) -> Floats:
        """Map features (n, width) to points (n, width)."""
        centered = features - self.mean
        scaled = (centered @ self.components.T) * self.gains
        return np.asarray(centered + scaled @ self.components, np.float32)


@dataclass(frozen=True)
class Familiarity:
    """What a model needs to tell how familiar a photo is.

    Attributes
    ----------
    metric
        Maps features of a photo to a point.
    photos
        float32, (photos, width): points of training photos, in half precision.
    negatives
        float32, (negatives, width): points of photos of none of the classes; may be empty.
    calibration
        float32, (held-out photos,): distances of held-out photos of the classes, ascending.
    """

    metric: Metric
    photos: Floats
    negatives: Floats
    calibration: Floats

    @classmethod
    def calibrate(cls, train: tuple[Floats, Integers], negatives: Floats, held_out: Floats) -> Self:
        """Keep training photos, and measure the distances of held-out ones.

        Parameters
        ----------
        train
            Embeddings (n, 2 * width), as in `fit.Fitted`, and class indices (n,) of the
            training photos, which are thinned evenly over the classes.
        negatives
            Embeddings of photos of none of the classes.
        held_out
            Embeddings of photos of the classes that were not trained on.
        """
        kept_indices = _features(train[0][_sample_evenly(train[1], MAX_PHOTOS)])
        metric = Metric.fit(kept_indices)
        same = np.zeros(len(negatives), np.int64)
        others = _features(negatives[_sample_evenly(same, MAX_NEGATIVES)])
        points = _round_to_half(metric(kept_indices)), _round_to_half(metric(others))
        distances = cls(metric, *points, np.empty(0, np.float32)).distances(held_out)
        return cls(metric, *points, np.sort(distances))

    def distances(self, embeddings: Floats) -> Floats:
        """Return how unlike the training photos each embedding (n, 2 * width) is."""
        points = self.metric(_features(embeddings))
        distances = _kth_distances(points, self.photos, self._photo_squares)
        if len(self.negatives):
            distances -= _kth_distances(points, self.negatives, self._negative_squares)
        return distances

    @functools.cached_property
    def _photo_squares(self) -> Floats:
        return np.asarray((self.photos**2).sum(axis=1))

    @functools.cached_property
    def _negative_squares(self) -> Floats:
        return np.asarray((self.negatives**2).sum(axis=1))

    def p_values(self, embeddings: Floats) -> Floats:
        """Return the familiarity of each embedding (n, 2 * width), above 0 and up to 1.

        The photo itself counts as one of those that it is compared with, so that the value is
        never 0 and is valid for any number of held-out photos.
        """
        count = len(self.calibration)
        distances = self.distances(embeddings)
        at_least = count - np.searchsorted(self.calibration, distances, side="left")
        return np.asarray((at_least + 1) / (count + 1), np.float32)

    def save(self, folder: Path) -> None:
        """Write the file `FILE_NAME`."""
        np.savez(
            folder / FILE_NAME,
            photos=self.photos.astype(np.float16),
            negatives=self.negatives.astype(np.float16),
            calibration=self.calibration,
            **{field.name: getattr(self.metric, field.name) for field in fields(Metric)},
        )

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read the file `FILE_NAME`, or return None if the model has none."""
        path = folder / FILE_NAME
        if not path.exists():
            return None
        with np.load(path) as stored:
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
        metric = Metric(**{field.name: arrays.pop(field.name) for field in fields(Metric)})
        return cls(metric, **arrays)


def _features(embeddings: Floats) -> Floats:
    """Join the reference and the trained embedding, each of length 1, by their weights.

    The square root before keeps single large values from deciding.
    """
    trained, reference = np.split(np.sqrt(np.maximum(embeddings, 0)), 2, axis=1)
    return np.hstack([_normalize(reference), TRAINED_WEIGHT * _normalize(trained)]).astype(
        np.float32
    )


def _normalize(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def _round_to_half(points: Floats) -> Floats:
    """Round to half precision, in which points are saved."""
    return points.astype(np.float16).astype(np.float32)


def _kth_distances(points: Floats, others: Floats, others_squares: Floats) -> Floats:
    """Return each point's distance to the `NEIGHBORS`-th nearest of others, at least one.

    Parameters
    ----------
    points, others
        (n, width) and (m, width).
    others_squares
        (m,): squared lengths of the others.
    """
    squares = (points**2).sum(axis=1)[:, None] + others_squares - 2 * points @ others.T
    place = min(NEIGHBORS, len(others)) - 1
    nearest = np.partition(squares, place, axis=1)[:, place]
    return np.asarray(np.sqrt(np.maximum(nearest, 0)), np.float32)


def _sample_evenly(labels: Integers, maximum: int) -> Integers:
    """Return ascending indices of at most `maximum` photos, evenly from the classes."""
    if len(labels) <= maximum:
        return np.arange(len(labels))
    generator = np.random.default_rng(SEED)
    order = generator.permutation(len(labels))
    # The first of each class, then the second of each, and so on.
    rank = np.empty(len(labels), np.int64)
    for index in np.unique(labels):
        members = order[labels[order] == index]
        rank[members] = np.arange(len(members))
    return np.sort(order[np.argsort(rank[order], kind="stable")][:maximum])
