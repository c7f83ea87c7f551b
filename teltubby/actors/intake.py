"""Intake: what `Receiving` wrote to the inbox is grouped and dealt with, and only then leaves it."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection
from typing import Any

import anyio
from anyio.abc import TaskGroup

from teltubby.actors import phrases
from teltubby.actors.archiving import Archiving
from teltubby.actors.backlog import Backlog
from teltubby.actors.chat import Chat
from teltubby.actors.dealing import Dealing, Early
from teltubby.actors.desk import Desk
from teltubby.actors.door import Door
from teltubby.actors.edits import Edits
from teltubby.actors.patience import Patience
from teltubby.actors.phrases import intake as words
from teltubby.actors.quota import ArchiveFull, QuotaKeeper
from teltubby.actors.recollection import Recollection
from teltubby.actors.trail import Trail
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import UpdateParser
from teltubby.adapters.metrics import Metrics
from teltubby.errors import NotAnswered, Permanent
from teltubby.messages.chat import ButtonPress, EditedMessage, Unreadable
from teltubby.messages.ledger import CloseUpdates, InboxGroup, LedgerMessage, OpenGroups
from teltubby.messages.media import IncomingMessage
from teltubby.messages.queue import OutboxFilled
from teltubby.supervision import Backoff, Context, Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
LOOK_SECONDS = 30.0
"""How often the inbox is looked at without being told."""
SHORTEST_WAIT = 0.001
"""A rest that rounding leaves of a window must not keep the loop busy."""
BUG_TRIES = 3
EARLY_SECONDS = 5.0
TELL_FULL_SECONDS = 3600.0
FAILURES_TO_TELL = 2
"""A single failure is over before a person has read of it."""


class Intake:
    """Groups what is in the inbox and hands it on; `recorded` rings when there is more, or room for it."""

    def __init__(
        self,
        *,
        recorded: Wakeup,
        parse: UpdateParser,
        whitelist: Collection[int],
        album_seconds: float,
        ledger: Ref[LedgerMessage],
        queue: Ref[OutboxFilled],
        archiving: Archiving,
        edits: Edits,
        quota: QuotaKeeper,
        desk: Desk,
        chat: Chat,
        recollection: Recollection,
        trail: Trail,
        metrics: Metrics,
        patience: Patience,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        self._door = Door(parse=parse, whitelist=whitelist, metrics=metrics, trail=trail)
        self._dealing = Dealing(door=self._door, queue=queue, archiving=archiving, edits=edits, desk=desk, chat=chat)
        self._ledger = ledger
        self._quota = quota
        self._chat = chat
        self._recollection = recollection
        self._inherited: frozenset[int] | None = None
        """Updates that were open at the start: a process that died may have answered them."""
        self._patience = patience
        self._backoff = backoff
        self._rng = rng
        self._recorded = recorded
        self._backlog = Backlog(self._door.look, album_seconds=album_seconds)
        self._told_full: dict[int, float] = {}

    async def work(self, context: Context[Any]) -> None:
        """Take up every group that is complete, until a stop is asked for; then finish what is under way."""
        async with anyio.create_task_group() as tasks:
            while not context.stopping.is_set():
                wait = LOOK_SECONDS
                self._backlog.asking()
                try:
                    groups = await self._ledger.ask(OpenGroups(), within=ASK_SECONDS)
                except (SupervisionError, TimeoutError) as error:
                    _LOG.warning("the inbox cannot be read: %s", error)
                    wait = self._backoff.cap
                except Exception:  # noqa: BLE001 - a crash of the ledger, which its supervisor mends
                    _LOG.exception("the inbox cannot be read")
                    wait = self._backoff.cap
                else:
                    if self._inherited is None:
                        self._inherited = frozenset(number for group in groups for number in group.update_ids)
                    # Without an await from here to the tasks' beginning: none may end and be begun again.
                    if self._backlog.learn(groups, anyio.current_time()):
                        continue
                    wait = min(wait, max(self._begin(context, tasks), SHORTEST_WAIT))
                with context.interruptible():
                    await self._recorded.wait(at_most=wait)

    def _begin(self, context: Context[Any], tasks: TaskGroup) -> float:
        """Begin what is due and has its turn; answers the seconds until more is due."""
        if context.stopping.is_set():
            return LOOK_SECONDS
        if not self._quota.full:
            self._told_full.clear()  # the next time that it is full is news again
        groups, wait = self._backlog.begin(anyio.current_time(), full=self._quota.full)
        for group in groups:
            tasks.start_soon(self._run, context, tasks, group)
        return wait

    async def _run(self, context: Context[Any], tasks: TaskGroup, group: InboxGroup) -> None:
        try:
            await self._take_up(group)
        finally:
            ask = self._backlog.end(group)
        if ask:
            self._recorded.ring()
        else:
            self._begin(context, tasks)

    async def _take_up(self, group: InboxGroup) -> None:
        """Deal with a group until it is done; what is unreachable is waited for, a bug is given up with an answer."""
        failures, bugs, told, apologised, unwelcome = 0, 0, False, False, False
        if self._inherited and not self._inherited.isdisjoint(group.update_ids):
            self._doubt(group)
        while True:
            try:
                if bugs < BUG_TRIES:
                    if failures >= FAILURES_TO_TELL and not told:
                        told = True
                        await self._tell(group, phrases.WAITING_FOR_STORAGE, only_files=True)
                    age = self._backlog.age(group.update_ids, anyio.current_time())
                    unwelcome = await self._dealing.deal_with(group, age=age)
                elif not apologised:
                    apologised = True
                    await self._apologise(group)
                request = CloseUpdates(update_ids=group.update_ids, unwelcome=unwelcome)
                await self._ledger.ask(request, within=ASK_SECONDS)
                return
            except ArchiveFull:
                self._backlog.hold(group.update_ids)
                await self._tell_full(group)
                return
            except Early:
                self._backlog.delay(group.update_ids, anyio.current_time() + EARLY_SECONDS)
                return
            except Permanent as error:
                bugs = BUG_TRIES
                _LOG.error("update %d cannot be dealt with: %s", group.update_ids[0], error)
            except (SupervisionError, TimeoutError) as error:
                if self._patience.is_over and isinstance(error, NotAnswered):
                    return  # a stop ended the waiting; the inbox keeps the group
                failures += 1
                _LOG.warning("update %d waits: %s", group.update_ids[0], error)
                self._doubt(group)
            except Exception:  # noqa: BLE001 - one update that meets a bug must not stop all others
                bugs += 1
                _LOG.exception("update %d met a bug (try %d)", group.update_ids[0], bugs)
            try:
                await self._patience.wait(self._backoff.delay(failures + bugs + 1, self._rng))
            except NotAnswered:
                return

    def _doubt(self, group: InboxGroup) -> None:
        """Some of it may be said already, although no record tells."""
        for incoming in self._door.seen(group):
            if isinstance(incoming, IncomingMessage | Unreadable) and incoming.message_id is not None:
                self._recollection.doubt(incoming.chat_id, [incoming.message_id])

    async def _tell(self, group: InboxGroup, html: str, *, only_files: bool = False) -> None:
        """Answer the group's first message, if a curator's it is."""
        messages = [incoming for incoming in self._door.seen(group) if isinstance(incoming, IncomingMessage)]
        first = min(messages, key=lambda message: message.message_id, default=None)
        if first is not None and (first.media is not None or not only_files):
            await self._chat.say(first.chat_id, html, reply_to=first.message_id)

    async def _apologise(self, group: InboxGroup) -> None:
        await self._tell(group, phrases.INTERNAL_ERROR)
        for incoming in self._door.seen(group):
            match incoming:
                case ButtonPress():
                    await self._chat.answer_press(incoming.press_id, words.PRESS_FAILED, alert=True)
                case EditedMessage(message=message) if message.media is not None:
                    await self._chat.say(message.chat_id, phrases.INTERNAL_ERROR, reply_to=message.message_id)
                case _:
                    pass

    async def _tell_full(self, group: InboxGroup) -> None:
        """Once an hour and chat: a curator who forwards a hundred messages knows after the first that all are kept."""
        now = anyio.current_time()
        self._told_full = {chat: at for chat, at in self._told_full.items() if at + TELL_FULL_SECONDS > now}
        chats = {incoming.chat_id for incoming in self._door.seen(group) if isinstance(incoming, IncomingMessage)}
        if chats and self._told_full.keys().isdisjoint(chats):
            self._told_full |= dict.fromkeys(chats, now)
            try:
                await self._tell(group, words.KEPT_WHILE_FULL, only_files=True)
            except NotAnswered:
                _LOG.info("a stop ended the waiting; it is said after the next start")
