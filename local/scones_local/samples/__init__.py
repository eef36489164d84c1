"""Sample photos, drawn: a dataset to train on and photos to upload, so that none is downloaded."""

from scones_local.samples.dataset import CLASSES, SamplePhoto, Samples, generate

__all__ = ["CLASSES", "SamplePhoto", "Samples", "generate"]
