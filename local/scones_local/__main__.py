"""The commands behind `make run`, `make up` and all that works on what that left running."""

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console

from scones.classes import parse_class_names
from scones.decisions import (
    InvalidThreshold,
    parse_threshold,
    parse_thresholds_by_class,
    unknown_classes,
)
from scones.photos import ImageShape
from scones_local.cloud.lifecycle import CloudError
from scones_local.cloud.state import StateError
from scones_local.run import debugging, dev_environment, end_to_end
from scones_local.run.application import Settings, augmentations
from scones_local.run.deploy import DeployError
from scones_local.run.invocation import InvocationError
from scones_local.run.output import Output
from scones_local.run.reload import ReloadError
from scones_local.run.train_and_promote import ModelError
from scones_local.run.variables import check_variables
from scones_local.samples.dataset import CLASSES
from scones_operator import presets
from scones_operator.aws import template_parameters
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.escaping import escape_lines
from scones_operator.folder_files import FolderLayoutError
from scones_operator.presets import Preset
from scones_training.errors import InputError

USER_ERRORS = (
    *(
        CloudError,
        DeployError,
        FolderLayoutError,
        ModelError,
        OperationError,
        PreconditionError,
        InputError,
    ),
    *(InvocationError, StateError, end_to_end.RunError, debugging.DebugError, ReloadError),
)
"""What the user, or the application, got wrong; the messages are for the user."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=__doc__,
)

WorkOption = Annotated[Path, typer.Option(help="Folder for state and build outputs.")]


@dataclass(frozen=True)
class RunOptions:
    """The options of `run` and `up`: what to train, and where."""

    dataset: Annotated[
        Path | None,
        typer.Option(
            envvar="DATASET",
            help="Photos: one folder per class, or train/ and validation/ with these.",
        ),
    ] = None
    preset: Annotated[
        str,
        typer.Option(
            envvar=["PRESET", "PROFILE"],
            help="Preset, or file of one, with the defaults of the options below; "
            "`scones presets` lists them.",
        ),
    ] = ""
    classes: Annotated[
        str, typer.Option(envvar="CLASSES", help="Class names in the order of their indices.")
    ] = ""
    image_shape: Annotated[
        str,
        typer.Option(
            envvar="IMAGE_SHAPE",
            help=f"Channels, height and width (default: {Settings.image_shape}).",
        ),
    ] = ""
    augmentation: Annotated[
        str,
        typer.Option(
            envvar="AUGMENTATION",
            help="none, crop, crop_color or crop_color_transform "
            f"(default: {Settings.augmentation}).",
        ),
    ] = ""
    threshold: Annotated[
        str, typer.Option(envvar="THRESHOLD", help="Confidence below which a photo needs review.")
    ] = "0.93"
    threshold_by_class: Annotated[
        str,
        typer.Option(
            envvar="THRESHOLD_BY_CLASS",
            help="Classes with another threshold, such as bicycle=0.9,motorcycle=review.",
        ),
    ] = ""
    minimum_accuracy: Annotated[
        str,
        typer.Option(
            envvar="MINIMUM_ACCURACY",
            help="A model with less on validation photos is not taken; "
            f"{Settings.minimum_accuracy} by default.",
        ),
    ] = ""
    work: WorkOption = end_to_end.WORK_FOLDER

    def settings(self) -> Settings:
        """Return what to train, checked before anything is started."""
        settings = _from_preset(self._preset) if self._preset else Settings()
        chosen: dict[str, Any] = {"threshold": _parse_share(self.threshold, "THRESHOLD")}
        chosen["sources"] = self._sources()
        if self.image_shape:
            chosen["image_shape"] = _parse_image_shape(self.image_shape)
        if self.augmentation:
            chosen["augmentation"] = _parse_augmentation(self.augmentation)
        if self.threshold_by_class:
            chosen["threshold_by_class"] = _parse_threshold_by_class(self.threshold_by_class)
        if self.minimum_accuracy:
            chosen["minimum_accuracy"] = _parse_share(self.minimum_accuracy, "MINIMUM_ACCURACY")
        return replace(settings, **chosen)

    def class_names(self) -> tuple[str, ...]:
        """Return the class names, none where the folders' names are to be taken."""
        if self.classes or not self._preset:
            return _parse_class_names(self.classes) if self.classes else ()
        names = self._preset.class_names
        if self.dataset is None and set(names) != set(CLASSES):
            raise typer.BadParameter(
                f"there are drawn samples of {' and '.join(CLASSES)} only: with this preset, give "
                f"a DATASET that has {', '.join(names)}",
                param_hint="PRESET",
            )
        return names

    def _sources(self) -> dict[str, str]:
        """Return what set each value that is not a default, for `Settings.sources`."""
        sources: dict[str, str] = {}
        if self._preset:
            names = ("image_shape", "minimum_accuracy", *self._preset.hyperparameters)
            sources = dict.fromkeys(names, f"preset {self._preset.name}")
        variables = {
            "image_shape": self.image_shape and "IMAGE_SHAPE",
            "augmentation_type": self.augmentation and "AUGMENTATION",
            "minimum_accuracy": self.minimum_accuracy and "MINIMUM_ACCURACY",
        }
        return sources | {name: variable for name, variable in variables.items() if variable}

    @cached_property
    def _preset(self) -> Preset | None:
        try:
            return presets.load_preset(self.preset) if self.preset else None
        except PreconditionError as error:
            raise typer.BadParameter(str(error), param_hint="PRESET") from None


