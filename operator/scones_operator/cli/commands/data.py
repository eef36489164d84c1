"""`scones data …`: photos to train on, staged on disk and uploaded to the data bucket."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import DONE, FAULT, Desk
from scones_operator.datasets import cifar100 as cifar
from scones_operator.datasets import download
from scones_operator.datasets import ham10000 as ham
from scones_operator.datasets.staging import CANNOT_BE_DECODED, VALIDATION_SHARE, Staged
from scones_operator.errors import Refused
from scones_operator.folder_files import MAX_NAMED, format_unusable
from scones_operator.item_progress import Tell

if TYPE_CHECKING:
    from scones_operator.datasets.uploader import Photos, Uploaded

FOLDER = Path("data")
SHOWN_FAILURES = 10
_PURPOSES = {"train": "training", "validation": "validation"}

ToArgument = Annotated[Path, typer.Argument(metavar="TO", help="Output folder.")]
UploadOption = Annotated[
    bool, typer.Option("--upload", help="Also upload them to the stack's data bucket.")
]
ShareOption = Annotated[
    float,
    typer.Option(min=0.01, max=0.5, help="Share of the photos that is held out for validation."),
]


def cifar100(
    desk: Desk,
    to: ToArgument = FOLDER / "cifar100",
    archive: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Your copy of cifar-100-python.tar.gz (default: download it)."
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="LABEL",
            help="A fine label of CIFAR-100, repeatable (default: "
            f"{' and '.join(cifar.VEHICLES)}).",
        ),
    ] = None,
    upload: UploadOption = False,
) -> None:
    """Stage photos of CIFAR-100.

    They have 32 x 32 pixels; the test photos become the validation photos.

    The archive (169 MB) is downloaded once, to ~/.cache/scones. An interrupted download is resumed
    when you run the command again.
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
            help="The zip file of Dataverse, or a folder with its files.",
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
            help="One folder per class, or train/ and validation/ (or val/, test/, …) with one per "
            "class; none_of_the_classes/ next to them.",
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Argument(metavar="TO", help="Output folder (default: data/NAME)."),
    ] = None,
    share: ShareOption = VALIDATION_SHARE,
    like: Annotated[
        str, typer.Option(metavar="PROFILE", help="Profile, or file of one, whose classes to use.")
    ] = "",
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Add mirrored copies of the training photos, labeled by the profile's table "
            "[mirrored].",
        ),
    ] = False,
    upload: UploadOption = False,
) -> None:
    """Stage a folder of your own photos.

    Every photo is decoded. Photos that cannot be decoded are skipped and listed by their path;
    --json lists all of them. The copies are named after their content. If DIR has no folder for
    validation or testing, some photos are held out, chosen by their content: a photo stays in its
    split when you add others.
    """
    # These bring boto3, which takes longer than showing a command's help.
    from scones_operator.datasets import class_folders, unusable_photos  # noqa: PLC0415
    from scones_operator.datasets import folder as any_folder  # noqa: PLC0415

    class_names, mirrored = _chosen(like, mirror=mirror)
    target = to or FOLDER / source.resolve().name

    def stage(tell: Tell) -> Staged:
        listed = class_folders.read_dataset(source, class_names, share)
        dataset = unusable_photos.leave_out_unusable(listed, tell)
        class_folders.require_enough_photos(source, dataset, share)
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
            help="A staged folder: train/, validation/ and, optionally, none_of_the_classes/.",
        ),
    ],
    force: Annotated[
        bool,
        typer.Option("--force", help="Also upload classes that are not in the stack's ClassNames."),
    ] = False,
) -> None:
    """Upload a staged folder to the stack's data bucket.

    Photos that are in the bucket already are skipped. Photos that cannot be decoded are skipped and
    listed. Classes that are not in the stack's ClassNames are rejected: retraining would reject the
    whole dataset.
    """
    from scones_operator.datasets import uploader  # noqa: PLC0415

    staged = uploader.staged_photos(source)
    if not force:
        _require_known(desk, staged)
    with desk.screen.measuring() as tell:
        photos = uploader.leave_out_unusable(staged, tell)
    record, shown, code = _upload(desk, photos)
    desk.screen.answer(record, *shown)
    raise typer.Exit(code)


