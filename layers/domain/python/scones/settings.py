"""The environment variables of the functions, checked when a function starts."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from scones.classes import parse_class_names, parse_loading_bays
from scones.datasets.hyperparameters import Algorithm, parse_hyperparameters
from scones.decisions import parse_thresholds_by_class, unknown_classes
from scones.photos import ImageShape

ClassNames = Annotated[tuple[str, ...], BeforeValidator(parse_class_names)]
LoadingBays = Annotated[Mapping[str, str], BeforeValidator(parse_loading_bays)]
ThresholdsByClass = Annotated[Mapping[str, float], BeforeValidator(parse_thresholds_by_class)]
Hyperparameters = Annotated[Mapping[str, str], BeforeValidator(parse_hyperparameters)]
Shape = Annotated[ImageShape, BeforeValidator(ImageShape.parse)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from a function's environment.

        Raises
        ------
        pydantic.ValidationError
            If a variable is missing or has no valid value; the message names each.
        """
        return cls.model_validate(dict(environ))


class SerializeSettings(_Settings):
    """What `serialize` needs: the model's picture shape and the largest photo, in bytes."""

    image_shape: Shape = Field(alias="IMAGE_SHAPE")
    max_photo_bytes: int = Field(alias="MAX_PHOTO_BYTES", gt=0)


class ClassifySettings(_Settings):
    """What `classify` needs: the endpoint's name and the classes."""

    endpoint_name: str = Field(alias="ENDPOINT_NAME", min_length=1)
    class_names: ClassNames = Field(alias="CLASS_NAMES")


class ThresholdSettings(_Settings):
    """What `threshold` needs: the classes, their bays, and the limits.

    The SSM parameters exist once operators have set a limit; until then, the other value applies.
    """

    class_names: ClassNames = Field(alias="CLASS_NAMES")
    loading_bays: LoadingBays = Field(alias="LOADING_BAYS")
    threshold: str = Field(alias="THRESHOLD", min_length=1)
    threshold_parameter: str = Field(alias="THRESHOLD_PARAMETER", min_length=1)
    thresholds_by_class: ThresholdsByClass = Field(alias="THRESHOLD_BY_CLASS")
    familiarity_limit: str = Field(alias="FAMILIARITY_LIMIT", min_length=1)
    familiarity_limit_parameter: str = Field(alias="FAMILIARITY_LIMIT_PARAMETER", min_length=1)

    @model_validator(mode="after")
    def _thresholds_of_classes(self) -> Self:
        # A misspelled name would leave its class to the general threshold.
        if unknown := unknown_classes(self.thresholds_by_class, self.class_names):
            raise ValueError(f"THRESHOLD_BY_CLASS: {unknown}")
        return self


class GenerateListsSettings(_Settings):
    """What `generate_lists` needs: where the dataset is, its classes, and how to train on it.

    ``validation_share`` is held back to validate on, of a dataset without its own sides.
    """

    data_bucket: str = Field(alias="DATA_BUCKET", min_length=1)
    class_names: ClassNames = Field(alias="CLASS_NAMES")
    image_shape: Shape = Field(alias="IMAGE_SHAPE")
    algorithm: Algorithm = Field(alias="ALGORITHM")
    hyperparameters: Hyperparameters = Field(alias="HYPERPARAMETERS")
    validation_share: float = Field(alias="VALIDATION_SHARE", gt=0, lt=1)


class PrepareImagesSettings(_Settings):
    """What `prepare_images` needs: the data bucket and the model's picture shape."""

    data_bucket: str = Field(alias="DATA_BUCKET", min_length=1)
    image_shape: Shape = Field(alias="IMAGE_SHAPE")


class EvaluateSettings(_Settings):
    """What `evaluate` needs: the data bucket, the classes, and what a model is held against.

    See `scones.evaluation.verdict.Limits`.
    """

    data_bucket: str = Field(alias="DATA_BUCKET", min_length=1)
    class_names: ClassNames = Field(alias="CLASS_NAMES")
    minimum_accuracy: Fraction = Field(alias="MINIMUM_ACCURACY")
    accuracy_margin: Fraction = Field(alias="ACCURACY_MARGIN")
    wanted_precision: Fraction = Field(alias="WANTED_PRECISION")
    familiarity_limit: Fraction = Field(alias="FAMILIARITY_LIMIT")


class SmokeTestSettings(_Settings):
    """What `smoke_test` needs: the data bucket, the classes, and what is asked of an endpoint.

    ``smoke_photos`` is how many photos it is asked about; its 95th percentile of the time to an
    answer may be ``maximum_latency_ms``, below the time after which a request ends.
    """

    data_bucket: str = Field(alias="DATA_BUCKET", min_length=1)
    class_names: ClassNames = Field(alias="CLASS_NAMES")
    minimum_accuracy: Fraction = Field(alias="MINIMUM_ACCURACY")
    maximum_latency_ms: float = Field(alias="MAXIMUM_LATENCY_MS", gt=0, lt=18_000)
    smoke_photos: int = Field(alias="SMOKE_PHOTOS", gt=0)


class JoinReviewsSettings(_Settings):
    """What `join_reviews` needs: where records and events go, the classes, and their bays."""

    results_table: str = Field(alias="RESULTS_TABLE", min_length=1)
    event_bus: str = Field(alias="EVENT_BUS", min_length=1)
    class_names: ClassNames = Field(alias="CLASS_NAMES")
    loading_bays: LoadingBays = Field(alias="LOADING_BAYS")


class ReviewSettings(JoinReviewsSettings):
    """What `review` needs: where records, photos and events go, and the classes.

    ``validation_share`` is the share of reviewed photos filed for validation, in a dataset with
    separate folders for that.
    """

    data_bucket: str = Field(alias="DATA_BUCKET", min_length=1)
    validation_share: float = Field(alias="VALIDATION_SHARE", gt=0, lt=1)


class EmitMetricsSettings(_Settings):
    """What `emit_metrics` needs: the stack's name, which all its metrics carry."""

    stack: str = Field(alias="STACK_NAME", min_length=1)


class CheckDriftSettings(_Settings):
    """What `check_drift` needs: what is compared, how much of it, and what counts as a shift.

    The photos of the last ``days`` are compared, if there are ``minimum_photos``. ``limit`` is for
    the index of the confidences and that of the familiarities, ``label_limit`` for that of the
    classes.
    """

    endpoint_name: str = Field(alias="ENDPOINT_NAME", min_length=1)
    data_bucket: str = Field(alias="DATA_BUCKET", min_length=1)
    results_table: str = Field(alias="RESULTS_TABLE", min_length=1)
    event_bus: str = Field(alias="EVENT_BUS", min_length=1)
    class_names: ClassNames = Field(alias="CLASS_NAMES")
    days: int = Field(alias="DRIFT_DAYS", gt=0)
    minimum_photos: int = Field(alias="DRIFT_MINIMUM_PHOTOS", gt=0)
    limit: float = Field(alias="DRIFT_LIMIT", gt=0)
    label_limit: float = Field(alias="LABEL_DRIFT_LIMIT", gt=0)
    retrain_on_drift: bool = Field(alias="RETRAIN_ON_DRIFT")
