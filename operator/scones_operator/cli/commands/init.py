"""`scones init`: a project of one's own from a folder of photos."""

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from scones_operator.cli.commands import formatting
from scones_operator.cli.confirmation import require_confirmation
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.escaping import escape
from scones_operator.folder_files import abbreviate

if TYPE_CHECKING:
    from scones_operator.project.creation import Project


def init(  # noqa: PLR0913, PLR0917  (its options)
    ctx: CommandContext,
    photos: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            metavar="DIR",
            help="Photos: one folder per class, or train/ and validation/ with one per class; "
            "none_of_the_classes/ next to them.",
        ),
    ],
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder for the new project.")],
    name: Annotated[
        str, typer.Option(help="Name of the project and its stack (default: the folder's name).")
    ] = "",
    bay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=BAY",
            help="Loading bay of a class, repeatable (default: A, B, C and so on).",
        ),
    ] = None,
    no_bays: Annotated[bool, typer.Option("--no-bays", help="No loading bays.")] = False,
    image_shape: Annotated[
        str,
        typer.Option(
            metavar="SHAPE",
            help="Channels, height and width of the model's input (default: 3,96,96).",
        ),
    ] = "",
    minimum_accuracy: Annotated[
        float,
        typer.Option(min=0, max=1, help="Accuracy below which a model is not registered."),
    ] = 0.6,
    yes: Annotated[
        bool, typer.Option("--yes", help="Write into a folder that is not empty without asking.")
    ] = False,
) -> None:
    """Create a project for your classes from a folder of photos.

    Copies this application to PROJECT, with the classes of your photos in its template, preset,
    README and tests, and initializes a Git repository. The photos are not copied. All
    problems are listed before anything is written.
    """
    # Lazy import: Pydantic and the photo decoders slow down --help.
    from scones_operator.project import creation  # noqa: PLC0415
    from scones_operator.project.choices import IMAGE_SHAPE, Choices, parse_bays  # noqa: PLC0415

    if bay and no_bays:
        raise typer.BadParameter("give --bay or --no-bays, not both")
    try:
        named = parse_bays(bay or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--bay") from None
    chosen = Choices(
        name or project.resolve().name,
        named if named or no_bays else None,
        image_shape or IMAGE_SHAPE,
        minimum_accuracy,
    )
    try:
        with ctx.output.progress_bars() as on_progress:
            planned = creation.plan(photos, project, chosen, on_progress)
    except creation.ProjectError as error:
        _list_problems(ctx, error.problems)
        raise typer.Exit(EXIT_UNSUCCESSFUL) from None
    _confirm(planned, is_confirmed=yes)
    creation.write(planned)
    ctx.output.print_result(
        _project_json(planned), _table(planned), *planned.warnings, *_next_steps(planned)
    )


def _list_problems(ctx: CommandContext, problems: tuple[str, ...]) -> None:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    typer.echo(f"error: {count}; nothing was written:", err=True)
    for problem in problems:
        typer.echo(f"  - {escape(ctx.format_commands(problem))}", err=True)
    ctx.output.print_result({"created": False, "problems": list(problems)})


def _confirm(planned: "Project", *, is_confirmed: bool) -> None:
    """Ask before anything is written into a folder that is not empty."""
    folder = planned.folder
    # A clone of an empty repository holds nothing else.
    others = [path for path in folder.iterdir() if path.name != ".git"] if folder.exists() else []
    if is_confirmed or not others:
        return
    overwritten = planned.overwritten()
    count = len(overwritten)
    are = "no file is" if not count else "1 file is" if count == 1 else f"{count:,} files are"
    names = f": {abbreviate(overwritten)}" if overwritten else ""
    question = f"{folder} is not empty, and {are} overwritten{names}. Continue?"
    require_confirmation(
        question,
        f"{folder} is not empty, and nothing was written: confirm it, name another folder, or "
        "give --yes",
    )


def _counts(planned: "Project") -> dict[str, dict[str, int]]:
    dataset = planned.dataset
    counts = {
        split: Counter(photo.label for photo in photos)
        for split, photos in (("train", dataset.train), ("validation", dataset.validation))
    }
    return {name: {split: counts[split][name] for split in counts} for name in dataset.class_names}


def _project_json(planned: "Project") -> dict[str, Any]:
    bays = planned.preset.loading_bays
    return {
        "created": True,
        "project": str(planned.folder),
        "name": planned.preset.name,
        "classes": {
            name: {**counts, "loading_bay": bays.get(name)}
            for name, counts in _counts(planned).items()
        },
        "none_of_the_classes": len(planned.dataset.negatives),
        "files": len(planned.files),
        "warnings": list(planned.warnings),
    }


def _table(planned: "Project") -> Table:
    table = formatting.plain_table()
    table.add_column("class", overflow="fold")
    for column in ("train", "validation"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("loading bay", overflow="fold")
    for name, counts in _counts(planned).items():
        bay = planned.preset.loading_bays.get(name, "-")
        table.add_row(name, f"{counts['train']:,}", f"{counts['validation']:,}", bay)
    return table


def _next_steps(planned: "Project") -> list[str]:
    return [
        f"The project {planned.preset.name} is in {planned.folder}: {len(planned.files):,} files, "
        "staged and not committed.",
        "To test and run it:",
        f"  cd {shlex.quote(str(planned.folder))}",
        "  make test-fast",
        "  make run",
    ]
