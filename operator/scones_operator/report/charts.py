"""The charts of a report, as Plotly's JSON.

Colours are told apart by people who can't tell red from green, and stand out from white and from
black alike; what is not sure is hatched besides. Ink, lines and paper are the page's style sheet's.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from typing import Any

import plotly.graph_objects as go

from scones_operator import escaping
from scones_operator.report.photo_rows import ReportPhoto
from scones_operator.report.stats import ClassCounts, Interval, Latency
from scones_operator.rounding import format_share

BLUE, ORANGE = "#2e86c8", "#d97c0b"
"""Sure, and not."""

PURPLE = "#9a6fc4"
"""Beside blue, where it is not about being sure."""

_GRAY = "rgba(128,128,128,.9)"
_CLASSIFIED = {"color": BLUE}
_NEEDS_REVIEW = {
    "color": ORANGE,
    "pattern": {"shape": "/", "size": 6, "solidity": 0.25, "bgcolor": ORANGE, "fgcolor": "#5c3200"},
}
_TICKS = 5
_MARKS = {"ticks": "outside", "ticklen": 6, "tickcolor": _GRAY}

Chart = dict[str, Any]
Clock = Callable[[datetime], datetime]
"""Turns a moment into one of the reader's zone."""


def confidence_by_photo(photos: Sequence[ReportPhoto], clock: Clock) -> Chart:
    """Draw a bar for each photo that the model answered, in the order of their decisions."""
    figure = go.Figure(layout=_layout("confidence"))
    for name, status, marker in (
        ("sure", "classified", _CLASSIFIED),
        ("needs review", "needs_review", _NEEDS_REVIEW),
    ):
        positions = [position for position, photo in enumerate(photos) if photo.status == status]
        texts = [_hover_text(photos[position], clock) for position in positions]
        figure.add_bar(
            x=positions,
            y=[photos[position].confidence for position in positions],
            width=0.8,
            name=name,
            marker=marker,
            hovertext=texts,
            hovertemplate="%{hovertext}<extra></extra>",
        )
    edges = [position + edge for position in range(len(photos)) for edge in (-0.5, 0.5)]
    figure.add_scatter(
        x=edges,
        y=[photo.threshold for photo in photos for _ in range(2)],
        **_threshold_line(),
    )
    ticks = _ticks([clock(photo.decided_at) for photo in photos])
    figure.update_xaxes(
        tickvals=list(ticks.values()),
        ticktext=list(ticks),
        range=[-0.6, max(len(photos), 12) - 0.4],
    )
    figure.update_layout(barmode="overlay")
    return _as_json(figure)


def confidence_by_interval(intervals: Sequence[Interval], clock: Clock) -> Chart:
    """Draw a bar for each stretch of time: the median, and between which four fifths are."""
    figure = go.Figure(layout=_layout("median confidence"))
    starts = [_axis_time(clock(interval.start)) for interval in intervals]
    milliseconds = intervals[0].length.total_seconds() * 1000
    figure.add_bar(
        x=starts,
        y=[interval.median for interval in intervals],
        width=milliseconds * 0.85,
        offset=milliseconds * 0.075,
        name="median",
        marker={"color": BLUE},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [interval.high - interval.median for interval in intervals],
            "arrayminus": [interval.median - interval.low for interval in intervals],
            "color": _GRAY,
            "thickness": 1.2,
            "width": 2,
        },
        hovertext=[
            f"{interval.photos} photos<br>median {interval.median:.3f}, 10 % below "
            f"{interval.low:.3f}<br>{interval.needs_review} needed review"
            for interval in intervals
        ],
        hovertemplate="%{x}<br>%{hovertext}<extra></extra>",
    )
    edges = [
        _axis_time(clock(time))
        for interval in intervals
        for time in (interval.start, interval.start + interval.length)
    ]
    figure.add_scatter(
        x=edges,
        y=[interval.threshold for interval in intervals for _ in range(2)],
        **_threshold_line(),
    )
    figure.update_xaxes(type="date")
    return _as_json(figure)


