"""What the bot said already, where the ledger cannot know: it died between Telegram's yes and the note of it.

The Bot API has no way to ask. Over MTProto the bot reads its own mailbox by id, and private chats share one: whatever
answers a message has a higher id than that message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import anyio

from teltubby.adapters.base import SentLine, SentLines
from teltubby.errors import TelegramUnavailable, TeltubbyError

_LOG = logging.getLogger(__name__)

PAGE = 100
"""Ids that messages.getMessages takes at once."""
GAP = 300
"""Ids without a message, after which there is none: so many may have been deleted in a row."""
FARTHEST = 20_000
"""Ids that are looked through at most: what is older was not said a moment before the process died."""
WITHIN_SECONDS = 20.0

Message = tuple[int, int]
"""A private chat and a message in it."""


class Recollection:
    """Asks only about what is in doubt; `source` is None where there is no MTProto, and then nothing is known."""

    def __init__(self, source: Callable[[], SentLines] | None) -> None:
        self._make = source
        self._source: SentLines | None = None
        self._is_open = False
        self._doubts: set[Message] = set()
        self._asking = anyio.Lock()
        self._lines: dict[Message, list[SentLine]] = {}
        self._first = self._next = 0
        """What lies between is looked through."""
        self._reached_the_end = False

    def doubt(self, chat_id: int, message_ids: Iterable[int]) -> None:
        """These may have been answered, by a process that died or by a call whose end was not recorded."""
        if self._make is not None:
            self._doubts.update((chat_id, number) for number in message_ids)
            self._reached_the_end = False  # a call of this process is newer than what was looked through

    async def said(self, chat_id: int, reply_to: int | None, matches: Callable[[str], bool]) -> int | None:
        """The message of ours that answers `reply_to` already and whose plain text matches; None when there is none.

        None too when it cannot be found out: better to say a thing twice than never.
        """
        if reply_to is None or (chat_id, reply_to) not in self._doubts:
            return None
        async with self._asking:
            try:
                await self._look(reply_to)
            except (TeltubbyError, TimeoutError) as error:
                _LOG.warning("what was said before cannot be looked up, some of it may be said again: %s", error)
                await self.aclose()
                return None
        lines = self._lines.get((chat_id, reply_to), ())
        return next((line.message_id for line in lines if matches(line.text)), None)

    async def aclose(self) -> None:
        """Let go of the connection; the next question opens it again."""
        self._is_open = False
        if self._source is not None:
            await self._source.aclose()

    async def _look(self, message_id: int) -> None:
        """Once more where the connection was there before: it may be dead, for Telegram cuts one that is idle."""
        was_open = self._is_open
        try:
            with anyio.fail_after(WITHIN_SECONDS):
                await self._look_through(message_id)
        except (TelegramUnavailable, TimeoutError) as error:
            if not was_open:
                raise
            _LOG.info("what was said before is looked up over a new connection: %s", str(error) or "no answer")
        else:
            return
        await self.aclose()
        with anyio.fail_after(WITHIN_SECONDS):
            await self._look_through(message_id)

    async def _look_through(self, message_id: int) -> None:
        """Everything from this id to the end of the mailbox, as far as it was not looked at before."""
        if not self._next or message_id - self._first > FARTHEST // 2:
            self._begin_anew(message_id)
        while self._first > message_id + 1 and self._next - self._first < FARTHEST:
            first = max(message_id + 1, self._first - PAGE)
            await self._page(first, self._first - 1)
            self._first = first
        page = self._next
        while not self._reached_the_end and page - self._first < FARTHEST:
            newest = await self._page(page, page + PAGE - 1)
            if newest is None:
                page += PAGE
                self._reached_the_end = page >= self._next + GAP
            else:
                page = self._next = newest + 1

    def _begin_anew(self, message_id: int) -> None:
        """Forget what is older by far, so that there is room for what is newer."""
        self._first = self._next = message_id + 1
        self._reached_the_end = False
        self._lines.clear()
        self._doubts = {doubt for doubt in self._doubts if doubt[1] > message_id - FARTHEST}

    async def _page(self, first: int, last: int) -> int | None:
        """Look at these; the highest id that is taken."""
        source = await self._opened()
        if source is None:
            return None
        lines, newest = await source.sent(first, last)
        for line in lines:
            if line.reply_to is not None:
                known = self._lines.setdefault((line.chat_id, line.reply_to), [])
                if line.message_id not in {one.message_id for one in known}:
                    known.append(line)
        return newest

    async def _opened(self) -> SentLines | None:
        if self._source is None and self._make is not None:
            self._source = self._make()
        if self._source is not None and not self._is_open:
            try:
                await _open(self._source)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self._source.aclose()
                raise
            self._is_open = True
        return self._source


async def _open(source: SentLines) -> None:
    """A session whose key Telegram has forgotten learns it at the first try, and signs in anew at the second."""
    try:
        await source.open()
    except TelegramUnavailable:
        await source.aclose()
        await source.open()
