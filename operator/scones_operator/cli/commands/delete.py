"""`scones delete`."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from scones_operator.cli.context import Desk
from scones_operator.errors import Refused
from scones_operator.escaping import escape

if TYPE_CHECKING:
    from scones_operator.aws.stack_deletion import Found


def delete(
    desk: Desk,
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

    found = stack_deletion.find(desk.session, desk.stack_name)
    desk.screen.answer(_record(found, dry_run=dry_run), *_shown(found))
    if dry_run:
        return
    _confirm(found, given=yes)
    with desk.screen.counting("Deleting", len(found.items)) as advance:
        stack_deletion.delete(desk.session, found, lambda item: advance(item.kind))
    desk.screen.say(f"Deleted the stack {found.stack}.")


def _confirm(found: "Found", *, given: bool) -> None:
    if given:
        return
    question = f"Type {escape(found.stack)} to delete all of this for good"
    try:
        answer = typer.prompt(question, default="", show_default=False, err=True)
    except typer.Abort:
        answer = ""
    if answer != found.stack:
        raise Refused("nothing was deleted: type the name of the stack to confirm, or give --yes")


def _record(found: "Found", *, dry_run: bool) -> dict[str, Any]:
    return {
        "stack": found.stack,
        "dry_run": dry_run,
        "items": [{"kind": item.kind, "name": item.name} for item in found.items],
        "kept": list(found.kept),
    }


def _shown(found: "Found") -> list[Text | str]:
    lines: list[Text | str] = [Text(f"{item.kind:<23} {item.name}") for item in found.items]
    counts = Counter(item.kind for item in found.items)
    lines += ["", ", ".join(f"{count} x {kind}" for kind, count in counts.items())]
    return [*lines, "", "Kept:", *(Text(f"- {text}") for text in found.kept)]
