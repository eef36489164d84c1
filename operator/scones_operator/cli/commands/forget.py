"""`scones forget`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from scones_operator.aws.stack import Stack
from scones_operator.cli.confirmation import require_confirmation
from scones_operator.cli.context import Desk
from scones_operator.escaping import quote

if TYPE_CHECKING:
    from scones_operator.photos.forget import Findings, Learned, Trace

RECOVERY_DAYS = 35
"""How far back DynamoDB's point-in-time recovery goes by default."""


def forget(
    desk: Desk,
    photo: Annotated[
        str,
        typer.Argument(metavar="PHOTO", help="Full key, with or without incoming/, or S3 URI."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove a photo and everything that names or contains it.

    All versions of the photo and its copies in the dataset, its prepared images, predictions, list
    entries, captured data, records, and dead-lettered events. Prints what it cannot remove, such
    as models that were trained with the photo. Removed data cannot be restored.

    Run it again after an interruption. The exit code is 0 if nothing is found.
    """
    # Lazy import: Pydantic and the photo decoders slow down --help.
    from scones_operator.photos import forget  # noqa: PLC0415

    key = forget.photo_key(desk.stack, photo)
    desk.screen.say("Searching the buckets, the table and the queues.")
    found = forget.find_traces(desk.session, desk.stack, key)
    # Before anything is removed: the lists that tell which models used the photo are rewritten.
    desk.screen.answer(_record(found, desk.stack, dry_run=dry_run), *_shown(found, desk.stack))
    if found.traces and not dry_run:
        if not yes:
            require_confirmation(
                f"Remove {len(found.traces)} traces of {quote(found.uri)} for good?",
                "nothing was removed: confirm it, or give --yes",
            )
        with desk.screen.counting("Removing", len(found.traces)) as advance:
            forget.forget(found, lambda trace: advance(trace.place))
        desk.screen.say(f"Removed {len(found.traces)} traces of {quote(found.uri)}.")


def _record(found: "Findings", stack: Stack, *, dry_run: bool) -> dict[str, Any]:
    return {
        "photo": found.uri,
        "dry_run": dry_run,
        "traces": [{"place": trace.place, "name": trace.name} for trace in found.traces],
        "models": [
            {"run": one.run, "use": one.use, "version": one.version} for one in found.learned
        ],
        "remaining": _remaining(found.learned, stack) if found.traces else [],
    }


def _shown(found: "Findings", stack: Stack) -> list[Text | str]:
    if not found.traces:
        return [f"Nothing found for {quote(found.uri)}."]
    lines: list[Text | str] = [Text(_line(trace)) for trace in found.traces]
    counts = Counter(trace.place for trace in found.traces)
    lines.append("")
    lines.append(", ".join(f"{count} x {place}" for place, count in counts.items()))
    lines += ["", "Cannot be removed:"]
    return lines + [Text(f"- {text}") for text in _remaining(found.learned, stack)]


def _line(trace: "Trace") -> str:
    return f"{trace.place:<13} {trace.name}"


def _remaining(learned: Sequence["Learned"], stack: Stack) -> list[str]:
    """Return what is left, in words."""
    days = stack.parameters.get("LogRetentionDays", "some")
    return [
        *_models(learned, incremental=stack.parameters.get("Incremental") == "true"),
        f"Logs with the photo's key: CloudWatch deletes them after {days} days; logs of SageMaker "
        "jobs and executions of retrain, which may name a copy, stay.",
        "Backups of the results table: point-in-time recovery keeps removed records for up to "
        f"{RECOVERY_DAYS} days.",
        "Events and notifications that were sent: their receivers have them.",
        "What people downloaded: reports, captures, results of simulations, staged photos.",
    ]


def _models(learned: Iterable["Learned"], *, incremental: bool) -> list[str]:
    lines = []
    for one in learned:
        model = "no model version" if one.version is None else f"model version {one.version}"
        how = "trained with" if one.use == "trained" else "evaluated with"
        lines.append(f"{model}, {how} the photo in the training run {one.run}.")
    if lines and incremental:
        lines.append(
            "Later models: with Incremental=true, training continues from the model in production."
        )
    return [line[0].upper() + line[1:] for line in lines]
