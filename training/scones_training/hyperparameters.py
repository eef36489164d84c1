"""The hyperparameters of the built-in image-classification algorithm, as our trainer takes them.

Names and ranges are the published ones, so that a job's definition fits both algorithms:
https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html. Defaults differ.
``use_pretrained_model`` is 1, and then ``optimizer`` is adam, ``learning_rate`` 0.0003 (0.01 with
sgd or nag) and ``epochs`` `PRETRAINED_EPOCHS`, or more for `PRETRAINED_STEPS` batches.

With ``use_pretrained_model`` 0, defaults differ where the built-in's are made for ImageNet on a
GPU: ``num_layers`` 152 and ``weight_decay`` 0.0001. ``epochs`` is 30 as there, but more for a few
hundred photos, so that 20,000 images are shown, and 200 at most: five drawn classes of 60 photos
each reached an accuracy of 0.43 in 30 epochs and 0.97 in 70.
"""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from scones.hyperparameter_names import describe_unknown
from scones.photos import ImageShape
from scones_training.errors import InputError

PUBLISHED_LAYERS = (18, 20, 32, 34, 44, 50, 56, 101, 110, 152, 200)
"""``num_layers`` of the built-in algorithm; ours takes them, and 8 and 14 below them."""

LAYERS = (8, 14, *PUBLISHED_LAYERS)

STAGE_WIDTHS = (64, 128, 256)
"""Channels of the residual network's stages. They are here, because reading hyperparameters must
not import PyTorch, which takes seconds."""

TOTAL_STRIDE = 2 ** len(STAGE_WIDTHS)
"""Side, in cells, of the squares of the network's first grid that end as one cell of the last."""

PRETRAINED_EPOCHS = 4
"""Least default of ``epochs`` of a pretrained network. docs/training.md has the measurements."""

PRETRAINED_STEPS = 45
"""Batches that a pretrained network is trained for at least, by default."""

_TUNING_KEYS = "tuning_objective_metric"

INCREMENTAL_LEARNING_RATE = 0.03
"""Default ``learning_rate`` of an incremental training of the residual network. After 15 epochs on
500 photos of two vehicles, 6 more on 500 others, made darker, reached 0.95 and 0.93 (two seeds),
and from 0.1 only 0.92 and 0.88: that rate first undoes what was learned."""


def _layers(value: int) -> int:
    if value not in LAYERS:
        raise ValueError
    return value


def _shape(value: object) -> ImageShape:
    if isinstance(value, ImageShape):
        return value
    return ImageShape.parse(str(value))


def _epochs(value: object) -> tuple[int, ...]:
    if isinstance(value, tuple):
        return value
    epochs = tuple(int(part) for part in str(value).split(","))
    if any(epoch < 1 for epoch in epochs) or list(epochs) != sorted(set(epochs)):
        raise ValueError
    return epochs


