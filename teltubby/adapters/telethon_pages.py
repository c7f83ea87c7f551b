"""Pages of a channel's history, by messages.getHistory (core.telegram.org/api/offsets).

A message of a newer layer spoils the whole answer that it is in. Such a page is asked for in halves, down to the single
message, of which no more than its id can be found out: it is told as unreadable, and the others as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from telethon import functions, types

from teltubby.adapters.telethon_known import KnownChannels
from teltubby.errors import TeltubbyError, UnreadableAnswer
from teltubby.messages.channels import PAGE, ChannelRef, PostPage
from teltubby.messages.collected import UnreadableMessage

_LOG = logging.getLogger(__name__)

LARGEST_ID = 2**31 - 1

Ask = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Way:
    """A direction through the messages of a channel, from a place on: back to those below it, or to those above it."""

    ref: ChannelRef
    back: bool

    def page(self, place: int, size: int) -> Any:
        """Asks for the next `size` messages. An offset reaches back from an id; a negative one beside it, forward."""
        if self.back:
            return history(self.ref, offset_id=0 if place > LARGEST_ID else place, limit=size)
        return history(self.ref, offset_id=place + 1, add_offset=-size, limit=size, min_id=place)

    def next_within(self, place: int, reach: int) -> Any:
        """Asks for the next message if its id is among the next `reach` ones, and else for nothing."""
        if self.back:
            offset_id = 0 if place > LARGEST_ID else place
            return history(self.ref, offset_id=offset_id, limit=1, min_id=place - 1 - reach)
        return history(self.ref, offset_id=place + 1, add_offset=-1, limit=1, min_id=place, max_id=place + 1 + reach)

    def ids(self, place: int) -> range:
        """All ids that there may be."""
        return range(1, place) if self.back else range(place + 1, LARGEST_ID + 1)

    def in_order(self, ids: Iterable[int]) -> tuple[int, ...]:
        """As they come on this way."""
        return tuple(sorted(ids, reverse=self.back))


class HistoryPages:
    """`ask` puts a request, at a moment of the `clock`."""

    def __init__(self, ask: Ask, known: KnownChannels, clock: Callable[[], datetime]) -> None:
        self._ask = ask
        self._known = known
        self._clock = clock

    async def before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        """See PostsBefore. Telegram may give a short page in the midst: the end is where there is nothing any more."""
        if before is not None and before <= 1:
            return PostPage.of((), is_end=True)
        place = LARGEST_ID + 1 if before is None else min(before, LARGEST_ID + 1)
        page = await self._readable(_Way(ref, back=True), place, _size(limit))
        return replace(page, is_end=not page.ids or page.ids[-1] == 1)

    async def after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        """See PostsAfter."""
        page = await self._readable(_Way(ref, back=False), after, _size(limit))
        return replace(page, is_end=not page.ids)

    async def newest(self, ref: ChannelRef) -> int | None:
        """The id of the newest message that can be read; None where there is no message. Raises UnreadableAnswer for a
        channel whose newest PAGE messages are of a newer layer.
        """
        skipped = 0
        while True:
            try:
                answer = await self._ask(history(ref, limit=1, add_offset=skipped))
            except UnreadableAnswer:
                skipped += 1 + skipped
                if skipped >= PAGE:
                    raise
            else:
                return max((message.id for message in answer.messages), default=None)

    async def _readable(self, way: _Way, place: int, size: int) -> PostPage:
        """The next messages; fewer than `size` where others cannot be had now."""
        try:
            return await self._page(way, place, size)
        except UnreadableAnswer as error:
            if size == 1:
                return PostPage.of((await self._unreadable(way, place, error),), is_end=False)
            first = await self._readable(way, place, size // 2)
            if not first.ids:  # then it was no message that could not be read
                raise
        try:
            rest = await self._readable(way, first.ids[-1], size - size // 2)
        except TeltubbyError as error:  # whoever asks for what is next hears of it
            _LOG.info("channel %d: a page is cut short: %s", way.ref.channel_id, error)
            return first
        return PostPage(
            ids=first.ids + rest.ids,
            read=lambda: first.messages + rest.messages,
            is_end=False,
            total=first.total if rest.total is None else rest.total,
        )

    async def _page(self, way: _Way, place: int, size: int) -> PostPage:
        """The messages of an answer whose ids are of those that were asked for."""
        seen_at = self._clock()
        answer = await self._ask(way.page(place, size))
        within = way.ids(place)
        fitting = {message.id: message for message in answer.messages if message.id in within}
        if len(fitting) < len(answer.messages):
            _LOG.warning("channel %d: a page has messages that were not asked for", way.ref.channel_id)
        ids = way.in_order(fitting)
        read = self._known.reader(way.ref.channel_id, answer, seen_at)
        return PostPage(
            ids=ids,
            read=lambda: tuple(read(fitting[msg_id]) for msg_id in ids),
            is_end=False,
            total=getattr(answer, "count", None),
        )

    async def _unreadable(self, way: _Way, place: int, error: UnreadableAnswer) -> UnreadableMessage:
        """The next message, which spoils every answer that it is in: its id is known by which those are."""
        ids = way.ids(place)
        reach = 1
        while not await self._is_unreadable(way, place, reach):
            if reach >= len(ids):
                raise error
            reach = min(2 * reach, len(ids))
        nearer = reach // 2
        while reach - nearer > 1:
            middle = (nearer + reach) // 2
            if await self._is_unreadable(way, place, middle):
                reach = middle
            else:
                nearer = middle
        msg_id = place - reach if way.back else place + reach
        _LOG.warning("channel %d: message %d cannot be read: %s", way.ref.channel_id, msg_id, error)
        return unreadable(way.ref, msg_id, error)

    async def _is_unreadable(self, way: _Way, place: int, reach: int) -> bool:
        try:
            await self._ask(way.next_within(place, reach))
        except UnreadableAnswer:
            return True
        return False


def history(
    ref: ChannelRef, *, limit: int, offset_id: int = 0, add_offset: int = 0, min_id: int = 0, max_id: int = 0
) -> functions.messages.GetHistoryRequest:
    """messages.getHistory of a channel."""
    return functions.messages.GetHistoryRequest(
        peer=types.InputPeerChannel(ref.channel_id, ref.access_hash),
        offset_id=offset_id,
        offset_date=None,
        add_offset=add_offset,
        limit=limit,
        max_id=min(max_id, LARGEST_ID),
        min_id=min_id,
        hash=0,
    )


def unreadable(ref: ChannelRef, msg_id: int, error: UnreadableAnswer) -> UnreadableMessage:
    """A message of which only this is known."""
    return UnreadableMessage(channel_id=ref.channel_id, msg_id=msg_id, reason=str(error))


def _size(limit: int) -> int:
    return max(1, min(limit, PAGE))
