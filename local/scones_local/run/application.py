"""The whole application running in the local cloud: deployed, with a model in production."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from scones_local.cloud.state import StateFolder
from scones_local.run import deploy
from scones_local.run.datasets import upload_dataset
from scones_local.run.photo_folder import Dataset
from scones_local.run.train_and_promote import Progress, TrainedModel, promote, retrain
from scones_operator.aws.stack import Stack
from scones_operator.progress import ProgressCallback
from scones_training import hyperparameters

if TYPE_CHECKING:
    from scones_local.cloud.lifecycle import Cloud

MAX_BATCH_SIZE = 32
"""Photos in a batch, the algorithm's default; fewer where there are fewer to train on."""

LOCAL_WAITS = {"PollSeconds": "1", "CanarySeconds": "3", "BakeSeconds": "1"}
"""The template's parameters for waits that on AWS take minutes."""


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
    minimum_accuracy
        Of the validation photos, below which a model is not taken, 0 to 1.
    others
        More hyperparameters of the algorithm.
    loading_bays
        The template's LoadingBays; None leaves it to the template.
    threshold_by_class
        The template's ThresholdByClass; None leaves it to the template.
    sources
        What set a value, by the hyperparameter's name or ``minimum_accuracy``, such as the variable
        ``IMAGE_SHAPE`` or ``preset vehicles``; values that are not named are defaults.
    """

    image_shape: str = "3,96,96"
    augmentation: str = "crop"
    threshold: float = 0.93
    minimum_accuracy: float = 0.6
    others: Mapping[str, str] = field(default_factory=dict)
    loading_bays: str | None = None
    threshold_by_class: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    def hyperparameters(self, dataset: Dataset) -> dict[str, str]:
        """Return the algorithm's hyperparameters for a dataset, all of them strings.

        Raises
        ------
        scones_training.errors.InputError
            If the trainer would not take one of them.
        """
        batch = {"mini_batch_size": str(min(MAX_BATCH_SIZE, len(dataset.train)))}
        chosen = (batch | self._chosen_hyperparameters()) | {
            "num_classes": str(len(dataset.class_names)),
            "num_training_samples": str(len(dataset.train)),
            "image_shape": self.image_shape,
        }
        return chosen | {"epochs": str(hyperparameters.parse_hyperparameters(chosen).epochs)}

    def describe(self, dataset: Dataset) -> list[str]:
        """Return what is trained with and what set each value, then what has no effect, as lines.

        Raises
        ------
        scones_training.errors.InputError
            If the trainer would not take one of them.
        """
        values = self.hyperparameters(dataset)
        computed = {"epochs", "mini_batch_size"} - self.others.keys()
        photos = f"computed for {len(dataset.train)} photos"
        sources = {**dict.fromkeys(computed, photos), **self.sources}
        sources_text = {name: values[name] for name in ("image_shape", "augmentation_type")}
        sources_text |= {name: values[name] for name in sorted(computed | self.others.keys())}
        sources_text["minimum_accuracy"] = f"{self.minimum_accuracy:g}"
        named = [
            f"{name}={text} ({sources.get(name, 'default')})" for name, text in sources_text.items()
        ]
        ignored = hyperparameters.parse_hyperparameters(values).ignored()
        lines = [f"Training with {', '.join(named)}"]
        if ignored:
            names = ", ".join(f"{name} ({sources.get(name, 'default')})" for name in ignored)
            lines.append(f"Without effect in this training: {names}")
        return lines

    def parameters(self, cloud: "Cloud", dataset: Dataset) -> dict[str, str]:
        """Return the template's parameters for a dataset, with waits as short as things are here.

        Parameters
        ----------
        cloud
            The local cloud that is deployed to.
        dataset
            What to train on.
        """
        epochs = {"epochs": self.hyperparameters(dataset)["epochs"]}
        chosen = (self._chosen_hyperparameters() | epochs).items()
        by_class = {
            "LoadingBays": self.loading_bays,
            "ThresholdByClass": self.threshold_by_class,
        }
        registry = f"{cloud.account}.dkr.ecr.{cloud.region}.amazonaws.com"
        return {
            "ClassNames": ",".join(dataset.class_names),
            "ImageShape": self.image_shape,
            # Without an exponent: it is part of an SSM parameter's name.
            "Threshold": f"{self.threshold:f}",
            "Algorithm": "own",
            "TrainingImage": f"{registry}/scones-training:latest",
            "Hyperparameters": ",".join(f"{name}={value}" for name, value in chosen),
            "MinimumAccuracy": f"{self.minimum_accuracy:f}",
            "CodeVersion": deploy.code_version(),
            **{name: value for name, value in by_class.items() if value is not None},
            **LOCAL_WAITS,
        }

    def _chosen_hyperparameters(self) -> dict[str, str]:
        """Return the hyperparameters that the user chose."""
        return {**self.others, "augmentation_type": self.augmentation}


def augmentations() -> tuple[str, ...]:
    """Return the values that the algorithm's ``augmentation_type`` may have."""
    return get_args(hyperparameters.Hyperparameters.model_fields["augmentation_type"].annotation)


