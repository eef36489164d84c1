"""What a run came to: the figures of ``summary.json``."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any

from scones.percentiles import percentile
from scones_local.run.classify import ResultRow
from scones_local.run.train_and_promote import TrainedModel
from scones_operator.photos.upload_results import is_correct

STATUSES = ("classified", "needs_review", "rejected", "failed")
DEFAULT_STATUSES = frozenset({"classified", "needs_review", "rejected"})
"""How a photo of which nothing is known may end: in every way but `failed`."""


def summarize_results(
    results: Sequence[ResultRow], model: TrainedModel, seconds: float
) -> dict[str, Any]:
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
        where there are none; ``labeled`` with ``photos``, ``right``, ``accepted`` and
        ``accepted_right``, of which these are shares; ``latency_ms`` with ``p50`` and ``p95``;
        ``training`` with ``accuracy``, ``seconds``, ``epochs`` (the last one is kept),
        ``best_epoch`` (from 1) and ``best_epoch_accuracy``, null if no epoch was seen; ``seconds``.
    """
    counts = Counter(result_status(result) for result in results)
    labeled = _count_correct(results)
    latencies = [result.latency_ms for result in results if result.latency_ms is not None]
    return {
        "photos": len(results),
        **{status: counts[status] for status in STATUSES},
        "unfamiliar": sum(
            bool(result_status_name.decision and result_status_name.decision.unfamiliar)
            for result_status_name in results
        ),
        "accuracy": _share(labeled["right"], labeled["photos"]),
        "accepted_accuracy": _share(labeled["accepted_right"], labeled["accepted"]),
        "labelled": labeled,
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


def result_status(result: ResultRow) -> str:
    """Return how a photo ended; one without a record has failed."""
    return result.decision.status if result.decision else "failed"


def unexpected_results(
    results: Iterable[ResultRow], expected: Mapping[str, Set[str]]
) -> list[ResultRow]:
    """Return the photos that did not end as they should, or whose end was not announced.

    Parameters
    ----------
    results
        What became of each photo.
    expected
        Statuses that a photo may end in, by its name; `DEFAULT_STATUSES` for those not named.
    """
    return [
        result
        for result in results
        if not result.announced
        or result_status(result) not in expected.get(result.name, DEFAULT_STATUSES)
    ]


def _count_correct(results: Iterable[ResultRow]) -> dict[str, int]:
    labeled = [
        (
            is_correct(result.truth, result.decision.label, result.decision.status),
            result.decision.status == "classified",
        )
        for result in results
        if result.truth
        and result.decision
        and result.decision.status in {"classified", "needs_review"}
    ]
    return {
        "photos": len(labeled),
        "right": sum(correct for correct, _ in labeled),
        "accepted": sum(accepted for _, accepted in labeled),
        "accepted_right": sum(correct and accepted for correct, accepted in labeled),
    }


def _share(correct: int, photos: int) -> float | None:
    return round(correct / photos, 4) if photos else None


def _percentile(values: Sequence[float], percent: int) -> float | None:
    return round(percentile(values, percent), 1) if values else None
