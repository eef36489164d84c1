"""What a run came to: the figures of ``summary.json``."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any

from scones.percentiles import percentile
from scones_local.run.classify import Result
from scones_local.run.train_and_promote import TrainedModel
from scones_operator.photos.upload_results import is_right

STATUSES = ("classified", "needs_review", "rejected", "failed")
USUAL_ENDS = frozenset({"classified", "needs_review", "rejected"})
"""How a photo of which nothing is known may end: in every way but `failed`."""


def summarize(results: Sequence[Result], model: TrainedModel, seconds: float) -> dict[str, Any]:
    """Return the figures of a run.

    Parameters
    ----------
    results
        What became of each photo.
    model
        What decided.
    seconds
        How long the whole run took.

    Returns
    -------
    dict
        ``photos``, a count for each status, ``unfamiliar`` (photos that need review as they do not
        resemble the training photos), ``accuracy`` (share of the readable labelled photos
        whose most likely class is right; one of none of the classes is right in review) and
        ``accepted_accuracy`` (the same over those classified without a person), 0 to 1 and null
        where there are none; ``labelled`` with ``photos``, ``right``, ``accepted`` and
        ``accepted_right``, of which these are shares; ``latency_ms`` with ``p50`` and ``p95``;
        ``training`` with ``accuracy``, ``seconds``, ``epochs`` (the last one is kept),
        ``best_epoch`` (from 1) and ``best_epoch_accuracy``, null if no epoch was seen; ``seconds``.
    """
    counts = Counter(status_of(result) for result in results)
    labelled = _count_right(results)
    latencies = [result.latency_ms for result in results if result.latency_ms is not None]
    return {
        "photos": len(results),
        **{status: counts[status] for status in STATUSES},
        "unfamiliar": sum(bool(one.decided and one.decided.unfamiliar) for one in results),
        "accuracy": _share(labelled["right"], labelled["photos"]),
        "accepted_accuracy": _share(labelled["accepted_right"], labelled["accepted"]),
        "labelled": labelled,
        "latency_ms": {"p50": _percentile(latencies, 50), "p95": _percentile(latencies, 95)},
        "training": _training(model),
        "seconds": round(seconds, 1),
    }


def _training(model: TrainedModel) -> dict[str, Any]:
    # Of equally good epochs the last one, which may be the one that is kept.
    best = max(enumerate(model.epoch_accuracies, start=1), key=itemgetter(1, 0), default=None)
    return {
        "accuracy": model.accuracy,
        "seconds": round(model.seconds, 1),
        "epochs": len(model.epoch_accuracies) or None,
        "best_epoch": best[0] if best else None,
        "best_epoch_accuracy": best[1] if best else None,
    }


def status_of(result: Result) -> str:
    """Return how a photo ended; one without a record has failed."""
    return result.decided.status if result.decided else "failed"


def unexpected(results: Iterable[Result], expected: Mapping[str, Set[str]]) -> list[Result]:
    """Return the photos that did not end as they should, or whose end was not announced.

    Parameters
    ----------
    results
        What became of each photo.
    expected
        Statuses that a photo may end in, by its name; `USUAL_ENDS` for those not named.
    """
    return [
        result
        for result in results
        if not result.announced or status_of(result) not in expected.get(result.name, USUAL_ENDS)
    ]


def _count_right(results: Iterable[Result]) -> dict[str, int]:
    judged = [
        (
            is_right(result.truth, result.decided.label, result.decided.status),
            result.decided.status == "classified",
        )
        for result in results
        if result.truth
        and result.decided
        and result.decided.status in {"classified", "needs_review"}
    ]
    return {
        "photos": len(judged),
        "right": sum(right for right, _ in judged),
        "accepted": sum(accepted for _, accepted in judged),
        "accepted_right": sum(right and accepted for right, accepted in judged),
    }


def _share(right: int, photos: int) -> float | None:
    return round(right / photos, 4) if photos else None


def _percentile(values: Sequence[float], percent: int) -> float | None:
    return round(percentile(values, percent), 1) if values else None
