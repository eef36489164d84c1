"""`scones show`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import CommandContext
from scones_operator.cli.output import format_duration
from scones_operator.cli.times import format_time
from scones_operator.photos.history import (
    HistoryStep,
    PhotoHistory,
    PhotoVersion,
    find_key,
    read_history,
)
from scones_operator.photos.uploads import INCOMING_PREFIX

if TYPE_CHECKING:
    from scones.records import Record

BAR_WIDTH = 24
"""Characters of a bar for a probability of 1."""


def show(
    ctx: CommandContext,
    photo: Annotated[
        str,
        typer.Argument(
            metavar="PHOTO", help="Key, S3 URI, or the end of the key of a recent photo."
        ),
    ],
    version: Annotated[
        str | None, typer.Option(help="Object version (default: the latest).")
    ] = None,
) -> None:
    """Show the history of one photo.

    Each step from the upload to the review, with time, duration and errors.
    """
    key = find_key(ctx.session, ctx.stack, photo)
    history = read_history(ctx.session, ctx.stack, key, version)
    uri = f"s3://{ctx.stack.photos_bucket}/{history.key}"
    ctx.output.print_result(_history_json(uri, history), *_format_history(uri, history))


def _history_json(uri: str, history: PhotoHistory) -> dict[str, Any]:
    steps = [
        {
            "step": step.title,
            "at": step.at,
            "ms": None if step.duration is None else round(step.duration.total_seconds() * 1000, 3),
            "failures": list(step.failures),
        }
        for step in history.steps
    ]
    return {
        "photo": uri,
        "key": history.key,
        **_version_json(history.version),
        "steps": steps,
        "other_versions": [_version_json(other) for other in history.other_versions],
    }


def _version_json(version: PhotoVersion) -> dict[str, Any]:
    from scones_operator.cli.commands.result_formatting import result_json  # noqa: PLC0415

    return {
        "version": version.version,
        "uploaded_at": version.uploaded_at,
        "size": version.size,
        "in_bucket": version.in_bucket,
        "result": result_json(version.record) if version.record else None,
        "error": version.error,
    }


def _format_history(uri: str, history: PhotoHistory) -> list[RenderableType]:
    version = history.version
    note = "" if version.in_bucket else ", no longer in the bucket"
    fields = {
        "photo": uri,
        "version": version.version,
        "size": f"{version.size:,} bytes{note}",
    }
    record = version.record
    result = _format_result(record) if record else _format_no_result(history)
    return [
        *formatting.format_fields(fields),
        "",
        *result,
        "",
        _format_steps(history.steps),
        *_format_other_versions(history),
    ]


def _format_result(record: "Record") -> list[RenderableType]:
    from scones_operator.cli.commands.result_formatting import (  # noqa: PLC0415
        format_decision,
        format_note,
        format_status,
    )

    decision = record.decision
    headline = format_status(decision.status) + Text(f": {format_decision(record)}")
    headline.stylize("bold")
    parts: list[RenderableType] = [headline]
    if decision.probabilities is not None:
        parts.append(_format_probabilities(decision.probabilities))
    review = record.effective_review
    model = (
        f"{decision.model.endpoint}, variant {decision.model.variant}" if decision.model else None
    )
    rows = {
        "threshold": decision.threshold,
        "familiarity": _format_familiarity(decision.familiarity, decision.familiarity_limit),
        "reason": decision.reason.message if decision.reason else None,
        "review": format_note(record) if review else None,
        "reviewed version": review.reviewed_version if review else None,
        "model": model,
        "execution": decision.execution,
    }
    parts += formatting.format_fields(rows)
    if decision.status == "failed":
        parts.append("To classify it again: scones redrive --failed")
    return parts


def _format_familiarity(familiarity: float | None, limit: float | None) -> str | None:
    return None if familiarity is None else f"{familiarity:g}, limit {limit:g}"


def _format_probabilities(probabilities: Mapping[str, float]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
        bar = Text("█" * round(probability * BAR_WIDTH), style="cyan")
        table.add_row(name, f"{probability:.4f}", bar)
    return table


def _format_no_result(history: PhotoHistory) -> list[RenderableType]:
    if history.version.error:
        return [Text("The result cannot be read.", style="bold"), history.version.error]
    if not history.key.startswith(INCOMING_PREFIX):
        return [f"It is not classified: only uploads to {INCOMING_PREFIX} are."]
    if not history.version.size:
        return ["It is not classified, because it is empty."]
    return [
        Text("No result yet.", style="bold"),
        "If it was uploaded more than five minutes ago, its event may be in the dead-letter queue: "
        "scones redrive --queue --dry-run",
    ]


def _format_steps(steps: Iterable[HistoryStep]) -> Table:
    from scones_operator.cli.commands.result_formatting import format_timestamp  # noqa: PLC0415

    table = formatting.plain_table()
    table.add_column("step", overflow="fold")
    table.add_column("at", no_wrap=True)
    table.add_column("duration", no_wrap=True, justify="right")
    table.add_column("errors", overflow="fold")
    for step in steps:
        duration = "" if step.duration is None else _milliseconds(step)
        table.add_row(
            step.title, format_timestamp(step.at), duration, _format_failures(step.failures)
        )
    return table


def _milliseconds(step: HistoryStep) -> str:
    if step.duration is None:
        return ""
    seconds = step.duration.total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else format_duration(step.duration)


def _format_failures(failures: Sequence[str]) -> Text:
    counts = {name: failures.count(name) for name in failures}
    texts = [f"{name} ({count} times)" if count > 1 else name for name, count in counts.items()]
    return Text(", ".join(texts), style="red")


def _format_other_versions(history: PhotoHistory) -> list[RenderableType]:
    if not history.other_versions:
        return []
    table = formatting.plain_table()
    table.add_column("other versions", overflow="fold")
    for name in ("uploaded", "status"):
        table.add_column(name, no_wrap=True)
    for other in history.other_versions:
        missing = "result cannot be read" if other.error else "no result"
        status = other.record.decision.status if other.record else missing
        table.add_row(other.version, format_time(other.uploaded_at), status.replace("_", " "))
    return ["", table]
