"""Familiarity: how much a photo is like the photos that a model was trained on.

It is a conformal p-value (Vovk et al. 2005; Bates et al. 2023, https://arxiv.org/abs/2104.08279):
the share of held-out photos of the learned classes that are at least as unlike the training photos
as this one. How unlike a photo is, is the cosine distance of its embedding to that of the
k-th nearest training photo of its predicted class (Sun et al. 2022,
https://arxiv.org/abs/2204.06507); if there are photos of none of the classes, less the distance to
the k-th nearest of those. Only NumPy is used, as the server needs it too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Labels = npt.NDArray[np.int64]

FILE = "familiarity.npz"

NEIGHBORS = 3
"""Which nearest training photo counts; the farthest, if a class has fewer."""

MIN_NEGATIVES = 10
"""Photos of none of the classes from which on they count: a few say little of what may come."""

MAX_PHOTOS = 2000
"""Training photos that are kept, drawn evenly from the classes; 5 MB."""

SEED = 0
"""Fixes which are kept."""


@dataclass(frozen=True)
class Familiarity:
    """What a model needs to tell how familiar a photo is.

    Attributes
    ----------
    directions
        float16, (photos, width): of the training photos' embeddings, of length 1.
    labels
        int64, (photos,): class indices of the training photos.
    negatives
        float16, (negatives, width): directions of photos of none of the classes; may be empty.
    calibration
        float32, (held-out photos,): distances of held-out photos of the classes, ascending.
    """

    directions: Halves
    labels: Labels
    negatives: Halves
    calibration: Floats

    @classmethod
    def calibrated(
        cls,
        train: tuple[Floats, Labels],
        negatives: Floats,
        held_out: tuple[Floats, Labels],
    ) -> Self:
        """Keep training photos, and measure the distances of held-out ones.

        Parameters
        ----------
        train
            Embeddings (n, width) and class indices (n,) of the training photos.
        negatives
            Embeddings (m, width) of photos of none of the classes.
        held_out
            Embeddings and *predicted* class indices of photos of the classes that were not
            trained on.
        """
        kept = _thinned(train[1])
        if len(negatives) < MIN_NEGATIVES:
            negatives = negatives[:0]
        others = negatives[_thinned(np.zeros(len(negatives), np.int64))]
        model = cls(
            _directions(train[0][kept]).astype(np.float16),
            train[1][kept],
            _directions(others).astype(np.float16),
            np.empty(0, np.float32),
        )
        distances = np.sort(model.distances(*held_out))
        return cls(model.directions, model.labels, model.negatives, distances)

    def distances(self, embeddings: Floats, predicted: Labels) -> Floats:
        """Return how unlike the training photos each embedding is, -2 to 4.

        Parameters
        ----------
        embeddings
            float, (n, width).
        predicted
            Class indices (n,) that the model predicts for them.
        """
        queries = _directions(embeddings)
        similarities = queries @ self.directions.astype(np.float32).T
        similarities[predicted[:, None] != self.labels[None]] = -np.inf
        distances = 1 - _kth_largest(similarities)
        if len(self.negatives):
            distances -= 1 - _kth_largest(queries @ self.negatives.astype(np.float32).T)
        return distances

    def p_values(self, embeddings: Floats, predicted: Labels) -> Floats:
        """Return the familiarity of each embedding, above 0 and up to 1.

        The photo itself counts as one of those that it is compared with, so that the value is
        never 0 and is valid for any number of held-out photos.

        Parameters
        ----------
        embeddings, predicted
            As for `distances`.
        """
        distances = self.distances(embeddings, predicted)
        count = len(self.calibration)
        at_least = count - np.searchsorted(self.calibration, distances, side="left")
        return np.asarray((at_least + 1) / (count + 1), np.float32)

    def save(self, folder: Path) -> None:
        """Write the file `FILE`."""
        np.savez(
            folder / FILE,
            directions=self.directions,
            labels=self.labels,
            negatives=self.negatives,
            calibration=self.calibration,
        )

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read the file `FILE`, or return None if the model has none."""
        path = folder / FILE
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return cls(**arrays)


def _directions(embeddings: Floats) -> Floats:
    """Scale embeddings to length 1, after the square root, which keeps single features small."""
    rooted = np.sqrt(np.maximum(embeddings, 0))
    lengths = np.linalg.norm(rooted, axis=1, keepdims=True)
    return np.asarray(rooted / np.maximum(lengths, 1e-12), np.float32)


def _kth_largest(similarities: Floats) -> Floats:
    """Return each row's `NEIGHBORS`-th largest value; the smallest, if fewer are finite."""
    place = min(NEIGHBORS, similarities.shape[1])
    largest = np.partition(similarities, -place, axis=1)[:, -place:]
    smallest = np.where(np.isfinite(largest), largest, np.inf).min(axis=1)
    # A class without photos is as unlike as can be.
    return np.asarray(np.where(np.isfinite(smallest), smallest, -1.0), np.float32)


def _thinned(labels: Labels) -> Labels:
    """Return ascending indices of at most `MAX_PHOTOS` photos, evenly from the classes."""
    if len(labels) <= MAX_PHOTOS:
        return np.arange(len(labels))
    generator = np.random.default_rng(SEED)
    order = generator.permutation(len(labels))
    # The first of each class, then the second of each, and so on.
    rank = np.empty(len(labels), np.int64)
    for index in np.unique(labels):
        members = order[labels[order] == index]
        rank[members] = np.arange(len(members))
    return np.sort(order[np.argsort(rank[order], kind="stable")][:MAX_PHOTOS])
