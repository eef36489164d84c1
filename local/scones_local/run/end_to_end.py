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
from scones_local.run.application import Settings, install
from scones_local.run.classify import Result, as_row, decide_photos
from scones_local.run.output import Screen
from scones_local.run.photo_folder import Dataset, Photos, read_dataset, read_photos
from scones_local.run.summary import status_of, summarize, unexpected
from scones_operator.aws.stack import Stack
from scones_operator.captures.files import Span
from scones_operator.datasets.class_folders import require_enough_photos
from scones_operator.datasets.few_photos import warn_of_few_photos
from scones_operator.datasets.staging import VALIDATION_SHARE
from scones_operator.datasets.unusable_photos import leave_out_unusable
from scones_operator.escaping import escape, quote
from scones_operator.folder_files import FolderError, format_unusable

if TYPE_CHECKING:
    import boto3

WORK = deploy.ROOT / ".local"
REPORT = deploy.ROOT / "build" / "run"

UNUSABLE = "unusable-photos.txt"
"""Name of the file in the folder for work that lists the photos that cannot be decoded."""

MINIMUM_ACCURACY = 0.8
"""Of the drawn photos; a model that learnt anything has 0.9 and more."""

CAPTURE_SECONDS, CAPTURE_LOOKS = 8.0, 32
"""How long to wait for what the endpoint captures, and how often to look."""


class JobError(Exception):
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
    photos: Photos
    expected: Mapping[str, Set[str]] = field(default_factory=dict)
    minimum_accuracy: float | None = None


def collect_inputs(
    dataset: Path | None,
    photos: Path | None,
    class_names: Sequence[str],
    work: Path,
    screen: Screen,
) -> Inputs:
    """Read the user's folders; the drawn samples stand in for what is not given.

    With a dataset of the user's own and no photos, its validation photos are decided.

    Raises
    ------
    FolderError
        If a folder is not laid out as it must be.
    """
    drawn = samples.Samples.at(work / "samples")
    if dataset is None:
        _draw(drawn, screen)
    learned = _usable_dataset(dataset or drawn.dataset, class_names, work, screen)
    _say_passed_over(dataset, learned.passed_over, screen)
    screen.say(_dataset_line(learned))
    for warning in warn_of_few_photos(learned):
        screen.say(warning)
    _say_splits(learned, screen)
    _say_unusable(learned, dataset or drawn.dataset, work, screen)
    if photos is not None:
        given = read_photos(photos, learned.class_names)
        _say_passed_over(photos, given.passed_over, screen)
        if given.not_classes:
            folders = ", ".join(map(quote, given.not_classes))
            screen.say(f"Not a class, so photos there count as none of the classes: {folders}")
        return Inputs(learned, given)
    if dataset is not None:
        return Inputs(learned, Photos(dataset, learned.validation))
    expected = {photo.path: frozenset(photo.statuses) for photo in drawn.read_manifest()}
    found = read_photos(drawn.photos, learned.class_names)
    return Inputs(learned, found, expected, MINIMUM_ACCURACY)


def _draw(drawn: samples.Samples, screen: Screen) -> None:
    if drawn.manifest.exists():
        return
    with screen.step("Drawing sample photos"):
        try:
            samples.generate(drawn.manifest.parent)
        except FileExistsError as error:
            raise FolderError(str(error)) from None


def _usable_dataset(
    folder: Path, class_names: Sequence[str], work: Path, screen: Screen
) -> Dataset:
    """Read a dataset without the photos that cannot be decoded, which are listed in a file.

    Raises
    ------
    FolderError
        If it is not laid out as it must be, or a class has too few usable photos.
    """
    listed = read_dataset(folder, class_names)
    with screen.step("Checking photos") as show:
        usable = leave_out_unusable(listed, lambda amount: show(str(amount)))
    _write_unusable(usable, folder, work / UNUSABLE)
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


def _say_passed_over(folder: Path | None, count: int, screen: Screen) -> None:
    if count:
        files = "1 file that is not a photo" if count == 1 else f"{count} files that are not photos"
        screen.say(f"Skipped {files} in {folder}")


def _dataset_line(dataset: Dataset) -> str:
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


def _say_splits(dataset: Dataset, screen: Screen) -> None:
    """Print which folders are used for what if the dataset has own splits, and what is unused."""
    if dataset.splits:
        screen.say(
            f"Training on {dataset.splits['train']}, validating on {dataset.splits['validation']}"
        )
    for what, count in dataset.photos_left_out.items():
        screen.say(f"Skipped: {what} ({count:,})")


