"""`scones upload`."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.errors import PreconditionError
from scones_operator.photos import uploads as photos
from scones_operator.photos.upload_results import (
    DECISION_TIMEOUT_SECONDS,
    PhotoResult,
    wait_for_results,
)
from scones_operator.photos.uploads import PhotoFile, UploadedPhoto


def upload(
    ctx: CommandContext,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="Photos, and folders of photos.")
    ],
    prefix: Annotated[
        str, typer.Option(help=f"Prefix of the keys, after {photos.INCOMING_PREFIX}.")
    ] = "",
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
        files = photos.find_photos(paths, prefix)
    except PreconditionError as error:
        raise typer.BadParameter(str(error)) from None
    if wait:
        _wait_for_results(ctx, _upload(ctx, files, lambda upload: None), timeout)
    else:
        _upload(ctx, files, lambda upload: _print_upload(ctx, upload))
        bucket = ctx.stack.photos_bucket
        ctx.output.print_info(
            f"{_count_photos(len(files))} uploaded to {bucket}: scones results --follow"
        )


def _upload(
    ctx: CommandContext, files: list[PhotoFile], on_update: Callable[[UploadedPhoto], None]
) -> list[UploadedPhoto]:
    def on_upload(upload: UploadedPhoto) -> None:
        advance("")
        on_update(upload)

    with ctx.output.progress_bar(f"Uploading to {ctx.stack.photos_bucket}", len(files)) as advance:
        return photos.upload_photos(ctx.session, ctx.stack, files, on_upload)


def _print_upload(ctx: CommandContext, upload: UploadedPhoto) -> None:
    line = Text(upload.photo.key) + Text(f"  {upload.version}", style="dim")
    ctx.output.print_item(_upload_json(upload), line)


def _wait_for_results(ctx: CommandContext, uploads: list[UploadedPhoto], timeout: float) -> None:
    # Lazy import: Pydantic and the photos' decoders slow down --help.
    from scones_operator.cli.commands import result_formatting  # noqa: PLC0415

    def on_update(result_found: PhotoResult) -> None:
        advance("")
        status, text = "no record", f"none in {timeout:g} s"
        if result_found.record:
            status = result_found.record.decision.status
            text = result_formatting.format_decision(result_found.record)
            text += "" if result_found.announced else ", not announced in time"
        elif result_found.error:
            status, text = "unreadable", result_found.error
        line = result_formatting.format_status(status)
        line.pad_right(max(0, 14 - len(line)))
        line += Text(f"{text:<28}  ")
        line += Text(formatting.display_key(result_found.upload.photo.key), style="dim")
        result = result_formatting.result_json(result_found.record) if result_found.record else None
        ctx.output.print_item(
            {
                **_upload_json(result_found.upload),
                "result": result,
                "latency_ms": result_found.latency_ms,
                "error": result_found.error,
            },
            line,
        )

    with ctx.output.progress_bar("Waiting for results", len(uploads)) as advance:
        results = wait_for_results(ctx.session, ctx.stack, uploads, on_update, timeout)
    ctx.output.print_info(_totals(results))
    if not all(map(_is_successful, results)):
        ctx.output.print_info(_advice(results))
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def _totals(results: Sequence[PhotoResult]) -> str:
    from scones.events import Status  # noqa: PLC0415

    counts = Counter(result.record.decision.status if result.record else "-" for result in results)
    names = {status: status.replace("_", " ") for status in get_args(Status)} | {"-": "no record"}
    parts = [f"{counts[status]} {name}" for status, name in names.items() if counts[status]]
    return f"{_count_photos(len(results))}: {', '.join(parts)}."


def _advice(results: Sequence[PhotoResult]) -> str:
    """Return the next step for photos that failed or have no announced decision."""
    missing = [result for result in results if result.record is None and not result.error]
    if missing:
        return (
            f"{_count_photos(len(missing))} without a record: `scones executions classify` shows "
            "whether the executions failed; `scones redrive --unrecorded 1d` starts them again"
        )
    unsuccessful = [result for result in results if not _is_successful(result)]
    return (
        f"{_count_photos(len(unsuccessful))} failed, not announced in time, or with an unreadable "
        f"record: scones show {formatting.photo_argument(unsuccessful[0].upload.photo.key)}"
    )


def _is_successful(result: PhotoResult) -> bool:
    record = result.record
    return record is not None and record.announced and record.decision.status != "failed"


def _upload_json(upload: UploadedPhoto) -> dict[str, Any]:
    photo = upload.photo
    return {"path": str(photo.path), "key": photo.key, "version": upload.version}


def _count_photos(number: int) -> str:
    return "1 photo" if number == 1 else f"{number} photos"
