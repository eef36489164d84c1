"""`scones threshold`."""

from collections.abc import Mapping
from math import floor
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from scones.decisions import REVIEW
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import CommandContext
from scones_operator.errors import PreconditionError
from scones_operator.models import threshold as operations
from scones_operator.models.threshold import OperatingPoint, RiskCoverageCurve, format_threshold

BAR_WIDTH = 20
"""Characters of a bar for all photos."""

COLUMNS = ("threshold", "accepted", " error", "", "")

REFERENCE_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Thresholds that are shown in addition to the current and the suggested one."""


def threshold(
    ctx: CommandContext,
    value: Annotated[
        float | None,
        typer.Argument(metavar="VALUE", min=0, max=1, help="Confidence threshold to set, 0 to 1."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Set the lowest threshold that reaches this precision (0 to 1)."
        ),
    ] = None,
    familiarity_limit: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Familiarity limit to set, 0 to 1; 0 disables it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be set.")] = False,
) -> None:
    """Show or set the limits below which a photo needs review.

    For the confidence threshold, shows the share of photos that are classified without review, and
    the share of these that is incorrect; for the familiarity limit, the share of photos below it.
    """
    if value is not None and precision is not None:
        raise typer.BadParameter("give VALUE or --precision, not both")
    before = operations.read_threshold(ctx.session, ctx.stack)
    limit_before = operations.read_familiarity_limit(ctx.session, ctx.stack)
    by_class = ctx.stack.thresholds_by_class
    curve, reason = _curve(ctx, required=precision is not None)
    requested = (
        curve.for_precision(precision).threshold if curve and precision is not None else value
    )
    if requested is not None and not dry_run:
        operations.write_threshold(ctx.session, ctx.stack, requested)
    if familiarity_limit is not None and not dry_run:
        operations.write_familiarity_limit(ctx.session, ctx.stack, familiarity_limit)
    record = _threshold_json(ctx, curve, before, requested)
    limit_record = _limit_json(ctx, curve, limit_before, familiarity_limit)
    ctx.output.print_result(
        {
            **record,
            "by_class": {
                name: format_threshold(value) if value <= 1 else REVIEW
                for name, value in by_class.items()
            },
            "set": requested is not None and not dry_run,
            "familiarity_limit": {
                **limit_record,
                "set": familiarity_limit is not None and not dry_run,
            },
        },
        *_format_change(before, requested, dry_run=dry_run),
        *_format_by_class(by_class),
        _format_limit_change(limit_before, familiarity_limit, dry_run=dry_run),
        *(
            _format_curve(curve, before, requested, _configured_precision(ctx))
            if curve
            else [f"No curve: {reason}."]
        ),
        *(_format_familiarity(curve, limit_record["limit"]) if curve else []),
    )


def _curve(ctx: CommandContext, *, required: bool) -> tuple[RiskCoverageCurve | None, str]:
    """Give the curve, or the reason for which there is none."""
    try:
        return operations.load_curve(ctx.session, ctx.stack), ""
    except PreconditionError as reason:
        if required:
            raise
        return None, str(reason)


def _configured_precision(ctx: CommandContext) -> float:
    """Give the precision that retraining suggests thresholds for."""
    return float(ctx.stack.parameters.get("WantedPrecision", "0.99"))


def _threshold_json(
    ctx: CommandContext,
    curve: RiskCoverageCurve | None,
    before: float | None,
    requested: float | None,
) -> dict[str, Any]:
    record: dict[str, Any] = {"parameter": ctx.stack.threshold_parameter, "before": before}
    record["threshold"] = before if requested is None else requested
    if curve is None:
        return {**record, "curve": None}
    points = sorted(curve.points, key=lambda point: point.threshold)
    now = record["threshold"]
    return {
        **record,
        "effect": None if now is None else _operating_point_json(curve.at_threshold(now)),
        "curve": {
            "version": curve.version,
            "run": curve.run,
            "photos": curve.photos,
            "points": [
                {"threshold": point.threshold, "coverage": point.coverage, "risk": point.risk}
                for point in points
            ],
        },
    }


def _limit_json(
    ctx: CommandContext,
    curve: RiskCoverageCurve | None,
    before: float | None,
    requested: float | None,
) -> dict[str, Any]:
    evaluation = curve.familiarity if curve else None
    return {
        "parameter": ctx.stack.familiarity_limit_parameter,
        "before": before,
        "limit": before if requested is None else requested,
        "evaluation": evaluation.model_dump() if evaluation else None,
    }


def _format_limit_change(before: float | None, requested: float | None, *, dry_run: bool) -> str:
    now = "not a number from 0 to 1" if before is None else format_threshold(before)
    if requested is None:
        return _format_limit(before, now)
    if dry_run:
        return f"The familiarity limit is {now} and would be set to {format_threshold(requested)}."
    if before == requested:
        return f"The familiarity limit is already {now}."
    return (
        f"The familiarity limit was {now} and is now {format_threshold(requested)}. "
        "It applies within a minute, to photos that are classified after that."
    )


def _format_limit(limit: float | None, text: str) -> str:
    if limit is None:
        return f"The familiarity limit is {text}: photos fail with InvalidFamiliarityLimit."
    if limit == 0:
        return "The familiarity limit is 0: unfamiliar photos are classified like any other."
    return f"A photo with a familiarity below {text} needs review, whatever its confidence."


def _format_familiarity(curve: RiskCoverageCurve, limit: float | None) -> list[RenderableType]:
    """Describe the effect of the familiarity limit, by the evaluation and by construction."""
    evaluation = curve.familiarity
    if evaluation is None:
        return [
            "",
            f"Version {curve.version} was evaluated without familiarity: if its model gives none, "
            "the familiarity limit does not apply.",
        ]
    line = (
        f"Of {evaluation.photos} validation photos, {evaluation.below_limit:.1%} are below a "
        f"familiarity of {format_threshold(evaluation.limit)}"
    )
    if evaluation.negatives_passed is not None:
        line += (
            f"; of {evaluation.negatives} held-out photos of none of the classes, "
            f"{1 - evaluation.negatives_passed:.1%} are"
        )
    lines: list[RenderableType] = ["", f"{line}. The shares above are by confidence alone."]
    if limit and evaluation.photos < (needed := _photos_needed(limit)):
        lines.append(
            f"A limit of {format_threshold(limit)} has no effect with {evaluation.photos} "
            f"validation photos: it needs at least {needed}."
        )
    elif limit is not None and limit != evaluation.limit:
        lines.append(
            f"At a limit of {format_threshold(limit)}, about {limit:.1%} of photos of the learned "
            "classes need review for that, by construction."
        )
    return lines


def _photos_needed(limit: float) -> int:
    """Return how many validation photos a familiarity limit above 0 needs to have an effect.

    The lowest familiarity that a model calibrated on *n* photos gives is 1/(*n* + 1)
    (`scones_training.familiarity`).
    """
    return floor(1 / limit)


def _operating_point_json(point: OperatingPoint) -> dict[str, Any]:
    return {"coverage": point.coverage, "risk": point.risk}


def _format_change(
    before: float | None, requested: float | None, *, dry_run: bool
) -> list[RenderableType]:
    now = "not a number from 0 to 1" if before is None else format_threshold(before)
    if requested is None:
        return [f"A photo with a confidence below {now} needs review."]
    if dry_run:
        return [
            f"The threshold is {now} and would be set to {format_threshold(requested)}. Nothing "
            "was changed."
        ]
    if before == requested:
        return [f"The threshold is already {now}."]
    return [
        f"The threshold was {now} and is now {format_threshold(requested)}. "
        "It applies within a minute, to photos that are classified after that."
    ]


def _format_by_class(by_class: Mapping[str, float]) -> list[RenderableType]:
    """List the classes to which the general threshold does not apply."""
    always = [name for name, value in by_class.items() if value > 1]
    own = [f"{name} {format_threshold(value)}" for name, value in by_class.items() if value <= 1]
    lines: list[RenderableType] = []
    if own:
        lines.append(f"Classes with another threshold: {', '.join(own)}.")
    if always:
        lines.append(f"Photos of these classes always need review: {', '.join(always)}.")
    if lines:
        lines.append(
            "Both are the template's parameter ThresholdByClass. Shares below are as if all "
            "classes had the same threshold."
        )
    return lines


def _format_curve(
    curve: RiskCoverageCurve, before: float | None, requested: float | None, precision: float
) -> list[RenderableType]:
    marks: dict[float, list[str]] = {value: [] for value in REFERENCE_THRESHOLDS}
    unreachable = ""
    try:
        marks.setdefault(curve.for_precision(precision).threshold, []).append(
            f"precision {precision:g}"
        )
    except PreconditionError as reason:
        unreachable = f"{str(reason)[:1].upper()}{str(reason)[1:]}."
    if before is not None:
        marks.setdefault(before, []).append("now" if requested is None else "before")
    if requested is not None:
        marks.setdefault(requested, []).append("new")
    rows = [_cells(curve.at_threshold(value), ", ".join(marks[value])) for value in sorted(marks)]
    return [
        "",
        f"On the {curve.photos} validation photos of version {curve.version}, which is in "
        "production (█ accepted, ░ needs review):",
        *formatting.format_columns(COLUMNS, rows),
        *([unreachable] if unreachable else []),
    ]


def _cells(point: OperatingPoint, mark: str) -> list[str | Text]:
    risk = "-" if point.risk is None else f"{point.risk:.2%}"
    decided = round(point.coverage * BAR_WIDTH)
    style = "bold" if mark else ""
    return [
        Text(format_threshold(point.threshold), style=style),
        Text(f"{point.coverage:>8.1%}", style=style),
        Text(f"{risk:>6}", style=style),
        Text("█" * decided, style="cyan") + Text("░" * (BAR_WIDTH - decided), style="dim"),
        Text(f"◀ {mark}" if mark else "", style=style),
    ]
