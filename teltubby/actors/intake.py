"""Intake: what `Receiving` wrote to the inbox is grouped and dealt with, and only then leaves it."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Sequence
from typing import Any

import anyio
from anyio.abc import TaskGroup

from teltubby.actors import phrases
from teltubby.actors.archiving import Archiving
from teltubby.actors.backlog import Backlog
from teltubby.actors.chat import Chat
from teltubby.actors.desk import Desk
from teltubby.actors.edits import Edits
from teltubby.actors.patience import Patience
from teltubby.actors.phrases import intake as words
from teltubby.actors.phrases import sign_in
from teltubby.actors.phrases.words import is_answer
from teltubby.actors.quota import ArchiveFull, QuotaKeeper
from teltubby.actors.recollection import Recollection
from teltubby.actors.trail import Trail
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import UpdateParser
from teltubby.adapters.metrics import Metrics
from teltubby.archive.masks import has_secret
from teltubby.errors import MalformedMessage, NotAnswered, Permanent, Transient
from teltubby.messages.chat import ButtonPress, EditedMessage, Incoming
from teltubby.messages.ledger import CloseUpdates, InboxGroup, LedgerMessage, OpenGroups
from teltubby.messages.media import IncomingMessage
from teltubby.messages.queue import OutboxFilled
from teltubby.supervision import Backoff, Context, MailboxFull, Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
LOOK_SECONDS = 30.0
"""How often the inbox is looked at without being told."""
SHORTEST_WAIT = 0.001
"""A rest that rounding leaves of a window must not keep the loop busy."""
BUG_TRIES = 3
EDIT_PATIENCE = 60.0
"""Updates may come out of order: so long the edit of an unknown message waits for the message."""
EARLY_SECONDS = 5.0
TELL_FULL_SECONDS = 3600.0
FAILURES_TO_TELL = 2
"""A single failure is over before a person has read of it."""


class _Early(Transient):
    """The edit of a message that has not come yet, as far as we can tell."""


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
        self._parse = parse
        self._whitelist = frozenset(whitelist)
        self._ledger = ledger
        self._queue = queue
        self._archiving = archiving
        self._edits = edits
        self._quota = quota
        self._desk = desk
        self._chat = chat
        self._recollection = recollection
        self._inherited: frozenset[int] | None = None
        """Updates that were open at the start: a process that died may have answered them."""
        self._trail = trail
        self._metrics = metrics
        self._patience = patience
        self._backoff = backoff
        self._rng = rng
        self._recorded = recorded
        self._backlog = Backlog(self._look, album_seconds=album_seconds)
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
                    unwelcome = await self._deal_with(group)
                elif not apologised:
                    apologised = True
                    await self._apologise(group)
                request = CloseUpdates(update_ids=group.update_ids, unwelcome=unwelcome)
                await self._ledger.ask(request, within=ASK_SECONDS)
                return
            except NotAnswered:
                return  # a stop ended the waiting; the inbox keeps the group
            except ArchiveFull:
                self._backlog.hold(group.update_ids)
                await self._tell_full(group)
                return
            except _Early:
                self._backlog.delay(group.update_ids, anyio.current_time() + EARLY_SECONDS)
                return
            except Permanent as error:
                bugs = BUG_TRIES
                _LOG.error("update %d cannot be dealt with: %s", group.update_ids[0], error)
            except (SupervisionError, TimeoutError) as error:
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

    async def _deal_with(self, group: InboxGroup) -> bool:
        """New messages first, then what was changed in them, then presses.

        Answers whether nothing of it is to be kept: all was refused, or is of a kind that we did not ask for.
        """
        brought = self._brought(group)
        welcome = [incoming for incoming in brought if self._welcome(incoming)]
        if len(welcome) < len(brought):
            self._refuse(next(incoming for incoming in brought if not self._welcome(incoming)))
            for message in map(_message, brought):
                if message is not None and self._is_spilled_in_group(message):
                    await self._desk.spilled(message)
        messages = [incoming for incoming in welcome if isinstance(incoming, IncomingMessage)]
        if messages:
            await self._handed_in(sorted(messages, key=lambda message: message.message_id))
        for incoming in welcome:
            if isinstance(incoming, EditedMessage):
                await self._edited(incoming, group)
            elif isinstance(incoming, ButtonPress):
                await self._desk.press(incoming)
        return not welcome and self._can_be_read(group)

    async def _handed_in(self, messages: Sequence[IncomingMessage]) -> None:
        first = messages[0]
        carrying = [message for message in messages if message.media is not None]
        if carrying:
            await self._archiving.archive(carrying, publish=self._announce_jobs)
            await self._warn_of_captions(carrying)
        elif first.text is not None and first.text.startswith("/"):
            await self._desk.hide(first)
            if await self._chat.has_said(first.chat_id, first.message_id, is_answer):
                return  # a command is not obeyed again long after it was
            answer = await self._desk.answer(first)
            await self._chat.give(first.chat_id, answer, reply_to=first.message_id, said=is_answer)
        else:
            await self._chat.say(first.chat_id, phrases.NOTHING_TO_ARCHIVE, reply_to=first.message_id, said=is_answer)

    async def _edited(self, edit: EditedMessage, group: InboxGroup) -> None:
        """Record it. Only what carries a file can be archived; what is not yet may be about to come.

        Raises _Early while it may.
        """
        message = edit.message
        if message.media is None:
            if has_secret(message.text):
                await self._desk.spilled(message)
            return
        if await self._edits.record(edit):
            await self._warn_of_captions([message])
            return
        if self._backlog.age(group.update_ids, anyio.current_time()) < EDIT_PATIENCE:
            raise _Early("the message that was edited has not come yet")
        _LOG.info("an edit of message %d, which was never archived, is ignored", message.message_id)

    def _refuse(self, incoming: Incoming) -> None:
        """Who is not welcome is counted, an album as one, and gets no answer at all."""
        self._metrics.refused_updates.inc()
        self._trail.turned_away(incoming)
        match incoming:
            case ButtonPress():
                _LOG.warning("refused: user %s pressed a button in chat %s", incoming.user_id, incoming.chat_id)
            case IncomingMessage() as message:
                _LOG.warning("refused: user %s in chat %s (%s)", message.sender_id, message.chat_id, message.chat_type)
            case EditedMessage(message=message):
                _LOG.warning("refused: an edit of user %s in chat %s", message.sender_id, message.chat_id)

    def _welcome(self, incoming: Incoming) -> bool:
        match incoming:
            case ButtonPress():
                return incoming.user_id in self._whitelist and incoming.chat_type in ("private", None)
            case EditedMessage(message=message) | (IncomingMessage() as message):
                return message.sender_id in self._whitelist and message.chat_type == "private"

    def _is_spilled_in_group(self, message: IncomingMessage) -> bool:
        """A secret of somebody who is welcome elsewhere. What strangers send is theirs."""
        known = message.sender_id in self._whitelist and message.chat_type in ("group", "supergroup")
        return known and has_secret(message.text or message.caption)

    async def _warn_of_captions(self, messages: Sequence[IncomingMessage]) -> None:
        for message in messages:
            if has_secret(message.caption):
                await self._chat.say(message.chat_id, sign_in.IN_CAPTION, reply_to=message.message_id)

    def _look(self, payload: str) -> Incoming | None:
        """What the backlog sorts by: nothing of people who are not welcome, they all wait in one line."""
        try:
            incoming = self._parse(payload)
        except Exception:  # noqa: BLE001 - it is met again, and reported, when its turn comes
            return None
        return incoming if incoming is not None and self._welcome(incoming) else None

    def _brought(self, group: InboxGroup) -> list[Incoming]:
        """What the updates of a group bring, as far as they can be read."""
        brought: list[Incoming] = []
        for payload in group.payloads:
            try:
                incoming = self._parse(payload)
            except MalformedMessage as error:
                _LOG.error(
                    "update %d cannot be read and is left in the inbox's history: %s", group.update_ids[0], error
                )
                continue
            if incoming is not None:
                brought.append(incoming)
        return brought

    def _can_be_read(self, group: InboxGroup) -> bool:
        """Whether all of it can; what cannot may be a curator's."""
        try:
            for payload in group.payloads:
                self._parse(payload)
        except MalformedMessage:
            return False
        return True

    def _doubt(self, group: InboxGroup) -> None:
        """Some of it may be said already, although no record tells."""
        for incoming in self._brought(group):
            if isinstance(incoming, IncomingMessage):
                self._recollection.doubt(incoming.chat_id, [incoming.message_id])

    def _announce_jobs(self) -> None:
        try:
            self._queue.tell(OutboxFilled())
        except MailboxFull:
            _LOG.info("the queue was told already")  # a full mailbox holds many of the same news

    async def _tell(self, group: InboxGroup, html: str, *, only_files: bool = False) -> None:
        """Answer the group's first message, if a curator's it is."""
        messages = [incoming for incoming in self._brought(group) if isinstance(incoming, IncomingMessage)]
        first = min(messages, key=lambda message: message.message_id, default=None)
        if first is not None and self._welcome(first) and (first.media is not None or not only_files):
            await self._chat.say(first.chat_id, html, reply_to=first.message_id)

    async def _apologise(self, group: InboxGroup) -> None:
        await self._tell(group, phrases.INTERNAL_ERROR)
        for incoming in self._brought(group):
            if isinstance(incoming, ButtonPress) and self._welcome(incoming):
                await self._chat.answer_press(incoming.press_id, words.PRESS_FAILED, alert=True)

    async def _tell_full(self, group: InboxGroup) -> None:
        """Once an hour and chat: a curator who forwards a hundred messages knows after the first that all are kept."""
        now = anyio.current_time()
        self._told_full = {chat: at for chat, at in self._told_full.items() if at + TELL_FULL_SECONDS > now}
        chats = {incoming.chat_id for incoming in self._brought(group) if isinstance(incoming, IncomingMessage)}
        if chats and self._told_full.keys().isdisjoint(chats):
            self._told_full |= dict.fromkeys(chats, now)
            try:
                await self._tell(group, words.KEPT_WHILE_FULL, only_files=True)
            except NotAnswered:
                _LOG.info("a stop ended the waiting; it is said after the next start")


def _message(incoming: Incoming) -> IncomingMessage | None:
    match incoming:
        case EditedMessage(message=message) | (IncomingMessage() as message):
            return message
        case ButtonPress():
            return None
