"""`scones models`, `scones approve` and `scones reject`."""

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.commands.promote import CommentOption, follow
from scones_operator.cli.confirmation import require_confirmation
from scones_operator.cli.context import Desk
from scones_operator.models import registry
from scones_operator.models.promotion import approve as approve_version
from scones_operator.models.promotion import await_promotion
from scones_operator.models.registry import APPROVED, PENDING, REJECTED, Production, Version

STATUSES = {APPROVED: ("approved", "green"), REJECTED: ("rejected", "red")}
WAITING = ("pending", "yellow")

NumberArgument = Annotated[
    int, typer.Argument(metavar="VERSION", min=1, help="Number of the model version.")
]


def models(
    desk: Desk,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of versions.")] = 20,
) -> None:
    """List model versions, and the one in production."""
    found = registry.versions(desk.session, desk.stack, limit)
    production = registry.find_production(desk.session, desk.stack)
    record = {
        "group": desk.stack.model_package_group,
        "versions": [_record(version, production) for version in found],
        "production": _production_record(production),
    }
    shown: list[RenderableType] = [_table(found, production)] if found else []
    desk.screen.answer(record, *shown, *_notes(desk, found, production))


def approve(
    desk: Desk,
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
    approval = approve_version(desk.session, desk.stack, version, desk.user, comment)
    before = approval.version.status
    if before == APPROVED:
        kept = "; the comment is not saved" if comment else ""
        desk.screen.say(f"Version {version} was approved before{kept}. Its promotion is running.")
    if wait:
        execution = await_promotion(desk.session, desk.stack, approval)
        follow(desk, execution)
        return
    record = {"version": version, "status": APPROVED, "before": before}
    desk.screen.answer(
        {**record, "execution": approval.execution},
        f"Version {version} is approved.",
        "It is tested in staging with labeled photos. Then approve its promotion:",
        f"  scones promote --approve {version}",
    )


def reject(
    desk: Desk,
    version: NumberArgument,
    comment: CommentOption = "",
    force: Annotated[bool, typer.Option("--force", help="Do not ask for confirmation.")] = False,
) -> None:
    """Reject a model version: no promotion, and no rollback to it.

    Asks for confirmation if the version is in production, where it stays.
    """
    found = registry.find_version(desk.session, desk.stack, version)
    production = registry.find_production(desk.session, desk.stack)
    stays = bool(production and production.runs(found))
    if stays and found.status != REJECTED and not force:
        require_confirmation(
            f"Version {version} is in production. Reject it anyway?",
            f"version {version} was not rejected: confirm it, or give --force",
        )
    registry.reject(desk.session, desk.stack, version, comment)
    note = [
        "It stays in production until another one is promoted or rolled back to.",
        "The next retraining cannot compare with it: only the minimum accuracy counts.",
    ]
    desk.screen.answer(
        {"version": version, "status": REJECTED, "before": found.status, "in_production": stays},
        f"Version {version} is rejected.",
        *(note if stays else []),
    )


def _record(version: Version, production: Production | None) -> dict[str, Any]:
    return {
        "version": version.number,
        "arn": version.arn,
        "registered_at": version.registered_at,
        "status": version.status,
        "comment": version.comment or None,
        "accuracy": version.figure("accuracy"),
        "threshold": version.figure("threshold"),
        "run": version.metadata.get("run"),
        "in_production": bool(production and production.runs(version)),
        "metadata": dict(version.metadata),
    }


def _production_record(production: Production | None) -> dict[str, Any] | None:
    if production is None:
        return None
    return {
        "endpoint": production.endpoint,
        "status": production.status,
        "model_package_arn": production.model_package_arn,
        "artifacts": production.artifacts,
        "forgotten": production.forgotten,
    }


def _table(found: list[Version], production: Production | None) -> Table:
    table = formatting.table()
    for name in ("version", "registered", "status"):
        table.add_column(name, no_wrap=True)
    table.add_column("accuracy", no_wrap=True, justify="right")
    table.add_column("suggested\nthreshold", no_wrap=True, justify="right")
    table.add_column("training run", overflow="fold")
    for version in found:
        runs = bool(production and production.runs(version))
        status, style = STATUSES.get(version.status, WAITING)
        table.add_row(
            f"{version.number} ●" if runs else str(version.number),
            version.registered_at.astimezone().strftime("%Y-%m-%d"),
            Text(status, style=style),
            formatting.figure(version.figure("accuracy")),
            formatting.figure(version.figure("threshold")),
            version.metadata.get("run", "-"),
            style="bold" if runs else "",
        )
    return table


def _notes(desk: Desk, found: list[Version], production: Production | None) -> list[str]:
    notes = []
    if not found:
        group = desk.stack.model_package_group
        notes.append(f"{group} has no versions yet. To train one: scones retrain --wait")
    if production is None:
        notes.append(f"Nothing is in production: there is no endpoint {desk.stack.endpoint}.")
    elif production.model_package_arn:
        number = production.model_package_arn.rpartition("/")[2]
        notes.append(f"● {number} is in production ({production.endpoint}: {production.status}).")
    elif production.forgotten:
        notes.append(
            f"The production model is unknown ({production.endpoint}: {production.status}): "
            f"endpoint configuration {production.forgotten} or its model was deleted. Promote "
            "a version or roll back to one to fix this."
        )
    else:
        model = production.artifacts or "no model"
        notes.append(
            f"In production ({production.endpoint}: {production.status}) is {model}, "
            "which is not a registered version."
        )
    pending = [version.number for version in found if version.status == PENDING]
    if pending:
        notes.append(f"To test version {pending[0]} in staging: scones approve {pending[0]}")
    return notes