def deploy_and_train(
    cloud: "Cloud", work: Path, dataset: Dataset, settings: Settings, output: Progress
) -> tuple[Stack, TrainedModel]:
    """Build and deploy the template, retrain on a dataset and promote what comes of it.

    Parameters
    ----------
    cloud
        A running local cloud.
    work
        Folder for what is built.
    dataset
        What to train on.
    settings
        What to train.
    output
        Where to show the steps.

    Returns
    -------
    tuple of Stack and TrainedModel

    Raises
    ------
    DeployError, ModelError, scones_operator.errors.OperationError
        If a step fails.
    scones_training.errors.InputError
        If the trainer would not take a setting.
    """
    settings.hyperparameters(dataset)
    session = cloud.session()
    parameters = settings.parameters(cloud, dataset)
    _build_and_deploy(cloud, work, parameters, output)
    parameters_given = StateFolder(cloud.state).parameters
    parameters_given.touch(mode=0o600)
    parameters_given.write_text(json.dumps(parameters, indent=2) + "\n", encoding="utf-8")
    stack = Stack.read(session)
    total = len(dataset.train) + len(dataset.validation) + len(dataset.negatives)
    with output.step(f"Uploading {total} photos for training") as on_update:
        upload_dataset(session, stack.data_bucket, dataset, _epoch_counter(on_update))
    with output.step("Retraining (state machine retrain)") as on_update:
        model = retrain(session, stack, on_update)
    with output.step(f"Promoting version {model.version} (state machine promote)") as on_update:
        promote(session, stack, model.version, on_update)
    return stack, model


def redeploy(cloud: "Cloud", work: Path, progress: Progress) -> None:
    """Build and deploy the template as it is now onto the stack that there is.

    Parameters
    ----------
    cloud
        Where `deploy_and_train` was done; its parameters are given again, all others have the
        defaults of
        the template as it is now.
    work
        Folder for what is built.
    progress
        Where to show the steps.

    Raises
    ------
    DeployError
        If SAM CLI fails.
    """
    parameters_given: dict[str, str] = json.loads(
        StateFolder(cloud.state).parameters.read_text(encoding="utf-8")
    )
    declared = deploy.default_parameters()
    # A deployment leaves a parameter that it is not given as it was.
    parameters = {name: parameters_given.get(name, default) for name, default in declared.items()}
    parameters["CodeVersion"] = deploy.code_version()
    _build_and_deploy(cloud, work, parameters, progress)


def _build_and_deploy(
    cloud: "Cloud", work: Path, parameters: Mapping[str, str], progress: Progress
) -> None:
    environ, complete = cloud.environ(), {**parameters, **deploy.host_parameters()}
    with deploy.lock_folder(work):
        # What is saved later may be missing in what is built.
        StateFolder(cloud.state).deployed.touch()
        with progress.step("Building the application (sam build)"):
            template = deploy.build(work, environ, complete)
        with progress.step("Deploying template.yaml (sam deploy)"):
            deploy.deploy(template, environ, complete)


def _epoch_counter(on_update: Callable[[str], None]) -> ProgressCallback:
    return lambda amount: on_update(f"{amount.done} of {amount.total}")
