"""What the chat says of channels that are collected: everything from outside escaped, nothing too long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.actors.phrases import PAGE_CHARACTERS, pages
from teltubby.actors.phrases import channels as words
from teltubby.messages.collected import CollectedMedia
from teltubby.messages.collector import ChannelStanding, ChannelsTold, MediaFilter, ReportTold, TrackTold

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PHOTOS = MediaFilter(kinds=(CollectedMedia.PHOTO,), max_bytes=500_000_000, words=("<cats>",))
NEWS = ChannelStanding(
    peer="@news",
    title="News",
    posts=1200,
    total=1300,
    complete_at=NOW - timedelta(minutes=5),
    backfill_done=True,
    media=PHOTOS,
)
TOLD = TrackTold(worker="w", order_id="o", at=NOW, peer="@news", changed=True, channel=NEWS)
LIST = ChannelsTold(worker="w", order_id="o", at=NOW, channels=(NEWS,), following=True)
REPORT = ReportTold(worker="w", order_id="o", at=NOW, peer="@news", title="News", summary="12 posts\n34 views")
TAGS = {"b", "i", "code"}


class Strict(HTMLParser):
    """Telegram's HTML, as far as we use it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS and not attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def is_sound(html: str) -> bool:
    """Whether Telegram takes it, in as many messages as it is said in."""
    for page in pages(html):
        parser = Strict()
        parser.feed(page)
        parser.close()
        assert parser.open == [] and len(page) <= PAGE_CHARACTERS
    return bool(html.strip())


def listed(*channels: ChannelStanding, **changes: object) -> str:
    told = ChannelsTold(worker="w", order_id="o", at=NOW, channels=channels, following=True)
    return words.channels_text([replace(told, **changes)], now=NOW)  # type: ignore[arg-type]


def test_a_channel_that_is_whole() -> None:
    assert listed(NEWS) == (
        "<b>1 channel</b> collected; updates are followed\n"
        "\n"
        "✅ <b>News</b> (<code>@news</code>)\n"
        "· 1,200 of 1,300 posts, the whole history\n"
        "· last complete 5 min ago\n"
        "· Files are archived: photo · up to 500 MB · with “&lt;cats&gt;”."
    )


def test_of_a_channel_more_may_be_kept_than_it_still_has() -> None:
    text = listed(replace(NEWS, posts=1200, total=1100))
    assert "· 1,200 posts, of which the channel still has 1,100 at most, the whole history\n" in text


def test_what_is_not_known_yet_is_not_said() -> None:
    assert listed(ChannelStanding(peer="-1001234567890", is_configured=True), following=False) == (
        "<b>1 channel</b> collected; updates are not followed now\n"
        "\n"
        "⏳ <code>-1001234567890</code> · in MTPROTO_PEERS\n"
        "· 0 posts, older ones follow\n"
        "· not complete yet"
    )


def test_trouble_comes_first_with_its_reason() -> None:
    troubled = replace(NEWS, peer="@gone", title="Gone", trouble="the account was removed from <it>")
    text = listed(NEWS, troubled)
    assert text.index("⚠️ <b>Gone</b>") < text.index("✅ <b>News</b>")
    assert "· <i>the account was removed from &lt;it&gt;</i>" in text


def test_a_collector_says_what_keeps_it_from_working() -> None:
    text = listed(collector="nobody is signed in")
    assert "⚠️ nobody is signed in" in text and words.NONE_YET in text


def test_where_history_is_off_nobody_is_told_that_older_posts_follow() -> None:
    begun = replace(NEWS, backfill_done=False)
    assert "⏳" in listed(begun) and "older ones follow" in listed(begun)
    off = listed(begun, history=False)
    assert "✅ <b>News</b>" in off and "follow\n" not in off
    assert "· 1,200 of 1,300 posts, older ones are not collected (MTPROTO_HISTORY_ENABLED is off)\n" in off
    assert "the whole history" in listed(NEWS, history=False), "what was collected before stays"


def test_a_title_neither_turns_a_line_round_nor_falls_apart() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    title = f"{family} \u202egnp\x00.exe"
    for text in (listed(replace(NEWS, title=title)), words.report_caption(replace(REPORT, title=title))):
        assert family in text and "\u202e" not in text and "\x00" not in text


def test_posts_that_are_to_be_read_again_are_told_while_there_are_some() -> None:
    assert "read again" not in listed(NEWS)
    text = listed(replace(NEWS, to_read_again=1100))
    assert "· yet to be read again: 1,100 (Telegram did not tell which were edited or deleted meanwhile)\n" in text