def predictions(counts: Sequence[ClassCounts]) -> Chart:
    """Draw how often each class was predicted, surely and not."""
    figure = go.Figure(layout=_layout("photos"))
    names = [_escape_for_plotly(item.label) for item in counts]
    figure.add_bar(
        x=names,
        y=[item.classified for item in counts],
        name="sure",
        marker=_CLASSIFIED,
        hovertemplate="%{x}: %{y} accepted<extra></extra>",
    )
    figure.add_bar(
        x=names,
        y=[item.needs_review for item in counts],
        name="needs review",
        marker=_NEEDS_REVIEW,
        hovertemplate="%{x}: %{y} need review<extra></extra>",
    )
    figure.update_layout(barmode="stack", bargap=0.5 if len(counts) < 5 else 0.2)
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=None, rangemode="tozero", tickformat=",d")
    return _as_json(figure)


def latency(latencies: Sequence[Latency]) -> Chart:
    """Draw how long each step takes."""
    figure = go.Figure(layout=_layout("milliseconds"))
    steps = [item.step.replace("upload to ", "upload to<br>") for item in latencies]
    for name, values, color in (
        ("p50", [item.p50 for item in latencies], BLUE),
        ("p95", [item.p95 for item in latencies], PURPLE),
    ):
        figure.add_bar(
            x=steps,
            y=values,
            name=name,
            marker={"color": color},
            hovertemplate=f"{name} %{{y:,.0f}} ms<extra></extra>",
        )
    figure.update_layout(barmode="group", bargap=0.35)
    figure.update_xaxes(tickangle=0)
    figure.update_yaxes(range=None, rangemode="tozero", tickformat=",d")
    return _as_json(figure)


def _ticks(times: Sequence[datetime]) -> dict[str, int]:
    """Tell what is written below the bars of some moments, at which places; each text but once."""
    last = len(times) - 1
    positions = sorted({round(step * last / (_TICKS - 1)) for step in range(_TICKS)})
    day = "" if times[0].date() == times[last].date() else "<br>%Y-%m-%d"
    ticks: dict[str, int] = {}
    # Seconds, tenths or milliseconds: photos of a burst are decided within a second.
    for end in (8, 10, 12):
        ticks = {}
        for position in positions:
            time = times[position]
            text = f"{time:%H:%M:%S.%f}"[:end] + time.strftime(day)
            ticks.setdefault(text, position)
        if len(ticks) == len(positions):
            break
    return ticks


def _layout(y_title: str) -> dict[str, Any]:
    clear = "rgba(0,0,0,0)"
    return {
        "template": "none",
        "height": 320,
        "margin": {"l": 52, "r": 28, "t": 36, "b": 40},
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "dragmode": False,
        "hoverlabel": {"bgcolor": "#22262d", "bordercolor": "#22262d", "font": {"color": "#fff"}},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "itemclick": False,
            "traceorder": "normal",
        },
        "xaxis": {"fixedrange": True, "showgrid": False, "automargin": True, **_MARKS},
        "yaxis": {
            "fixedrange": True,
            "title": {"text": y_title, "standoff": 8},
            "range": [0, 1.02],
            "zeroline": True,
        },
    }


def _threshold_line() -> dict[str, Any]:
    return {
        "mode": "lines",
        "name": "threshold",
        "line": {"color": _GRAY, "width": 2, "dash": "6px,3px"},
        "hovertemplate": "threshold %{y:.3f}<extra></extra>",
    }


def _hover_text(photo: ReportPhoto, clock: Clock) -> str:
    """Write what is shown of a photo."""
    familiarity = format_share(photo.familiarity or 0.0, photo.familiarity_limit, 3)
    reason = f", {photo.reason}" if photo.reason else ""
    if photo.unfamiliar:
        reason = f"{reason} {familiarity}"
    prediction = (
        f"{photo.label} {format_share(photo.confidence or 0.0, photo.threshold, 3)}{reason}"
    )
    lines = (escaping.escape(photo.key), prediction, f"{clock(photo.decided_at):%H:%M:%S}")
    return "<br>".join(map(_escape_for_plotly, lines))


def _escape_for_plotly(text: str) -> str:
    """Write a text that Plotly shows as it is: it takes tags, and names come from strangers."""
    return escape(text, quote=False)


def _axis_time(time: datetime) -> str:
    """Write a moment as Plotly's axes take it: as it is on the clock."""
    return time.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _as_json(figure: go.Figure) -> Chart:
    chart: Chart = figure.to_plotly_json()
    return {"data": chart["data"], "layout": chart["layout"]}
