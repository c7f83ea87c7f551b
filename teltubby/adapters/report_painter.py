"""Paints the charts of a report, as a process of its own: `report_painting.Chart` as JSON on stdin, SVG and PNG out.

An SVG is made to stand in an HTML page: its colours are variables of the page, so that they follow its light and dark,
its text is text in the page's own font, and its ids are its own.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from teltubby.adapters.chart_painter import NOT_INSTALLED
from teltubby.adapters.report_painting import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHAPES = {"wide": (7.6, 2.7, 9), "narrow": (3.7, 2.5, 4)}
"""Inches, and about how many places have a label."""
PICTURE_INCHES, PICTURE_DOTS, PICTURE_LABELS = (10.0, 7.0), 110, 5
COLOURS = {"ink": "#1c2430", "grid": "#dfe4ea"}
COLOURS |= {"blue": "#2f6fde", "green": "#2e9e5b", "amber": "#c77700", "violet": "#8250df"}
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def main() -> int:
    """Read, paint, write."""
    try:
        import matplotlib
    except ImportError:
        return NOT_INSTALLED
    matplotlib.use("Agg")
    charts = [
        Chart(**{**told, "places": tuple(told["places"]), "values": tuple(told["values"])})
        for told in json.load(sys.stdin)
    ]
    painted = {chart.name: {shape: paint_svg(chart, shape) for shape in SHAPES} for chart in charts}
    picture = base64.b64encode(paint_picture([chart for chart in charts if chart.in_picture])).decode()
    json.dump({"charts": painted, "picture": picture}, sys.stdout)
    return 0


def paint_svg(chart: Chart, shape: str) -> str:
    """One chart as an `<svg>` element."""
    from matplotlib import pyplot

    width, height, labels = SHAPES[shape]
    name = f"{chart.name}-{shape}"
    _set_style()
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9})
    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    _paint(axes, chart, labels)
    into = io.StringIO()
    figure.savefig(into, format="svg", transparent=True)
    pyplot.close(figure)
    return _for_a_page(into.getvalue())


def paint_picture(charts: Sequence[Chart]) -> bytes:
    """A PNG with up to four charts."""
    from matplotlib import pyplot
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    _set_style()
    room = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15, hspace=0.05, wspace=0.05)
    figure = pyplot.figure(figsize=PICTURE_INCHES, layout=room)
    for number, chart in enumerate(charts[:4], start=1):
        axes = figure.add_subplot(2, 2, number)
        axes.set_title(chart.title)
        _paint(axes, chart, PICTURE_LABELS)
    return _png(figure)


def _set_style() -> None:
    from matplotlib import pyplot

    ink = COLOURS["ink"]
    pyplot.rcdefaults()
    pyplot.rcParams.update(
        {
            "text.color": ink,
            "axes.labelcolor": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            "axes.titlepad": 10,
            "axes.titlesize": 12,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
        }
    )


def _paint(axes: Axes, chart: Chart, labels: int) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    colour = COLOURS[chart.colour]
    known = [value for value in chart.values if value is not None]
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(COLOURS["grid"])
    axes.grid(axis="y", color=COLOURS["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value, max(map(abs, axes.get_ylim())))))
    if chart.kind == "bars":
        axes.bar(range(len(chart.places)), [value or 0.0 for value in chart.values], color=colour, width=0.75)
        _name_places(axes, chart, labels)
        axes.set_xlim(-0.6, max(len(chart.places), 1) - 0.4)
        lowest, highest = min([0.0, *known]), max([0.0, *known])
        axes.set_ylim(lowest * 1.1, highest * 1.1 or 1.0)
        return
    moments = [datetime.fromisoformat(place).timestamp() for place in chart.places]
    values = [float("nan") if value is None else value for value in chart.values]
    axes.plot(moments, values, color=colour, linewidth=2, marker="o", markersize=0 if len(known) > 40 else 3.5)
    lowest, highest = min(known, default=0.0), max(known, default=1.0)
    margin = max((highest - lowest) * 0.15, 1.0)
    axes.set_ylim(max(lowest - margin, min(lowest, 0.0)), highest + margin)
    if moments:
        ticks = _spread(moments[0], moments[-1], labels)
        axes.set_xticks(ticks, [_moment(tick, moments[-1] - moments[0]) for tick in ticks])


def _name_places(axes: Axes, chart: Chart, labels: int) -> None:
    """Labels in even steps, so that the last day has one; hours have them at 06:00, 12:00 and so on."""
    count = len(chart.places)
    if chart.places[:1] == ("00",):
        step = 3 if labels > 5 else 6
        shown = list(range(step, count, step))
    else:
        step = -(-max(count, 1) // labels)
        shown = list(range((count - 1) % step, count, step)) if count else []
    are_months = count > 12 and all(place.endswith("-01") for place in chart.places[1:])
    axes.set_xticks(shown, [_place(chart.places[number], is_month=are_months) for number in shown])


def _place(text: str, *, is_month: bool) -> str:
    if len(text) == 2:
        return f"{text}:00"
    day = date.fromisoformat(text)
    return f"{day:%b} {day.year}" if is_month else f"{day.day} {day:%b}"


def _spread(first: float, last: float, labels: int) -> list[float]:
    count = max(min(labels, 5), 2)
    return [first + (last - first) * number / (count - 1) for number in range(count)] if last > first else [first]


def _moment(seconds: float, span: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    if span < 2 * 86400:
        return f"{moment.day} {moment:%b %H:%M}"
    return f"{moment:%b} {moment.year}" if span > 400 * 86400 else f"{moment.day} {moment:%b}"


def short(value: float, largest: float) -> str:
    """A label of an axis whose largest value this is: 1.5k, 20M."""
    factor, unit = next(((factor, unit) for factor, unit in _UNITS if largest >= factor), (1.0, ""))
    scaled = f"{value / factor:.2f}".rstrip("0").rstrip(".")
    return scaled if scaled in ("0", "-0") else scaled + unit


def _for_a_page(svg: str) -> str:
    """Only the element, without what has no place in HTML."""
    svg = svg[svg.index("<svg") :]
    for what in ("metadata", "style"):
        svg = re.sub(rf"<{what}.*?</{what}>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"/>', "", svg)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(
        r'<svg .*?viewBox="([^"]*)".*?>', r'<svg viewBox="\1" aria-hidden="true">', svg, count=1, flags=re.DOTALL
    )
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    for colour, code in COLOURS.items():
        svg = svg.replace(code, f"var(--{colour})")
    return svg.replace("xlink:href", "href").strip()


def _png(figure: Figure) -> bytes:
    into = io.BytesIO()
    figure.savefig(into, format="png", dpi=PICTURE_DOTS, facecolor="white")
    return into.getvalue()


if __name__ == "__main__":
    sys.exit(main())
