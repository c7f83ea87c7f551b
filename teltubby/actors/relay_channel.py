"""What the bot puts into relay channels and takes out of them, so that a crash at any moment leaves nothing there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import anyio

from teltubby.adapters.base import BotGateway
from teltubby.errors import BadRequest, ChatUnavailable, FileGone, FloodWait, Permanent, Unauthorised
from teltubby.messages.jobs import Job, JobState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_sessions import (
    BeginRelayCopy,
    ForgetRelayCopy,
    ListRelayCopies,
    NoteRelayCopy,
    RelayCopy,
)
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 10.0
KEPT = timedelta(hours=24)
"""A copy is deleted at this age whatever its job does: it leaves a day for trying."""
DELETABLE = timedelta(hours=48)
"""Bots cannot delete older messages (Bot API, deleteMessage)."""
LOOKED_BACK = 100
"""Copies are made one at a time, and the channel is the bot's: a lost one is right before the next message."""
AGAIN_SECONDS = 60.0
OVER = frozenset((JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED))
PROBE = "Looking for what was left behind here. This message goes away by itself."

_NOT_MADE = (BadRequest, ChatUnavailable, FileGone, FloodWait, Unauthorised)
"""After these there is no copy; after everything else there may be one."""


class RelayChannel:
    """Copies one message at a time. Whatever fails raises; what is begun and not ended is cleared away later.

    The intention is in the ledger before Telegram is asked. Where the answer was lost (a crash, a broken connection),
    the copy's id is not known: a probe is sent, and all that lies between the newest id known before and the probe, and
    is known for no copy, is deleted; Telegram skips what is not the bot's.
    """

    def __init__(self, gateway: BotGateway, *, ledger: Ref[LedgerMessage], clock: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._clock = clock
        self._one_by_one = anyio.Lock()
        self._stuck: dict[tuple[int, int | None], float] = {}
        """What cannot be deleted, and was told of: channel, message id (None: whatever was left there), next try."""

    async def find(self, job_id: str, chat_id: int, *, lost: int | None) -> int | None:
        """The newest copy for this job that is good for a while, and newer than the one that is `lost`."""
        for copy in reversed(await self._copies()):
            if (copy.job_id, copy.chat_id) == (job_id, chat_id) and copy.message_id is not None:
                is_good = (lost is None or copy.message_id > lost) and self._age(copy) < KEPT
                return copy.message_id if is_good else None
        return None

    async def make(self, job: Job, chat_id: int) -> int:
        """A new copy. Raises what BotGateway.copy raises."""
        async with self._one_by_one:
            await self._clear_doubts(chat_id)
            await self._ledger.ask(BeginRelayCopy(job_id=job.job_id, chat_id=chat_id), within=ASK_SECONDS)
            try:
                message_id = await self._gateway.copy(chat_id, job.chat_id, job.message_id)
            except _NOT_MADE:
                await self._forget(job.job_id, chat_id, None)
                raise
            noted = NoteRelayCopy(job_id=job.job_id, chat_id=chat_id, message_id=message_id)
            await self._ledger.ask(noted, within=ASK_SECONDS)
            return message_id

    async def sweep(self) -> None:
        """Delete what no job needs any more. What cannot be deleted is told of once, and given up after 48 hours."""
        copies = await self._copies()
        for copy in copies:
            needed = copy.job_state is not None and copy.job_state not in OVER and self._age(copy) < KEPT
            if copy.message_id is not None and not needed and self._is_due(copy.chat_id, copy.message_id):
                await self._remove(copy, copy.message_id)
        for chat_id in sorted({copy.chat_id for copy in copies if copy.message_id is None}):
            if self._is_due(chat_id, None):
                await self._clear(chat_id)

    async def _remove(self, copy: RelayCopy, message_id: int) -> None:
        try:
            await self._gateway.delete(copy.chat_id, message_id)
        except (BadRequest, ChatUnavailable) as error:
            if not self._gives_up(copy, error):
                return
        self._stuck.pop((copy.chat_id, message_id), None)
        await self._forget(copy.job_id, copy.chat_id, message_id)

    async def _clear(self, chat_id: int) -> None:
        try:
            async with self._one_by_one:
                await self._clear_doubts(chat_id)
        except (BadRequest, ChatUnavailable) as error:
            for doubt in await self._doubts(chat_id):
                if self._gives_up(doubt, error):
                    await self._forget(doubt.job_id, chat_id, None)

    async def _clear_doubts(self, chat_id: int) -> None:
        """Delete the copies whose ids were never learned; between copies, when every other one is known."""
        doubts = await self._doubts(chat_id)
        if not doubts:
            return
        probe = await self._gateway.send(chat_id, PROBE)
        known = {copy.message_id for copy in await self._copies() if copy.chat_id == chat_id}
        after = max(min(doubt.after_id for doubt in doubts), probe - LOOKED_BACK)
        unknown = [message_id for message_id in range(after + 1, probe + 1) if message_id not in known]
        await self._gateway.delete_all(chat_id, unknown)
        self._stuck.pop((chat_id, None), None)
        for doubt in doubts:
            await self._forget(doubt.job_id, chat_id, None)
        _LOG.info("relay %d: looked for %d copies that may have been left behind", chat_id, len(doubts))

    def _gives_up(self, copy: RelayCopy, error: Permanent) -> bool:
        """Whether the copy is too old to be deleted ever; otherwise it is tried again in a minute."""
        where = (copy.chat_id, copy.message_id)
        too_old = self._age(copy) >= DELETABLE
        if too_old or where not in self._stuck:
            what = "whatever was copied" if copy.message_id is None else f"message {copy.message_id}"
            then = "given up: it is older than 48 hours" if too_old else "tried again for 48 hours"
            _LOG.warning("relay %d: %s cannot be deleted and is %s: %s", copy.chat_id, what, then, error)
        self._stuck[where] = anyio.current_time() + AGAIN_SECONDS
        return too_old

    def _is_due(self, chat_id: int, message_id: int | None) -> bool:
        return anyio.current_time() >= self._stuck.get((chat_id, message_id), 0.0)

    def _age(self, copy: RelayCopy) -> timedelta:
        return self._clock() - copy.made_at

    async def _doubts(self, chat_id: int) -> Sequence[RelayCopy]:
        return [copy for copy in await self._copies() if copy.chat_id == chat_id and copy.message_id is None]

    async def _copies(self) -> Sequence[RelayCopy]:
        return await self._ledger.ask(ListRelayCopies(), within=ASK_SECONDS)

    async def _forget(self, job_id: str, chat_id: int, message_id: int | None) -> None:
        gone = ForgetRelayCopy(job_id=job_id, chat_id=chat_id, message_id=message_id)
        await self._ledger.ask(gone, within=ASK_SECONDS)
