"""The job of `make run`: from nothing to decided photos, and the figures in build/run/."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from scones_local import samples
from scones_local.cloud import lifecycle
from scones_local.run import deploy
from scones_local.run.application import Settings, deploy_and_train
from scones_local.run.classify import ResultRow, classify_photos, to_json_line
from scones_local.run.output import Output
from scones_local.run.photo_folder import Dataset, PhotoFolder, read_dataset, read_photos
from scones_local.run.summary import result_status, summarize_results, unexpected_results
from scones_operator.aws.stack import Stack
from scones_operator.captures.files import TimeRange
from scones_operator.datasets.class_folders import require_enough_photos
from scones_operator.datasets.few_photos import warn_of_few_photos
from scones_operator.datasets.staging import VALIDATION_SHARE
from scones_operator.datasets.unusable_photos import leave_out_unusable
from scones_operator.escaping import escape, quote
from scones_operator.folder_files import FolderLayoutError, format_unusable

if TYPE_CHECKING:
    import boto3

WORK_FOLDER = deploy.ROOT / ".local"
REPORT_FOLDER = deploy.ROOT / "build" / "run"

UNUSABLE_PHOTOS_FILE = "unusable-photos.txt"
"""Name of the file in the folder for work that lists the photos that cannot be decoded."""

MINIMUM_ACCURACY = 0.8
"""Of the drawn photos; a model that learnt anything has 0.9 and more."""

CAPTURE_TIMEOUT_SECONDS, MAX_CAPTURE_POLLS = 8.0, 32
"""How long to wait for what the endpoint captures, and how often to look."""


class RunError(Exception):
    """The local cloud did not do as it was told; the message says where its log is."""


@dataclass(frozen=True)
class Inputs:
    """What to learn from and what to decide.

    Attributes
    ----------
    dataset
        Photos to learn from.
    photos
        The photos to decide.
    expected
        Statuses that a photo may rightly end in, by its name, where they are known.
    minimum_accuracy
        The least accuracy of a model that learnt anything, where it is known.
    """

    dataset: Dataset
    photos: PhotoFolder
    expected_statuses: Mapping[str, Set[str]] = field(default_factory=dict)
    minimum_accuracy: float | None = None


def collect_inputs(
    dataset: Path | None,
    photos: Path | None,
    class_names: Sequence[str],
    work: Path,
    output: Output,
) -> Inputs:
    """Read the user's folders; the drawn samples stand in for what is not given.

    With a dataset of the user's own and no photos, its validation photos are decided.

    Raises
    ------
    FolderError
        If a folder is not laid out as it must be.
    """
    generated = samples.Samples.at(work / "samples")
    if dataset is None:
        _generate_samples(generated, output)
    usable = _usable_dataset(dataset or generated.dataset, class_names, work, output)
    _print_skipped(dataset, usable.skipped, output)
    output.say(_format_dataset(usable))
    for warning in warn_of_few_photos(usable):
        output.say(warning)
    _print_splits(usable, output)
    _print_unusable(usable, dataset or generated.dataset, work, output)
    if photos is not None:
        test_photos = read_photos(photos, usable.class_names)
        _print_skipped(photos, test_photos.skipped, output)
        if test_photos.not_classes:
            folders = ", ".join(map(quote, test_photos.not_classes))
            output.say(f"Not a class, so photos there count as none of the classes: {folders}")
        return Inputs(usable, test_photos)
    if dataset is not None:
        return Inputs(usable, PhotoFolder(dataset, usable.validation))
    expected_statuses = {
        photo.path: frozenset(photo.statuses) for photo in generated.read_manifest()
    }
    sample_photos = read_photos(generated.photos, usable.class_names)
    return Inputs(usable, sample_photos, expected_statuses, MINIMUM_ACCURACY)


def _generate_samples(generated: samples.Samples, output: Output) -> None:
    if generated.manifest.exists():
        return
    with output.step("Drawing sample photos"):
        try:
            samples.generate(generated.manifest.parent)
        except FileExistsError as error:
            raise FolderLayoutError(str(error)) from None


def _usable_dataset(
    folder: Path, class_names: Sequence[str], work: Path, output: Output
) -> Dataset:
    """Read a dataset without the photos that cannot be decoded, which are listed in a file.

    Raises
    ------
    FolderError
        If it is not laid out as it must be, or a class has too few usable photos.
    """
    listed = read_dataset(folder, class_names)
    with output.step("Checking photos") as on_update:
        usable = leave_out_unusable(listed, lambda amount: on_update(str(amount)))
    _write_unusable(usable, folder, work / UNUSABLE_PHOTOS_FILE)
    require_enough_photos(folder, usable, VALIDATION_SHARE)
    return usable


def _write_unusable(dataset: Dataset, folder: Path, file: Path) -> None:
    """Write a line per unusable photo to a file; delete it if there are none."""
    if not dataset.unusable:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = format_unusable(_unusable_names(dataset, folder), len(dataset.unusable))
    text = "".join(f"{escape(line)}\n" for line in lines)
    file.write_text(text, encoding="utf-8")


def _unusable_names(dataset: Dataset, folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): problem for path, problem in dataset.unusable.items()
    }


def _print_skipped(folder: Path | None, count: int, output: Output) -> None:
    if count:
        files = "1 file that is not a photo" if count == 1 else f"{count} files that are not photos"
        output.say(f"Skipped {files} in {folder}")


def _format_dataset(dataset: Dataset) -> str:
    """Write what there is to learn from as one line.

    Examples
    --------
    >>> _dataset_line(Dataset(("car", "van"), (), ()))
    '2 classes: car, van; photos: 0 to train, 0 to validate'
    """
    names = dataset.class_names
    negatives = f", {len(dataset.negatives)} of none of the classes" if dataset.negatives else ""
    return (
        f"{len(names)} classes: {', '.join(names)}; photos: {len(dataset.train)} to train, "
        f"{len(dataset.validation)} to validate{negatives}"
    )


def _print_splits(dataset: Dataset, output: Output) -> None:
    """Print which folders are used for what if the dataset has own splits, and what is unused."""
    if dataset.splits:
        output.say(
            f"Training on {dataset.splits['train']}, validating on {dataset.splits['validation']}"
        )
    for title, count in dataset.excluded_photos.items():
        output.say(f"Skipped: {title} ({count:,})")


def _print_unusable(dataset: Dataset, folder: Path, work: Path, output: Output) -> None:
    """Print the first photos that cannot be decoded, and the file that has them all."""
    for line in format_unusable(_unusable_names(dataset, folder)):
        output.say(f"  {line}")
    if dataset.unusable:
        output.say(f"  All of them: {work / UNUSABLE_PHOTOS_FILE}")


def _sleep_briefly() -> None:
    time.sleep(CAPTURE_TIMEOUT_SECONDS / MAX_CAPTURE_POLLS)


def run(inputs: Inputs, settings: Settings, output: Output, work: Path, report: Path) -> int:
    """Do the whole job in a local cloud of its own.

    Parameters
    ----------
    inputs
        What to learn from and what to decide.
    settings
        What to train.
    output
        Where to show it.
    work
        Folder for the cloud's state and for what is built.
    report
        Folder for ``summary.json``, ``results.jsonl`` and ``report.html``.

    Returns
    -------
    int
        0 if every photo ended as it should, else 1.

    Raises
    ------
    RunError
        If the local cloud refuses or breaks off a request.
    scones_training.errors.InputError
        If the trainer would not take a setting; nothing was started then.
    """
    started, started_at = time.monotonic(), datetime.now(UTC)
    for line in settings.describe(inputs.dataset):
        output.say(line)
    with output.step("Starting the local cloud"):
        running = lifecycle.start(work / "run")
    with running, report_cloud_errors(running):
        stack, model = deploy_and_train(running, work, inputs.dataset, settings, output)
        output.say(f"Classifying {len(inputs.photos.photos)} photos:")
        results = classify_photos(running.session(), stack, "run", inputs.photos, output.photo)
        figures = summarize_results(results, model, time.monotonic() - started)
        write_summary(report, results, figures)
        with output.step("Writing the report"):
            page = write_html_report(running.session(), stack, started_at, report)
    output.figures(figures)
    output.say(f"Written: {report / 'summary.json'}, {report / 'results.jsonl'}")
    output.say(f"The report, a page that opens offline: {page}")
    problems = list(_problems(inputs, results, figures["accuracy"]))
    for problem in problems:
        output.say(problem)
    return 1 if problems else 0


@contextmanager
def report_cloud_errors(running: lifecycle.Cloud) -> Iterator[None]:
    """Turn what the local cloud answers instead of obeying into a line with its log's name."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        log = running.state / "cloud.log"
        raise RunError(f"the local cloud: {error} (its log: {log})") from error


