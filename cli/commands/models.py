"""`scones models`, `scones approve` and `scones reject`."""

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.commands import words
from cli.commands.promoting import CommentOption, follow
from cli.confirmation import require_confirmation
from cli.desk import Desk
from operations import registry
from operations.promotion import approve as approve_version
from operations.promotion import await_promotion
from operations.registry import APPROVED, PENDING, REJECTED, Production, Version

STATUSES = {APPROVED: ("approved", "green"), REJECTED: ("rejected", "red")}
WAITING = ("pending", "yellow")

NumberArgument = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Which version.")]


def models(
    desk: Desk,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the latest.")] = 20,
) -> None:
    """List the versions, and which one is in production."""
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
        bool, typer.Option("--wait", help="Follow the promotion until it asks you, or ends.")
    ] = False,
) -> None:
    """Approve a version, which starts its promotion.

    That is staging, a smoke test, and a question to you.
    """
    approval = approve_version(desk.session, desk.stack, version, desk.user, comment)
    before = approval.version.status
    if before == APPROVED:
        kept = "; the comment is not kept" if comment else ""
        desk.screen.say(f"Version {version} was approved before{kept}. Its promotion is under way.")
    if wait:
        execution = await_promotion(desk.session, desk.stack, approval)
        follow(desk, execution)
        return
    record = {"version": version, "status": APPROVED, "before": before}
    desk.screen.answer(
        {**record, "execution": approval.execution},
        f"Version {version} is approved.",
        "It is tried in staging, with labelled photos. Then you are asked:",
        f"  scones promote --approve {version}",
    )


def reject(
    desk: Desk,
    version: NumberArgument,
    comment: CommentOption = "",
    force: Annotated[
        bool, typer.Option("--force", help="Do not ask if the version is in production.")
    ] = False,
) -> None:
    """Reject a version: no promotion, and no rollback to it.

    A version that is in production stays there, so this asks first.
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
        "The next retraining can't compare with it: the minimum accuracy alone decides.",
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
    table = words.table()
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
            words.figure(version.figure("accuracy")),
            words.figure(version.figure("threshold")),
            version.metadata.get("run", "-"),
            style="bold" if runs else "",
        )
    return table


def _notes(desk: Desk, found: list[Version], production: Production | None) -> list[str]:
    notes = []
    if not found:
        group = desk.stack.model_package_group
        notes.append(f"{group} has no version yet: scones retrain --wait")
    if production is None:
        notes.append(f"Nothing is in production: there is no endpoint {desk.stack.endpoint}.")
    elif production.model_package_arn:
        number = production.model_package_arn.rpartition("/")[2]
        notes.append(f"● {number} is in production ({production.endpoint}: {production.status}).")
    elif production.forgotten:
        notes.append(
            f"Nobody can tell what is in production ({production.endpoint}: {production.status}): "
            f"its configuration {production.forgotten} or the model of that was deleted. A "
            "promotion or a rollback mends it."
        )
    else:
        model = production.artifacts or "no model"
        notes.append(
            f"In production ({production.endpoint}: {production.status}) is {model}, "
            "which is no registered version."
        )
    pending = [version.number for version in found if version.status == PENDING]
    if pending:
        notes.append(f"To try {pending[0]} in staging: scones approve {pending[0]}")
    return notes
