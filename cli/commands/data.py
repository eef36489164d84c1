"""`scones data …`: photos to train on, staged on disk and uploaded to the data bucket."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from cli.commands import words
from cli.desk import DONE, FAULT, Desk
from operations.data import cifar100 as cifar
from operations.data import download
from operations.data import ham10000 as ham
from operations.data.amounts import Tell
from operations.data.layout import CANNOT_BE_DECODED, VALIDATION_SHARE, Staged
from operations.faults import Refused
from operations.folder_files import MAX_NAMED, format_unusable

if TYPE_CHECKING:
    from operations.data.transfer import Photos, Uploaded

FOLDER = Path("data")
SHOWN_FAILURES = 10
_WHAT_FOR = {"train": "train", "validation": "validate"}

ToArgument = Annotated[Path, typer.Argument(metavar="TO", help="Folder for the photos.")]
UploadOption = Annotated[
    bool, typer.Option("--upload", help="Upload them to the stack's data bucket, too.")
]
ShareOption = Annotated[
    float, typer.Option(min=0.01, max=0.5, help="Share that is held back to validate on.")
]


def cifar100(
    desk: Desk,
    to: ToArgument = FOLDER / "cifar100",
    archive: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="cifar-100-python.tar.gz that you have; else it is downloaded."
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="LABEL",
            help=f"A fine label of CIFAR-100, once for each; {' and '.join(cifar.VEHICLES)} "
            "by default.",
        ),
    ] = None,
    upload: UploadOption = False,
) -> None:
    """Stage photos of CIFAR-100.

    They are of 32 x 32 pixels; its test photos are to validate on.

    The archive (169 MB) is downloaded once, to ~/.cache/scones. A download that breaks off goes on
    where it stopped.
    """
    chosen = labels or cifar.VEHICLES
    cifar.require_labels(chosen)

    def stage(tell: Tell) -> Staged:
        source = cifar.SOURCE
        if archive:
            found = download.check(archive, source, tell)
        else:
            found = download.fetch(source, download.cache_folder(), tell)
        return cifar.stage(found, to, chosen, tell)

    _stage(desk, stage, upload=upload)


def ham10000(
    desk: Desk,
    archive: Annotated[
        Path,
        typer.Argument(
            exists=True,
            metavar="ARCHIVE",
            help="The zip of Dataverse, or a folder with the files in it.",
        ),
    ],
    to: ToArgument = FOLDER / "ham10000",
    share: ShareOption = VALIDATION_SHARE,
    upload: UploadOption = False,
) -> None:
    """Stage the skin lesions of HAM10000.

    All photos of a lesion are in one split.

    Get the archive from https://doi.org/10.7910/DVN/DBW86T, whose terms of use apply.
    """
    _stage(desk, lambda tell: ham.stage(archive, to, share, tell), upload=upload)


def folder(  # noqa: PLR0913, PLR0917  (its options)
    desk: Desk,
    source: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            metavar="DIR",
            help="One folder per class, or train/ and validation/ (or val/, test/, …) which have "
            "them; none_of_the_classes/ next to them.",
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Argument(metavar="TO", help="Folder for the photos; data/NAME by default."),
    ] = None,
    share: ShareOption = VALIDATION_SHARE,
    like: Annotated[
        str, typer.Option(metavar="PROFILE", help="Take the classes of a profile or its file.")
    ] = "",
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Add mirrored copies of the photos to train on, as the profile's [mirrored] "
            "labels them.",
        ),
    ] = False,
    upload: UploadOption = False,
) -> None:
    """Stage a folder of your own.

    All photos are decoded. Those that cannot be are left out and listed by their path; --json
    lists all of them. Photos are named after their content. Where DIR has no folder to validate
    on (nor to test on), some are held back, chosen by their content: a photo stays on its side
    when others join it.
    """
    # These bring boto3, which takes longer than showing a command's help.
    from operations.data import any_folder, folders, usability  # noqa: PLC0415

    class_names, mirrored = _chosen(like, mirror=mirror)
    target = to or FOLDER / source.resolve().name

    def stage(tell: Tell) -> Staged:
        listed = folders.read_dataset(source, class_names, share)
        dataset = usability.leave_out_unusable(listed, tell)
        folders.require_enough_photos(source, dataset, share)
        return any_folder.stage(dataset, source, target, mirrored, tell)

    _stage(desk, stage, upload=upload)


def upload(
    desk: Desk,
    source: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            metavar="DIR",
            help="A staged folder: train/, validation/, none_of_the_classes/ if any.",
        ),
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Upload classes, too, that the stack does not know yet.")
    ] = False,
) -> None:
    """Upload a staged folder to the stack's data bucket.

    Photos that are there are skipped. Photos that cannot be decoded are left out and listed.
    Classes that the stack does not know are refused: retrain would refuse the whole dataset.
    """
    from operations.data import transfer  # noqa: PLC0415

    staged = transfer.staged_photos(source)
    if not force:
        _require_known(desk, staged)
    with desk.screen.measuring() as tell:
        photos = transfer.leave_out_unusable(staged, tell)
    record, shown, code = _upload(desk, photos)
    desk.screen.answer(record, *shown)
    raise typer.Exit(code)


def _chosen(like: str, *, mirror: bool) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the classes of a profile, and the class of the mirror image by class."""
    from operations import profiles  # noqa: PLC0415

    if mirror and not like:
        raise typer.BadParameter(
            "--mirror needs --like PROFILE, which says what a mirrored photo shows"
        )
    if not like:
        return (), {}
    profile = profiles.read(like)
    if mirror and not profile.mirrored:
        raise Refused(
            f"the profile {like} has no table [mirrored], which says what a mirrored photo shows"
        )
    return profile.class_names, dict(profile.mirrored) if mirror else {}


