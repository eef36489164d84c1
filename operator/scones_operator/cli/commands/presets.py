"""`scones profiles`: settings of a stack for one kind of photos."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from scones_operator.aws.template_parameters import overrides
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import Desk

if TYPE_CHECKING:
    from scones_operator.presets import Profile


def profiles(
    desk: Desk,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Profile, or file of one, to show.")
    ] = "",
) -> None:
    """List profiles, or show one and how to deploy it.

    A profile has classes, an image shape and hyperparameters. To make your own, write a file like
    those in presets/.
    """
    # It brings Pillow and pydantic, which take longer than showing a command's help.
    from scones_operator.presets import names, read  # noqa: PLC0415

    if name:
        _show(desk, read(name), name)
        return
    found = [read(known) for known in names()]
    record = {"profiles": [profile.model_dump() for profile in found]}
    desk.screen.answer(record, _list(found), "To show one: scones profiles NAME")


def _list(found: list["Profile"]) -> Table:
    table = _table("profile", "classes", "image shape", "description")
    table.columns[0].no_wrap = True
    for profile in found:
        classes = str(len(profile.class_names))
        table.add_row(profile.name, classes, profile.image_shape, profile.description)
    return table


def _show(desk: Desk, profile: "Profile", name: str) -> None:
    parameters = profile.parameters()
    table = _table("", "")
    table.show_header = False
    table.add_row("description", profile.description)
    table.add_row("classes", ", ".join(profile.class_names))
    table.add_row("image shape", profile.image_shape)
    table.add_row("minimum accuracy", f"{profile.minimum_accuracy:g}")
    for title, pairs in (
        ("hyperparameters", profile.hyperparameters),
        ("loading bays", profile.loading_bays),
    ):
        table.add_row(title, ", ".join(f"{key}={value}" for key, value in pairs.items()) or "-")
    for label, twin in profile.mirrored.items():
        table.add_row("mirrored", f"{label} → {twin}")
    command = f"sam deploy {shlex.join(overrides(parameters))}"
    desk.screen.answer(
        {**profile.model_dump(), "parameters": parameters, "deploy": command},
        table,
        "To deploy a stack with it:",
        f"  {command}",
        "To try it locally:",
        f"  make run PROFILE={shlex.quote(name)} DATASET=DIR",
    )


def _table(*columns: str) -> Table:
    table = formatting.table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
