"""`scones retrain`."""

from typing import Annotated

import typer

from scones_operator.aws.executions import ExecutionOutcome
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.models.retraining import follow_retraining, start_retraining


def retrain(
    ctx: CommandContext,
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
    execution = start_retraining(ctx.session, ctx.stack, ctx.user, force=force)
    if not wait:
        ctx.output.print_result(
            {"outcome": "started", "execution": execution},
            f"Started: {execution}",
            "Operators are notified of its outcome; `scones models` lists a new version.",
        )
        return
    with ctx.output.execution_progress(execution) as on_update:
        outcome = follow_retraining(ctx.session, execution, on_update)
    ctx.output.print_result(
        formatting.outcome_json(outcome),
        formatting.format_outcome(outcome),
        *formatting.format_fields(_details(outcome)),
    )
    if outcome.outcome != "registered":
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def _details(outcome: ExecutionOutcome) -> dict[str, object]:
    details = outcome.details
    accuracy = formatting.format_number(details.get("accuracy"))
    if details.get("champion_accuracy") is not None:
        accuracy += f" (in production: {formatting.format_number(details['champion_accuracy'])})"
    version = details.get("version")
    return {
        "run": details.get("run"),
        "accuracy": accuracy if details.get("accuracy") is not None else None,
        "evaluation": details.get("evaluation"),
        "next": f"scones approve {version}, or scones reject {version}" if version else None,
    }
