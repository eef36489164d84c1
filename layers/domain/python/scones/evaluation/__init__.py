"""How good a model is on the validation photos of a run, and whether it may replace another."""

from scones.evaluation.evaluate import evaluate
from scones.evaluation.report import publish

__all__ = ["evaluate", "publish"]
