"""The figures of a report, from the photos that were decided."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from scones.classes import NONE_OF_THE_CLASSES
from scones.percentiles import percentile
from scones_operator.photos.upload_results import is_correct
from scones_operator.report.photo_rows import NONE_OF_THE_CLASSES_TEXT, STEPS, ReportPhoto

MAX_SINGLE_BARS = 80
"""Up to so many photos have a bar each."""

MAX_INTERVALS = 60
"""More are put together into about so many intervals, of a length that people count in."""

_LENGTHS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600),
        *(6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 30 * 86400),
    )
)


@dataclass(frozen=True)
class Interval:
    """The photos that the model was asked about in a stretch of time.

    Attributes
    ----------
    start, length
        Which stretch.
    photos, unsure
        How many, and how many of them a person had to look at.
    low, median, high
        Of their confidences: a tenth is below `low`, a tenth above `high`.
    threshold
        The last one that they were held against.
    """

    start: datetime
    length: timedelta
    photos: int
    needs_review: int
    low: float
    median: float
    high: float
    threshold: float


@dataclass(frozen=True)
class ClassCounts:
    """How often a class was predicted, surely and not."""

    label: str
    classified: int
    needs_review: int

    @property
    def photos(self) -> int:
        """Both together."""
        return self.classified + self.needs_review


@dataclass(frozen=True)
class Latency:
    """How long a step takes, in milliseconds, of so many photos."""

    step: str
    photos: int
    p50: float
    p95: float


@dataclass(frozen=True)
class ReasonCount:
    """Photos that were rejected, or have failed, for the same reason.

    Attributes
    ----------
    status, reason, photos
        How, why, how many.
    example, message
        The latest one, and what was said of it.
    """

    status: str
    reason: str
    photos: int
    example: str
    message: str


@dataclass(frozen=True)
class ClassAccuracy:
    """Counts behind recall and precision of a class.

    Attributes
    ----------
    label
        The class.
    photos
        Number of photos that show it.
    predicted
        Number of photos that the model takes for it.
    right
        Number of photos that are both.
    """

    label: str
    photos: int
    predicted: int
    correct: int


@dataclass(frozen=True)
class AccuracyStats:
    """How right the model is where it is known what photos show.

    Attributes
    ----------
    photos, right
        How many photos the model was asked about, and of how many it was right.
    accepted, accepted_right
        The same of those that it was sure of.
    rows, columns
        What photos show, and what the model takes them for.
    matrix
        Photos by row and column.
    """

    photos: int
    correct: int
    accepted: int
    accepted_correct: int
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    @property
    def by_class(self) -> list[ClassAccuracy]:
        """Counts of each class that the model predicts or has."""
        numbers = dict(zip(self.rows, self.matrix, strict=True))
        classes = []
        for index, label in enumerate(self.columns):
            row = numbers.get(label, (0,) * len(self.columns))
            predicted = sum(counts[index] for counts in self.matrix)
            classes.append(ClassAccuracy(label, sum(row), predicted, row[index]))
        return classes

    @property
    def lines(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """The matrix with its names: rows, and in each the columns with their counts."""
        each = zip(self.rows, self.matrix, strict=True)
        return [(row, list(zip(self.columns, counts, strict=True))) for row, counts in each]

    @property
    def max_count(self) -> int:
        """The highest count of the matrix."""
        return max(max(row) for row in self.matrix)


def with_prediction(photos: Iterable[ReportPhoto]) -> list[ReportPhoto]:
    """Return the photos that the model gave an answer to."""
    return [photo for photo in photos if photo.confidence is not None]


def group_by_interval(photos: Sequence[ReportPhoto]) -> list[Interval]:
    """Put the photos that the model answered together by time; there must be one.

    Parameters
    ----------
    photos
        In the order of their decisions.
    """
    predicted_photos = with_prediction(photos)
    covered = predicted_photos[-1].decided_at - predicted_photos[0].decided_at
    length = next(
        (candidate for candidate in _LENGTHS if covered / candidate <= MAX_INTERVALS), _LENGTHS[-1]
    )

    def start(photo: ReportPhoto) -> datetime:
        since = photo.decided_at - datetime.min.replace(tzinfo=UTC)
        return photo.decided_at - since % length

    return [
        _interval(start_time, length, list(group))
        for start_time, group in groupby(predicted_photos, key=start)
    ]


def _interval(start: datetime, length: timedelta, group: Sequence[ReportPhoto]) -> Interval:
    confidences = [photo.confidence or 0.0 for photo in group]
    return Interval(
        start=start,
        length=length,
        photos=len(group),
        needs_review=sum(photo.status == "needs_review" for photo in group),
        low=percentile(confidences, 10),
        median=percentile(confidences, 50),
        high=percentile(confidences, 90),
        threshold=group[-1].threshold or 0.0,
    )


def count_predictions(
    photos: Iterable[ReportPhoto], class_names: Sequence[str]
) -> list[ClassCounts]:
    """Count predictions by class: the stack's classes in their order, then others that occur."""
    counts = Counter((photo.label, photo.status) for photo in photos if photo.label)
    others = sorted({label for label, _ in counts if label} - set(class_names))
    return [
        ClassCounts(label, counts[label, "classified"], counts[label, "needs_review"])
        for label in (*class_names, *others)
    ]


