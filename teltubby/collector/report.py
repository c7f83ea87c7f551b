"""The report of a channel: one HTML page that needs nothing else, a picture of it, and its figures in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from teltubby.adapters.report_painting import PaintedChart, paint_charts
from teltubby.archive.slugs import shorten, slug
from teltubby.collector import report_words as words
from teltubby.collector.report_charts import charts_of
from teltubby.collector.report_facts import Facts, gather
from teltubby.collector.repositories import CollectorStore
from teltubby.errors import ChatUnavailable, ExtraNotInstalled, Transient

MOST_DAYS = 3660
_LONGEST_NAME = 60
_PAGE = Path(__file__).with_name("report.html.j2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A channel's last days. `html` is one self-contained page, `summary` a few lines of plain text.

    `png` is the picture that goes with the summary; None where there is nothing to show, or it could not be painted,
    and then the page says why.
    """

    title: str
    html: str
    png: bytes | None
    summary: str
    file_name: str


def build(store: CollectorStore, channel_id: int, *, days: int, at: datetime) -> Report:
    """The report of the `days` (1 to MOST_DAYS, in UTC) that end with that of the moment `at`.

    Blocking, for seconds: in a thread, with a store of its own (`CollectorStore.open_to_read`), so that collecting does
    not wait for it. Raises ChatUnavailable when nothing of the channel is stored, DatabaseUnavailable, and ValueError
    for other numbers of days.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"a report is of 1 to {MOST_DAYS} days, not of {days}")
    channel = store.channels.find(channel_id)
    if channel is None:
        raise ChatUnavailable("nothing of this channel was collected yet")
    facts = gather(store, channel, days=days, at=at)
    trouble, charts, picture, wanted = None, {}, None, charts_of(facts)
    if wanted:
        try:
            painted = paint_charts(wanted)
            charts, picture = painted.charts, painted.picture
        except (ExtraNotInstalled, Transient) as error:
            trouble = str(error)
    name = shorten(slug(channel.username or channel.title) or str(channel_id), _LONGEST_NAME)
    return Report(
        title=words.name_of(channel),
        html=page(facts, charts, trouble=trouble),
        png=picture,
        summary=words.summary_text(facts),
        file_name=f"report-{name}-{facts.at:%Y-%m-%d}.html",
    )


def page(facts: Facts, charts: Mapping[str, PaintedChart], *, trouble: str | None = None) -> str:
    """The HTML. `trouble` says why there are no charts."""
    shapes = {name: (Markup(chart.wide), Markup(chart.narrow)) for name, chart in charts.items()}
    return _template().render(facts=facts, charts=shapes, trouble=trouble, words=words)


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_PAGE.read_text(encoding="utf-8"))
