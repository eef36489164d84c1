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
from scones_operator.report.photo_rows import Photo
from scones_operator.report.stats import Interval, Latency, Predicted
from scones_operator.rounding import format_share

BLUE, ORANGE = "#2e86c8", "#d97c0b"
"""Sure, and not."""

PURPLE = "#9a6fc4"
"""Beside blue, where it is not about being sure."""

_GREY = "rgba(128,128,128,.9)"
_SURE = {"color": BLUE}
_UNSURE = {
    "color": ORANGE,
    "pattern": {"shape": "/", "size": 6, "solidity": 0.25, "bgcolor": ORANGE, "fgcolor": "#5c3200"},
}
_TICKS = 5
_MARKS = {"ticks": "outside", "ticklen": 6, "tickcolor": _GREY}

Chart = dict[str, Any]
Clock = Callable[[datetime], datetime]
"""Turns a moment into one of the reader's zone."""


def confidence_of_each(photos: Sequence[Photo], clock: Clock) -> Chart:
    """Draw a bar for each photo that the model answered, in the order of their decisions."""
    figure = go.Figure(layout=_layout("confidence"))
    for name, status, marker in (
        ("sure", "classified", _SURE),
        ("needs review", "needs_review", _UNSURE),
    ):
        places = [place for place, photo in enumerate(photos) if photo.status == status]
        texts = [_said_of(photos[place], clock) for place in places]
        figure.add_bar(
            x=places,
            y=[photos[place].confidence for place in places],
            width=0.8,
            name=name,
            marker=marker,
            hovertext=texts,
            hovertemplate="%{hovertext}<extra></extra>",
        )
    edges = [place + side for place in range(len(photos)) for side in (-0.5, 0.5)]
    figure.add_scatter(
        x=edges,
        y=[photo.threshold for photo in photos for _ in range(2)],
        **_threshold_line(),
    )
    ticks = _ticks([clock(photo.at) for photo in photos])
    figure.update_xaxes(
        tickvals=list(ticks.values()),
        ticktext=list(ticks),
        range=[-0.6, max(len(photos), 12) - 0.4],
    )
    figure.update_layout(barmode="overlay")
    return _as_json(figure)


def confidence_of_intervals(intervals: Sequence[Interval], clock: Clock) -> Chart:
    """Draw a bar for each stretch of time: the median, and between which four fifths are."""
    figure = go.Figure(layout=_layout("median confidence"))
    starts = [_written(clock(interval.start)) for interval in intervals]
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
            "color": _GREY,
            "thickness": 1.2,
            "width": 2,
        },
        hovertext=[
            f"{interval.photos} photos<br>median {interval.median:.3f}, 10 % below "
            f"{interval.low:.3f}<br>{interval.unsure} needed review"
            for interval in intervals
        ],
        hovertemplate="%{x}<br>%{hovertext}<extra></extra>",
    )
    edges = [
        _written(clock(moment))
        for interval in intervals
        for moment in (interval.start, interval.start + interval.length)
    ]
    figure.add_scatter(
        x=edges,
        y=[interval.threshold for interval in intervals for _ in range(2)],
        **_threshold_line(),
    )
    figure.update_xaxes(type="date")
    return _as_json(figure)


def predictions(predicted: Sequence[Predicted]) -> Chart:
    """Draw how often each class was predicted, surely and not."""
    figure = go.Figure(layout=_layout("photos"))
    names = [_plain(one.label) for one in predicted]
    figure.add_bar(
        x=names,
        y=[one.classified for one in predicted],
        name="sure",
        marker=_SURE,
        hovertemplate="%{x}: %{y} accepted<extra></extra>",
    )
    figure.add_bar(
        x=names,
        y=[one.needs_review for one in predicted],
        name="needs review",
        marker=_UNSURE,
        hovertemplate="%{x}: %{y} need review<extra></extra>",
    )
    figure.update_layout(barmode="stack", bargap=0.5 if len(predicted) < 5 else 0.2)
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=None, rangemode="tozero", tickformat=",d")
    return _as_json(figure)


def latency(latencies: Sequence[Latency]) -> Chart:
    """Draw how long each step takes."""
    figure = go.Figure(layout=_layout("milliseconds"))
    steps = [one.step.replace("upload to ", "upload to<br>") for one in latencies]
    for name, values, color in (
        ("p50", [one.p50 for one in latencies], BLUE),
        ("p95", [one.p95 for one in latencies], PURPLE),
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


def _ticks(moments: Sequence[datetime]) -> dict[str, int]:
    """Tell what is written below the bars of some moments, at which places; each text but once."""
    last = len(moments) - 1
    places = sorted({round(step * last / (_TICKS - 1)) for step in range(_TICKS)})
    day = "" if moments[0].date() == moments[last].date() else "<br>%Y-%m-%d"
    ticks: dict[str, int] = {}
    # Seconds, tenths or milliseconds: photos of a burst are decided within a second.
    for end in (8, 10, 12):
        ticks = {}
        for place in places:
            moment = moments[place]
            text = f"{moment:%H:%M:%S.%f}"[:end] + moment.strftime(day)
            ticks.setdefault(text, place)
        if len(ticks) == len(places):
            break
    return ticks


def _layout(upwards: str) -> dict[str, Any]:
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
            "title": {"text": upwards, "standoff": 8},
            "range": [0, 1.02],
            "zeroline": True,
        },
    }


def _threshold_line() -> dict[str, Any]:
    return {
        "mode": "lines",
        "name": "threshold",
        "line": {"color": _GREY, "width": 2, "dash": "6px,3px"},
        "hovertemplate": "threshold %{y:.3f}<extra></extra>",
    }


def _said_of(photo: Photo, clock: Clock) -> str:
    """Write what is shown of a photo."""
    familiarity = format_share(photo.familiarity or 0.0, photo.familiarity_limit, 3)
    why = f", {photo.reason}" if photo.reason else ""
    if photo.unfamiliar:
        why = f"{why} {familiarity}"
    guess = f"{photo.label} {format_share(photo.confidence or 0.0, photo.threshold, 3)}{why}"
    lines = (escaping.escape(photo.key), guess, f"{clock(photo.at):%H:%M:%S}")
    return "<br>".join(map(_plain, lines))


def _plain(text: str) -> str:
    """Write a text that Plotly shows as it is: it takes tags, and names come from strangers."""
    return escape(text, quote=False)


def _written(moment: datetime) -> str:
    """Write a moment as Plotly's axes take it: as it is on the clock."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _as_json(figure: go.Figure) -> Chart:
    chart: Chart = figure.to_plotly_json()
    return {"data": chart["data"], "layout": chart["layout"]}
