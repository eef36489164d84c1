"""`scones threshold`."""

from collections.abc import Mapping
from math import floor
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from scones.decisions import REVIEW
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import Desk
from scones_operator.errors import Refused
from scones_operator.models import threshold as operations
from scones_operator.models.threshold import Curve, Effect, written

BAR = 20
"""Characters of a bar for all photos."""

COLUMNS = ("threshold", "accepted", " error", "", "")

SHOWN = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Thresholds that are shown in addition to the current and the suggested one."""


def threshold(
    desk: Desk,
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
    before = operations.read_threshold(desk.session, desk.stack)
    limit_before = operations.read_familiarity_limit(desk.session, desk.stack)
    by_class = desk.stack.thresholds_by_class
    curve, reason = _curve(desk, required=precision is not None)
    wanted = curve.reaching(precision).threshold if curve and precision is not None else value
    if wanted is not None and not dry_run:
        operations.write_threshold(desk.session, desk.stack, wanted)
    if familiarity_limit is not None and not dry_run:
        operations.write_familiarity_limit(desk.session, desk.stack, familiarity_limit)
    record = _record(desk, curve, before, wanted)
    limit_record = _limit_record(desk, curve, limit_before, familiarity_limit)
    desk.screen.answer(
        {
            **record,
            "by_class": {
                name: written(value) if value <= 1 else REVIEW for name, value in by_class.items()
            },
            "set": wanted is not None and not dry_run,
            "familiarity_limit": {
                **limit_record,
                "set": familiarity_limit is not None and not dry_run,
            },
        },
        *_headline(before, wanted, dry_run=dry_run),
        *_by_class_shown(by_class),
        _limit_shown(limit_before, familiarity_limit, dry_run=dry_run),
        *(_curve_shown(curve, before, wanted, _given(desk)) if curve else [f"No curve: {reason}."]),
        *(_familiarity_shown(curve, limit_record["limit"]) if curve else []),
    )


def _curve(desk: Desk, *, required: bool) -> tuple[Curve | None, str]:
    """Give the curve, or the reason for which there is none."""
    try:
        return operations.read_curve(desk.session, desk.stack), ""
    except Refused as reason:
        if required:
            raise
        return None, str(reason)


def _given(desk: Desk) -> float:
    """Give the precision that retraining suggests thresholds for."""
    return float(desk.stack.parameters.get("WantedPrecision", "0.99"))


def _record(
    desk: Desk, curve: Curve | None, before: float | None, wanted: float | None
) -> dict[str, Any]:
    record: dict[str, Any] = {"parameter": desk.stack.threshold_parameter, "before": before}
    record["threshold"] = before if wanted is None else wanted
    if curve is None:
        return {**record, "curve": None}
    points = sorted(curve.points, key=lambda point: point.threshold)
    now = record["threshold"]
    return {
        **record,
        "effect": None if now is None else _effect_record(curve.at(now)),
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


def _limit_record(
    desk: Desk, curve: Curve | None, before: float | None, wanted: float | None
) -> dict[str, Any]:
    found = curve.familiarity if curve else None
    return {
        "parameter": desk.stack.familiarity_limit_parameter,
        "before": before,
        "limit": before if wanted is None else wanted,
        "evaluation": found.model_dump() if found else None,
    }


def _limit_shown(before: float | None, wanted: float | None, *, dry_run: bool) -> str:
    now = "not a number from 0 to 1" if before is None else written(before)
    if wanted is None:
        return _limit_effect(before, now)
    if dry_run:
        return f"The familiarity limit is {now} and would be set to {written(wanted)}."
    if before == wanted:
        return f"The familiarity limit is already {now}."
    return (
        f"The familiarity limit was {now} and is now {written(wanted)}. "
        "It applies within a minute, to photos that are classified after that."
    )


def _limit_effect(limit: float | None, shown: str) -> str:
    if limit is None:
        return f"The familiarity limit is {shown}: photos fail with InvalidFamiliarityLimit."
    if limit == 0:
        return "The familiarity limit is 0: unfamiliar photos are classified like any other."
    return f"A photo with a familiarity below {shown} needs review, whatever its confidence."


def _familiarity_shown(curve: Curve, limit: float | None) -> list[RenderableType]:
    """Describe the effect of the familiarity limit, by the evaluation and by construction."""
    found = curve.familiarity
    if found is None:
        return [
            "",
            f"Version {curve.version} was evaluated without familiarity: if its model gives none, "
            "the familiarity limit does not apply.",
        ]
    line = (
        f"Of {found.photos} validation photos, {found.below_limit:.1%} are below a familiarity of "
        f"{written(found.limit)}"
    )
    if found.negatives_passed is not None:
        line += (
            f"; of {found.negatives} held-out photos of none of the classes, "
            f"{1 - found.negatives_passed:.1%} are"
        )
    shown: list[RenderableType] = ["", f"{line}. The shares above are by confidence alone."]
    if limit and found.photos < (needed := _photos_needed(limit)):
        shown.append(
            f"A limit of {written(limit)} has no effect with {found.photos} validation photos: it "
            f"needs at least {needed}."
        )
    elif limit is not None and limit != found.limit:
        shown.append(
            f"At a limit of {written(limit)}, about {limit:.1%} of photos of the learned classes "
            "need review for that, by construction."
        )
    return shown


def _photos_needed(limit: float) -> int:
    """Return how many validation photos a familiarity limit above 0 needs to have an effect.

    The lowest familiarity that a model calibrated on *n* photos gives is 1/(*n* + 1)
    (`scones_training.familiarity`).
    """
    return floor(1 / limit)


def _effect_record(effect: Effect) -> dict[str, Any]:
    return {"coverage": effect.coverage, "risk": effect.risk}


def _headline(before: float | None, wanted: float | None, *, dry_run: bool) -> list[RenderableType]:
    now = "not a number from 0 to 1" if before is None else written(before)
    if wanted is None:
        return [f"A photo with a confidence below {now} needs review."]
    if dry_run:
        return [
            f"The threshold is {now} and would be set to {written(wanted)}. Nothing was changed."
        ]
    if before == wanted:
        return [f"The threshold is already {now}."]
    return [
        f"The threshold was {now} and is now {written(wanted)}. "
        "It applies within a minute, to photos that are classified after that."
    ]


def _by_class_shown(by_class: Mapping[str, float]) -> list[RenderableType]:
    """List the classes to which the general threshold does not apply."""
    always = [name for name, value in by_class.items() if value > 1]
    own = [f"{name} {written(value)}" for name, value in by_class.items() if value <= 1]
    shown: list[RenderableType] = []
    if own:
        shown.append(f"Classes with another threshold: {', '.join(own)}.")
    if always:
        shown.append(f"Photos of these classes always need review: {', '.join(always)}.")
    if shown:
        shown.append(
            "Both are the template's parameter ThresholdByClass. Shares below are as if all "
            "classes had the same threshold."
        )
    return shown


def _curve_shown(
    curve: Curve, before: float | None, wanted: float | None, precision: float
) -> list[RenderableType]:
    marks: dict[float, list[str]] = {value: [] for value in SHOWN}
    never = ""
    try:
        marks.setdefault(curve.reaching(precision).threshold, []).append(f"precision {precision:g}")
    except Refused as reason:
        never = f"{str(reason)[:1].upper()}{str(reason)[1:]}."
    if before is not None:
        marks.setdefault(before, []).append("now" if wanted is None else "before")
    if wanted is not None:
        marks.setdefault(wanted, []).append("new")
    rows = [_cells(curve.at(value), ", ".join(marks[value])) for value in sorted(marks)]
    return [
        "",
        f"On the {curve.photos} validation photos of version {curve.version}, which is in "
        "production (█ accepted, ░ needs review):",
        *formatting.columns(COLUMNS, rows),
        *([never] if never else []),
    ]


def _cells(effect: Effect, mark: str) -> list[str | Text]:
    risk = "-" if effect.risk is None else f"{effect.risk:.2%}"
    decided = round(effect.coverage * BAR)
    style = "bold" if mark else ""
    return [
        Text(written(effect.threshold), style=style),
        Text(f"{effect.coverage:>8.1%}", style=style),
        Text(f"{risk:>6}", style=style),
        Text("█" * decided, style="cyan") + Text("░" * (BAR - decided), style="dim"),
        Text(f"◀ {mark}" if mark else "", style=style),
    ]
