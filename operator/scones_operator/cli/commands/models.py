"""`scones models`, `scones approve` and `scones reject`."""

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.commands.promote import CommentOption, follow
from scones_operator.cli.confirmation import require_confirmation
from scones_operator.cli.context import CommandContext
from scones_operator.models import registry
from scones_operator.models.promotion import approve_version, wait_for_promotion
from scones_operator.models.registry import (
    APPROVED,
    PENDING,
    REJECTED,
    ModelVersion,
    ProductionModel,
)

STATUSES = {APPROVED: ("approved", "green"), REJECTED: ("rejected", "red")}
PENDING_STYLE = ("pending", "yellow")

NumberArgument = Annotated[
    int, typer.Argument(metavar="VERSION", min=1, help="Number of the model version.")
]


def models(
    ctx: CommandContext,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of versions.")] = 20,
) -> None:
    """List model versions, and the one in production."""
    versions = registry.list_versions(ctx.session, ctx.stack, limit)
    production = registry.get_production_model(ctx.session, ctx.stack)
    record = {
        "group": ctx.stack.model_package_group,
        "versions": [_version_json(version, production) for version in versions],
        "production": _production_json(production),
    }
    tables: list[RenderableType] = [_table(versions, production)] if versions else []
    ctx.output.print_result(record, *tables, *_production_notes(ctx, versions, production))


def approve(
    ctx: CommandContext,
    version: NumberArgument,
    comment: CommentOption = "",
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Follow the promotion until it waits for approval or ends."),
    ] = False,
) -> None:
    """Approve a model version, which starts its promotion.

    The promotion creates a staging endpoint, runs a smoke test, and waits for your approval.
    """
    approval = approve_version(ctx.session, ctx.stack, version, ctx.user, comment)
    before = approval.version.status
    if before == APPROVED:
        kept = "; the comment is not saved" if comment else ""
        ctx.output.print_info(
            f"Version {version} was approved before{kept}. Its promotion is running."
        )
    if wait:
        execution = wait_for_promotion(ctx.session, ctx.stack, approval)
        follow(ctx, execution)
        return
    record = {"version": version, "status": APPROVED, "before": before}
    ctx.output.print_result(
        {**record, "execution": approval.execution},
        f"Version {version} is approved.",
        "It is tested in staging with labeled photos. Then approve its promotion:",
        f"  scones promote --approve {version}",
    )


def reject(
    ctx: CommandContext,
    version: NumberArgument,
    comment: CommentOption = "",
    force: Annotated[bool, typer.Option("--force", help="Do not ask for confirmation.")] = False,
) -> None:
    """Reject a model version: no promotion, and no rollback to it.

    Asks for confirmation if the version is in production, where it stays.
    """
    model_version = registry.get_version(ctx.session, ctx.stack, version)
    production = registry.get_production_model(ctx.session, ctx.stack)
    in_production = bool(production and production.runs(model_version))
    if in_production and model_version.status != REJECTED and not force:
        require_confirmation(
            f"Version {version} is in production. Reject it anyway?",
            f"version {version} was not rejected: confirm it, or give --force",
        )
    registry.reject_version(ctx.session, ctx.stack, version, comment)
    notes = [
        "It stays in production until another one is promoted or rolled back to.",
        "The next retraining cannot compare with it: only the minimum accuracy counts.",
    ]
    ctx.output.print_result(
        {
            "version": version,
            "status": REJECTED,
            "before": model_version.status,
            "in_production": in_production,
        },
        f"Version {version} is rejected.",
        *(notes if in_production else []),
    )


def _version_json(version: ModelVersion, production: ProductionModel | None) -> dict[str, Any]:
    return {
        "version": version.number,
        "arn": version.arn,
        "registered_at": version.registered_at,
        "status": version.status,
        "comment": version.comment or None,
        "accuracy": version.metric("accuracy"),
        "threshold": version.metric("threshold"),
        "run": version.metadata.get("run"),
        "in_production": bool(production and production.runs(version)),
        "metadata": dict(version.metadata),
    }


def _production_json(production: ProductionModel | None) -> dict[str, Any] | None:
    if production is None:
        return None
    return {
        "endpoint": production.endpoint,
        "status": production.status,
        "model_package_arn": production.model_package_arn,
        "artifacts": production.artifacts,
        "missing_config": production.missing_config,
    }


def _table(versions: list[ModelVersion], production: ProductionModel | None) -> Table:
    table = formatting.plain_table()
    for name in ("version", "registered", "status"):
        table.add_column(name, no_wrap=True)
    table.add_column("accuracy", no_wrap=True, justify="right")
    table.add_column("suggested\nthreshold", no_wrap=True, justify="right")
    table.add_column("training run", overflow="fold")
    for version in versions:
        runs = bool(production and production.runs(version))
        status, style = STATUSES.get(version.status, PENDING_STYLE)
        table.add_row(
            f"{version.number} ●" if runs else str(version.number),
            version.registered_at.astimezone().strftime("%Y-%m-%d"),
            Text(status, style=style),
            formatting.format_number(version.metric("accuracy")),
            formatting.format_number(version.metric("threshold")),
            version.metadata.get("run", "-"),
            style="bold" if runs else "",
        )
    return table


def _production_notes(
    ctx: CommandContext, versions: list[ModelVersion], production: ProductionModel | None
) -> list[str]:
    notes = []
    if not versions:
        group = ctx.stack.model_package_group
        notes.append(f"{group} has no versions yet. To train one: scones retrain --wait")
    if production is None:
        notes.append(f"Nothing is in production: there is no endpoint {ctx.stack.endpoint}.")
    elif production.model_package_arn:
        number = production.model_package_arn.rpartition("/")[2]
        notes.append(f"● {number} is in production ({production.endpoint}: {production.status}).")
    elif production.missing_config:
        notes.append(
            f"The production model is unknown ({production.endpoint}: {production.status}): "
            f"endpoint configuration {production.missing_config} or its model was deleted. Promote "
            "a version or roll back to one to fix this."
        )
    else:
        model = production.artifacts or "no model"
        notes.append(
            f"In production ({production.endpoint}: {production.status}) is {model}, "
            "which is not a registered version."
        )
    pending = [version.number for version in versions if version.status == PENDING]
    if pending:
        notes.append(f"To test version {pending[0]} in staging: scones approve {pending[0]}")
    return notes
