"""The whole application running in the embedded cloud: deployed, with a trained model behind it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, get_args

from local.run import deploy
from local.run.datasets import upload_dataset
from local.run.folders import Dataset
from local.run.hosting import host
from local.run.training_job import TrainedModel, TrainingJob, train

if TYPE_CHECKING:
    from local.cloud import Cloud

LARGEST_BATCH = 32
"""Photos in a batch, the algorithm's default; fewer where there are fewer to train on."""


@dataclass(frozen=True)
class Settings:
    """What the user of `make run` chooses.

    Attributes
    ----------
    image_shape
        Channels, height and width of the model's pictures, such as ``"3,32,32"``.
    augmentation
        The algorithm's ``augmentation_type``.
    threshold
        Confidence from which on no person is asked, 0 to 1.
    epochs
        How often training goes through the photos; None leaves it to the trainer.
    """

    image_shape: str = "3,32,32"
    augmentation: str = "crop"
    threshold: float = 0.93
    epochs: int | None = None

    def hyperparameters(self, dataset: Dataset) -> dict[str, str]:
        """Return the algorithm's hyperparameters for a dataset, all of them strings.

        Raises
        ------
        training.errors.BadInput
            If the trainer would not take one of them.
        """
        # It brings PyTorch, which takes seconds.
        from training import hyperparameters  # noqa: PLC0415

        chosen = {
            "num_classes": str(len(dataset.class_names)),
            "num_training_samples": str(len(dataset.train)),
            "image_shape": self.image_shape,
            "augmentation_type": self.augmentation,
            "mini_batch_size": str(min(LARGEST_BATCH, len(dataset.train))),
        }
        if self.epochs:
            chosen["epochs"] = str(self.epochs)
        return chosen | {"epochs": str(hyperparameters.parse(chosen).epochs)}


def augmentations() -> tuple[str, ...]:
    """Return the values that the algorithm's ``augmentation_type`` may have."""
    # It brings PyTorch, which takes seconds.
    from training.hyperparameters import Hyperparameters  # noqa: PLC0415

    return get_args(Hyperparameters.model_fields["augmentation_type"].annotation)


class Progress(Protocol):
    """Where the steps of a run are shown."""

    def step(self, title: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show a step while it lasts; what is entered takes lines of detail."""
        ...


def install(
    cloud: "Cloud", work: Path, dataset: Dataset, settings: Settings, progress: Progress
) -> tuple[deploy.Stack, TrainedModel]:
    """Build and deploy the template, train a model on a dataset and host it.

    Parameters
    ----------
    cloud
        A running embedded cloud.
    work
        Folder for what is built.
    dataset
        What to train on.
    settings
        What to train.
    progress
        Where to show the steps.

    Returns
    -------
    tuple of Stack and TrainedModel

    Raises
    ------
    DeployError, TrainingError, HostingError
        If that step fails.
    training.errors.BadInput
        If the trainer would not take a setting.
    """
    hyperparameters = settings.hyperparameters(dataset)
    session, environ = cloud.session(), cloud.environ()
    parameters = deploy.host_parameters() | {
        "ClassNames": ",".join(dataset.class_names),
        "ImageShape": settings.image_shape,
        # Without an exponent, as the template's SSM parameter takes it.
        "Threshold": f"{settings.threshold:f}",
    }
    with progress.step("Building the application (sam build)"):
        template = deploy.build(work, environ, parameters)
    with progress.step("Deploying template.yaml (sam deploy)"):
        deploy.deploy(template, environ, parameters)
        stack = deploy.Stack.read(session)
    name = time.strftime("scones-%Y%m%d-%H%M%S", time.gmtime())
    image = f"{cloud.account}.dkr.ecr.{cloud.region}.amazonaws.com/scones-training:latest"
    total = len(dataset.train) + len(dataset.validation)
    with progress.step(f"Uploading {total} photos to learn from") as show:
        uploaded = upload_dataset(session, stack, name, dataset, _count(show, total))
    with progress.step("Training (SageMaker training job)") as show:
        job = TrainingJob(name, image, uploaded, hyperparameters)
        model = train(session, stack, job, show)
    with progress.step("Hosting the model (SageMaker endpoint)"):
        host(session, stack, name, image, model.artifacts)
    return stack, model


def _count(show: Callable[[str], None], total: int) -> Callable[[], None]:
    done = iter(range(1, total + 1))
    return lambda: show(f"{next(done)} of {total}")