def _problems(
    inputs: Inputs, results: Sequence[ResultRow], accuracy: float | None
) -> Iterator[str]:
    """Say what is not as it should be."""
    for result in unexpected_results(results, inputs.expected_statuses):
        yield _format_problem(result)
    if inputs.minimum_accuracy is not None and (accuracy or 0.0) < inputs.minimum_accuracy:
        yield (
            f"The accuracy on the test photos, {accuracy}, is below the minimum of "
            f"{inputs.minimum_accuracy}"
        )


def _format_problem(result: ResultRow) -> str:
    name = quote(result.name)
    if result.decision is None:
        return f"{name} has no record"
    if not result.announced:
        return f"{name} has the status {result_status(result)}, but it was not announced in time"
    reason = f": {result.decision.reason.message}" if result.decision.reason else ""
    return f"{name} has the unexpected status {result_status(result)}{reason}"


def write_summary(report: Path, results: Sequence[ResultRow], figures: Mapping[str, Any]) -> None:
    """Write ``summary.json`` and ``results.jsonl``."""
    report.mkdir(parents=True, exist_ok=True)
    rows = "".join(to_json_line(result) + "\n" for result in results)
    (report / "results.jsonl").write_text(rows, encoding="utf-8")
    (report / "summary.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def write_html_report(
    session: "boto3.Session",
    stack: Stack,
    started_at: datetime,
    report: Path,
    sleep: Callable[[], None] = _sleep_briefly,
) -> Path:
    """Write ``report.html`` beside the results, with what they tell of the photos; gives its path.

    Parameters
    ----------
    session, stack
        Where.
    started_at
        When the run began.
    report
        The folder that `write_summary` wrote to.
    sleep
        Called between two looks at what was captured, which is written after the answers.
    """
    # They bring Plotly, which nothing before needs.
    from scones_operator.report import captured_images, generate  # noqa: PLC0415
    from scones_operator.report.ground_truth import read_labels  # noqa: PLC0415
    from scones_operator.report.stats import with_prediction  # noqa: PLC0415

    time_range = TimeRange(started_at, datetime.now(UTC))
    collected = generate.collect_report(
        session, stack, time_range, read_labels(report / "results.jsonl")
    )
    expected = min(len(with_prediction(collected.photos)), captured_images.MAX_READ)
    for _ in range(MAX_CAPTURE_POLLS):
        if collected.captured_images.read >= expected:
            break
        sleep()
        captured = captured_images.read_captured_images(
            session, stack, time_range, collected.photos
        )
        collected = replace(collected, captured_images=captured)
    generate.write_report(collected, report / "report.html")
    return report / "report.html"
