"""Map container images to the programs that replace them."""

import sys
from collections.abc import Mapping
from pathlib import Path

from scones_local.sagemaker import ContainerImage

_ROOT = Path(__file__).parents[3]

_PIPELINES_ENVIRONMENT = _ROOT / ".venv" / "pipelines"

PIPELINES_PYTHON = _PIPELINES_ENVIRONMENT / "bin" / "python"
"""Interpreter of the environment with scikit-learn, pandas and XGBoost: ``make pipelines``."""

PIPELINES_READY_FILE = _PIPELINES_ENVIRONMENT / "ready"
"""File that exists once ``make pipelines`` has installed all packages of that environment."""


def container_images(pipelines: Path = PIPELINES_PYTHON) -> Mapping[str, ContainerImage]:
    """Return the programs by fnmatch patterns of image URIs.

    Parameters
    ----------
    pipelines
        Interpreter for the images of AWS that need more packages than the application.
    """
    application = Path(sys.executable)
    training = ContainerImage((sys.executable, "-m", "scones_training"), application)
    advice = "run `make pipelines`"
    # Replaces AWS's algorithm. The interpreter does not see the application's packages.
    xgboost = (
        "/usr/bin/env",
        f"PYTHONPATH={_ROOT / 'local'}",
        str(pipelines),
        "-m",
        "scones_local.images.xgboost",
    )
    return {
        "*/scones-training:*": training,
        # Its packages are among the application's.
        "*/scones-processing:*": ContainerImage((), application),
        "*/image-classification:*": training,
        "*/sagemaker-scikit-learn:*": ContainerImage((), pipelines, advice),
        "*/sagemaker-xgboost:*": ContainerImage(xgboost, pipelines, advice),
    }
