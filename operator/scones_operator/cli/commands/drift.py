"""`scones drift`."""

import typer
from rich.console import RenderableType
from rich.text import Text

from scones.events import Drift, DriftChecked
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.models.drift import check_drift

STYLES = {"steady": "green", "shifted": "red"}
OTHER = "yellow"

COLUMNS = ("evaluation", "production")
UNIFORM = ("expected", "production")
"""Columns of the familiarities, which are compared with a uniform distribution."""


def drift(desk: Desk) -> None:
    """Compare production with the evaluation of its model.

    Checks the distributions of confidences, classes and familiarity. The exit code is 1 if drift
    is detected or they cannot be compared.
    """
    checked = check_drift(desk.session, desk.stack, desk.user)
    record = checked.model_dump(mode="json")
    desk.screen.answer(record, _headline(checked), *_compared(checked))
    if checked.outcome != "steady":
        raise typer.Exit(OTHERWISE)


def _headline(checked: DriftChecked) -> Text:
    word = checked.outcome.replace("_", " ")
    style = STYLES.get(checked.outcome, OTHER)
    return Text(f"{word}: ", style=f"bold {style}") + Text(checked.message)


def _compared(checked: DriftChecked) -> list[RenderableType]:
    shown: list[RenderableType] = []
    for title, found, columns in (
        ("confidence", checked.confidence, COLUMNS),
        ("class", checked.labels, COLUMNS),
        ("familiarity", checked.familiarity, UNIFORM),
    ):
        if found:
            shown += ["", *formatting.columns((*columns, title), _rows(found, len(columns[0])))]
    if checked.since:
        since, until = (moment.astimezone() for moment in (checked.since, checked.until))
        period = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M %Z}"
        shown += ["", *formatting.fields({"decided": period, "evaluation": checked.evaluation})]
    if checked.retraining_requested:
        shown.append("A retraining was requested: scones executions retrain")
    return shown


def _rows(found: Drift, width: int) -> list[list[str | Text]]:
    return [
        [f"{share.expected:>{width}.1%}", f"{share.observed:>9.1%}", Text(share.name)]
        for share in found.shares
    ]
