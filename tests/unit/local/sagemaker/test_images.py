import os
import sys
from pathlib import Path

import pytest

from scones_local.images.registry import container_images
from scones_local.sagemaker.images import ContainerImage, entrypoint, find_image, script_environment
from scones_local.sagemaker.protocol import ServiceError

PYTHON = Path(sys.executable)
ABSENT = Path("/absent/python3")


def test_an_exact_uri_precedes_the_patterns() -> None:
    known = {
        "*/image:*": ContainerImage(("any",), PYTHON),
        "a/image:1": ContainerImage(("one",), PYTHON),
    }
    assert find_image(known, "a/image:1").entrypoint == ("one",)
    assert find_image(known, "a/image:2").entrypoint == ("any",)


def test_other_images_are_refused() -> None:
    with pytest.raises(ServiceError, match=r"'b/other:1' isn't known here"):
        find_image({"*/image:*": ContainerImage((), PYTHON)}, "b/other:1")


def test_an_image_that_is_not_installed_says_how_to_install_it() -> None:
    with pytest.raises(ServiceError, match="does not exist: run `make it` first"):
        find_image({"*": ContainerImage((), ABSENT, "run `make it`")}, "image")


def test_an_image_without_an_entry_point_neither_trains_nor_serves() -> None:
    assert entrypoint(ContainerImage(("a", "b"), PYTHON), "image") == ["a", "b"]
    with pytest.raises(ServiceError, match="neither trains nor serves"):
        entrypoint(ContainerImage((), PYTHON), "image")


def test_scripts_find_the_interpreter_of_the_image() -> None:
    environment = script_environment(ContainerImage((), ABSENT), Path("/job"))
    assert environment["PATH"].split(os.pathsep)[0] == "/absent"
    assert environment["PIP_TARGET"] == environment["PYTHONPATH"] == "/job/packages"


@pytest.mark.parametrize(
    "repository",
    [
        "scones-training",
        "scones-processing",
        "image-classification",
        "sagemaker-xgboost",
        "sagemaker-scikit-learn",
    ],
)
def test_the_local_cloud_has_a_program_for(repository: str) -> None:
    uri = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{repository}:1"
    assert find_image(container_images(PYTHON), uri).python == PYTHON
