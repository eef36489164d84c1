"""`scones upload`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.commands import words
from cli.desk import OTHERWISE, Desk
from operations import photos
from operations.faults import Refused
from operations.photos import Fate, Photo, Upload


def upload(
    desk: Desk,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="Files, and folders of them.")
    ],
    prefix: Annotated[
        str, typer.Option(help=f"What the keys begin with, after {photos.INCOMING}.")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow each until it is announced what became of it.")
    ] = False,
) -> None:
    """Upload photos as drivers do.

    With --wait, show what each is decided to be.

    The exit code is 1 where a photo failed, or nothing was announced of it in time. With --json it
    is one object a line.
    """
    try:
        found = photos.find_photos(paths, prefix)
    except Refused as error:
        raise typer.BadParameter(str(error)) from None
    if wait:
        _decide(desk, found)
    else:
        _upload(desk, found)


def _upload(desk: Desk, found: list[Photo]) -> None:
    bucket = desk.stack.photos_bucket

    def show(upload: Upload) -> None:
        advance("")
        line = Text(upload.photo.key) + Text(f"  {upload.version}", style="dim")
        desk.screen.item(_uploaded(upload), line)

    with desk.screen.counting(f"Uploading to {bucket}", len(found)) as advance:
        photos.upload_photos(desk.session, desk.stack, found, show)
    desk.screen.say(f"{_count(len(found))} uploaded to {bucket}: scones results --follow")


def _decide(desk: Desk, found: list[Photo]) -> None:
    # It brings Pydantic and the photos' decoders, which takes long beside showing help.
    from cli.commands import outcomes  # noqa: PLC0415

    def show(fate: Fate) -> None:
        advance("")
        status, said = "no record", "none came in time"
        if fate.record:
            status = fate.record.decided.status
            said = outcomes.answer_shown(fate.record)
            said += "" if fate.announced else ", not announced in time"
        line = outcomes.status_shown(status)
        line.pad_right(max(0, 14 - len(line)))
        line += Text(f"{said:<28}  ")
        line += Text(words.photo_shown(fate.upload.photo.key), style="dim")
        result = outcomes.result_record(fate.record) if fate.record else None
        desk.screen.item(
            {**_uploaded(fate.upload), "result": result, "latency_ms": fate.latency_ms}, line
        )

    with desk.screen.counting("Deciding", len(found)) as advance:
        fates = photos.decide_photos(desk.session, desk.stack, found, show)
    bad = [fate for fate in fates if not _is_well(fate)]
    if bad:
        desk.screen.say(
            f"{len(bad)} of {_count(len(fates))} failed, or nothing was announced in time: "
            f"scones show {words.photo_argument(bad[0].upload.photo.key)}"
        )
        raise typer.Exit(OTHERWISE)


def _is_well(fate: Fate) -> bool:
    return fate.announced and fate.record is not None and fate.record.decided.status != "failed"


def _uploaded(upload: Upload) -> dict[str, Any]:
    photo = upload.photo
    return {"path": str(photo.path), "key": photo.key, "version": upload.version}


def _count(number: int) -> str:
    return "1 photo" if number == 1 else f"{number} photos"
