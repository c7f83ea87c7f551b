"""Intake: updates become durable in the inbox before they are confirmed, and leave it when they are dealt with."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Sequence
from typing import Any

import anyio

from teltubby.actors import phrases
from teltubby.actors.archiving import Archiving
from teltubby.actors.chat import Chat
from teltubby.actors.desk import Desk
from teltubby.actors.patience import Patience
from teltubby.actors.troubles import Troubles
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import BotGateway, UpdateParser
from teltubby.adapters.metrics import Metrics
from teltubby.errors import MalformedMessage, NotAnswered, Permanent, PollConflict, Unauthorised
from teltubby.messages.ledger import CloseUpdates, InboxGroup, LedgerMessage, OpenGroups, RecordUpdates
from teltubby.messages.media import IncomingMessage, RawUpdate
from teltubby.messages.queue import OutboxFilled
from teltubby.supervision import Backoff, Context, MailboxFull, Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
POLL_SECONDS = 25.0
LOOK_SECONDS = 30.0
"""How often the inbox is looked at without being told."""
UNAUTHORISED_SECONDS = 60.0
SHORTEST_WAIT = 0.001
"""A rest that rounding leaves of a window must not keep the loop busy."""
BUG_TRIES = 3
FAILURES_TO_TELL = 2
"""A single failure is over before a person has read of it."""
INTAKE = "intake"
"""Where the trouble is, in `/healthz`."""


class Intake:
    """Polls, records, groups and hands on."""

    def __init__(
        self,
        *,
        gateway: BotGateway,
        parse: UpdateParser,
        whitelist: Collection[int],
        album_seconds: float,
        ledger: Ref[LedgerMessage],
        queue: Ref[OutboxFilled],
        archiving: Archiving,
        desk: Desk,
        chat: Chat,
        metrics: Metrics,
        troubles: Troubles,
        patience: Patience,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        self._gateway = gateway
        self._parse = parse
        self._whitelist = frozenset(whitelist)
        self._album_seconds = album_seconds
        self._ledger = ledger
        self._queue = queue
        self._archiving = archiving
        self._desk = desk
        self._chat = chat
        self._metrics = metrics
        self._troubles = troubles
        self._patience = patience
        self._backoff = backoff
        self._rng = rng
        self._recorded = Wakeup()
        self._seen_at: dict[tuple[int, ...], float] = {}
        self._under_way: set[int] = set()
        self._closed: set[int] = set()
        """Updates closed since the inbox was last asked: its answer may be older than that."""

    # -- from Telegram to the inbox

    async def poll(self, context: Context[Any]) -> None:
        """Fetch updates and record them; the next poll confirms an offset only after its updates are durable."""
        # From 0, not from the newest recorded: after a quiet week Telegram starts its ids anew (Bot API, Update),
        # and a stored offset above them would discard updates unseen. What is recorded is recognised by its id.
        offset, failures = 0, 0
        while not context.stopping.is_set():
            pause = 0.0
            with context.interruptible():
                try:
                    updates = await self._gateway.updates(offset=offset, wait=POLL_SECONDS)
                    offset = await self._record(updates)
                    failures = 0
                    self._troubles.leave(INTAKE)
                except Unauthorised as error:
                    _LOG.error("Telegram refuses the bot token: %s", error)
                    self._troubles.enter(INTAKE, f"Telegram refuses the bot token: {error}")
                    pause = UNAUTHORISED_SECONDS
                except PollConflict as error:
                    failures += 1
                    _LOG.warning("intake pauses: %s", error)
                    self._troubles.enter(INTAKE, f"another process polls with this token, or a webhook is set: {error}")
                    pause = self._backoff.delay(failures + 1, self._rng)
                except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
                    failures += 1
                    _LOG.warning("intake pauses: %s", error)
                    pause = max(getattr(error, "seconds", 0.0), self._backoff.delay(failures + 1, self._rng))
                except Exception:  # noqa: BLE001 - a crash of the ledger, which its supervisor mends
                    failures += 1
                    _LOG.exception("intake pauses")
                    pause = self._backoff.delay(failures + 1, self._rng)
                await anyio.sleep(pause)

    async def _record(self, updates: Sequence[RawUpdate]) -> int:
        if not updates:
            return 0  # all before is confirmed by now; see poll() for why no high offset is kept
        await self._ledger.ask(RecordUpdates(updates=tuple(updates)), within=ASK_SECONDS)
        self._recorded.ring()
        return max(update.update_id for update in updates) + 1

    # -- from the inbox to the archive

    async def work(self, context: Context[Any]) -> None:
        """Take up every group that is complete, until a stop is asked for; then finish what is under way."""
        async with anyio.create_task_group() as tasks:
            while not context.stopping.is_set():
                wait = LOOK_SECONDS
                self._closed.clear()
                try:
                    groups = await self._ledger.ask(OpenGroups(), within=ASK_SECONDS)
                except (SupervisionError, TimeoutError) as error:
                    _LOG.warning("the inbox cannot be read: %s", error)
                    groups, wait = (), self._backoff.cap
                except Exception:  # noqa: BLE001 - a crash of the ledger, which its supervisor mends
                    _LOG.exception("the inbox cannot be read")
                    groups, wait = (), self._backoff.cap
                for group, due_in in self._complete(groups):  # without an await: none may end and be begun again
                    if due_in > 0:
                        wait = min(wait, max(due_in, SHORTEST_WAIT))
                    elif not (self._under_way | self._closed).intersection(group.update_ids):
                        self._under_way.update(group.update_ids)
                        tasks.start_soon(self._take_up, group)
                with context.interruptible():
                    await self._recorded.wait(at_most=wait)

    def _complete(self, groups: Sequence[InboxGroup]) -> list[tuple[InboxGroup, float]]:
        """Each group with the seconds until it counts as complete: an album gathers since its newest item was seen.

        Seen by this process, on its own clock: the wall clock may be set back, and after a restart an album that was
        complete waits once more, which harms nobody.
        """
        now = anyio.current_time()
        self._seen_at = {group.update_ids: self._seen_at.get(group.update_ids, now) for group in groups}
        return [
            (group, self._album_seconds - (now - self._seen_at[group.update_ids]) if group.media_group_id else 0.0)
            for group in groups
        ]

    async def _take_up(self, group: InboxGroup) -> None:
        """Deal with a group until it is done; what is unreachable is waited for, a bug is given up with an answer."""
        failures, bugs, told, apologised = 0, 0, False, False
        try:
            while True:
                try:
                    if bugs < BUG_TRIES:
                        if failures >= FAILURES_TO_TELL and not told:
                            told = True
                            await self._tell(group, phrases.WAITING_FOR_STORAGE, only_files=True)
                        await self._deal_with(group)
                    elif not apologised:
                        apologised = True
                        await self._tell(group, phrases.INTERNAL_ERROR)
                    await self._ledger.ask(CloseUpdates(update_ids=group.update_ids), within=ASK_SECONDS)
                    return
                except Permanent as error:
                    bugs = BUG_TRIES
                    _LOG.error("update %d cannot be dealt with: %s", group.update_ids[0], error)
                except (SupervisionError, TimeoutError) as error:
                    failures += 1
                    _LOG.warning("update %d waits: %s", group.update_ids[0], error)
                except Exception:  # noqa: BLE001 - one update that meets a bug must not stop all others
                    bugs += 1
                    _LOG.exception("update %d met a bug (try %d)", group.update_ids[0], bugs)
                await self._patience.wait(self._backoff.delay(failures + bugs + 1, self._rng))
        except NotAnswered:
            return  # a stop ended the waiting; the inbox keeps the group
        finally:
            self._closed.update(group.update_ids)
            self._under_way.difference_update(group.update_ids)
            self._recorded.ring()

    async def _deal_with(self, group: InboxGroup) -> None:
        messages = self._messages(group)
        if not messages:
            return
        first = messages[0]
        if not self._welcome(first):
            self._metrics.refused_updates.inc()
            _LOG.warning("refused: user %s in chat %s (%s)", first.sender_id, first.chat_id, first.chat_type)
            return
        carrying = [message for message in messages if message.media is not None]
        if carrying:
            if await self._archiving.archive(carrying):
                self._announce_jobs()
        elif first.text is not None and first.text.startswith("/"):
            await self._chat.say(first.chat_id, await self._desk.answer(first.text), reply_to=first.message_id)
        else:
            await self._chat.say(first.chat_id, phrases.NOTHING_TO_ARCHIVE, reply_to=first.message_id)

    def _welcome(self, message: IncomingMessage) -> bool:
        return message.chat_type == "private" and message.sender_id in self._whitelist

    def _messages(self, group: InboxGroup) -> list[IncomingMessage]:
        messages = []
        for payload in group.payloads:
            try:
                message = self._parse(payload)
            except MalformedMessage as error:
                _LOG.error(
                    "update %d cannot be read and is left in the inbox's history: %s", group.update_ids[0], error
                )
                continue
            if message is not None:
                messages.append(message)
        return sorted(messages, key=lambda message: message.message_id)

    def _announce_jobs(self) -> None:
        try:
            self._queue.tell(OutboxFilled())
        except MailboxFull:
            _LOG.info("the queue was told already")  # a full mailbox holds many of the same news

    async def _tell(self, group: InboxGroup, html: str, *, only_files: bool = False) -> None:
        first = next(iter(self._messages(group)), None)
        if first is not None and self._welcome(first) and (first.media is not None or not only_files):
            await self._chat.say(first.chat_id, html, reply_to=first.message_id)
