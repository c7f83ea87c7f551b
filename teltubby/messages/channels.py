"""What is asked of channels at Telegram, and what Telegram tells of them unasked. All ids are Telegram's bare ones.

Every request may raise TelegramUnavailable, FloodWait, ChatUnavailable (a channel that this account does not see: it is
private, deleted, or the account was removed) and what a session that is not ready raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, Self

from teltubby.messages.collected import Channel, PostMetrics, ReadMessage, id_of
from teltubby.supervision import Request

PAGE = 100
"""The most messages that Telegram gives at once, of history and by id."""


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """How one account asks for a channel; the access hash means nothing to another account."""

    channel_id: int
    access_hash: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChannel:
    """A channel as it is now, by channels.getFullChannel. `protected`: nothing of it may be copied.

    `pts` is its present state of updates: what happens from now on comes after it. `newest` is the id of its newest
    message, None where it has none.
    """

    ref: ChannelRef
    channel: Channel
    pts: int
    newest: int | None
    protected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FindChannel(Request[FoundChannel]):
    """The channel that `peer` names, in the words of archive.peers; a basic group leads to the supergroup it became.

    Raises ChatUnavailable, also for an invite by which the account has not joined, and for what is no channel.
    A name is asked of Telegram (contacts.resolveUsername, which is limited to some 200 a day): keep the ChannelRef.
    """

    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeChannel(Request[FoundChannel]):
    """A channel that was found before."""

    ref: ChannelRef


@dataclass(frozen=True, kw_only=True)
class PostPage:
    """A page of a channel's messages. `total` is how many it has at all, None where Telegram did not say.

    `is_end`: there are no more beyond this page in the direction that was asked for. What the messages say is read when
    they are first asked for, which takes a tenth of a second where texts are long (do it in a thread); their `ids` are
    known at once, so that what is next can be asked for before.
    """

    ids: tuple[int, ...]
    read: Callable[[], tuple[ReadMessage, ...]] = field(compare=False, repr=False)
    is_end: bool
    total: int | None = None

    @classmethod
    def of(cls, messages: Sequence[ReadMessage], *, is_end: bool, total: int | None = None) -> Self:
        """A page of messages that are read already."""
        held = tuple(messages)
        return cls(ids=tuple(map(id_of, held)), read=lambda: held, is_end=is_end, total=total)

    @cached_property
    def messages(self) -> tuple[ReadMessage, ...]:
        """In the order of their ids."""
        return self.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostsBefore(Request[PostPage]):
    """The newest messages with ids below `before` (None: the newest of all), newest first; at most `limit` (PAGE)."""

    ref: ChannelRef
    before: int | None
    limit: int = PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class PostsAfter(Request[PostPage]):
    """The oldest messages with ids above `after`, oldest first; at most `limit` (PAGE)."""

    ref: ChannelRef
    after: int
    limit: int = PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class PostsById(Request[tuple[ReadMessage, ...]]):
    """These messages (at most PAGE), one for each id that was asked for; AbsentMessage where Telegram says so."""

    ref: ChannelRef
    msg_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDifference:
    """What happened in a channel since a `pts`, by updates.getChannelDifference: new and edited messages as they are
    now, ids that are gone, counters that changed. After it the channel is at `pts`.

    Not `is_final`: there is more, ask again from `pts`. `too_long`: Telegram does not tell all of it any more; the
    messages are the newest ones only, and whatever else happened has to be found by asking.
    """

    pts: int
    is_final: bool
    too_long: bool = False
    messages: tuple[ReadMessage, ...] = ()
    deleted: tuple[int, ...] = ()
    metrics: tuple[PostMetrics, ...] = ()
    again_in: float | None = None
    """After so many seconds Telegram wants to be asked again, where the channel is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDifference(Request[ChannelDifference]):
    """What happened since `pts`. A `pts` that Telegram does not know (any more) counts as too long ago."""

    ref: ChannelRef
    pts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedChange:
    """Telegram tells of new or edited messages, or deletions: the channel goes from `pts - pts_count` to `pts`."""

    channel_id: int
    pts: int
    pts_count: int
    messages: tuple[ReadMessage, ...] = ()
    deleted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedCounters:
    """Telegram tells of counters that changed; it keeps no account of these, so that they may be lost."""

    channel_id: int
    metrics: tuple[PostMetrics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedGap:
    """More happened than is pushed: ask for the difference, of this channel or (None) of every one."""

    channel_id: int | None


Pushed = PushedChange | PushedCounters | PushedGap


class Pushes(Protocol):
    """What Telegram pushes, as it comes. One reader at a time."""

    async def next(self) -> Pushed | None:
        """The next one; None when the connection it came over is lost."""
        ...

    async def aclose(self) -> None:
        """Take no more; safe to call twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpdates(Request[Pushes]):
    """What Telegram pushes from now on, of all channels of the account, until the connection is lost; whoever follows
    asks again then. When it is read too slowly, a PushedGap stands for what was dropped. A later one ends an earlier.
    """


ChannelRequest = FindChannel | DescribeChannel | PostsBefore | PostsAfter | PostsById | ReadDifference | FollowUpdates
