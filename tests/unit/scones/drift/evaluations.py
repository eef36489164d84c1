"""Evaluations as the retraining writes them, of given confidences and predicted classes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scones.evaluation.metrics import LabeledPrediction
from scones.evaluation.model_metrics import NotEvaluated, compute_model_metrics
from scones.evaluation.report import EvaluationReport
from scones.evaluation.stored_evaluation import StoredEvaluation
from scones.evaluation.verdict import Limits, Verdict

CLASSES = ("bicycle", "motorcycle")


def document(
    confidences: Sequence[float], predicted: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return evaluation.json of a model that was this sure, and predicted each class so often.

    Parameters
    ----------
    confidences
        One for each photo.
    predicted
        Photos by class, in the order of the class indices; all of the first by default.
    """
    counts = predicted or {CLASSES[0]: len(confidences), CLASSES[1]: 0}
    indices = [index for index, count in enumerate(counts.values()) for _ in range(count)]
    answers = [
        LabeledPrediction(0, index, confidence)
        for index, confidence in zip(indices, confidences, strict=True)
    ]
    limits = Limits(0.6, 0.01, 0.99, 0.05)
    return EvaluationReport(
        run="scones-20261102031500-4f9a1c",
        fingerprint="f" * 64,
        class_names=tuple(counts),
        without_prediction=0,
        verdict=Verdict("good", "fine"),
        limits=limits,
        candidate=compute_model_metrics(answers, tuple(counts), limits.wanted_precision),
        champion=NotEvaluated("there is none"),
    ).document()


def evaluation(
    confidences: Sequence[float], predicted: Mapping[str, int] | None = None
) -> StoredEvaluation:
    """Read what `document` returns."""
    return StoredEvaluation.model_validate_json(json.dumps(document(confidences, predicted)))