def latency_stats(photos: Sequence[ReportPhoto]) -> list[Latency]:
    """Return how long each step takes, without those that no photo reached."""
    stats = []
    for index, step in enumerate(STEPS):
        durations = [ms for photo in photos if (ms := photo.steps[index]) is not None]
        if durations:
            stats.append(
                Latency(step, len(durations), percentile(durations, 50), percentile(durations, 95))
            )
    return stats


def count_reasons(photos: Iterable[ReportPhoto]) -> list[ReasonCount]:
    """Count why photos were rejected, or have failed, the most frequent first."""
    by_reason: dict[tuple[str, str], list[ReportPhoto]] = defaultdict(list)
    for photo in photos:
        if photo.reason and photo.label is None:
            by_reason[photo.status, photo.reason].append(photo)
    counts = [
        ReasonCount(status, reason, len(group), group[-1].key, group[-1].message or "")
        for (status, reason), group in by_reason.items()
    ]
    return sorted(counts, key=lambda ending: -ending.photos)


def accuracy_by_ground_truth(
    photos: Iterable[ReportPhoto], class_names: Sequence[str]
) -> AccuracyStats | None:
    """Compare the model's answers with the classes that the report was given; None without any.

    A photo of none of the classes is right in review.
    """
    return _accuracy(photos, class_names, lambda photo: photo.truth, _is_correct_by_truth)


def confident_mistakes(photos: Iterable[ReportPhoto]) -> list[ReportPhoto]:
    """Return the photos that the model decided wrongly by the truth, the most confident first."""
    found = [
        photo
        for photo in photos
        if photo.status == "classified" and photo.truth and not _is_correct_by_truth(photo)
    ]
    return sorted(found, key=lambda photo: -(photo.confidence or 0.0))


def _is_correct_by_truth(photo: ReportPhoto) -> bool:
    truth = NONE_OF_THE_CLASSES if photo.truth == NONE_OF_THE_CLASSES_TEXT else photo.truth or ""
    return is_correct(truth, photo.label, photo.status)


def accuracy_by_reviews(
    photos: Iterable[ReportPhoto], class_names: Sequence[str]
) -> AccuracyStats | None:
    """Hold the model's guesses against what people said of them; None where they said nothing."""
    return _accuracy(
        photos,
        class_names,
        lambda photo: photo.reviewed_label,
        lambda photo: photo.label == photo.reviewed_label,
    )


def _accuracy(
    photos: Iterable[ReportPhoto],
    class_names: Sequence[str],
    actual: Callable[[ReportPhoto], str | None],
    is_right: Callable[[ReportPhoto], bool],
) -> AccuracyStats | None:
    labeled = [photo for photo in photos if photo.label and actual(photo)]
    if not labeled:
        return None
    pairs = [(actual(photo) or "", photo.label or "") for photo in labeled]
    counts = Counter(pairs)
    rows = _ordered((label_shown for label_shown, _ in pairs), class_names)
    columns = _ordered((label for _, label in pairs), class_names)
    accepted = [photo for photo in labeled if photo.status == "classified"]
    return AccuracyStats(
        photos=len(labeled),
        correct=sum(map(is_right, labeled)),
        accepted=len(accepted),
        accepted_correct=sum(map(is_right, accepted)),
        rows=rows,
        columns=columns,
        matrix=tuple(tuple(counts[row, column] for column in columns) for row in rows),
    )


def _ordered(found: Iterable[str], class_names: Sequence[str]) -> tuple[str, ...]:
    """Put the classes in their order, others behind them, and what is no class last."""
    others = sorted(
        set(found) - set(class_names), key=lambda name: (name == NONE_OF_THE_CLASSES_TEXT, name)
    )
    return (*class_names, *others)
