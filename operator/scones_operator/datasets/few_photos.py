"""Warnings about datasets that are usable, but small."""

from collections import Counter

from scones_operator.datasets.class_folders import Dataset

MIN_VALIDATION_PHOTOS = 20
"""Minimum number of validation photos for a familiarity limit of 0.05."""

MIN_CLASS_PHOTOS = 20
"""Photos of a class below which the user is warned."""


def warn_of_few_photos(dataset: Dataset) -> list[str]:
    """Return a sentence for each thing that a dataset has too few photos for.

    Parameters
    ----------
    dataset
        A dataset that a model can be trained on.
    """
    photos = Counter(photo.label for photo in (*dataset.train, *dataset.validation))
    few = [
        f"{name} ({photos[name]})"
        for name in dataset.class_names
        if photos[name] < MIN_CLASS_PHOTOS
    ]
    warnings = []
    if few:
        warnings.append(
            f"Few photos of {', '.join(few)}: a model learns little from less than "
            f"{MIN_CLASS_PHOTOS}."
        )
    if len(dataset.validation) < MIN_VALIDATION_PHOTOS:
        warnings.append(
            f"Only {len(dataset.validation)} validation photos: the familiarity limit needs at "
            f"least {MIN_VALIDATION_PHOTOS}, and has no effect until then."
        )
    return warnings