def _stage(desk: Desk, stage: Callable[[Tell], Staged], *, upload: bool) -> None:
    if upload:
        _ = desk.stack  # before work that may take minutes
    with desk.screen.measuring() as tell:
        staged = stage(tell)
    record, code = _staged_record(staged), DONE
    shown: list[RenderableType] = [_table(staged), *_told(staged)]
    if upload:
        uploaded, told, code = _upload(desk, _staged_photos(desk, staged.folder))
        desk.screen.answer(record | uploaded, *shown, *told)
    else:
        desk.screen.answer(record | {"upload": None}, *shown, *_next(staged))
    raise typer.Exit(code)


def _staged_photos(desk: Desk, folder: Path) -> "Photos":
    """Return the photos of a folder that was staged just now, and whose classes the stack knows."""
    from operations.data import transfer  # noqa: PLC0415

    photos = transfer.staged_photos(folder)
    _require_known(desk, photos)
    return photos


def _upload(desk: Desk, photos: "Photos") -> tuple[dict[str, Any], list[str], int]:
    """Upload staged photos; return the answer for programs and people, and the exit code."""
    from operations.data import transfer  # noqa: PLC0415

    bucket = desk.stack.data_bucket
    with desk.screen.measuring() as tell:
        uploaded = transfer.upload(desk.session, bucket, photos.files, tell, desk.stack.class_names)
    told = _told_upload(desk, uploaded, photos)
    record = _upload_record(uploaded) | {"unusable": dict(photos.unusable)}
    return {"upload": record}, told, FAULT if uploaded.failed else DONE


def _require_known(desk: Desk, photos: "Photos") -> None:
    if unknown := _unknown(desk, photos):
        raise Refused(
            f"the stack knows no class {', '.join(unknown)}, only "
            f"{', '.join(desk.stack.class_names)}: deploy it with ClassNames that have them "
            "(`scones profiles` helps), or rename the folders. Nothing was uploaded; --force of "
            "`scones data upload` does it all the same"
        )


def _unknown(desk: Desk, photos: "Photos") -> list[str]:
    return sorted(set(photos.labels) - set(desk.stack.class_names))


