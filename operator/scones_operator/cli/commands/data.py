"""`scones data …`: photos to train on, staged on disk and uploaded to the data bucket."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_ERROR, EXIT_OK, CommandContext
from scones_operator.datasets import cifar100 as cifar
from scones_operator.datasets import download
from scones_operator.datasets import ham10000 as ham
from scones_operator.datasets.staging import CANNOT_BE_DECODED, VALIDATION_SHARE, StagingResult
from scones_operator.errors import PreconditionError
from scones_operator.folder_files import MAX_NAMED, format_unusable
from scones_operator.progress import ProgressCallback

if TYPE_CHECKING:
    from scones_operator.datasets.uploader import StagedPhotos, UploadResult

FOLDER = Path("data")
MAX_FAILURES_SHOWN = 10
_PURPOSES = {"train": "training", "validation": "validation"}

OutputArgument = Annotated[Path, typer.Argument(metavar="TO", help="Output folder.")]
UploadOption = Annotated[
    bool, typer.Option("--upload", help="Also upload them to the stack's data bucket.")
]
ValidationShareOption = Annotated[
    float,
    typer.Option(
        "--validation-share",
        min=0.01,
        max=0.5,
        help="Share of the photos that is held out for validation.",
    ),
]


def cifar100(
    ctx: CommandContext,
    output_dir: OutputArgument = FOLDER / "cifar100",
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
    labels_used = labels or cifar.VEHICLES
    cifar.validate_labels(labels_used)

    def stage(on_progress: ProgressCallback) -> StagingResult:
        source = cifar.SOURCE
        if archive:
            verified = download.verify(archive, source, on_progress)
        else:
            verified = download.download(source, download.cache_folder(), on_progress)
        return cifar.stage(verified, output_dir, labels_used, on_progress)

    _stage(ctx, stage, upload=upload)


def ham10000(
    ctx: CommandContext,
    archive: Annotated[
        Path,
        typer.Argument(
            exists=True,
            metavar="ARCHIVE",
            help="The zip file of Dataverse, or a folder with its files.",
        ),
    ],
    output_dir: OutputArgument = FOLDER / "ham10000",
    validation_share: ValidationShareOption = VALIDATION_SHARE,
    upload: UploadOption = False,
) -> None:
    """Stage the skin lesions of HAM10000.

    All photos of a lesion are in one split.

    Get the archive from https://doi.org/10.7910/DVN/DBW86T, whose terms of use apply.
    """
    _stage(
        ctx,
        lambda on_progress: ham.stage(archive, output_dir, validation_share, on_progress),
        upload=upload,
    )


def folder(  # noqa: PLR0913, PLR0917  (its options)
    ctx: CommandContext,
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
    output_dir: Annotated[
        Path | None,
        typer.Argument(metavar="TO", help="Output folder (default: data/NAME)."),
    ] = None,
    validation_share: ValidationShareOption = VALIDATION_SHARE,
    like: Annotated[
        str, typer.Option(metavar="PRESET", help="Preset, or file of one, whose classes to use.")
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

    class_names, mirrored = _profile_options(like, mirror=mirror)
    target = output_dir or FOLDER / source.resolve().name

    def stage(on_progress: ProgressCallback) -> StagingResult:
        listed = class_folders.read_dataset(source, class_names, validation_share)
        dataset = unusable_photos.leave_out_unusable(listed, on_progress)
        class_folders.require_enough_photos(source, dataset, validation_share)
        return any_folder.stage(dataset, source, target, mirrored, on_progress)

    _stage(ctx, stage, upload=upload)


def upload(
    ctx: CommandContext,
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
        _require_known_classes(ctx, staged)
    with ctx.output.progress_bars() as on_progress:
        photos = uploader.leave_out_unusable(staged, on_progress)
    record, lines, code = _upload(ctx, photos)
    ctx.output.print_result(record, *lines)
    raise typer.Exit(code)


def _profile_options(like: str, *, mirror: bool) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the classes of a profile, and the class of the mirror image by class."""
    from scones_operator import presets  # noqa: PLC0415

    if mirror and not like:
        raise typer.BadParameter(
            "--mirror needs --like PRESET: the preset has the labels of mirrored photos"
        )
    if not like:
        return (), {}
    profile = presets.load_preset(like)
    if mirror and not profile.mirrored:
        raise PreconditionError(
            f"the profile {like} has no table [mirrored] with the labels of mirrored photos: add "
            "one, or leave out --mirror"
        )
    return profile.class_names, dict(profile.mirrored) if mirror else {}


def _stage(
    ctx: CommandContext, stage: Callable[[ProgressCallback], StagingResult], *, upload: bool
) -> None:
    if upload:
        _ = ctx.stack  # before work that may take minutes
    with ctx.output.progress_bars() as on_progress:
        staged = stage(on_progress)
    record, code = _staging_json(staged), EXIT_OK
    parts: list[RenderableType] = [_table(staged), *_format_staging(staged)]
    if upload:
        uploaded, lines, code = _upload(ctx, _staged_photos(ctx, staged.folder))
        ctx.output.print_result(record | uploaded, *parts, *lines)
    else:
        ctx.output.print_result(record | {"upload": None}, *parts, *_next_steps(staged))
    raise typer.Exit(code)


def _staged_photos(ctx: CommandContext, folder: Path) -> "StagedPhotos":
    """Return the photos of a folder that was staged just now, and whose classes the stack knows."""
    from scones_operator.datasets import uploader  # noqa: PLC0415

    photos = uploader.staged_photos(folder)
    _require_known_classes(ctx, photos)
    return photos