def test_only_of_several_collectors_the_name_is_said() -> None:
    assert "worker" not in listed(NEWS)
    both = words.channels_text([LIST, replace(LIST, worker="<two>")], now=NOW)
    assert "(worker <code>w</code>)" in both and "(worker <code>&lt;two&gt;</code>)" in both


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (TOLD, "✅ <b>News</b> (<code>@news</code>) is collected from now on.\nFiles are archived: photo"),
        (replace(TOLD, channel=replace(NEWS, media=None)), "Its files are not archived."),
        (replace(TOLD, changed=False), "is collected already"),
        (
            replace(TOLD, was_collected=True, media_before=replace(PHOTOS, max_bytes=None)),
            "✅ <b>News</b> (<code>@news</code>) is collected already; which of its files are archived was changed:\n"
            "photo · with “&lt;cats&gt;” → photo · up to 500 MB · with “&lt;cats&gt;”",
        ),
        (replace(TOLD, was_collected=True, channel=replace(NEWS, media=None), media_before=None), "none → none"),
        (replace(TOLD, channel=replace(NEWS, trouble="<not> looked for")), "⚠️ <i>&lt;not&gt; looked for</i>"),
        (replace(TOLD, channel=None), "✅ <code>@news</code> is collected from now on."),
        (
            replace(TOLD, refusal="it is private"),
            "❌ <b>News</b> (<code>@news</code>) is not collected: it is private.",
        ),
    ],
)
def test_what_came_of_tracking(told: TrackTold, expected: str) -> None:
    assert expected in words.tracked(told)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (TOLD, "is collected no longer; what was collected stays."),
        (replace(TOLD, changed=False), "was not collected."),
        (replace(TOLD, refusal="it is in MTPROTO_PEERS"), "stays as it is: it is in MTPROTO_PEERS."),
    ],
)
def test_what_came_of_untracking(told: TrackTold, expected: str) -> None:
    assert expected in words.untracked(told)


def test_a_caption_has_the_figures_that_fit() -> None:
    assert words.report_caption(REPORT) == "📊 <b>News</b>\n12 posts\n34 views"
    long = words.report_caption(replace(REPORT, title=None, summary="\n".join(f"<{'x' * 90}>" for _ in range(40))))
    assert long.startswith("📊 <b>@news</b>\n&lt;x") and len(long) <= 1000 and is_sound(long)


def test_the_usages_are_sound_and_name_what_they_explain() -> None:
    for command, usage in (
        ("/track @name", words.TRACK_USAGE),
        ("/untrack @name", words.UNTRACK_USAGE),
        ("/report @name", words.REPORT_USAGE),
    ):
        assert is_sound(usage) and usage.startswith(command)
    assert all(f"{flag}=true" in words.NO_COLLECTOR for flag in ("MTPROTO_ENABLED", "MTPROTO_HISTORY_ENABLED"))


ANYTHING = st.text(max_size=400)
FILTERS = st.builds(
    MediaFilter,
    kinds=st.lists(st.sampled_from(CollectedMedia), min_size=1).map(tuple),
    words=st.lists(ANYTHING, max_size=5).map(tuple),
)
STANDINGS = st.builds(
    ChannelStanding,
    peer=ANYTHING,
    title=st.none() | ANYTHING,
    posts=st.integers(0, 2**62),
    total=st.none() | st.integers(0, 2**62),
    complete_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    trouble=st.none() | ANYTHING,
    media=st.none() | FILTERS,
)


@given(st.lists(STANDINGS, max_size=8), ANYTHING, st.none() | ANYTHING)
def test_any_list_is_sound(channels: list[ChannelStanding], worker: str, collector: str | None) -> None:
    told = replace(LIST, channels=tuple(channels), worker=worker, collector=collector)
    assert is_sound(words.channels_text([told, LIST], now=NOW))


@given(STANDINGS, ANYTHING, st.none() | ANYTHING)
def test_any_answer_is_sound(channel: ChannelStanding, peer: str, refusal: str | None) -> None:
    told = replace(TOLD, peer=peer, channel=channel, refusal=refusal)
    report = replace(REPORT, peer=peer, title=channel.title, summary=refusal, refusal=refusal)
    for html in (
        words.tracked(told),
        words.untracked(told),
        words.report_caption(report),
        words.no_report(report),
        words.refused(peer, refusal or ""),
        words.takes_time(peer),
    ):
        assert is_sound(html)
