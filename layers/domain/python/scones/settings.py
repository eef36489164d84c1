"""The environment variables of the functions, checked when a function starts."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from scones.labels import parse_class_names, parse_loading_bays
from scones.photos import ImageShape

ClassNames = Annotated[tuple[str, ...], BeforeValidator(parse_class_names)]
LoadingBays = Annotated[Mapping[str, str], BeforeValidator(parse_loading_bays)]
Shape = Annotated[ImageShape, BeforeValidator(ImageShape.parse)]


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
    """What `threshold` needs: the classes, their bays and the SSM parameter of the threshold."""

    class_names: ClassNames = Field(alias="CLASS_NAMES")
    loading_bays: LoadingBays = Field(alias="LOADING_BAYS")
    threshold_parameter: str = Field(alias="THRESHOLD_PARAMETER", min_length=1)
