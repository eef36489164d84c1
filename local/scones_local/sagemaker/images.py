"""Programs of this computer that replace container images."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from scones_local.sagemaker.protocol import validation_error


@dataclass(frozen=True)
class ContainerImage:
    """A program that replaces a container image.

    Attributes
    ----------
    entrypoint
        Command that replaces the image's ENTRYPOINT; empty if the image only runs scripts that a
        processing job names as its entry point.
    python
        Interpreter that ``python3`` finds in the container.
    advice
        What to do if `python` does not exist.
    """

    entrypoint: tuple[str, ...]
    python: Path
    advice: str = "install it"

    @property
    def path(self) -> str:
        """PATH of the container: the interpreter's folder comes first."""
        return os.pathsep.join([str(self.python.parent), os.environ.get("PATH", os.defpath)])


def find_image(images: Mapping[str, ContainerImage], uri: str) -> ContainerImage:
    """Return the program for an image.

    Parameters
    ----------
    images
        Programs by image URI or fnmatch pattern; an exact URI precedes the patterns.
    uri
        Image URI of the request.

    Raises
    ------
    ServiceError
        If there is no program for the image, or its interpreter is not installed.
    """
    matching = (image for pattern, image in images.items() if fnmatchcase(uri, pattern))
    image = images.get(uri) or next(matching, None)
    if image is None:
        raise validation_error(
            f"The repository of the image {uri!r} isn't known here: the embedded SageMaker runs "
            f"no containers, and has code of its own for {', '.join(images)} only."
        )
    if not image.python.exists():
        raise validation_error(
            f"The image {uri!r} runs in {image.python}, which does not exist: {image.advice} first."
        )
    return image


def entrypoint(image: ContainerImage, uri: str) -> list[str]:
    """Return the command that replaces an image's ENTRYPOINT.

    Raises
    ------
    ServiceError
        If the image has none: it can neither train nor serve.
    """
    if not image.entrypoint:
        raise validation_error(
            f"The embedded SageMaker runs the image {uri!r} only with a ContainerEntrypoint, as "
            "processing jobs have: it neither trains nor serves."
        )
    return list(image.entrypoint)


def script_environment(image: ContainerImage, root: Path) -> dict[str, str]:
    """Return the variables of a container that runs a script of the user's.

    Packages that the script installs go into the job's folder and end with it, as in a container.
    """
    packages = str(root / "packages")
    return {"PATH": image.path, "PIP_TARGET": packages, "PYTHONPATH": packages}
