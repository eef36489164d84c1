"""`scones show`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import Desk
from scones_operator.cli.output import duration
from scones_operator.cli.times import shown
from scones_operator.photos.history import History, Step, Version, find_key, read_history
from scones_operator.photos.uploads import INCOMING

if TYPE_CHECKING:
    from scones.records import Record

BAR = 24
"""Characters of a bar for a probability of 1."""


def show(
    desk: Desk,
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
    key = find_key(desk.session, desk.stack, photo)
    history = read_history(desk.session, desk.stack, key, version)
    uri = f"s3://{desk.stack.photos_bucket}/{history.key}"
    desk.screen.answer(_history_record(uri, history), *_history_shown(uri, history))


def _history_record(uri: str, history: History) -> dict[str, Any]:
    steps = [
        {
            "step": step.title,
            "at": step.at,
            "ms": None if step.lasted is None else round(step.lasted.total_seconds() * 1000, 3),
            "failures": list(step.failures),
        }
        for step in history.steps
    ]
    return {
        "photo": uri,
        "key": history.key,
        **_version_record(history.version),
        "steps": steps,
        "others": [_version_record(other) for other in history.others],
    }


def _version_record(version: Version) -> dict[str, Any]:
    from scones_operator.cli.commands.result_formatting import result_record  # noqa: PLC0415

    return {
        "version": version.version,
        "uploaded_at": version.uploaded_at,
        "size": version.size,
        "stored": version.stored,
        "result": result_record(version.record) if version.record else None,
        "trouble": version.trouble,
    }


def _history_shown(uri: str, history: History) -> list[RenderableType]:
    version = history.version
    lost = "" if version.stored else ", no longer in the bucket"
    head = {
        "photo": uri,
        "version": version.version,
        "size": f"{version.size:,} bytes{lost}",
    }
    record = version.record
    result = _result_shown(record) if record else _no_result_shown(history)
    return [
        *formatting.fields(head),
        "",
        *result,
        "",
        _steps_shown(history.steps),
        *_others(history),
    ]


def _result_shown(record: "Record") -> list[RenderableType]:
    from scones_operator.cli.commands.result_formatting import (  # noqa: PLC0415
        answer_shown,
        note_shown,
        status_shown,
    )

    detail = record.decided
    headline = status_shown(detail.status) + Text(f": {answer_shown(record)}")
    headline.stylize("bold")
    shown_: list[RenderableType] = [headline]
    if detail.probabilities is not None:
        shown_.append(_probabilities_shown(detail.probabilities))
    review = record.effective_review
    model = f"{detail.model.endpoint}, variant {detail.model.variant}" if detail.model else None
    rows = {
        "threshold": detail.threshold,
        "familiarity": _familiarity_shown(detail.familiarity, detail.familiarity_limit),
        "reason": detail.reason.message if detail.reason else None,
        "review": note_shown(record) if review else None,
        "reviewed version": review.reviewed_version if review else None,
        "model": model,
        "execution": detail.execution,
    }
    shown_ += formatting.fields(rows)
    if detail.status == "failed":
        shown_.append("To classify it again: scones redrive --failed")
    return shown_


def _familiarity_shown(familiarity: float | None, limit: float | None) -> str | None:
    return None if familiarity is None else f"{familiarity:g}, limit {limit:g}"


def _probabilities_shown(probabilities: Mapping[str, float]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
        bar = Text("█" * round(probability * BAR), style="cyan")
        table.add_row(name, f"{probability:.4f}", bar)
    return table


def _no_result_shown(history: History) -> list[RenderableType]:
    if history.version.trouble:
        return [Text("The result cannot be read.", style="bold"), history.version.trouble]
    if not history.key.startswith(INCOMING):
        return [f"It is not classified: only uploads to {INCOMING} are."]
    if not history.version.size:
        return ["It is not classified, because it is empty."]
    return [
        Text("No result yet.", style="bold"),
        "If it was uploaded more than five minutes ago, its event may be in the dead-letter queue: "
        "scones redrive --queue --dry-run",
    ]


def _steps_shown(steps: Iterable[Step]) -> Table:
    from scones_operator.cli.commands.result_formatting import time_shown  # noqa: PLC0415

    table = formatting.table()
    table.add_column("step", overflow="fold")
    table.add_column("at", no_wrap=True)
    table.add_column("duration", no_wrap=True, justify="right")
    table.add_column("errors", overflow="fold")
    for step in steps:
        lasted = "" if step.lasted is None else _milliseconds(step)
        table.add_row(step.title, time_shown(step.at), lasted, _failures(step.failures))
    return table


def _milliseconds(step: Step) -> str:
    if step.lasted is None:
        return ""
    seconds = step.lasted.total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(step.lasted)


def _failures(failures: Sequence[str]) -> Text:
    counted = {name: failures.count(name) for name in failures}
    said = [f"{name} ({count} times)" if count > 1 else name for name, count in counted.items()]
    return Text(", ".join(said), style="red")


def _others(history: History) -> list[RenderableType]:
    if not history.others:
        return []
    table = formatting.table()
    table.add_column("other versions", overflow="fold")
    for name in ("uploaded", "status"):
        table.add_column(name, no_wrap=True)
    for other in history.others:
        nothing = "result cannot be read" if other.trouble else "no result"
        status = other.record.decided.status if other.record else nothing
        table.add_row(other.version, shown(other.uploaded_at), status.replace("_", " "))
    return ["", table]
