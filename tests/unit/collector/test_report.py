"""The report of a channel: a page that stands alone whatever people posted, its picture, and its lines."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from teltubby.adapters import report_painting
from teltubby.adapters.report_painting import PaintedChart
from teltubby.collector import report_words as words
from teltubby.collector.report import MOST_DAYS, build, page
from teltubby.collector.report_charts import charts_of
from teltubby.errors import ChatUnavailable
from teltubby.messages.collected import ChannelKind, Link, MediaFacts
from teltubby.messages.collected import CollectedMedia as Kind
from tests.unit.archive.samples import ANY_TEXT
from tests.unit.collector.reporting import AT, ReadPage, facts_of, fill, read_html, record
from tests.unit.collector.world import CHANNEL, NOON, channel, counted, hours, post, store_with

HOSTILE = "</title></script><script>alert('1')</script>\"'><img src=x onerror=alert(1)>{{ 7919 * 7907 }}&amp;"
ADDRESSES = {"href"}
"""Attributes that may hold an address: only of links that people click on, and of parts of the same chart."""
TOLD = ANY_TEXT.map(lambda text: text.encode("utf-8", "replace").decode())
"""Any text that comes over a wire, which has no halves of surrogate pairs."""
LOADING = {"script", "link", "img", "iframe", "object", "embed", "audio", "video", "source", "image", "form", "base"}


def check_alone(found: ReadPage, html: str) -> None:
    """Nothing runs, nothing is loaded, and every tag is closed where it should be."""
    assert found.wrong == [] and found.open == []
    assert set(found.tags) & LOADING == set()
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ADDRESSES and tag == "use":
            assert value.startswith("#")
        elif name in ADDRESSES:
            assert tag == "a" and re.match("https?://", value), (tag, name, value)
            assert (tag, "rel", "noopener noreferrer") in found.attributes
        else:
            assert name not in {"src", "srcset", "action", "background", "poster", "data"}, (tag, name)
    assert "default-src 'none'" in html and "@import" not in html
    assert set(re.findall(r"url\((.)", html)) <= {"#"}


@pytest.fixture(scope="module")
def report() -> Any:
    """One report with everything in it, painted for real."""
    with store_with() as store:
        fill(store)
        return build(store, CHANNEL, days=10, at=AT)


def test_the_page_stands_alone_and_says_it_all(report: Any) -> None:
    found = read_html(report.html)
    check_alone(found, report.html)
    text = " ".join(found.text.split())
    for said in ("Космос", "10 days: 2026-11-20 to 2026-11-29 18:00 UTC", "Collected up to 2026-11-29 18:00 UTC"):
        assert said in text
    for said in (
        "Best hours to post",
        "All days and hours are in UTC",
        "Top posts",
        "nasa.gov",
        "⭐ paid",
        "4.4\u202f%",
    ):
        assert said in text.replace("\xa0", " ") or said in found.text
    assert ("a", "href", "https://t.me/space/30") in found.attributes
    assert "prefers-color-scheme: dark" in report.html and "max-width: 560px" in report.html
    assert report.file_name == "report-space-2026-11-29.html"
    assert report.title == "Космос"
    assert len(report.html) < 300_000


def test_its_charts_are_svg_for_wide_and_narrow_in_the_colours_of_the_page(report: Any) -> None:
    charts = re.findall(r"<svg.*?</svg>", report.html, re.DOTALL)
    assert len(charts) == 5 * 2
    for chart in charts:
        ET.fromstring(chart)
        assert "var(--ink)" in chart and not re.search("#[0-9a-f]{6}", chart)
        assert "<text" in chart and "font-family" not in chart
    ids = re.findall(r' id="([^"]+)"', report.html)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', report.html))
    assert used and used <= set(ids)
    variables = set(re.findall(r"var\(--([a-z]+)\)", report.html))
    light, dark = re.findall(r":root \{(.*?)\}", report.html, re.DOTALL)
    for scheme in (light, dark):
        assert variables <= set(re.findall(r"--([a-z]+):", scheme))


def test_its_picture_is_one_that_telegram_takes(report: Any) -> None:
    assert report.png.startswith(b"\x89PNG\r\n\x1a\n") and report.png.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", report.png[16:24])
    assert width >= 800 and height >= 600 and width + height <= 10_000  # Bot API, sendPhoto
    assert len(report.png) < 300_000


def test_its_lines_are_the_figures(report: Any) -> None:
    assert report.summary.splitlines() == [
        "Космос (@space), the 10 days until 2026-11-29 18:00 UTC",
        "Posts: 3",
        "Views: 450, 150 a post",
        "Reactions: 14, engagement rate 4.4\u202f%",
        "Subscribers: 990 (−10)",
        "Best hours (UTC): 18:00, 13:00, 00:00",
        "Most viewed: https://t.me/space/30 (300 views)",
    ]


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(TOLD, TOLD, TOLD, TOLD)
def test_nothing_that_people_write_becomes_part_of_the_page(title: str, text: str, url: str, key: str) -> None:
    with store_with(channel(title=title)) as store:
        for number, (wrote, address) in enumerate([(text, url), (HOSTILE, HOSTILE), ("", f"https://{url}")], start=1):
            links = (Link(url=address, offset=0, length=1),)
            readings = counted(number, NOON + hours(number + 1), 5 - number, reactions={key or "k": 3, HOSTILE: 2})
            record(store, number, readings, text=wrote, links=links)
        html = page(facts_of(store), {"views": PaintedChart(wide="<svg></svg>", narrow="<svg></svg>")})
    html.encode()
    found = read_html(html)
    check_alone(found, html)
    assert " ".join(HOSTILE.split()) in " ".join(found.text.split())
    assert "62615533" not in html, "a template in a text is text"


def test_links_that_lead_nowhere_on_the_web_are_text() -> None:
    for url in (
        "javascript:alert(1)",
        "tg://resolve?domain=x",
        "data:text/html,x",
        "//host",
        "http://",
        "https://[",
        "",
    ):
        assert words.address(url) is None
    assert words.address("HTTPS://a.example/?q=1") == "HTTPS://a.example/?q=1"
    assert words.address(f"https://a.example/{'x' * 3000}") is None


def test_posts_without_a_text_are_told_by_what_they_carry() -> None:
    assert words.post_line(post(media=MediaFacts(kind=Kind.VIDEO_NOTE))) == "(video note)"
    assert words.post_line(post(service="pin_message")) == "(pin_message)"
    assert words.post_line(post()) == "(no text)"
    assert words.post_line(post(text="a\nb\u2028 c")) == "a b c"
    assert len(words.post_line(post(text="😀" * 4096))) == words.SNIPPET


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (1234567, "1\u202f234\u202f567"), (None, "–"), (0.4, "0"), (-1500, "-1\u202f500")]
)
def test_numbers(value: float | None, shown: str) -> None:
    assert words.number(value) == shown


def test_changes() -> None:
    assert [words.change(now, before) for now, before in ((3, 2), (1, 2), (2, 2), (5, 0), (None, 3))] == [
        *("+50\u202f%", "−50\u202f%", "±0\u202f%", "", "")
    ]


def test_private_supergroups_are_named_as_such() -> None:
    shown = channel(username=None, kind=ChannelKind.SUPERGROUP, title=" a\x1b[31m\nb 👨\u200d👩 ", subscribers=5)
    with store_with(shown) as store:
        record(store, 1, counted(1, NOON + hours(2), 5))
        facts = facts_of(store)
        html = page(facts, {})
    assert words.post_address(shown, 5) == f"https://t.me/c/{CHANNEL}/5"
    assert "Members" in html and "Subscribers" not in html
    assert words.summary_text(facts).splitlines()[0].startswith("a [31m b 👨\u200d👩, the 10 days")


def test_a_channel_without_posts_in_these_days_says_so() -> None:
    with store_with() as store:
        made = build(store, CHANNEL, days=7, at=AT)
    check_alone(read_html(made.html), made.html)
    assert "Nothing that was collected is from these days" in made.html
    assert "was not collected completely yet" in made.html
    assert "<svg" not in made.html and "Top posts" not in made.html and "no charts" not in made.html
    assert made.png is None
    assert made.summary.splitlines()[1:] == ["Posts: 0"]


def test_what_is_not_known_is_no_chart() -> None:
    with store_with() as store:
        assert charts_of(facts_of(store)) == ()
        record(store, 1)
        assert [chart.name for chart in charts_of(facts_of(store))] == ["posts"]
        record(store, 2, counted(2, NOON + hours(2), 5))
        assert [chart.name for chart in charts_of(facts_of(store))] == ["views", "gained", "posts", "hours"]
        assert all(len(chart.places) == len(chart.values) for chart in charts_of(facts_of(store)))


def test_without_charts_there_are_the_tables_and_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other_painter.py").write_text("raise SystemExit('no brush')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(report_painting, "PAINTER", "other_painter")
    with store_with() as store:
        fill(store)
        made = build(store, CHANNEL, days=10, at=AT)
    assert made.png is None and "<svg" not in made.html
    assert "There are no charts: the painter ended with 1: no brush." in made.html
    check_alone(read_html(made.html), made.html)


def test_an_unknown_channel_and_an_impossible_span_are_refused() -> None:
    with store_with() as store:
        with pytest.raises(ChatUnavailable):
            build(store, 5, days=10, at=AT)
        for days in (0, MOST_DAYS + 1):
            with pytest.raises(ValueError, match="days"):
                build(store, CHANNEL, days=days, at=AT)
