"""The pictures of an evaluation; the only module that needs the layer with Matplotlib."""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from scones.evaluation.metrics import Point
from scones.evaluation.model_metrics import Judgement, NotJudged
from scones.evaluation.report import Report

WIDTH = 1000
"""Pixels of a picture."""

LONGEST_NAME = 22
"""Characters of a class name that are shown: its beginning and its end."""

MOST_NUMBERS = 30
"""Up to so many classes the confusion matrix shows numbers; with more they would overlap."""

_DPI = 100
_QUIET = "#6b7280"
_PAPER = "#ffffff"

_Model = tuple[str, Judgement, str]
"""What a model is called in a legend, how good it is, and its colour."""


def draw(report: Report) -> dict[str, bytes]:
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


def _figure(report: Report, what: str, height: int) -> Figure:
    figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    figure.suptitle(f"{what}: {report.candidate.photos:,} validation photos\n{report.run}")
    return figure


def _models(report: Report) -> list[_Model]:
    models = [("new model", report.candidate, "#1f6fb2")]
    if not isinstance(report.champion, NotJudged):
        models.append(("in production", report.champion, "#d9730d"))
    return models


def _confusion(report: Report) -> Figure:
    """Draw photos by actual and predicted class, coloured by their share of the actual class."""
    figure = _figure(report, "Confusion", 950)
    axes = figure.subplots()
    matrix = report.candidate.confusion_matrix
    shares = [[count / (sum(row) or 1) for count in row] for row in matrix]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    scale = figure.colorbar(image, ax=axes, shrink=0.8, format=PercentFormatter(1))
    scale.set_label("share of the photos of that class")
    names = [_short(name) for name in report.class_names]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)  # a name may hold dollar signs
        text.set_fontsize(min(10.0, 400 / len(names)))
    axes.set_xlabel("what the new model says")
    axes.set_ylabel("what it is")
    if len(names) <= MOST_NUMBERS:
        _write_counts(axes, matrix, shares)
    return figure


def _write_counts(axes: Axes, matrix: list[list[int]], shares: list[list[float]]) -> None:
    longest = len(f"{max(map(max, matrix)):,}")
    size = min(16.0, 700 / len(matrix) / longest)
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            if count:
                colour = _PAPER if shares[row][column] > 0.5 else "black"
                axes.text(
                    column, row, f"{count:,}", ha="center", va="center", color=colour, size=size
                )


def _short(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}…{name[-8:]}"


def _reliability(report: Report) -> Figure:
    """Draw how often the models are right by how sure they are, and how often they are so sure."""
    figure = _figure(report, "Reliability", 900)
    axes, below = figure.subplots(2, height_ratios=[3, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle="--", linewidth=1, label="as sure as right")
    models = _models(report)
    for place, (name, judgement, colour) in enumerate(models):
        held = [held for held in judgement.reliability if held.photos]
        confidences = [held.confidence or 0.0 for held in held]
        accuracies = [held.accuracy or 0.0 for held in held]
        axes.plot(confidences, accuracies, color=colour, linewidth=1)
        axes.scatter(
            confidences,
            accuracies,
            s=[15 + 185 * held.photos / judgement.photos for held in held],
            color=colour,
            label=f"{name}: calibration error {judgement.calibration_error:.3f}",
        )
        step = 1 / len(judgement.reliability)
        width = 0.9 * step / len(models)
        left = [held.lower + 0.05 * step + place * width for held in held]
        counts = [held.photos for held in held]
        below.bar(left, counts, width=width, align="edge", color=colour)
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


def _risk_coverage(report: Report) -> Figure:
    """Draw which share of what is accepted is wrong, by how much is; mark the chosen thresholds."""
    figure = _figure(report, "Risk and coverage", 800)
    axes = figure.subplots()
    wanted = report.limits.wanted_precision
    for name, judgement, colour in _models(report):
        curve = judgement.risk_coverage
        axes.plot(
            [point.coverage for point in curve],
            [point.risk for point in curve],
            color=colour,
            marker="o" if len(curve) <= 20 else None,
            markersize=4,
            label=f"{name}: {_chosen(judgement.at_threshold, wanted)}",
        )
        if judgement.at_threshold:
            _mark(axes, judgement.at_threshold, colour)
    axes.axhline(
        1 - wanted, color=_QUIET, linestyle="--", linewidth=1, label=f"wanted precision {wanted:g}"
    )
    axes.set_xlabel("coverage: share of the photos that are decided without a person")
    axes.set_ylabel("risk: share of those that are wrong")
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, _highest(report))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside lower center")
    _decorate(axes)
    return figure


def _highest(report: Report) -> float:
    """Return where the axis of risks ends.

    The first few photos that are accepted make a spike out of a single wrong one: that may leave
    the picture.
    """
    curves = [judgement.risk_coverage for _, judgement, _ in _models(report)]
    risks = [point.risk for curve in curves for point in curve if point.coverage >= 0.05]
    return 1.15 * max(*risks, 1 - report.limits.wanted_precision, 0.01)


def _chosen(point: Point | None, wanted: float) -> str:
    if point is None:
        return f"no threshold reaches a precision of {wanted:g}"
    return f"threshold {point.threshold:g} decides {point.coverage:.1%}, {point.risk:.2%} wrong"


def _mark(axes: Axes, point: Point, colour: str) -> None:
    axes.plot(
        [point.coverage],
        [point.risk],
        color=colour,
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
