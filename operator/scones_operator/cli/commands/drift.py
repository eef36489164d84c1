"""`scones drift`."""

import typer
from rich.console import RenderableType
from rich.text import Text

from scones.events import Drift, DriftChecked
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.models.drift import check_drift

STYLES = {"steady": "green", "shifted": "red"}
OTHER_STYLE = "yellow"

COLUMNS = ("evaluation", "production")
UNIFORM = ("expected", "production")
"""Columns of the familiarities, which are compared with a uniform distribution."""


def drift(ctx: CommandContext) -> None:
    """Compare production with the evaluation of its model.

    Checks the distributions of confidences, classes and familiarity. The exit code is 1 if drift
    is detected or they cannot be compared.
    """
    check = check_drift(ctx.session, ctx.stack, ctx.user)
    record = check.model_dump(mode="json")
    ctx.output.print_result(record, _format_outcome(check), *_format_comparison(check))
    if check.outcome != "steady":
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def _format_outcome(check: DriftChecked) -> Text:
    word = check.outcome.replace("_", " ")
    style = STYLES.get(check.outcome, OTHER_STYLE)
    return Text(f"{word}: ", style=f"bold {style}") + Text(check.message)


def _format_comparison(check: DriftChecked) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for title, distribution, columns in (
        ("confidence", check.confidence, COLUMNS),
        ("class", check.labels, COLUMNS),
        ("familiarity", check.familiarity, UNIFORM),
    ):
        if distribution:
            lines += [
                "",
                *formatting.format_columns((*columns, title), _rows(distribution, len(columns[0]))),
            ]
    if check.since:
        since, until = (moment.astimezone() for moment in (check.since, check.until))
        period = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M %Z}"
        lines += [
            "",
            *formatting.format_fields({"decided": period, "evaluation": check.evaluation}),
        ]
    if check.retraining_requested:
        lines.append("A retraining was requested: scones executions retrain")
    return lines


def _rows(distribution: Drift, width: int) -> list[list[str | Text]]:
    return [
        [f"{share.expected:>{width}.1%}", f"{share.observed:>9.1%}", Text(share.name)]
        for share in distribution.shares
    ]
