"""The figures of a report, from the photos that were decided."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from scones.classes import NONE_OF_THE_CLASSES
from scones.percentiles import percentile
from scones_operator.photos.upload_results import is_right
from scones_operator.report.photo_rows import NOT_A_VEHICLE, STEPS, Photo

SINGLE = 80
"""Up to so many photos have a bar each."""

INTERVALS = 60
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
    unsure: int
    low: float
    median: float
    high: float
    threshold: float


@dataclass(frozen=True)
class Predicted:
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
class Ending:
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
class OfClass:
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
    right: int


@dataclass(frozen=True)
class Judged:
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
    right: int
    accepted: int
    accepted_right: int
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    @property
    def by_class(self) -> list[OfClass]:
        """Counts of each class that the model predicts or has."""
        numbers = dict(zip(self.rows, self.matrix, strict=True))
        found = []
        for place, label in enumerate(self.columns):
            row = numbers.get(label, (0,) * len(self.columns))
            predicted = sum(one[place] for one in self.matrix)
            found.append(OfClass(label, sum(row), predicted, row[place]))
        return found

    @property
    def lines(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """The matrix with its names: rows, and in each the columns with their counts."""
        each = zip(self.rows, self.matrix, strict=True)
        return [(row, list(zip(self.columns, counts, strict=True))) for row, counts in each]

    @property
    def most(self) -> int:
        """The highest count of the matrix."""
        return max(max(row) for row in self.matrix)


def answered(photos: Iterable[Photo]) -> list[Photo]:
    """Return the photos that the model gave an answer to."""
    return [photo for photo in photos if photo.confidence is not None]


def intervals(photos: Sequence[Photo]) -> list[Interval]:
    """Put the photos that the model answered together by time; there must be one.

    Parameters
    ----------
    photos
        In the order of their decisions.
    """
    asked = answered(photos)
    covered = asked[-1].at - asked[0].at
    length = next((one for one in _LENGTHS if covered / one <= INTERVALS), _LENGTHS[-1])

    def start(photo: Photo) -> datetime:
        since = photo.at - datetime.min.replace(tzinfo=UTC)
        return photo.at - since % length

    return [_interval(at, length, list(held)) for at, held in groupby(asked, key=start)]


def _interval(start: datetime, length: timedelta, held: Sequence[Photo]) -> Interval:
    confidences = [photo.confidence or 0.0 for photo in held]
    return Interval(
        start=start,
        length=length,
        photos=len(held),
        unsure=sum(photo.status == "needs_review" for photo in held),
        low=percentile(confidences, 10),
        median=percentile(confidences, 50),
        high=percentile(confidences, 90),
        threshold=held[-1].threshold or 0.0,
    )


def predicted(photos: Iterable[Photo], class_names: Sequence[str]) -> list[Predicted]:
    """Count predictions by class: the stack's classes in their order, then others that occur."""
    counts = Counter((photo.label, photo.status) for photo in photos if photo.label)
    others = sorted({label for label, _ in counts if label} - set(class_names))
    return [
        Predicted(label, counts[label, "classified"], counts[label, "needs_review"])
        for label in (*class_names, *others)
    ]


def latencies(photos: Sequence[Photo]) -> list[Latency]:
    """Return how long each step takes, without those that no photo reached."""
    found = []
    for index, step in enumerate(STEPS):
        taken = [ms for photo in photos if (ms := photo.steps[index]) is not None]
        if taken:
            found.append(Latency(step, len(taken), percentile(taken, 50), percentile(taken, 95)))
    return found


def endings(photos: Iterable[Photo]) -> list[Ending]:
    """Count why photos were rejected, or have failed, the most frequent first."""
    by_reason: dict[tuple[str, str], list[Photo]] = defaultdict(list)
    for photo in photos:
        if photo.reason and photo.label is None:
            by_reason[photo.status, photo.reason].append(photo)
    found = [
        Ending(status, reason, len(held), held[-1].key, held[-1].message or "")
        for (status, reason), held in by_reason.items()
    ]
    return sorted(found, key=lambda ending: -ending.photos)


def judged_by_truth(photos: Iterable[Photo], class_names: Sequence[str]) -> Judged | None:
    """Compare the model's answers with the classes that the report was given; None without any.

    A photo of none of the classes is right in review.
    """
    return _judged(photos, class_names, lambda photo: photo.truth, _is_right_by_truth)


def confident_mistakes(photos: Iterable[Photo]) -> list[Photo]:
    """Return the photos that the model decided wrongly by the truth, the most confident first."""
    found = [
        photo
        for photo in photos
        if photo.status == "classified" and photo.truth and not _is_right_by_truth(photo)
    ]
    return sorted(found, key=lambda photo: -(photo.confidence or 0.0))


def _is_right_by_truth(photo: Photo) -> bool:
    truth = NONE_OF_THE_CLASSES if photo.truth == NOT_A_VEHICLE else photo.truth or ""
    return is_right(truth, photo.label, photo.status)


def judged_by_people(photos: Iterable[Photo], class_names: Sequence[str]) -> Judged | None:
    """Hold the model's guesses against what people said of them; None where they said nothing."""
    return _judged(
        photos, class_names, lambda photo: photo.said, lambda photo: photo.label == photo.said
    )


def _judged(
    photos: Iterable[Photo],
    class_names: Sequence[str],
    actual: Callable[[Photo], str | None],
    is_right: Callable[[Photo], bool],
) -> Judged | None:
    known = [photo for photo in photos if photo.label and actual(photo)]
    if not known:
        return None
    pairs = [(actual(photo) or "", photo.label or "") for photo in known]
    counts = Counter(pairs)
    rows = _ordered((shows for shows, _ in pairs), class_names)
    columns = _ordered((label for _, label in pairs), class_names)
    accepted = [photo for photo in known if photo.status == "classified"]
    return Judged(
        photos=len(known),
        right=sum(map(is_right, known)),
        accepted=len(accepted),
        accepted_right=sum(map(is_right, accepted)),
        rows=rows,
        columns=columns,
        matrix=tuple(tuple(counts[row, column] for column in columns) for row in rows),
    )


def _ordered(found: Iterable[str], class_names: Sequence[str]) -> tuple[str, ...]:
    """Put the classes in their order, others behind them, and what is no class last."""
    others = sorted(set(found) - set(class_names), key=lambda name: (name == NOT_A_VEHICLE, name))
    return (*class_names, *others)