def _upload(ctx: CommandContext, photos: "StagedPhotos") -> tuple[dict[str, Any], list[str], int]:
    """Upload staged photos; return the answer for programs and people, and the exit code."""
    from scones_operator.datasets import uploader  # noqa: PLC0415

    bucket = ctx.stack.data_bucket
    with ctx.output.progress_bars() as on_progress:
        uploaded = uploader.upload(
            ctx.session, bucket, photos.files, on_progress, ctx.stack.class_names
        )
    lines = _format_upload(ctx, uploaded, photos)
    record = _upload_json(uploaded) | {"unusable": dict(photos.unusable)}
    return {"upload": record}, lines, EXIT_ERROR if uploaded.failed else EXIT_OK


def _require_known_classes(ctx: CommandContext, photos: "StagedPhotos") -> None:
    if unknown := _unknown_classes(ctx, photos):
        raise PreconditionError(
            f"unknown class {', '.join(unknown)}: the stack has "
            f"{', '.join(ctx.stack.class_names)}. Deploy it with ClassNames that include them "
            "(`scones presets` helps), or rename the folders. Nothing was uploaded; "
            "`scones data upload` with --force uploads anyway"
        )


def _unknown_classes(ctx: CommandContext, photos: "StagedPhotos") -> list[str]:
    return sorted(set(photos.labels) - set(ctx.stack.class_names))


def _staging_json(staged: StagingResult) -> dict[str, Any]:
    return {
        "folder": str(staged.folder),
        "classes": staged.by_class(),
        "none_of_the_classes": staged.negatives,
        "splits": {split: str(path) for split, path in staged.splits.items()},
        "written": staged.written,
        "already_present": sum(staged.counts.values()) - staged.written,
        "excluded": {
            reason.replace(" ", "_"): count for reason, count in staged.excluded.items() if count
        },
        "unusable": staged.unusable,
    }


def _upload_json(uploaded: "UploadResult") -> dict[str, Any]:
    return {
        "bucket": uploaded.bucket,
        "sent": uploaded.sent,
        "already_present": uploaded.already_present,
        "failed": {str(path): error for path, error in sorted(uploaded.failed.items())},
        "not_attempted": uploaded.not_attempted,
    }


def _table(staged: StagingResult) -> Table:
    table = formatting.plain_table()
    table.add_column("class", overflow="fold")
    for name in ("train", "validation"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, counts in staged.by_class().items():
        table.add_row(label, f"{counts['train']:,}", f"{counts['validation']:,}")
    return table


def _format_staging(staged: StagingResult) -> list[str]:
    total = sum(staged.counts.values())
    existing = total - staged.written
    before = f", {existing:,} of them already present" if existing else ""
    lines = [f"{total:,} photos in {staged.folder}{before}."]
    lines += [f"For {_PURPOSES[split]}: {path}." for split, path in staged.splits.items()]
    if staged.negatives:
        lines.append(f"{staged.negatives:,} of them show none of the classes.")
    # Their names follow, so that their number comes last.
    reasons = sorted(staged.excluded.items(), key=lambda item: item[0] == CANNOT_BE_DECODED)
    lines += [f"Skipped: {reason} ({count:,})." for reason, count in reasons if count]
    lines += _unusable_lines(staged.unusable)
    lines += [
        f"No {_PURPOSES[split]} photos of {label}: retraining needs some."
        for label, counts in staged.by_class().items()
        for split, count in counts.items()
        if not count
    ]
    return lines


def _unusable_lines(unusable: Mapping[str, str]) -> list[str]:
    lines = [f"  {line}" for line in format_unusable(unusable)]
    if len(unusable) > MAX_NAMED:
        lines[-1] += " (--json lists all)"
    return lines


def _next_steps(staged: StagingResult) -> list[str]:
    return [
        f"To upload them: scones data upload {staged.folder}",
        f"To train on them locally: make run DATASET={staged.folder}",
    ]


def _format_upload(
    ctx: CommandContext, uploaded: "UploadResult", photos: "StagedPhotos"
) -> list[str]:
    lines = [
        f"{uploaded.sent:,} photos uploaded to s3://{uploaded.bucket}/dataset/, "
        f"{uploaded.already_present:,} already there."
    ]
    lines += [
        f"For {_PURPOSES[split]}: {name}." for split, name in photos.splits.items() if name != split
    ]
    if photos.negatives:
        lines.append(f"{photos.negatives:,} of them show none of the classes.")
    if photos.skipped:
        lines.append(f"Skipped: {photos.skipped:,} files that are not photos of a class.")
    if photos.unusable:
        lines.append(f"Not uploaded: {CANNOT_BE_DECODED} ({len(photos.unusable):,}).")
        lines += _unusable_lines(photos.unusable)
    if photos.unused:
        lines.append(
            f"Not uploaded: {photos.unused:,} test photos, since there are validation photos."
        )
    failures = sorted(uploaded.failed.items())
    lines += [f"Not uploaded: {path}: {error}" for path, error in failures[:MAX_FAILURES_SHOWN]]
    if len(failures) > MAX_FAILURES_SHOWN:
        lines.append(f"Not uploaded: {len(failures) - MAX_FAILURES_SHOWN:,} more")
    if uploaded.not_attempted:
        lines.append(f"Not attempted after these failures: {uploaded.not_attempted:,} photos")
    if failures:
        lines.append("Fix the cause and run the command again. Uploaded photos are skipped.")
    elif unknown := _unknown_classes(ctx, photos):
        lines.append(f"Before you retrain, deploy the stack with the classes {', '.join(unknown)}.")
    else:
        lines.append("To train on them: scones retrain --wait")
    return lines
