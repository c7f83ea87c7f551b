"""A channel with something of everything, and what a page says, for the tests of reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from teltubby.collector.pages import Cursor, Page
from teltubby.collector.report_facts import Facts, gather
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.collected import CollectedMessage, Link, PostMetrics
from tests.unit.collector.world import CHANNEL, NOON, channel, counted, hours, post

AT = NOON + hours(24 * 9 + 6)
"""The evening of the tenth day after 2026-11-20: 2026-11-29 18:00."""
VOID = {"meta", "link", "img", "br", "input", "base", "embed", "source", "hr"}


def record(store: CollectorStore, msg_id: int, *readings: PostMetrics, text: str = "", **fields: Any) -> None:
    """A post, `msg_id` hours after NOON unless a date is given, and what was read of its counters."""
    message = CollectedMessage(post=post(msg_id, text, **fields), metrics=None)
    store.record(Page(channel_id=CHANNEL, seen_at=NOON, messages=(message,), metrics=readings))


def fill(store: CollectorStore) -> None:
    """Three posts of three days with readings, links, reactions; subscribers; all collected."""
    links = tuple(Link(url=url, offset=0, length=1) for url in ("https://www.nasa.gov/a?b=1", "https://esa.int"))
    likes = {"👍": 9, "❤": 3}
    record(store, 1, counted(1, NOON + hours(2), 40), counted(1, NOON + hours(30), 100, reactions=likes), text="one")
    record(store, 30, counted(30, NOON + hours(40), 300, forwards=6), text="two", links=links)
    record(store, 60, counted(60, NOON + hours(61), 50, reactions={"paid": 2}), text="three", links=links[:1])
    for day, subscribers in enumerate((1000, 1010, 990)):
        store.channels.record(channel(seen_at=NOON + hours(24 * day), subscribers=subscribers))
    store.record(Page(channel_id=CHANNEL, seen_at=AT, cursor=Cursor(complete_at=AT)))


def facts_of(store: CollectorStore, days: int = 10) -> Facts:
    found = store.channels.find(CHANNEL)
    assert found is not None
    return gather(store, found, days=days, at=AT)


@dataclass
class ReadPage(HTMLParser):
    """What a browser would find on a page: tags, their attributes, and the text that people see."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def read_html(html: str) -> ReadPage:
    """The page as a browser would read it."""
    found = ReadPage()
    found.feed(html)
    found.close()
    return found
