"""The bars of `teltubby sync-history`: for people, and safe from what channels call themselves."""

from __future__ import annotations

import io
import logging
import sys
from datetime import UTC, datetime

import pytest
from rich.console import Console

from teltubby.collecting.progress import Shown
from teltubby.collector.history import Progress
from teltubby.messages.collected import Channel, ChannelKind

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        return True


def progress(posts: int, total: int | None, *, title: str = "News", estimate: float = 75.0) -> Progress:
    channel = Channel(channel_id=7, username=None, title=title, kind=ChannelKind.CHANNEL, seen_at=NOW)
    return Progress(channel=channel, posts=posts, total=total, read=posts, estimate=estimate)


def drawn(*told: Progress) -> str:
    """What is on the screen in the end."""
    screen = Terminal()
    console = Console(file=screen, width=100, force_terminal=True, color_system=None)
    with Shown(sleep_threshold=1.5, console=console) as shown:
        for each in told:
            shown.tell(each)
    return screen.getvalue().rpartition("\r")[2]


def test_how_far_it_is_and_how_long_it_takes() -> None:
    shown = drawn(progress(100, 4000), progress(1200, 4000))
    assert "News" in shown and "1,200 / 4,000" in shown and "1 min 15 s left" in shown
    assert "2 h 05 min left" in drawn(progress(1, None, estimate=7500.0))
    assert "5 / 5" in drawn(progress(5, 3)), "posts that are deleted at Telegram are stored all the same"


def test_titles_are_what_strangers_write() -> None:
    shown = drawn(progress(1, 2, title="[red]\x1b[2J\u202eevil\n[/nothing]" + "x" * 100))
    assert "[red]" in shown and "\x1b[2J" not in shown and "\u202e" not in shown
    assert "7" in drawn(progress(1, 2, title="\u200b"))


def test_where_nobody_looks_nothing_is_drawn() -> None:
    file = io.StringIO()
    with Shown(sleep_threshold=1.5, console=Console(file=file)) as shown:
        shown.tell(progress(1, 2))
    assert file.getvalue() == ""


def test_what_is_logged_meanwhile_stands_above_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    console = Console(file=screen, width=100, force_terminal=True, color_system=None)
    with Shown(sleep_threshold=1.5, console=console) as shown:
        assert sys.stderr is not screen
        shown.tell(progress(1, 2))
        sys.stderr.write("something happened\n")
    assert sys.stderr is screen
    assert screen.getvalue().index("something happened") < screen.getvalue().rindex("News")


def test_only_long_waits_are_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Shown(sleep_threshold=10, console=Console(file=io.StringIO())) as shown:
        shown.waits(10, "Telegram asks to wait 10 s")
        shown.waits(90, "Telegram asks to wait 90 s")
    assert caplog.messages == ["waiting for 1 min 30 s: Telegram asks to wait 90 s"]
