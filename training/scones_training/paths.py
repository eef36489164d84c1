"""Where SageMaker puts and looks for the files of a container.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

from dataclasses import dataclass
from pathlib import Path

CONTAINER_ROOT = Path("/opt/ml")
"""Root of these files in a container."""


@dataclass(frozen=True)
class Paths:
    """The files under a container's root, which is ``/opt/ml`` on SageMaker."""

    root: Path

    @property
    def hyperparameters(self) -> Path:
        """The job's hyperparameters: one JSON object, all values strings."""
        return self.root / "input" / "config" / "hyperparameters.json"

    @property
    def data(self) -> Path:
        """The folder with one folder a channel."""
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        """The folder that becomes ``model.tar.gz``, and is unpacked from it for serving."""
        return self.root / "model"

    @property
    def failure(self) -> Path:
        """The file that becomes the job's ``FailureReason``."""
        return self.root / "output" / "failure"

    @property
    def checkpoints(self) -> Path:
        """The folder that is kept in S3 while the job runs; it exists only if asked for."""
        return self.root / "checkpoints"
