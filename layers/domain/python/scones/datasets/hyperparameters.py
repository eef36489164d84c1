"""Hyperparameters of the built-in image classification and of ours, completed from a dataset.

https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html
"""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from scones.datasets.errors import BadHyperparameters, TooFewPhotos
from scones.hyperparameter_names import NAMES, describe_unknown
from scones.photos import ImageShape

Algorithm = Literal["builtin", "own"]
"""SageMaker's image classification, or ours, which takes the same hyperparameters and more."""

MINI_BATCH_SIZE = 32
"""The algorithms' own default."""

LEARNING_RATE = "0.01"
"""For training the built-in algorithm from random weights, as AWS's notebook for that does:
https://github.com/aws/amazon-sagemaker-examples, Image-classification-fulltraining.ipynb. The
algorithm's own default is 0.1."""

MAX_SMALL_SIDE = 28
"""The longest side in pixels up to which the built-in algorithm has networks for small pictures:
of 20, 32, 44, 56 or 110 layers. For others it has 18, 34, 50, 101, 152 or 200."""

PRETRAINED_SHAPE = (224, 224)
"""Height and width of the pictures that the built-in algorithm's pretrained weights are for."""

_DERIVED = {
    "num_classes": "it is the number of the stack's ClassNames",
    "num_training_samples": "it is counted in the dataset",
    "image_shape": "it is the stack's ImageShape",
}


def parse_hyperparameters(text: str) -> Mapping[str, str]:
    """Read hyperparameters.

    Parameters
    ----------
    text
        Comma-separated ``name=value`` pairs, such as ``"epochs=30,learning_rate=0.01"``, or
        nothing. A value may be a list of numbers: ``"lr_scheduler_step=10,20,epochs=30"``.

    Returns
    -------
    mapping of str to str
        Value by name. What the names mean is for the algorithm to say.

    Raises
    ------
    ValueError
        If a part is no pair, a name stands twice, or is one that the dataset or the stack decides.
    """
    pairs: dict[str, str] = {}
    name = ""
    for part in filter(None, (part.strip() for part in text.split(","))):
        earlier, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator and name and re.fullmatch(r"[0-9.]+", part):
            pairs[name] += f",{part}"
            continue
        name = earlier
        if not (name and value):
            raise ValueError(f"hyperparameter {part!r} is not of the form name=value")
        if name in pairs:
            raise ValueError(f"hyperparameters {text!r} name {name} more than once")
        if name in _DERIVED:
            raise ValueError(f"hyperparameter {name} can't be set: {_DERIVED[name]}")
        pairs[name] = value
    return MappingProxyType(pairs)


def add_defaults(
    algorithm: Algorithm,
    chosen: Mapping[str, str],
    shape: ImageShape,
    classes: int,
    training_photos: int,
) -> dict[str, str]:
    """Add what the dataset and the stack decide, and defaults that fit them.

    Parameters
    ----------
    algorithm
        Which algorithm.
    chosen
        What somebody chose, see `parse_hyperparameters`.
    shape
        The model's picture shape.
    classes
        How many classes there are.
    training_photos
        How many photos there are to train on, all classes together.

    Returns
    -------
    dict of str to str
        Sorted by name.

    Raises
    ------
    BadHyperparameters
        If ``mini_batch_size`` or ``resize`` is not a whole number, ``resize`` is less than a side,
        or the built-in algorithm does not have one of them.
    TooFewPhotos
        If there are fewer training photos than the chosen ``mini_batch_size``.
    """
    if algorithm == "builtin":
        chosen = _for_the_built_in(chosen, shape)
    values = {
        "mini_batch_size": str(min(MINI_BATCH_SIZE, training_photos)),
        **chosen,
        "num_classes": str(classes),
        "num_training_samples": str(training_photos),
        "image_shape": str(shape),
    }
    batch = _whole("mini_batch_size", values["mini_batch_size"])
    if training_photos < batch:
        raise TooFewPhotos(
            f"there are {training_photos} photos to train on, fewer than the mini_batch_size of "
            f"{batch}: add photos, or lower mini_batch_size in the stack's hyperparameters"
        )
    max_side = max(shape.height, shape.width)
    if "resize" in values and _whole("resize", values["resize"]) < max_side:
        raise BadHyperparameters(
            f"hyperparameter resize is {values['resize']}, less than the longest side of the "
            f"image shape {shape}: raise it above {max_side}, or leave it out"
        )
    return dict(sorted(values.items()))


def _for_the_built_in(chosen: Mapping[str, str], shape: ImageShape) -> Mapping[str, str]:
    """Add the built-in algorithm's defaults for a shape to what was chosen, if it takes that."""
    if unknown := chosen.keys() - NAMES:
        raise BadHyperparameters(describe_unknown(unknown))
    pretrained = chosen.get("use_pretrained_model", "0") == "1"
    if pretrained and (shape.height, shape.width) != PRETRAINED_SHAPE:
        raise BadHyperparameters(
            f"use_pretrained_model=1 needs the image shape 3,224,224, and the stack's is {shape}: "
            "deploy it with that ImageShape, or leave use_pretrained_model out"
        )
    small = max(shape.height, shape.width) <= MAX_SMALL_SIDE
    defaults = {
        "num_layers": "20" if small else "18",
        "learning_rate": LEARNING_RATE,
        "resize": str(default_resize(shape)),
    }
    # The algorithm does not augment if it is given no type.
    ignored = {"augmentation_type"} if chosen.get("augmentation_type") == "none" else set()
    return {**defaults, **{name: chosen[name] for name in chosen.keys() - ignored}}


def default_resize(shape: ImageShape) -> int:
    """Return the length in pixels that the built-in algorithm brings a photo's shorter side to.

    It must be more than both sides of the shape, which it then cuts out: at random to train on,
    from the middle to validate on. A 16th more leaves room for that, and cuts off little of what
    the endpoint will be shown whole.
    """
    return math.ceil(max(shape.height, shape.width) * 17 / 16)


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text, re.ASCII):
        raise BadHyperparameters(
            f"hyperparameter {name} is {text!r}: it must be a whole number of 1 or more"
        )
    return int(text)