def _say_unusable(dataset: Dataset, folder: Path, work: Path, screen: Screen) -> None:
    """Print the first photos that cannot be decoded, and the file that has them all."""
    for line in format_unusable(_unusable_names(dataset, folder)):
        screen.say(f"  {line}")
    if dataset.unusable:
        screen.say(f"  All of them: {work / UNUSABLE}")


def _a_moment() -> None:
    time.sleep(CAPTURE_SECONDS / CAPTURE_LOOKS)


def run(inputs: Inputs, settings: Settings, screen: Screen, work: Path, report: Path) -> int:
    """Do the whole job in a local cloud of its own.

    Parameters
    ----------
    inputs
        What to learn from and what to decide.
    settings
        What to train.
    screen
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
    JobError
        If the local cloud refuses or breaks off a request.
    scones_training.errors.BadInput
        If the trainer would not take a setting; nothing was started then.
    """
    started, begun = time.monotonic(), datetime.now(UTC)
    for line in settings.describe(inputs.dataset):
        screen.say(line)
    with screen.step("Starting the local cloud"):
        running = lifecycle.start(work / "run")
    with running, naming_the_log(running):
        stack, model = install(running, work, inputs.dataset, settings, screen)
        screen.say(f"Classifying {len(inputs.photos.photos)} photos:")
        results = decide_photos(running.session(), stack, "run", inputs.photos, screen.photo)
        figures = summarize(results, model, time.monotonic() - started)
        write_report(report, results, figures)
        with screen.step("Writing the report"):
            page = write_page(running.session(), stack, begun, report)
    screen.figures(figures)
    screen.say(f"Written: {report / 'summary.json'}, {report / 'results.jsonl'}")
    screen.say(f"The report, a page that opens offline: {page}")
    complaints = list(_complaints(inputs, results, figures["accuracy"]))
    for complaint in complaints:
        screen.say(complaint)
    return 1 if complaints else 0


@contextmanager
def naming_the_log(running: lifecycle.Cloud) -> Iterator[None]:
    """Turn what the local cloud answers instead of obeying into a line with its log's name."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        log = running.state / "cloud.log"
        raise JobError(f"the local cloud: {error} (its log: {log})") from error


def _complaints(inputs: Inputs, results: Sequence[Result], accuracy: float | None) -> Iterator[str]:
    """Say what is not as it should be."""
    for result in unexpected(results, inputs.expected):
        yield _complaint(result)
    if inputs.minimum_accuracy is not None and (accuracy or 0.0) < inputs.minimum_accuracy:
        yield (
            f"The accuracy on the test photos, {accuracy}, is below the minimum of "
            f"{inputs.minimum_accuracy}"
        )


def _complaint(result: Result) -> str:
    name = quote(result.name)
    if result.decided is None:
        return f"{name} has no record"
    if not result.announced:
        return f"{name} has the status {status_of(result)}, but it was not announced in time"
    reason = f": {result.decided.reason.message}" if result.decided.reason else ""
    return f"{name} has the unexpected status {status_of(result)}{reason}"


def write_report(report: Path, results: Sequence[Result], figures: Mapping[str, Any]) -> None:
    """Write ``summary.json`` and ``results.jsonl``."""
    report.mkdir(parents=True, exist_ok=True)
    rows = "".join(as_row(result) + "\n" for result in results)
    (report / "results.jsonl").write_text(rows, encoding="utf-8")
    (report / "summary.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def write_page(
    session: "boto3.Session",
    stack: Stack,
    begun: datetime,
    report: Path,
    pause: Callable[[], None] = _a_moment,
) -> Path:
    """Write ``report.html`` beside the results, with what they tell of the photos; gives its path.

    Parameters
    ----------
    session, stack
        Where.
    begun
        When the run began.
    report
        The folder that `write_report` wrote to.
    pause
        Called between two looks at what was captured, which is written after the answers.
    """
    # They bring Plotly, which nothing before needs.
    from scones_operator.report import captured_images, generate  # noqa: PLC0415
    from scones_operator.report.ground_truth import labels_of  # noqa: PLC0415
    from scones_operator.report.stats import answered  # noqa: PLC0415

    span = Span(begun, datetime.now(UTC))
    found = generate.gather(session, stack, span, labels_of(report / "results.jsonl"))
    expected = min(len(answered(found.photos)), captured_images.READ)
    for _ in range(CAPTURE_LOOKS):
        if found.pictures.read >= expected:
            break
        pause()
        shown = captured_images.read_pictures(session, stack, span, found.photos)
        found = replace(found, pictures=shown)
    generate.write(found, report / "report.html")
    return report / "report.html"
