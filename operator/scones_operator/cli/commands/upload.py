"""`scones upload`."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.errors import Refused
from scones_operator.photos import uploads as photos
from scones_operator.photos.upload_results import (
    DECISION_TIMEOUT_SECONDS,
    PhotoResult,
    wait_for_results,
)
from scones_operator.photos.uploads import Photo, Upload


def upload(
    desk: Desk,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="Photos, and folders of photos.")
    ],
    prefix: Annotated[str, typer.Option(help=f"Prefix of the keys, after {photos.INCOMING}.")] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the result of each photo, and print it.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            min=1,
            metavar="SECONDS",
            help="Maximum time without a new result, with --wait.",
        ),
    ] = DECISION_TIMEOUT_SECONDS,
) -> None:
    """Upload photos. With --wait, print the result of each.

    With --wait, the exit code is 1 if a photo failed or its result was not announced in time.
    With --json the output is one object per line.
    """
    try:
        found = photos.find_photos(paths, prefix)
    except Refused as error:
        raise typer.BadParameter(str(error)) from None
    if wait:
        _wait(desk, _upload(desk, found, lambda upload: None), timeout)
    else:
        _upload(desk, found, lambda upload: _show_upload(desk, upload))
        bucket = desk.stack.photos_bucket
        desk.screen.say(f"{_count(len(found))} uploaded to {bucket}: scones results --follow")


def _upload(desk: Desk, found: list[Photo], show: Callable[[Upload], None]) -> list[Upload]:
    def done(upload: Upload) -> None:
        advance("")
        show(upload)

    with desk.screen.counting(f"Uploading to {desk.stack.photos_bucket}", len(found)) as advance:
        return photos.upload_photos(desk.session, desk.stack, found, done)


def _show_upload(desk: Desk, upload: Upload) -> None:
    line = Text(upload.photo.key) + Text(f"  {upload.version}", style="dim")
    desk.screen.item(_uploaded(upload), line)


def _wait(desk: Desk, uploads: list[Upload], timeout: float) -> None:
    # Lazy import: Pydantic and the photos' decoders slow down --help.
    from scones_operator.cli.commands import result_formatting  # noqa: PLC0415

    def show(found: PhotoResult) -> None:
        advance("")
        status, answer = "no record", f"none in {timeout:g} s"
        if found.record:
            status = found.record.decided.status
            answer = result_formatting.answer_shown(found.record)
            answer += "" if found.announced else ", not announced in time"
        elif found.trouble:
            status, answer = "unreadable", found.trouble
        line = result_formatting.status_shown(status)
        line.pad_right(max(0, 14 - len(line)))
        line += Text(f"{answer:<28}  ")
        line += Text(formatting.photo_shown(found.upload.photo.key), style="dim")
        result = result_formatting.result_record(found.record) if found.record else None
        desk.screen.item(
            {
                **_uploaded(found.upload),
                "result": result,
                "latency_ms": found.latency_ms,
                "trouble": found.trouble,
            },
            line,
        )

    with desk.screen.counting("Waiting for results", len(uploads)) as advance:
        results = wait_for_results(desk.session, desk.stack, uploads, show, timeout)
    desk.screen.say(_totals(results))
    if not all(map(_is_well, results)):
        desk.screen.say(_advice(results))
        raise typer.Exit(OTHERWISE)


def _totals(results: Sequence[PhotoResult]) -> str:
    from scones.events import Status  # noqa: PLC0415

    counts = Counter(found.record.decided.status if found.record else "-" for found in results)
    names = {status: status.replace("_", " ") for status in get_args(Status)} | {"-": "no record"}
    parts = [f"{counts[status]} {name}" for status, name in names.items() if counts[status]]
    return f"{_count(len(results))}: {', '.join(parts)}."


def _advice(results: Sequence[PhotoResult]) -> str:
    """Return the next step for photos that failed or have no announced decision."""
    lost = [found for found in results if found.record is None and not found.trouble]
    if lost:
        return (
            f"{_count(len(lost))} without a record: `scones executions classify` shows whether "
            "the executions failed; `scones redrive --unrecorded 1d` starts them again"
        )
    bad = [found for found in results if not _is_well(found)]
    return (
        f"{_count(len(bad))} failed, not announced in time, or with an unreadable record: "
        f"scones show {formatting.photo_argument(bad[0].upload.photo.key)}"
    )


def _is_well(found: PhotoResult) -> bool:
    record = found.record
    return record is not None and record.announced and record.decided.status != "failed"


def _uploaded(upload: Upload) -> dict[str, Any]:
    photo = upload.photo
    return {"path": str(photo.path), "key": photo.key, "version": upload.version}


def _count(number: int) -> str:
    return "1 photo" if number == 1 else f"{number} photos"