def _default_epochs(valid: dict[str, Any]) -> int:
    photos: int = valid.get("num_training_samples", 1)  # refused anyway where it is missing
    if _is_pretrained(valid):
        size: int = valid.get("mini_batch_size", 32)
        batches = max(1, photos // size)
        return min(200, max(PRETRAINED_EPOCHS, math.ceil(PRETRAINED_STEPS / batches)))
    return min(200, max(30, math.ceil(20_000 / photos)))


def _default_optimizer(valid: dict[str, Any]) -> str:
    return "adam" if _is_pretrained(valid) else "sgd"


def _default_learning_rate(valid: dict[str, Any]) -> float:
    if not _is_pretrained(valid):
        return 0.1
    return 0.0003 if valid.get("optimizer") in ("adam", "rmsprop") else 0.01


def _is_pretrained(valid: dict[str, Any]) -> bool:
    return bool(valid.get("use_pretrained_model", "1") == "1")


_Positive = Annotated[int, Field(gt=0, description="a whole number of 1 or more")]
_Fraction = Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1")]
_Flag = Annotated[Literal["0", "1"], Field(description="0 or 1")]
_Shape = Annotated[
    ImageShape,
    BeforeValidator(_shape),
    PlainSerializer(str),
    Field(description="channels,height,width with 3 channels, such as 3,224,224"),
]
_Steps = Annotated[
    tuple[int, ...],
    BeforeValidator(_epochs),
    PlainSerializer(lambda epochs: ",".join(map(str, epochs))),
    Field(description="epochs in rising order with commas between them, such as 10,20"),
]


class Hyperparameters(BaseModel):
    """Checked hyperparameters of one job.

    ``num_layers`` counts convolutions and the classifier, as the published values do; the
    residual blocks of two convolutions each are spread over three stages (see
    `scones_training.residual`), so 8 is one block a stage, which is right for up to some thousand
    photos. ``learning_rate`` is the highest rate of a one-cycle schedule, unless
    ``lr_scheduler_step`` asks for the built-in algorithm's steps; see also `incremental`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, str_strip_whitespace=True
    )

    num_classes: Annotated[int, Field(ge=2, description="a whole number of 2 or more")]
    num_training_samples: _Positive
    image_shape: _Shape = ImageShape.parse("3,224,224")
    use_pretrained_model: _Flag = "1"
    num_layers: Annotated[
        int, AfterValidator(_layers), Field(description=f"one of {', '.join(map(str, LAYERS))}")
    ] = 8
    mini_batch_size: _Positive = 32
    epochs: Annotated[_Positive, Field(default_factory=_default_epochs)]
    augmentation_type: Annotated[
        Literal["none", "crop", "crop_color", "crop_color_transform"],
        Field(description="none, crop, crop_color or crop_color_transform"),
    ] = "none"
    optimizer: Annotated[
        Literal["sgd", "nag", "adam", "rmsprop"],
        Field(description="sgd, nag, adam or rmsprop", default_factory=_default_optimizer),
    ]
    learning_rate: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="a number above 0, and 1 at most",
            default_factory=_default_learning_rate,
        ),
    ]
    use_weighted_loss: _Flag = "0"
    lr_scheduler_step: _Steps = ()
    lr_scheduler_factor: _Fraction = 0.1
    momentum: _Fraction = 0.9
    weight_decay: _Fraction = 0.0005
    beta_1: _Fraction = 0.9
    beta_2: _Fraction = 0.999
    eps: _Fraction = 1e-8
    gamma: _Fraction = 0.9
    early_stopping: Annotated[bool, Field(description="True or False")] = False
    early_stopping_min_epochs: _Positive = 10
    early_stopping_patience: _Positive = 5
    early_stopping_tolerance: _Fraction = 0.0
    checkpoint_frequency: _Positive = 1
    multi_label: Annotated[
        Literal["0"], Field(description="0: a photo has one class in this application")
    ] = "0"

    # What makes no difference to our trainer.
    resize: Annotated[int | None, Field(gt=0, description="a whole number of 1 or more")] = None
    top_k: Annotated[int | None, Field(gt=1, description="a whole number of 2 or more")] = None
    precision_dtype: Annotated[
        Literal["float32", "float16"], Field(description="float32 or float16")
    ] = "float32"
    kv_store: Annotated[
        Literal["dist_sync", "dist_async"] | None, Field(description="dist_sync or dist_async")
    ] = None
    # SageMaker adds it to the jobs of a hyperparameter tuning job.
    tuning_objective_metric: Annotated[str, Field(alias="_tuning_objective_metric")] = ""

    @model_validator(mode="after")
    def _frequency_within_epochs(self) -> Self:
        if self.checkpoint_frequency > self.epochs:
            raise PydanticCustomError(
                "relation",
                "Hyperparameter checkpoint_frequency is {frequency}, more than the {epochs} "
                "epochs: lower it or raise epochs.",
                {"frequency": self.checkpoint_frequency, "epochs": self.epochs},
            )
        return self

    @model_validator(mode="after")
    def _more_than_one_value_to_normalize(self) -> Self:
        longest = max(self.image_shape.height, self.image_shape.width)
        if not self.pretrained and self.mini_batch_size == 1 and longest <= TOTAL_STRIDE:
            raise PydanticCustomError(
                "relation",
                "Hyperparameter mini_batch_size is 1, which works for images longer than {patch} "
                "pixels, but image_shape is {shape}: batch normalization needs more than one "
                "value, so raise one of the two.",
                {"patch": TOTAL_STRIDE, "shape": str(self.image_shape)},
            )
        return self

    @property
    def pretrained(self) -> bool:
        """Whether to train on from ImageNet weights."""
        return self.use_pretrained_model == "1"

    @property
    def weighted_loss(self) -> bool:
        """Whether rare classes weigh more in the loss."""
        return self.use_weighted_loss == "1"

    def incremental(self) -> Self:
        """Return these for a training that starts from an earlier model."""
        if self.pretrained or "learning_rate" in self.model_fields_set:
            return self
        return self.model_copy(update={"learning_rate": INCREMENTAL_LEARNING_RATE})

    def with_batch_for(self, count: int) -> Self:
        """Return these with at most one batch of all photos, which may be fewer than were listed.

        Parameters
        ----------
        count
            Number of usable training photos.
        """
        return self.model_copy(update={"mini_batch_size": min(self.mini_batch_size, count)})

    def ignored(self) -> list[str]:
        """Return the names that were given and make no difference to this job, sorted.

        What SageMaker itself adds to the jobs of a tuning job is not among them.
        """
        return sorted(self.model_fields_set & self._ignored_names())

    def given(self) -> dict[str, Any]:
        """Return the values that the job was given, by name."""
        return self._values(self.model_fields_set)

    def defaults(self) -> dict[str, Any]:
        """Return the values that the job was not given and that make a difference to it."""
        return self._values(
            type(self).model_fields.keys() - self.model_fields_set - self._ignored_names()
        )

    def _values(self, names: Set[str]) -> dict[str, Any]:
        texts = self.model_dump(mode="json", include=set(names) - {_TUNING_KEYS})
        return dict(sorted(texts.items()))

    def _ignored_names(self) -> set[str]:
        ignored_names = {"resize", "top_k"} | ({"num_layers"} if self.pretrained else set())
        ignored_names |= {"precision_dtype", "kv_store", "multi_label"}
        by_optimizer = {
            "sgd": {"momentum", "weight_decay"},
            "nag": {"momentum", "weight_decay"},
            "adam": {"beta_1", "beta_2", "eps"},
            "rmsprop": {"gamma", "eps"},
        }
        ignored_names |= set().union(*by_optimizer.values()) - by_optimizer[self.optimizer]
        if not self.lr_scheduler_step:
            ignored_names |= {"lr_scheduler_factor", "lr_scheduler_step"}
        if not self.early_stopping:
            ignored_names |= {
                name for name in type(self).model_fields if name.startswith("early_stopping_")
            }
        return ignored_names


def parse_hyperparameters(values: Mapping[str, str]) -> Hyperparameters:
    """Check a job's hyperparameters.

    Parameters
    ----------
    values
        The content of ``hyperparameters.json``.

    Returns
    -------
    Hyperparameters
        With a default for what was not given.

    Raises
    ------
    InputError
        If a name is unknown or missing or a value is outside its range; names every such
        hyperparameter and what it takes.
    """
    try:
        return Hyperparameters.model_validate(dict(values))
    except ValidationError as error:
        # A default that hangs on a wrong value is no second problem.
        problems = [d for d in error.errors() if d["type"] != "default_factory_not_called"]
        raise InputError(" ".join(_format_problems(problems))) from None


def _format_problems(problems: Sequence[ErrorDetails]) -> Iterator[str]:
    unknown = [str(d["loc"][0]) for d in problems if d["type"] == "extra_forbidden"]
    yield from (_format_problem(d) for d in problems if d["type"] != "extra_forbidden")
    if unknown:
        message = describe_unknown(unknown)
        yield f"{message[0].upper()}{message[1:]}."


def _format_problem(detail: ErrorDetails) -> str:
    if detail["type"] == "relation":
        return detail["msg"]
    name = str(detail["loc"][0])
    accepted = Hyperparameters.model_fields[name].description
    if detail["type"] == "missing":
        return f"Hyperparameter {name} is missing: give {accepted}."
    return f"Hyperparameter {name} must be {accepted}, not {detail['input']!r}."
