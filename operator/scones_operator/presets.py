"""Presets: what is classified, and how it is trained, for one kind of photos."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from scones.classes import parse_class_names
from scones.datasets.hyperparameters import parse_hyperparameters
from scones.hyperparameter_names import NAMES, describe_unknown
from scones_operator.application import find_application_file
from scones_operator.aws import template_parameters
from scones_operator.errors import PreconditionError

FOLDER = find_application_file("presets")
SUFFIX = ".toml"


def _to_hyperparameter(value: object) -> object:
    """Write a hyperparameter as the algorithm is given it: all values are strings."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value) if isinstance(value, int | float) else value


Hyperparameter = Annotated[str, BeforeValidator(_to_hyperparameter)]


class Preset(BaseModel):
    """A kind of photos.

    Attributes
    ----------
    name
        That of its file, without the suffix.
    description
        What is classified, for people.
    class_names
        In the order of the class indices.
    image_shape
        Channels, height and width of what the model sees, such as ``"3,32,32"``.
    minimum_accuracy
        Of the validation photos, below which a model is not registered, 0 to 1.
    hyperparameters
        Of the algorithm, but for those that follow from the photos and from this.
    loading_bays
        The bay of each class that has one.
    mirrored
        The class of the mirror image of a photo, by the photo's class, where left and right
        matter; a class that is not named is not to be mirrored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    class_names: tuple[str, ...]
    image_shape: str
    minimum_accuracy: float = Field(ge=0, le=1)
    hyperparameters: Mapping[str, Hyperparameter] = {}
    loading_bays: Mapping[str, str] = {}
    mirrored: Mapping[str, str] = {}

    @field_validator("class_names")
    @classmethod
    def _classes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if "," in name:
                raise ValueError(f"{name!r} contains a comma, which separates names")
        parse_class_names(",".join(names))
        _require_allowed("ClassNames", ",".join(names))
        return names

    @field_validator("image_shape")
    @classmethod
    def _shape(cls, shape: str) -> str:
        _require_allowed("ImageShape", shape)
        return shape

    @field_validator("hyperparameters")
    @classmethod
    def _known(cls, values: Mapping[str, str]) -> Mapping[str, str]:
        parse_hyperparameters(_format_pairs(values))
        if unknown := values.keys() - NAMES:
            raise ValueError(describe_unknown(unknown))
        _require_allowed("Hyperparameters", _format_pairs(values))
        return values

    @model_validator(mode="after")
    def _bays_of_classes(self) -> Self:
        self._require_classes("loading_bays", self.loading_bays)
        _require_allowed("LoadingBays", _format_pairs(self.loading_bays))
        return self

    @model_validator(mode="after")
    def _mirrored_both_ways(self) -> Self:
        self._require_classes("mirrored", self.mirrored)
        self._require_classes("mirrored", dict.fromkeys(self.mirrored.values()))
        for label, twin in self.mirrored.items():
            if self.mirrored.get(twin) != label:
                raise ValueError(
                    f"mirrored says that the mirror image of {label} is {twin}, so it must say "
                    f"too that the one of {twin} is {label}"
                )
        augmentation = self.hyperparameters.get("augmentation_type", "none")
        if augmentation != "none" and any(one != other for one, other in self.mirrored.items()):
            raise ValueError(
                f"augmentation_type {augmentation} mirrors photos and leaves their label, which "
                "is wrong for classes that are mirrored: make it none"
            )
        return self

    def _require_classes(self, key: str, labels: Mapping[str, object]) -> None:
        for label in labels:
            if label not in self.class_names:
                raise ValueError(
                    f"{key} names {label}, which is no class{_suggestion(label, self)}"
                )

    def parameters(self) -> dict[str, str]:
        """Return the template's parameters."""
        return {
            "ClassNames": ",".join(self.class_names),
            "LoadingBays": _format_pairs(self.loading_bays),
            "ImageShape": self.image_shape,
            "Hyperparameters": _format_pairs(self.hyperparameters),
            # Without an exponent, as the template's numbers are written.
            "MinimumAccuracy": f"{self.minimum_accuracy:f}".rstrip("0").rstrip("."),
        }


def list_presets() -> list[str]:
    """Return the names of the presets that come with the application, sorted."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load_preset(name: str) -> Preset:
    """Read a preset.

    Parameters
    ----------
    name
        The name of one that comes with the application, or the path of a file of one's own,
        which ends with ``.toml`` or has a slash in it.

    Raises
    ------
    PreconditionError
        If there is none, or it is not what it should be; names all that is wrong with it.
    """
    own = name.endswith(SUFFIX) or "/" in name
    path = Path(name) if own else FOLDER / f"{name}{SUFFIX}"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise PreconditionError(_missing(name)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PreconditionError(f"{path} is not valid TOML: {error}") from None
    try:
        return Preset.model_validate({**values, "name": path.stem})
    except ValidationError as error:
        problems = "; ".join(map(describe_problem, error.errors()))
        raise PreconditionError(f"the preset {path} cannot be used: {problems}") from None


def _missing(name: str) -> str:
    near = difflib.get_close_matches(name, list_presets(), n=1)
    advice = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"there is no preset {name}{advice}: there are {', '.join(list_presets())}, or give the "
        f"path of a file of your own, which ends with {SUFFIX}"
    )


def _suggestion(label: str, preset: Preset) -> str:
    near = difflib.get_close_matches(label, preset.class_names, n=1, cutoff=0.7)
    return f": did you mean {near[0]}?" if near else ""


def _require_allowed(parameter: str, value: str) -> None:
    # SAM CLI can't pass a backslash on.
    if not template_parameters.is_allowed(parameter, value) or "\\" in value:
        raise ValueError(f"{value!r} is not {template_parameters.constraint(parameter)}")


def _format_pairs(values: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in values.items())


def describe_problem(problem: ErrorDetails) -> str:
    """Return one of pydantic's errors of a preset as a sentence."""
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, Preset.model_fields, n=1)
        return f"there is no key {where}" + (f" (did you mean {near[0]}?)" if near else "")
    if problem["type"] == "missing":
        return f"{where} is missing"
    said: Any = problem.get("ctx", {}).get("error", problem["msg"])
    said = re.sub(r"^Input should", "it should", str(said))
    return f"{where}: {said}" if where else str(said)
