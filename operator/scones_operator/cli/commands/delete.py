"""`scones delete`."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from scones_operator.cli.context import CommandContext
from scones_operator.errors import PreconditionError
from scones_operator.escaping import escape

if TYPE_CHECKING:
    from scones_operator.aws.stack_deletion import DeletionPlan


def delete(
    ctx: CommandContext,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be deleted, and delete nothing.")
    ] = False,
) -> None:
    """Delete the stack and everything that was created for it.

    Endpoints and models, running jobs, model versions, both buckets with all photos, datasets and
    models, the results, limits that operators set, logs of endpoints, rules that others added to
    the event bus, and the stack. Policies are detached from all users, groups and roles. Prints
    what it keeps. Deleted data cannot be restored. Needs the permissions of an administrator.

    Run it again after an interruption: it continues with what remains.
    """
    # Lazy import: botocore's errors and waiters slow down --help.
    from scones_operator.aws import stack_deletion  # noqa: PLC0415

    deletion = stack_deletion.plan_deletion(ctx.session, ctx.stack_name)
    ctx.output.print_result(_deletion_json(deletion, dry_run=dry_run), *_format_deletion(deletion))
    if dry_run:
        return
    _confirm(deletion, is_confirmed=yes)
    with ctx.output.progress_bar("Deleting", len(deletion.items)) as advance:
        stack_deletion.delete_stack(ctx.session, deletion, lambda item: advance(item.kind))
    ctx.output.print_info(f"Deleted the stack {deletion.stack}.")


def _confirm(deletion: "DeletionPlan", *, is_confirmed: bool) -> None:
    if is_confirmed:
        return
    question = f"Type {escape(deletion.stack)} to delete all of this for good"
    try:
        answer = typer.prompt(question, default="", show_default=False, err=True)
    except typer.Abort:
        answer = ""
    if answer != deletion.stack:
        raise PreconditionError(
            "nothing was deleted: type the name of the stack to confirm, or give --yes"
        )


def _deletion_json(deletion: "DeletionPlan", *, dry_run: bool) -> dict[str, Any]:
    return {
        "stack": deletion.stack,
        "dry_run": dry_run,
        "items": [{"kind": item.kind, "name": item.name} for item in deletion.items],
        "kept": list(deletion.kept),
    }


def _format_deletion(deletion: "DeletionPlan") -> list[Text | str]:
    lines: list[Text | str] = [Text(f"{item.kind:<23} {item.name}") for item in deletion.items]
    counts = Counter(item.kind for item in deletion.items)
    lines += ["", ", ".join(f"{count} x {kind}" for kind, count in counts.items())]
    return [*lines, "", "Kept:", *(Text(f"- {text}") for text in deletion.kept)]
