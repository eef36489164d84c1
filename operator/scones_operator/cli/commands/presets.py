"""`scones presets`: settings of a stack for one kind of photos."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from scones_operator.aws.template_parameters import parameter_overrides
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import CommandContext

if TYPE_CHECKING:
    from scones_operator.presets import Preset


def presets(
    ctx: CommandContext,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Preset, or file of one, to show.")
    ] = "",
) -> None:
    """List presets, or show one and how to deploy it.

    A preset has classes, an image shape and hyperparameters. To make your own, write a file like
    those in presets/.
    """
    # It brings Pillow and pydantic, which take longer than showing a command's help.
    from scones_operator.presets import list_presets, load_preset  # noqa: PLC0415

    if name:
        _show(ctx, load_preset(name), name)
        return
    found = [load_preset(known) for known in list_presets()]
    record = {"presets": [preset.model_dump() for preset in found]}
    ctx.output.print_result(record, _list(found), "To show one: scones presets NAME")


def _list(found: list["Preset"]) -> Table:
    table = _table("preset", "classes", "image shape", "description")
    table.columns[0].no_wrap = True
    for preset in found:
        classes = str(len(preset.class_names))
        table.add_row(preset.name, classes, preset.image_shape, preset.description)
    return table


def _show(ctx: CommandContext, preset: "Preset", name: str) -> None:
    parameters = preset.parameters()
    table = _table("", "")
    table.show_header = False
    table.add_row("description", preset.description)
    table.add_row("classes", ", ".join(preset.class_names))
    table.add_row("image shape", preset.image_shape)
    table.add_row("minimum accuracy", f"{preset.minimum_accuracy:g}")
    for title, pairs in (
        ("hyperparameters", preset.hyperparameters),
        ("loading bays", preset.loading_bays),
    ):
        table.add_row(title, ", ".join(f"{key}={value}" for key, value in pairs.items()) or "-")
    for label, twin in preset.mirrored.items():
        table.add_row("mirrored", f"{label} → {twin}")
    command = f"sam deploy {shlex.join(parameter_overrides(parameters))}"
    ctx.output.print_result(
        {**preset.model_dump(), "parameters": parameters, "deploy": command},
        table,
        "To deploy a stack with it:",
        f"  {command}",
        "To try it locally:",
        f"  make run PRESET={shlex.quote(name)} DATASET=DIR",
    )


def _table(*columns: str) -> Table:
    table = formatting.plain_table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
