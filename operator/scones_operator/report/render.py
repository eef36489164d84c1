"""Writes a report as one HTML file that opens offline: nothing in it comes from elsewhere."""

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from scones.records import STATUSES
from scones_operator.captures.files import TimeRange
from scones_operator.escaping import escape
from scones_operator.models.registry import ModelVersion, ProductionModel
from scones_operator.report import charts, stats
from scones_operator.report.captured_images import CapturedImages
from scones_operator.report.mistakes import Mistakes
from scones_operator.report.photo_rows import ReportPhoto
from scones_operator.rounding import format_rate, format_share

MODEL_METADATA_KEYS = {
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
    "threshold": "suggested threshold",
    "photos": "photos",
    "image_shape": "image shape",
    "run": "run",
}
"""Metadata of a version that are shown, with their names for people."""


@dataclass(frozen=True)
class Report:
    """What a report is about.

    Attributes
    ----------
    endpoint, region
        Whose report: the endpoint of production, and where it is.
    time_range, made_at
        About which time, and when it was made.
    class_names
        The classes, in the order of their indices.
    photos
        What was decided, the earliest first.
    pictures
        What was captured.
    mistakes
        Wrong decisions of the model, as far as the truth is known.
    production, version
        What is in production, where anything is, and as which version of the registry.
    skipped
        The records that could not be read and are not in `photos`, or None if there is none.
    """

    endpoint: str
    region: str
    time_range: TimeRange
    made_at: datetime
    class_names: tuple[str, ...]
    photos: list[ReportPhoto]
    captured_images: CapturedImages
    production: ProductionModel | None
    version: ModelVersion | None
    skipped: str | None = None
    mistakes: Mistakes = field(default_factory=Mistakes)


def render(report: Report, zone: tzinfo | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    report
        What it is about.
    zone
        In which moments are written; None for the machine's own.
    """

    def clock(time: datetime) -> datetime:
        return time.astimezone(zone)

    style, script, plotly = _part("page.css"), _part("page.js"), get_plotlyjs()
    page: str = _template().render(
        report=report,
        zone=_zone(clock(report.made_at)),
        clock=clock,
        style=Markup(style),  # noqa: S704 - files of ours, and of Plotly
        scripts=[Markup(text) for text in (plotly, script)],  # noqa: S704
        policy=_policy(plotly, script),
        **_statistics(report),
        **_charts(report, clock),
    )
    return page


def _statistics(report: Report) -> dict[str, Any]:
    photos, names = report.photos, report.class_names
    predicted_photos = stats.with_prediction(photos)
    counts = Counter(photo.status for photo in photos)
    return {
        "counts": {status: counts[status] for status in STATUSES},
        "predicted_photos": predicted_photos,
        "class_counts": stats.count_predictions(photos, names),
        "latencies": stats.latency_stats(photos),
        "reasons": stats.count_reasons(photos),
        "by_truth": stats.accuracy_by_ground_truth(photos, names),
        "by_reviews": stats.accuracy_by_reviews(photos, names),
        "model_metadata_keys": MODEL_METADATA_KEYS,
        "unfamiliar": sum(photo.unfamiliar for photo in photos),
        "pending": sum(photo.review_pending for photo in photos),
        "simulated": sum(photo.status == "needs_review" and photo.simulated for photo in photos),
    }


def _charts(report: Report, clock: charts.Clock) -> dict[str, Any]:
    predicted_photos = stats.with_prediction(report.photos)
    if not predicted_photos:
        return {"charts": {}, "intervals": []}
    intervals = stats.group_by_interval(predicted_photos)
    single = len(predicted_photos) <= stats.MAX_SINGLE_BARS
    confidence = (
        charts.confidence_by_photo(predicted_photos, clock)
        if single
        else charts.confidence_by_interval(intervals, clock)
    )
    drawn = {
        "confidence": confidence,
        "predictions": charts.predictions(
            stats.count_predictions(predicted_photos, report.class_names)
        ),
        "latency": charts.latency(stats.latency_stats(report.photos)),
    }
    return {"charts": drawn, "intervals": [] if single else intervals}


def _policy(*scripts: str) -> str:
    """Return a content security policy: these scripts, and nothing from anywhere."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


@cache
def _template() -> Any:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.globals["rate"] = _rate
    environment.filters["share_beside"] = lambda value, limit: format_share(value, limit, 3)
    environment.filters["breakable"] = _breakable
    environment.filters["time"] = lambda time: f"{time:%Y-%m-%d %H:%M:%S}"
    return environment.from_string(_part("page.html.j2"))


def _zone(time: datetime) -> str:
    """Name a moment's zone by how far it is from Greenwich.

    Examples
    --------
    >>> _zone(datetime.fromisoformat("2026-11-20T09:00:00+05:30"))
    'UTC+05:30'
    """
    offset = time.strftime("%z")
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"


def _breakable(code: str) -> Markup:
    """Write a code of ours so that it breaks between its words only.

    Examples
    --------
    >>> _breakable("too_narrow")
    Markup('too_<wbr>narrow')
    """
    return Markup("_<wbr>").join(code.split("_"))


def _visible(value: object) -> object:
    """Escape what turns the direction of text; our own markup stays as it is."""
    return escape(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _rate(part: int, whole: int) -> str:
    r"""Write a rate in percent.

    Examples
    --------
    >>> _rate(12, 13), _rate(4, 4), _rate(0, 0)
    (Markup('92.3\u202f%'), Markup('100\u202f%'), '-')
    """
    if whole == 0:
        return "-"
    return Markup(f"{format_rate(part, whole)}\N{NARROW NO-BREAK SPACE}%")  # noqa: S704
