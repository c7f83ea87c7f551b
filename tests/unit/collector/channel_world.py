"""Telegram's channels in memory, as a ChannelGateway: exact about pts and differences, with trouble on order.

What happens in a channel is pushed, each push with the fate that `fate` gives it. Flood waits and failures come by
`script` (see tests/script.py), which also tells its watcher "posts_before before", "posts_before after" and so on: the
moments at which a test may kill whoever asks. Times are those of tests/virtual_time.py.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeVar

import anyio

from teltubby.errors import ChatUnavailable, FloodWait
from teltubby.messages.channels import (
    PAGE,
    ChannelDifference,
    ChannelRef,
    FoundChannel,
    PostPage,
    Pushed,
    PushedChange,
    PushedCounters,
    PushedGap,
)
from teltubby.messages.collected import (
    AbsentMessage,
    Channel,
    ChannelKind,
    CollectedMessage,
    Post,
    PostMetrics,
    ReadMessage,
    UnreadableMessage,
)
from teltubby.supervision import Signal
from tests.script import Script, Watcher, nobody_watches
from tests.virtual_time import wall_clock

R = TypeVar("R")

FIRST_CHANNEL = 1_500_000_001


class Fate(Enum):
    """What becomes of a push. LATE ones come when `ChannelWorld.release` lets them, after those that overtook them;
    in place of a GAP comes Telegram's word that there is more than it pushes.
    """

    ARRIVES = auto()
    LOST = auto()
    TWICE = auto()
    LATE = auto()
    GAP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What took a channel to `pts`; `msg_ids` are new or edited, or (`is_deletion`) gone."""

    pts: int
    msg_ids: tuple[int, ...]
    is_deletion: bool = False


@dataclass(slots=True, kw_only=True)
class WorldChannel:
    """A channel as it really is. `posts` are those that are there, `gone` the ids of those that were, `contents` the
    texts that each ever had; `counters` are those of now, and `counted` all that they ever were, oldest first.
    """

    world: ChannelWorld
    channel: Channel
    access_hash: int
    posts: dict[int, Post] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    contents: dict[int, list[str]] = field(default_factory=dict)
    counters: dict[int, PostMetrics] = field(default_factory=dict)
    counted: dict[int, list[PostMetrics]] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)
    """Ids of messages that come as UnreadableMessage."""
    pts: int = 1
    forgotten: int = 0
    """A difference since a pts below this one is too long."""
    difference_size: int = 100
    """So many events at once, and so many messages of a difference that is too long."""
    page_size: int = PAGE
    """Pages are no longer than this, whatever is asked for."""
    shows_absent: bool = False
    """Pages have AbsentMessage where something was deleted; it counts as one of the page."""
    closed: str | None = None
    """Why this account does not see the channel."""
    last_id: int = 0
    events: list[_Event] = field(default_factory=list)

    @property
    def id(self) -> int:
        return self.channel.channel_id

    @property
    def ref(self) -> ChannelRef:
        return ChannelRef(self.id, self.access_hash)

    @property
    def newest(self) -> int | None:
        return max(self.posts, default=None)

    def fill(self, number: int, *, every: float = 60.0, step: int = 1) -> None:
        """So many posts, the last of them `every` seconds ago, as if they had been there when the world began."""
        for place in range(number, 0, -1):
            self.last_id += step
            self._put(f"post {self.last_id}", self.world.clock() - timedelta(seconds=place * every), {})
            self.pts += 1
        self.forgotten = self.pts

    def post(self, text: str, **fields: Any) -> int:
        """Somebody posts; returns the id."""
        self.last_id += 1
        self._put(text, self.world.clock(), fields)
        self._happened((self.last_id,))
        return self.last_id

    def edit(self, msg_id: int, text: str) -> None:
        """The post gets another text, and the date of edit that Telegram has: in whole seconds."""
        self.posts[msg_id] = replace(self.posts[msg_id], text=text, edited_at=_whole(self.world.clock()))
        self.contents[msg_id].append(text)
        self._happened((msg_id,))

    def delete(self, *msg_ids: int) -> None:
        """The posts are gone, all by one update."""
        for msg_id in msg_ids:
            del self.posts[msg_id]
        self.gone.update(msg_ids)
        self._happened(msg_ids, is_deletion=True)

    def react(self, msg_id: int, key: str = "👍", count: int = 1) -> None:
        """Reactions come (or go, by a negative count): an update with pts, and the date of edit moves."""
        reactions = dict(self.counters[msg_id].reactions)
        reactions[key] = reactions.get(key, 0) + count
        self._count(msg_id, reactions={key: number for key, number in reactions.items() if number > 0})
        self.posts[msg_id] = replace(self.posts[msg_id], edited_at=_whole(self.world.clock()))
        self._happened((msg_id,))

    def view(self, msg_id: int, views: int = 1, forwards: int = 0) -> None:
        """More views and forwards: pushed without pts, and never a part of a difference."""
        known = self.counters[msg_id]
        self._count(msg_id, views=(known.views or 0) + views, forwards=(known.forwards or 0) + forwards)
        seen = replace(self.counters[msg_id], replies=None, comments=None, reactions={}, reactions_told=False)
        self.world.push(PushedCounters(channel_id=self.id, metrics=(seen,)))

    def follow(self, subscribers: int) -> None:
        """So many follow it now."""
        self.channel = replace(self.channel, subscribers=subscribers)

    def forget(self) -> None:
        """Telegram tells no more of what happened until now."""
        self.forgotten = self.pts

    def counters_at(self, msg_id: int, at: datetime) -> PostMetrics:
        """What the counters of a post were at a moment."""
        return [one for one in self.counted[msg_id] if one.ts <= at][-1]

    def read(self, msg_id: int, at: datetime) -> ReadMessage:
        """A message as Telegram shows it at that moment, which is now."""
        if msg_id in self.unreadable and msg_id in self.posts:
            return UnreadableMessage(channel_id=self.id, msg_id=msg_id, reason="of a newer layer", raw={"id": msg_id})
        if msg_id not in self.posts:
            return AbsentMessage(channel_id=self.id, msg_id=msg_id)
        return CollectedMessage(post=self.posts[msg_id], metrics=replace(self.counters[msg_id], ts=at))

    def _put(self, text: str, at: datetime, fields: dict[str, Any]) -> None:
        msg_id = self.last_id
        self.posts[msg_id] = Post(channel_id=self.id, msg_id=msg_id, date=_whole(at), text=text, **fields)
        self.contents[msg_id] = [text]
        self._count(msg_id, views=1, forwards=0)

    def _count(self, msg_id: int, **changed: Any) -> None:
        now = self.world.clock()
        known = self.counters.get(msg_id, PostMetrics(channel_id=self.id, msg_id=msg_id, ts=now))
        self.counters[msg_id] = replace(known, ts=now, **changed)
        self.counted.setdefault(msg_id, []).append(self.counters[msg_id])

    def _happened(self, msg_ids: tuple[int, ...], *, is_deletion: bool = False) -> None:
        self.pts += len(msg_ids)
        self.events.append(_Event(pts=self.pts, msg_ids=msg_ids, is_deletion=is_deletion))
        change = PushedChange(channel_id=self.id, pts=self.pts, pts_count=len(msg_ids))
        if is_deletion:
            self.world.push(replace(change, deleted=msg_ids))
        else:
            now = self.world.clock()
            self.world.push(replace(change, messages=tuple(self.read(msg_id, now) for msg_id in msg_ids)))


