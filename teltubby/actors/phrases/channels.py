"""The channels that are collected: `/track`, `/untrack`, `/channels` and `/report`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from teltubby.actors.phrases.words import FOLLOWED, NAME_CHARACTERS, REASON_CHARACTERS, clipped, counted, since
from teltubby.archive.media_filter import EXAMPLE, describe
from teltubby.messages.collector import ChannelStanding, ChannelsTold, MediaFilter, ReportTold, TrackTold
from teltubby.messages.wire_fields import shown

SUMMARY_CHARACTERS = 900
"""Less than the caption of a picture may have."""
_FILTER_CHARACTERS = 400

TRACK_USAGE = (
    "/track @name collects a channel from now on: its history, its updates and its counters. The user account must be "
    "able to read it; https://t.me/ links and ids like <code>-1001234567890</code> name one, too.\n"
    f"Its files are archived where you say which: <code>/track @name {escape(EXAMPLE)}</code>\n"
    "/channels lists what is collected."
)
UNTRACK_USAGE = "/untrack @name collects a channel no longer; what was collected stays. /channels lists them."
REPORT_USAGE = "/report @name, or /report @name 90, draws what a channel did in the last days (1 to 3650)."
NO_COLLECTOR = (
    "No collector answers, so no channel is collected. It is a part of the worker: where that runs, set "
    "<code>MTPROTO_ENABLED=true</code> with <code>MTPROTO_HISTORY_ENABLED=true</code> (history), "
    "<code>MTPROTO_UPDATES_ENABLED=true</code> (updates) or both, start it again, and sign the user account in "
    "(/mtlogin). If one should run, /mtstatus asks the workers."
)
BROKER_AWAY = "The broker is away, so the collector cannot be told. Please try again later."
_NO_OLDER_ONES = "older ones are not collected (MTPROTO_HISTORY_ENABLED is off)"
READ_AGAIN = "· yet to be read again: {:,} (Telegram did not tell which were edited or deleted meanwhile)"
NONE_YET = "No channel is collected yet. /track @name begins."


def refused(peer: str, reason: str) -> str:
    """What was written names no channel, or not well; `reason` is a sentence without the full stop."""
    return f"<code>{clipped(peer, NAME_CHARACTERS)}</code>: {clipped(reason, REASON_CHARACTERS)}."


def too_often(command: str, *, times: int, minutes: int) -> str:
    return f"/{command} was given {times} times in {counted(minutes, 'minute')}, which is enough. Please wait a while."


def takes_time(peer: str) -> str:
    """The order is with the collector, which has not said yet what came of it."""
    return (
        f"⏳ The collector has the order about <code>{clipped(peer, NAME_CHARACTERS)}</code> and needs longer for it; "
        "what comes of it is said here. /channels shows how it stands."
    )


def tracked(told: TrackTold) -> str:
    """What came of `/track`."""
    name = _named(told.peer, told.channel)
    if told.refusal is not None:
        return f"❌ {name} is not collected: {clipped(told.refusal, REASON_CHARACTERS)}."
    media = None if told.channel is None else told.channel.media
    if told.was_collected and told.changed:
        lines = [
            f"✅ {name} is collected already; which of its files are archived was changed:",
            f"{_which(told.media_before)} → {_which(media)}",
        ]
    else:
        first = f"✅ {name} is collected from now on." if told.changed else f"{name} is collected already, as you say."
        lines = [first, _files(media)]
    if told.channel is not None and told.channel.trouble is not None:
        lines.append(f"⚠️ <i>{clipped(told.channel.trouble, REASON_CHARACTERS)}</i>")
    return "\n".join(lines)


def untracked(told: TrackTold) -> str:
    """What came of `/untrack`."""
    name = _named(told.peer, told.channel)
    if told.refusal is not None:
        return f"❌ {name} stays as it is: {clipped(told.refusal, REASON_CHARACTERS)}."
    if not told.changed:
        return f"{name} was not collected."
    return f"✅ {name} is collected no longer; what was collected stays."


def channels_text(told: Sequence[ChannelsTold], *, now: datetime) -> str:
    """`/channels`: of each collector, every channel, those with trouble first."""
    return "\n\n".join(_collector(each, now=now, is_one_of_several=len(told) > 1) for each in told)


def report_caption(told: ReportTold) -> str:
    """What stands under the picture of a report; the file follows, and the answer is whole with that."""
    lines = [f"{FOLLOWED} <b>{clipped(shown(told.title or told.peer), NAME_CHARACTERS)}</b>"]
    for line in (told.summary or "").splitlines():
        short = clipped(line, REASON_CHARACTERS)
        if sum(map(len, lines)) + len(lines) + len(short) > SUMMARY_CHARACTERS:
            break
        lines.append(short)
    return "\n".join(lines)


def no_report(told: ReportTold) -> str:
    name = f"<code>{clipped(told.peer, NAME_CHARACTERS)}</code>"
    return f"❌ There is no report of {name}: {clipped(told.refusal or 'it is empty', REASON_CHARACTERS)}."


def _collector(told: ChannelsTold, *, now: datetime, is_one_of_several: bool) -> str:
    mode = "updates are followed" if told.following else "updates are not followed now"
    lines = [f"<b>{counted(len(told.channels), 'channel')}</b> collected; {mode}"]
    if is_one_of_several:
        lines[0] += f" (worker <code>{clipped(told.worker, NAME_CHARACTERS)}</code>)"
    if told.collector is not None:
        lines.append(f"⚠️ {clipped(told.collector, REASON_CHARACTERS)}")
    if not told.channels:
        lines.append(NONE_YET)
    for channel in sorted(told.channels, key=lambda each: each.trouble is None):
        lines += ["", *_channel(channel, now, history=told.history)]
    return "\n".join(lines)


def _channel(channel: ChannelStanding, now: datetime, *, history: bool) -> list[str]:
    mark = "⚠️" if channel.trouble is not None else "✅" if channel.backfill_done or not history else "⏳"
    configured = " · in MTPROTO_PEERS" if channel.is_configured else ""
    lines = [f"{mark} {_named(channel.peer, channel)}{configured}", f"· {_posts(channel, history=history)}"]
    if channel.complete_at is None:
        lines.append("· not complete yet")
    else:
        lines.append(f"· last complete {since(channel.complete_at, now)}")
    if channel.to_read_again:
        lines.append(READ_AGAIN.format(channel.to_read_again))
    if channel.media is not None:
        lines.append(f"· {_files(channel.media)}")
    if channel.trouble is not None:
        lines.append(f"· <i>{clipped(channel.trouble, REASON_CHARACTERS)}</i>")
    return lines


def _posts(channel: ChannelStanding, *, history: bool) -> str:
    older = "the whole history" if channel.backfill_done else "older ones follow" if history else _NO_OLDER_ONES
    if channel.total is not None and channel.total < channel.posts:  # what was deleted since stays
        return f"{channel.posts:,} posts, of which the channel still has {channel.total:,} at most, {older}"
    of = "" if channel.total is None else f" of {channel.total:,}"
    return f"{channel.posts:,}{of} posts, {older}"


def _which(media: MediaFilter | None) -> str:
    return "none" if media is None else clipped(describe(media), _FILTER_CHARACTERS)


def _files(media: MediaFilter | None) -> str:
    if media is None:
        return "Its files are not archived."
    return f"Files are archived: {clipped(describe(media), _FILTER_CHARACTERS)}."


def _named(peer: str, channel: ChannelStanding | None) -> str:
    """The title, where it is known, and how the channel was named."""
    name = f"<code>{clipped(peer, NAME_CHARACTERS)}</code>"
    if channel is None or channel.title is None:
        return name
    return f"<b>{clipped(shown(channel.title), NAME_CHARACTERS)}</b> ({name})"