def _from_preset(preset: Preset) -> Settings:
    others = dict(preset.hyperparameters)
    return Settings(
        preset.image_shape,
        others.pop("augmentation_type", "none"),
        minimum_accuracy=preset.minimum_accuracy,
        others=others,
        loading_bays=preset.parameters()["LoadingBays"],
    )


def _parse_image_shape(text: str) -> str:
    try:
        shape = str(ImageShape.parse(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="IMAGE_SHAPE") from None
    if not template_parameters.is_allowed("ImageShape", shape):
        raise typer.BadParameter(
            f"{shape} is not {template_parameters.constraint('ImageShape')}",
            param_hint="IMAGE_SHAPE",
        )
    return shape


def _parse_augmentation(text: str) -> str:
    if text not in augmentations():
        raise typer.BadParameter(
            f"{text!r} is not one of {', '.join(augmentations())}", param_hint="AUGMENTATION"
        )
    return text


def _parse_threshold_by_class(text: str) -> str:
    try:
        parse_thresholds_by_class(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="THRESHOLD_BY_CLASS") from None
    if not template_parameters.is_allowed("ThresholdByClass", text):
        raise typer.BadParameter(
            f"{text!r} is not {template_parameters.constraint('ThresholdByClass')}",
            param_hint="THRESHOLD_BY_CLASS",
        )
    return text


def _require_classes(settings: Settings, class_names: Sequence[str]) -> None:
    """Raise `typer.BadParameter` if a threshold is set for what is not a class."""
    by_class = parse_thresholds_by_class(settings.threshold_by_class or "")
    if unknown := unknown_classes(by_class, class_names):
        raise typer.BadParameter(unknown, param_hint="THRESHOLD_BY_CLASS")


def _parse_share(text: str, option: str) -> float:
    try:
        return parse_threshold(text)
    except InvalidThreshold:
        raise typer.BadParameter(
            f"{text!r} is not a number from 0 to 1", param_hint=option
        ) from None


def _parse_class_names(text: str) -> tuple[str, ...]:
    try:
        names = parse_class_names(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="CLASSES") from None
    if not template_parameters.is_allowed("ClassNames", ",".join(names)):
        raise typer.BadParameter(
            f"{text!r} is not {template_parameters.constraint('ClassNames')}", param_hint="CLASSES"
        )
    return names


def _with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that `RunOptions` names, besides its own."""
    run_options = inspect.signature(RunOptions).parameters
    own_options = inspect.signature(command).parameters.values()

    @functools.wraps(command)
    def call(**arguments: Any) -> None:
        if error := check_variables(os.environ.get("MAKEFLAGS", ""), variables):
            raise typer.BadParameter(error)
        command(RunOptions(**{name: arguments.pop(name) for name in run_options}), **arguments)

    options = [
        *run_options.values(),
        *(parameter for parameter in own_options if parameter.name != "options"),
    ]
    variables = {name for option in options for name in _option_variables(option)}
    call.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return call


def _option_variables(option: inspect.Parameter) -> list[str]:
    """Return the environment variables that an option is read from."""
    variables = (getattr(metadata, "envvar", None) for metadata in get_args(option.annotation)[1:])
    return [name for name in variables if isinstance(name, str)]


@app.command()
@_with_run_options
def run(
    options: RunOptions,
    photos: Annotated[
        Path | None, typer.Option(envvar="PHOTOS", help="Test photos, or one folder per class.")
    ] = None,
    report: Annotated[Path, typer.Option(help="Folder for the report.")] = end_to_end.REPORT_FOLDER,
) -> None:
    """Deploy, train and classify photos in the local cloud."""
    output = Output(Console())
    settings, class_names = options.settings(), options.class_names()
    inputs = end_to_end.collect_inputs(options.dataset, photos, class_names, options.work, output)
    _require_classes(settings, inputs.dataset.class_names)
    raise typer.Exit(end_to_end.run(inputs, settings, output, options.work, report))


@app.command()
@_with_run_options
def up(
    options: RunOptions,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            envvar="KEEP",
            help="Keep photos, labels and models when it is stopped, and continue with those "
            "that were kept (default: no; rejected if some were kept).",
        ),
    ] = None,
    watch: Annotated[
        bool | None,
        typer.Option(
            "--watch/--no-watch",
            envvar="WATCH",
            help="Then deploy saved changes until Ctrl-C (default: if the output is a terminal).",
        ),
    ] = None,
) -> None:
    """Deploy and train in a local cloud that keeps running."""
    output = Output(Console())
    settings, class_names = options.settings(), options.class_names()
    dev_environment.require_stopped(options.work)
    if keep is None:
        dev_environment.require_nothing_kept(options.work)
    if keep and dev_environment.has_kept_data(options.work):
        if options != RunOptions(work=options.work):
            output.say("The kept model and settings stay: options for training have no effect.")
        dev_environment.resume(output, options.work)
    else:
        inputs = end_to_end.collect_inputs(options.dataset, None, class_names, options.work, output)
        _require_classes(settings, inputs.dataset.class_names)
        dev_environment.up(inputs.dataset, settings, output, options.work, keep=bool(keep))
    if sys.stdout.isatty() if watch is None else watch:
        dev_environment.watch(output, options.work)


@app.command()
def watch(work: WorkOption = end_to_end.WORK_FOLDER) -> None:
    """Deploy saved changes to the running local cloud, until Ctrl-C."""
    dev_environment.watch(Output(Console()), work)


@app.command()
def logs(
    debug: Annotated[
        str,
        typer.Option(
            metavar="FUNCTION",
            help="Function that waits for a debugger in its next invocation, such as serialize.",
        ),
    ] = "",
    port: Annotated[
        int, typer.Option(min=1024, max=65535, help="Port on 127.0.0.1 for the debugger.")
    ] = debugging.DEFAULT_PORT,
    work: WorkOption = end_to_end.WORK_FOLDER,
) -> None:
    """Follow all logs of the running local cloud, until Ctrl-C."""
    dev_environment.follow_logs(Console(), work, debug, port)


@app.command()
def redeploy(work: WorkOption = end_to_end.WORK_FOLDER) -> None:
    """Deploy the changed template to the running local cloud; keeps all data."""
    dev_environment.redeploy(Output(Console()), work)


@app.command(context_settings={"ignore_unknown_options": True})
def invoke(
    function: Annotated[str, typer.Argument(help="Such as SerializeFunction.")],
    event: Annotated[Path, typer.Argument(exists=True, help="A file with its input.")],
    options: Annotated[
        list[str] | None, typer.Argument(help="More options of `sam local invoke`.")
    ] = None,
    work: WorkOption = end_to_end.WORK_FOLDER,
) -> None:
    """Run a function of what `up` left running with `sam local invoke`, in Docker on Linux."""
    raise typer.Exit(dev_environment.invoke(work, function, event, options or ()))


@app.command()
def down(
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            envvar="KEEP",
            help="Keep photos, labels and models for the next `make up KEEP=1` (default: as it "
            "was started).",
        ),
    ] = None,
    work: WorkOption = end_to_end.WORK_FOLDER,
) -> None:
    """Stop what `up` left running, and say what is kept or lost."""
    dev_environment.down(Output(Console()), work, keep=keep)


def main() -> None:
    """Run a command; what the user or the application got wrong is said in plain words."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    # What is written holds photos, logs and credentials: it is for this user only.
    os.umask(0o077)
    try:
        app()
    except USER_ERRORS as error:
        sys.exit(f"error: {escape_lines(str(error))}")


if __name__ == "__main__":
    main()
