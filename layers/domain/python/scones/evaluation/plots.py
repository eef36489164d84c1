"""The pictures of an evaluation; the only module that needs the layer with Matplotlib."""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from scones.evaluation.metrics import RiskCoveragePoint
from scones.evaluation.model_metrics import ModelMetrics, NotEvaluated
from scones.evaluation.report import EvaluationReport

WIDTH = 1000
"""Pixels of a picture."""

MAX_NAME_LENGTH = 22
"""Characters of a class name that are shown: its beginning and its end."""

MAX_NUMBERS = 30
"""Up to so many classes the confusion matrix shows numbers; with more they would overlap."""

_DPI = 100
_QUIET = "#6b7280"
_PAPER = "#ffffff"

_Model = tuple[str, ModelMetrics, str]
"""What a model is called in a legend, how good it is, and its colour."""


def plot_all(report: EvaluationReport) -> dict[str, bytes]:
    """Draw the confusion matrix, the reliability diagram and the risk-coverage curve.

    Parameters
    ----------
    report
        The report.

    Returns
    -------
    dict of str to bytes
        PNG files by name, each `WIDTH` pixels wide.
    """
    return {
        "confusion.png": _png(_confusion(report)),
        "reliability.png": _png(_reliability(report)),
        "risk-coverage.png": _png(_risk_coverage(report)),
    }


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png")  # Agg draws that, without pyplot and its global state
    return file.getvalue()


def _figure(report: EvaluationReport, title: str, height: int) -> Figure:
    figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    figure.suptitle(f"{title}: {report.candidate.photos:,} validation photos\n{report.run}")
    return figure


def _models(report: EvaluationReport) -> list[_Model]:
    models = [("new model", report.candidate, "#1f6fb2")]
    if not isinstance(report.champion, NotEvaluated):
        models.append(("in production", report.champion, "#d9730d"))
    return models


def _confusion(report: EvaluationReport) -> Figure:
    """Draw photos by actual and predicted class, coloured by their share of the actual class."""
    figure = _figure(report, "Confusion", 950)
    axes = figure.subplots()
    matrix = report.candidate.confusion_matrix
    shares = [[count / (sum(row) or 1) for count in row] for row in matrix]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    scale = figure.colorbar(image, ax=axes, shrink=0.8, format=PercentFormatter(1))
    scale.set_label("share of the photos of that class")
    names = [_shorten(name) for name in report.class_names]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)  # a name may hold dollar signs
        text.set_fontsize(min(10.0, 400 / len(names)))
    axes.set_xlabel("what the new model says")
    axes.set_ylabel("what it is")
    if len(names) <= MAX_NUMBERS:
        _write_counts(axes, matrix, shares)
    return figure


def _write_counts(axes: Axes, matrix: list[list[int]], shares: list[list[float]]) -> None:
    longest = len(f"{max(map(max, matrix)):,}")
    size = min(16.0, 700 / len(matrix) / longest)
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            if count:
                color = _PAPER if shares[row][column] > 0.5 else "black"
                axes.text(
                    column, row, f"{count:,}", ha="center", va="center", color=color, size=size
                )


def _shorten(name: str) -> str:
    if len(name) <= MAX_NAME_LENGTH:
        return name
    return f"{name[: MAX_NAME_LENGTH - 9]}…{name[-8:]}"


def _reliability(report: EvaluationReport) -> Figure:
    """Draw how often the models are right by how sure they are, and how often they are so sure."""
    figure = _figure(report, "Reliability", 900)
    axes, below = figure.subplots(2, height_ratios=[3, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle="--", linewidth=1, label="as sure as right")
    models = _models(report)
    for place, (name, metrics, color) in enumerate(models):
        reliability = [reliability for reliability in metrics.reliability if reliability.photos]
        confidences = [reliability.confidence or 0.0 for reliability in reliability]
        accuracies = [reliability.accuracy or 0.0 for reliability in reliability]
        axes.plot(confidences, accuracies, color=color, linewidth=1)
        axes.scatter(
            confidences,
            accuracies,
            s=[15 + 185 * reliability.photos / metrics.photos for reliability in reliability],
            color=color,
            label=f"{name}: calibration error {metrics.calibration_error:.3f}",
        )
        step = 1 / len(metrics.reliability)
        width = 0.9 * step / len(models)
        left = [reliability.lower + 0.05 * step + place * width for reliability in reliability]
        counts = [reliability.photos for reliability in reliability]
        below.bar(left, counts, width=width, align="edge", color=color)
    axes.set_ylabel("share that is right")
    axes.set_ylim(-0.03, 1.03)
    figure.legend(loc="outside lower center")
    below.set_xlabel("confidence")
    below.set_xlim(-0.03, 1.03)
    below.set_ylabel("photos")
    below.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    for panel in (axes, below):
        _decorate(panel)
    return figure


def _risk_coverage(report: EvaluationReport) -> Figure:
    """Draw which share of what is accepted is wrong, by how much is; mark the chosen thresholds."""
    figure = _figure(report, "Risk and coverage", 800)
    axes = figure.subplots()
    wanted_precision = report.limits.wanted_precision
    for name, metrics, color in _models(report):
        curve = metrics.risk_coverage
        axes.plot(
            [point.coverage for point in curve],
            [point.risk for point in curve],
            color=color,
            marker="o" if len(curve) <= 20 else None,
            markersize=4,
            label=f"{name}: {_format_operating_point(metrics.at_threshold, wanted_precision)}",
        )
        if metrics.at_threshold:
            _mark(axes, metrics.at_threshold, color)
    axes.axhline(
        1 - wanted_precision,
        color=_QUIET,
        linestyle="--",
        linewidth=1,
        label=f"wanted precision {wanted_precision:g}",
    )
    axes.set_xlabel("coverage: share of the photos that are decided without a person")
    axes.set_ylabel("risk: share of those that are wrong")
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, _max_risk(report))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside lower center")
    _decorate(axes)
    return figure


def _max_risk(report: EvaluationReport) -> float:
    """Return where the axis of risks ends.

    The first few photos that are accepted make a spike out of a single wrong one: that may leave
    the picture.
    """
    curves = [metrics.risk_coverage for _, metrics, _ in _models(report)]
    risks = [point.risk for curve in curves for point in curve if point.coverage >= 0.05]
    return 1.15 * max(*risks, 1 - report.limits.wanted_precision, 0.01)


def _format_operating_point(point: RiskCoveragePoint | None, wanted_precision: float) -> str:
    if point is None:
        return f"no threshold reaches a precision of {wanted_precision:g}"
    return f"threshold {point.threshold:g} decides {point.coverage:.1%}, {point.risk:.2%} wrong"


def _mark(axes: Axes, point: RiskCoveragePoint, color: str) -> None:
    axes.plot(
        [point.coverage],
        [point.risk],
        color=color,
        marker="D",
        markersize=10,
        markeredgecolor=_PAPER,
        clip_on=False,
        zorder=3,
    )


def _decorate(axes: Axes) -> None:
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