class WorldPushes:
    """`Pushes` of one connection."""

    def __init__(self) -> None:
        self.waiting: deque[Pushed] = deque()
        self.is_open = True
        self.changed = Signal()

    async def next(self) -> Pushed | None:
        while self.is_open and not self.waiting:
            await self.changed.wait()
        await anyio.lowlevel.checkpoint()
        return self.waiting.popleft() if self.waiting else None

    async def aclose(self) -> None:
        self.end()
        self.waiting.clear()

    def end(self) -> None:
        """The connection is lost; what came before is read still."""
        self.is_open = False
        self.changed.notify()


class ChannelWorld:
    """`ChannelGateway`: all channels, and one account that reads them. Every request takes `round_trip` seconds; what
    is answered is what was so in the middle of it.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = wall_clock,
        watch: Watcher = nobody_watches,
        round_trip: float = 0.05,
    ) -> None:
        self.script = Script(watch)
        self._clock = clock
        self._last_moment = datetime.min.replace(tzinfo=UTC)
        self.channels: dict[int, WorldChannel] = {}
        self.round_trip = round_trip
        self.fate: Callable[[Pushed], Fate] = lambda pushed: Fate.ARRIVES
        self._pushes: WorldPushes | None = None
        self._late: list[Pushed] = []
        self._flooded_until = -math.inf

    def add(self, title: str, posts: int = 0, *, username: str | None = None, **fields: Any) -> WorldChannel:
        """A channel with so many posts; `fields` are those of WorldChannel."""
        channel = Channel(
            channel_id=FIRST_CHANNEL + len(self.channels),
            username=username,
            title=title,
            kind=ChannelKind.CHANNEL,
            seen_at=self.clock(),
            subscribers=10,
        )
        one = WorldChannel(world=self, channel=channel, access_hash=77 + len(self.channels), **fields)
        self.channels[one.id] = one
        one.fill(posts)
        return one

    def clock(self) -> datetime:
        """The moment at Telegram; no two are the same."""
        self._last_moment = max(self._clock(), self._last_moment + timedelta(microseconds=1))
        return self._last_moment

    # -- trouble

    def flood(self, seconds: float) -> None:
        """Every request within so many seconds is told to wait for the rest of them."""
        self._flooded_until = anyio.current_time() + seconds

    def push(self, pushed: Pushed) -> None:
        """Push it, as far as its fate allows and somebody follows."""
        match self.fate(pushed):
            case Fate.ARRIVES:
                self._deliver(pushed)
            case Fate.TWICE:
                self._deliver(pushed, pushed)
            case Fate.LATE:
                self._late.append(pushed)
            case Fate.GAP:
                self._deliver(PushedGap(channel_id=pushed.channel_id))
            case Fate.LOST:
                pass

    def release(self) -> None:
        """Late pushes arrive now, the last one first."""
        self._deliver(*reversed(self._late))
        self._late.clear()

    def disconnect(self) -> None:
        """The connection that updates come over is lost, with what is late."""
        self._late.clear()
        if self._pushes is not None:
            self._pushes.end()
            self._pushes = None

    def _deliver(self, *pushed: Pushed) -> None:
        if self._pushes is not None:
            self._pushes.waiting.extend(pushed)
            self._pushes.changed.notify()

    # -- the gateway

    async def find_channel(self, peer: str) -> FoundChannel:
        await self._begin("find_channel", peer)
        names = {f"@{one.channel.username}": one for one in self.channels.values()}
        names |= {f"-100{one.id}": one for one in self.channels.values()}
        if peer not in names:
            raise ChatUnavailable(f"{peer} is no channel that this account sees")
        return await self._answer("find_channel", self._describe(names[peer].ref))

    async def describe_channel(self, ref: ChannelRef) -> FoundChannel:
        await self._begin("describe_channel", ref)
        return await self._answer("describe_channel", self._describe(ref))

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        await self._begin("posts_before", before)
        one = self._open(ref)
        ids = [msg_id for msg_id in reversed(_shown(one)) if before is None or msg_id < before]
        return await self._answer("posts_before", self._page(one, ids, limit))

    async def posts_after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        await self._begin("posts_after", after)
        one = self._open(ref)
        ids = [msg_id for msg_id in _shown(one) if msg_id > after]
        return await self._answer("posts_after", self._page(one, ids, limit))

    async def posts_by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        assert 0 < len(msg_ids) <= PAGE, "Telegram takes a hundred ids at once"
        await self._begin("posts_by_id", tuple(msg_ids))
        one, now = self._open(ref), self.clock()
        return await self._answer("posts_by_id", tuple(one.read(msg_id, now) for msg_id in msg_ids))

    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        await self._begin("difference", pts)
        return await self._answer("difference", self._difference(self._open(ref), pts))

    async def follow(self) -> WorldPushes:
        await self._begin("follow")
        if self._pushes is not None:
            self._pushes.end()
        self._pushes = WorldPushes()
        return await self._answer("follow", self._pushes)

    async def _begin(self, method: str, subject: object = None) -> None:
        await self.script.begin(method, subject)
        await anyio.sleep(self.round_trip / 2)
        if (rest := self._flooded_until - anyio.current_time()) > 0:
            raise FloodWait(math.ceil(rest))

    async def _answer(self, method: str, answer: R) -> R:
        await anyio.sleep(self.round_trip / 2)
        await self.script.end(method)
        return answer

    def _open(self, ref: ChannelRef) -> WorldChannel:
        one = self.channels.get(ref.channel_id)
        if one is None or one.access_hash != ref.access_hash:
            raise ChatUnavailable("There is no such channel for this account")
        if one.closed is not None:
            raise ChatUnavailable(one.closed)
        return one

    def _describe(self, ref: ChannelRef) -> FoundChannel:
        one = self._open(ref)
        seen = replace(one.channel, seen_at=self.clock())
        return FoundChannel(ref=one.ref, channel=seen, pts=one.pts, newest=one.newest)

    def _page(self, one: WorldChannel, ids: Sequence[int], limit: int) -> PostPage:
        assert 0 < limit <= PAGE, "Telegram gives at most a hundred at once"
        page, now = ids[: min(limit, one.page_size)], self.clock()
        messages = tuple(one.read(msg_id, now) for msg_id in page)
        return PostPage.of(messages, is_end=len(page) == len(ids), total=len(one.posts))

    def _difference(self, one: WorldChannel, pts: int) -> ChannelDifference:
        now = self.clock()
        if pts < one.forgotten or pts > one.pts:
            newest = sorted(one.posts, reverse=True)[: one.difference_size]
            messages = tuple(one.read(msg_id, now) for msg_id in newest)
            return ChannelDifference(pts=one.pts, is_final=True, too_long=True, messages=messages, again_in=30.0)
        events = [event for event in one.events if event.pts > pts]
        part = events[: one.difference_size]
        told = dict.fromkeys(msg_id for event in part if not event.is_deletion for msg_id in event.msg_ids)
        return ChannelDifference(
            pts=part[-1].pts if part else pts,
            is_final=len(part) == len(events),
            messages=tuple(one.read(msg_id, now) for msg_id in told if msg_id in one.posts),
            deleted=tuple(msg_id for event in part if event.is_deletion for msg_id in event.msg_ids),
            again_in=30.0,
        )


def _shown(one: WorldChannel) -> list[int]:
    return sorted({*one.posts, *one.gone}) if one.shows_absent else sorted(one.posts)


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def contents(channels: Iterable[WorldChannel]) -> dict[tuple[int, int], str]:
    """The text of every post that is there now, by channel and id."""
    return {(one.id, msg_id): post.text for one in channels for msg_id, post in one.posts.items()}