def _chosen(like: str, *, mirror: bool) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the classes of a profile, and the class of the mirror image by class."""
    from scones_operator import presets  # noqa: PLC0415

    if mirror and not like:
        raise typer.BadParameter(
            "--mirror needs --like PROFILE: the profile has the labels of mirrored photos"
        )
    if not like:
        return (), {}
    profile = presets.read(like)
    if mirror and not profile.mirrored:
        raise Refused(
            f"the profile {like} has no table [mirrored] with the labels of mirrored photos: add "
            "one, or leave out --mirror"
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
    from scones_operator.datasets import uploader  # noqa: PLC0415

    photos = uploader.staged_photos(folder)
    _require_known(desk, photos)
    return photos


def _upload(desk: Desk, photos: "Photos") -> tuple[dict[str, Any], list[str], int]:
    """Upload staged photos; return the answer for programs and people, and the exit code."""
    from scones_operator.datasets import uploader  # noqa: PLC0415

    bucket = desk.stack.data_bucket
    with desk.screen.measuring() as tell:
        uploaded = uploader.upload(desk.session, bucket, photos.files, tell, desk.stack.class_names)
    told = _told_upload(desk, uploaded, photos)
    record = _upload_record(uploaded) | {"unusable": dict(photos.unusable)}
    return {"upload": record}, told, FAULT if uploaded.failed else DONE


def _require_known(desk: Desk, photos: "Photos") -> None:
    if unknown := _unknown(desk, photos):
        raise Refused(
            f"unknown class {', '.join(unknown)}: the stack has "
            f"{', '.join(desk.stack.class_names)}. Deploy it with ClassNames that include them "
            "(`scones profiles` helps), or rename the folders. Nothing was uploaded; "
            "`scones data upload` with --force uploads anyway"
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
    table = formatting.table()
    table.add_column("class", overflow="fold")
    for name in ("train", "validation"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, counts in staged.by_class().items():
        table.add_row(label, f"{counts['train']:,}", f"{counts['validation']:,}")
    return table


def _told(staged: Staged) -> list[str]:
    total = sum(staged.counts.values())
    there = total - staged.written
    before = f", {there:,} of them already present" if there else ""
    told = [f"{total:,} photos in {staged.folder}{before}."]
    told += [f"For {_PURPOSES[side]}: {path}." for side, path in staged.splits.items()]
    if staged.negatives:
        told.append(f"{staged.negatives:,} of them show none of the classes.")
    # Their names follow, so that their number comes last.
    reasons = sorted(staged.left_out.items(), key=lambda item: item[0] == CANNOT_BE_DECODED)
    told += [f"Skipped: {why} ({count:,})." for why, count in reasons if count]
    told += _unusable_lines(staged.unusable)
    told += [
        f"No {_PURPOSES[side]} photos of {label}: retraining needs some."
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
        f"To train on them locally: make run DATASET={staged.folder}",
    ]


def _told_upload(desk: Desk, uploaded: "Uploaded", photos: "Photos") -> list[str]:
    told = [
        f"{uploaded.sent:,} photos uploaded to s3://{uploaded.bucket}/dataset/, "
        f"{uploaded.there:,} already there."
    ]
    told += [
        f"For {_PURPOSES[side]}: {name}." for side, name in photos.splits.items() if name != side
    ]
    if photos.negatives:
        told.append(f"{photos.negatives:,} of them show none of the classes.")
    if photos.passed_over:
        told.append(f"Skipped: {photos.passed_over:,} files that are not photos of a class.")
    if photos.unusable:
        told.append(f"Not uploaded: {CANNOT_BE_DECODED} ({len(photos.unusable):,}).")
        told += _unusable_lines(photos.unusable)
    if photos.unused:
        told.append(
            f"Not uploaded: {photos.unused:,} test photos, since there are validation photos."
        )
    failures = sorted(uploaded.failed.items())
    told += [f"Not uploaded: {path}: {why}" for path, why in failures[:SHOWN_FAILURES]]
    if len(failures) > SHOWN_FAILURES:
        told.append(f"Not uploaded: {len(failures) - SHOWN_FAILURES:,} more")
    if uploaded.not_tried:
        told.append(f"Not attempted after these failures: {uploaded.not_tried:,} photos")
    if failures:
        told.append("Fix the cause and run the command again. Uploaded photos are skipped.")
    elif unknown := _unknown(desk, photos):
        told.append(f"Before you retrain, deploy the stack with the classes {', '.join(unknown)}.")
    else:
        told.append("To train on them: scones retrain --wait")
    return told
