"""What people want of the collector, and what it tells them: commands of the bot cross the broker, and come back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from teltubby.messages.collected import CollectedMedia, Post
from teltubby.messages.session import SessionChanged
from teltubby.supervision import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFilter:
    """Which files of a channel's posts are archived: those that fit all of it. Sizes in bytes; None: any.

    `words`: at least one of them is in the text, upper and lower case alike. `topics`: ids of a forum's.
    """

    kinds: tuple[CollectedMedia, ...]
    max_bytes: int | None = None
    min_bytes: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: tuple[str, ...] = ()
    topics: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsStep:
    """Counters of posts younger than `age` (and older than the step before says) are read `every` so often."""

    age: timedelta
    every: timedelta

    def __str__(self) -> str:
        return f"{_span(self.age)}:{_span(self.every)}"


def _span(time: timedelta) -> str:
    """In the largest unit that divides it, as METRICS_SCHEDULE has it."""
    minutes = int(time.total_seconds()) // 60
    size, unit = next((size, unit) for size, unit in ((1440, "d"), (60, "h"), (1, "m")) if minutes % size == 0)
    return f"{minutes // size}{unit}"


# -- orders, across the control exchange (messages.control): each collector that hears one answers it


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackChannel:
    """Collect this channel from now on; where it is collected already, `media` replaces its filter.

    `peer` is as `archive.peers` writes it. `order_id` names the order in the answer; an order heard twice is done once.
    """

    order_id: str
    peer: str
    user_id: int
    media: MediaFilter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UntrackChannel:
    """Collect this channel no longer; what was collected stays."""

    order_id: str
    peer: str
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeChannels:
    """Tell of every channel that is collected."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeReport:
    """Write the report of a channel, over its last `days`."""

    order_id: str
    peer: str
    days: int


CollectorOrder = TrackChannel | UntrackChannel | DescribeChannels | MakeReport


# -- answers, as durable as reports of jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStanding:
    """How far a channel is collected. `trouble` says why it cannot be now; `posts` are those that are stored.

    `total` is how many messages it has at Telegram, as far as known; `complete_at` when it was last known to be
    collected up to that moment; `to_read_again` of the stored posts are, as edits and deletions of them were missed.
    """

    peer: str
    channel_id: int | None = None
    title: str | None = None
    username: str | None = None
    posts: int = 0
    total: int | None = None
    backfill_done: bool = False
    complete_at: datetime | None = None
    trouble: str | None = None
    media: MediaFilter | None = None
    is_configured: bool = False
    """It stands in MTPROTO_PEERS, so that no command can remove it."""
    to_read_again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackTold:
    """What came of a TrackChannel or UntrackChannel: `refusal` says why nothing was done (a sentence, no full stop).

    `was_collected`: the channel was collected before, with the filter `media_before`.
    """

    worker: str
    order_id: str
    at: datetime
    peer: str
    refusal: str | None = None
    changed: bool = False
    channel: ChannelStanding | None = None
    was_collected: bool = False
    media_before: MediaFilter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelsTold:
    """Every channel that this collector collects, by name; `following`: updates are followed right now.

    `collector` says in words how the collector itself stands, when it cannot work now. Without `history` nothing older
    than what was there when it began is collected.
    """

    worker: str
    order_id: str
    at: datetime
    channels: tuple[ChannelStanding, ...]
    following: bool = False
    collector: str | None = None
    history: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTold:
    """A report: `page` is one HTML file (base64), `picture` a PNG (base64), `summary` its figures in a few lines.

    Or `refusal` says why there is none.
    """

    worker: str
    order_id: str
    at: datetime
    peer: str
    title: str | None = None
    file_name: str | None = None
    summary: str | None = None
    page: str | None = field(default=None, repr=False)
    picture: str | None = field(default=None, repr=False)
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMediaFound:
    """A post's file is to be archived; told until the bot has it, so it may come more than once.

    The post's `media` has what Telegram tells of the file; `user_id` is who wanted it.
    """

    worker: str
    at: datetime
    post: Post
    title: str
    username: str | None
    user_id: int


CollectorReport = TrackTold | ChannelsTold | ReportTold | ChannelMediaFound


# -- within the worker


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeCollector(Request[ChannelsTold]):
    """How it stands, for whoever asks in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCollected(Request[None]):
    """Tell the bot; answered when the broker has confirmed it. Refused with BrokerUnavailable: try again."""

    report: CollectorReport


CollectorMessage = CollectorOrder | DescribeCollector | SessionChanged
"""What is said to the CollectorActor; the session is that of a person."""
