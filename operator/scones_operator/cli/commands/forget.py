"""`scones forget`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from scones_operator.aws.stack import Stack
from scones_operator.cli.confirmation import require_confirmation
from scones_operator.cli.context import CommandContext
from scones_operator.escaping import quote

if TYPE_CHECKING:
    from scones_operator.photos.forget import PhotoTraces, Trace, TrainedRun

RECOVERY_DAYS = 35
"""How far back DynamoDB's point-in-time recovery goes by default."""


def forget(
    ctx: CommandContext,
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

    key = forget.photo_key(ctx.stack, photo)
    ctx.output.print_info("Searching the buckets, the table and the queues.")
    findings = forget.find_traces(ctx.session, ctx.stack, key)
    # Before anything is removed: the lists that tell which models used the photo are rewritten.
    ctx.output.print_result(
        _findings_json(findings, ctx.stack, dry_run=dry_run), *_format_findings(findings, ctx.stack)
    )
    if findings.traces and not dry_run:
        if not yes:
            require_confirmation(
                f"Remove {len(findings.traces)} traces of {quote(findings.uri)} for good?",
                "nothing was removed: confirm it, or give --yes",
            )
        with ctx.output.progress_bar("Removing", len(findings.traces)) as advance:
            forget.forget(findings, lambda trace: advance(trace.place))
        ctx.output.print_info(f"Removed {len(findings.traces)} traces of {quote(findings.uri)}.")


def _findings_json(findings: "PhotoTraces", stack: Stack, *, dry_run: bool) -> dict[str, Any]:
    return {
        "photo": findings.uri,
        "dry_run": dry_run,
        "traces": [{"place": trace.place, "name": trace.name} for trace in findings.traces],
        "models": [
            {"run": model.run, "use": model.use, "version": model.version}
            for model in findings.learned
        ],
        "remaining": _remaining(findings.learned, stack) if findings.traces else [],
    }


def _format_findings(findings: "PhotoTraces", stack: Stack) -> list[Text | str]:
    if not findings.traces:
        return [f"Nothing found for {quote(findings.uri)}."]
    lines: list[Text | str] = [Text(_format_trace(trace)) for trace in findings.traces]
    counts = Counter(trace.place for trace in findings.traces)
    lines.append("")
    lines.append(", ".join(f"{count} x {place}" for place, count in counts.items()))
    lines += ["", "Cannot be removed:"]
    return lines + [Text(f"- {text}") for text in _remaining(findings.learned, stack)]


def _format_trace(trace: "Trace") -> str:
    return f"{trace.place:<13} {trace.name}"


def _remaining(trained_models: Sequence["TrainedRun"], stack: Stack) -> list[str]:
    """Return what is left, in words."""
    days = stack.parameters.get("LogRetentionDays", "some")
    return [
        *_models(trained_models, incremental=stack.parameters.get("Incremental") == "true"),
        f"Logs with the photo's key: CloudWatch deletes them after {days} days; logs of SageMaker "
        "jobs and executions of retrain, which may name a copy, stay.",
        "Backups of the results table: point-in-time recovery keeps removed records for up to "
        f"{RECOVERY_DAYS} days.",
        "Events and notifications that were sent: their receivers have them.",
        "What people downloaded: reports, captures, results of simulations, staged photos.",
    ]


def _models(trained_models: Iterable["TrainedRun"], *, incremental: bool) -> list[str]:
    lines = []
    for trained in trained_models:
        model = (
            "no model version" if trained.version is None else f"model version {trained.version}"
        )
        how = "trained with" if trained.use == "trained" else "evaluated with"
        lines.append(f"{model}, {how} the photo in the training run {trained.run}.")
    if lines and incremental:
        lines.append(
            "Later models: with Incremental=true, training continues from the model in production."
        )
    return [line[0].upper() + line[1:] for line in lines]
