"""`scones retrain`."""

from typing import Annotated

import typer

from scones_operator.aws.executions import Outcome
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.models.retraining import follow_retraining, start_retraining


def retrain(
    desk: Desk,
    force: Annotated[
        bool, typer.Option("--force", help="Train even if the dataset has not changed.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the execution until it ends.")
    ] = False,
) -> None:
    """Retrain the model if the dataset has changed.

    Trains and evaluates a model, and registers a version if it is good enough.
    """
    execution = start_retraining(desk.session, desk.stack, desk.user, force=force)
    if not wait:
        desk.screen.answer(
            {"outcome": "started", "execution": execution},
            f"Started: {execution}",
            "Operators are notified of its outcome; `scones models` lists a new version.",
        )
        return
    with desk.screen.following(execution) as show:
        outcome = follow_retraining(desk.session, execution, show)
    desk.screen.answer(
        formatting.outcome_record(outcome),
        formatting.headline(outcome),
        *formatting.fields(_figures(outcome)),
    )
    if outcome.outcome != "registered":
        raise typer.Exit(OTHERWISE)


def _figures(outcome: Outcome) -> dict[str, object]:
    details = outcome.details
    accuracy = formatting.figure(details.get("accuracy"))
    if details.get("champion_accuracy") is not None:
        accuracy += f" (in production: {formatting.figure(details['champion_accuracy'])})"
    version = details.get("version")
    return {
        "run": details.get("run"),
        "accuracy": accuracy if details.get("accuracy") is not None else None,
        "evaluation": details.get("evaluation"),
        "next": f"scones approve {version}, or scones reject {version}" if version else None,
    }