def _staged_record(staged: Staged) -> dict[str, Any]:
    return {
        "folder": str(staged.folder),
        "classes": staged.by_class(),
        "none_of_the_classes": staged.negatives,
        "splits": {side: str(path) for side, path in staged.splits.items()},
        "written": staged.written,
        "there_already": sum(staged.counts.values()) - staged.written,
        "left_out": {
            why.replace(" ", "_"): count for why, count in staged.left_out.items() if count
        },
        "unusable": staged.unusable,
    }


def _upload_record(uploaded: "Uploaded") -> dict[str, Any]:
    return {
        "bucket": uploaded.bucket,
        "sent": uploaded.sent,
        "there_already": uploaded.there,
        "failed": {str(path): why for path, why in sorted(uploaded.failed.items())},
        "not_tried": uploaded.not_tried,
    }


def _table(staged: Staged) -> Table:
    table = words.table()
    table.add_column("class", overflow="fold")
    for name in ("train", "validation"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, counts in staged.by_class().items():
        table.add_row(label, f"{counts['train']:,}", f"{counts['validation']:,}")
    return table


def _told(staged: Staged) -> list[str]:
    total = sum(staged.counts.values())
    there = total - staged.written
    before = f", {there:,} of them there already" if there else ""
    told = [f"{total:,} photos in {staged.folder}{before}."]
    told += [f"To {_WHAT_FOR[side]} on: {path}." for side, path in staged.splits.items()]
    if staged.negatives:
        told.append(f"{staged.negatives:,} of them show none of the classes.")
    # Their names follow, so that their number comes last.
    reasons = sorted(staged.left_out.items(), key=lambda item: item[0] == CANNOT_BE_DECODED)
    told += [f"Left out: {why} ({count:,})." for why, count in reasons if count]
    told += _unusable_lines(staged.unusable)
    told += [
        f"No photos of {label} to {_WHAT_FOR[side]} on; retrain needs some."
        for label, counts in staged.by_class().items()
        for side, count in counts.items()
        if not count
    ]
    return told


def _unusable_lines(unusable: Mapping[str, str]) -> list[str]:
    lines = [f"  {line}" for line in format_unusable(unusable)]
    if len(unusable) > MAX_NAMED:
        lines[-1] += " (--json lists all)"
    return lines


def _next(staged: Staged) -> list[str]:
    return [
        f"To upload them: scones data upload {staged.folder}",
        f"To try them here: make run DATASET={staged.folder}",
    ]


def _told_upload(desk: Desk, uploaded: "Uploaded", photos: "Photos") -> list[str]:
    told = [
        f"{uploaded.sent:,} photos uploaded to s3://{uploaded.bucket}/dataset/, "
        f"{uploaded.there:,} were there already."
    ]
    told += [
        f"To {_WHAT_FOR[side]} on: {name}." for side, name in photos.splits.items() if name != side
    ]
    if photos.negatives:
        told.append(f"{photos.negatives:,} of them show none of the classes.")
    if photos.passed_over:
        told.append(f"Passed over: {photos.passed_over:,} files that are no photos of a class.")
    if photos.unusable:
        told.append(f"Not uploaded: {CANNOT_BE_DECODED} ({len(photos.unusable):,}).")
        told += _unusable_lines(photos.unusable)
    if photos.unused:
        told.append(
            f"Not uploaded: {photos.unused:,} files to test on, since others are to validate on."
        )
    failures = sorted(uploaded.failed.items())
    told += [f"Not uploaded: {path}: {why}" for path, why in failures[:SHOWN_FAILURES]]
    if len(failures) > SHOWN_FAILURES:
        told.append(f"Not uploaded: {len(failures) - SHOWN_FAILURES:,} more")
    if uploaded.not_tried:
        told.append(f"Not tried after so many failures: {uploaded.not_tried:,} photos")
    if failures:
        told.append("Once that is mended, run it again: it goes on with what is missing.")
    elif unknown := _unknown(desk, photos):
        told.append(f"Before you retrain, deploy the stack with the classes {', '.join(unknown)}.")
    else:
        told.append("To train on them: scones retrain --wait")
    return told
