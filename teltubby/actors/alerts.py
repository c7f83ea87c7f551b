"""Alerts: what is not as it should be is looked for, and the admins are told of each time of it once."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime

import anyio
from anyio.abc import TaskGroup

from teltubby.actors.alert_sources import AlertSources, Sight, failed_job
from teltubby.actors.chat import Chat
from teltubby.actors.phrases import alerts as words
from teltubby.actors.surviving import survives
from teltubby.actors.wakeup import Wakeup
from teltubby.archive.alerts import AlertRules, due, happened, is_muted, observed, told
from teltubby.archive.conditions import Suspicions, suspected
from teltubby.errors import NotAnswered
from teltubby.messages.alerts import AlertBook, Period, ReadAlerts, WriteAlerts
from teltubby.messages.ledger import LedgerMessage
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""Between looks at what is in memory, and at failed jobs."""
ASK_SECONDS = 60.0
"""Between looks at what has to be counted, or asked of workers."""
TELL_SECONDS = 5.0
LEDGER_SECONDS = 20.0
BATCHES = 50
"""So many times failed jobs are read in one look, a few each time; what is left is read in the next."""
LEAVE_SECONDS = 3.0


class Alerts:
    """Keeps the book of alerts, and tells the `admins`. Without `rules` nothing is watched, and nothing told.

    `facts` get what is open, for `/status` over HTTP; `is_reachable` says whether Telegram seems to be there.
    """

    def __init__(
        self,
        rules: AlertRules | None,
        *,
        sources: AlertSources,
        ledger: Ref[LedgerMessage],
        chat: Chat,
        admins: Collection[int],
        facts: MutableMapping[str, object],
        is_reachable: Callable[[], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._rules = rules
        self._sources = sources
        self._ledger = ledger
        self._chat = chat
        self._admins = tuple(admins)
        self._facts = facts
        self._is_reachable = is_reachable
        self._clock = clock
        self._book = AlertBook()
        self._written: AlertBook | None = None
        """As the ledger has it; None while it was not read."""
        self._suspicions: Suspicions = {}
        self._changed = Wakeup()

    @property
    def is_on(self) -> bool:
        """Whether anything is watched."""
        return self._rules is not None

    @property
    def open(self) -> Sequence[Period]:
        """What is not as it should be now, as far as it is known."""
        return [period for period in self._book.periods if period.is_open]

    @property
    def over(self) -> Sequence[Period]:
        """What was lately, and is over."""
        return [period for period in self._book.periods if not period.is_open]

    @property
    def muted_until(self) -> datetime | None:
        """Until when nothing is told; None where it is."""
        return self._book.muted_until if is_muted(self._book, self._clock()) else None

    async def mute(self, until: datetime | None) -> None:
        """Tell nothing until then; None: tell again, also what was held back. Raises what the ledger does."""
        await self._load()
        self._keep(replace(self._book, muted_until=until))
        await self._write()
        self._changed.ring()

    async def keep(self) -> None:
        """Look, and tell, until cancelled."""
        if self._rules is None:
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_looking)
            tasks.start_soon(self._keep_telling, self._rules, tasks)

    async def leave(self) -> None:
        """This process ends as it was told to, which is no crash."""
        with anyio.move_on_after(LEAVE_SECONDS):
            await self._survives("this orderly end cannot be written down", self._sources.note_end)

    async def _keep_looking(self) -> None:
        asked_at = -math.inf
        while True:
            if not await self._survives("the book of alerts cannot be read", self._load):
                await anyio.sleep(LOOK_SECONDS)
                continue
            self._see(self._sources.at_process())
            await self._survives("failed jobs cannot be looked for", self._look_for_failures)
            if anyio.current_time() - asked_at >= ASK_SECONDS:
                asked_at = anyio.current_time()
                await self._survives("the queue cannot be looked at", self._look_at_ledger)
                await self._survives("workers cannot be asked", self._look_at_workers)
            if self._is_worth_writing():
                await self._survives("alerts cannot be written down", self._write)
            self._changed.ring()
            await anyio.sleep(LOOK_SECONDS)

    async def _keep_telling(self, rules: AlertRules, tasks: TaskGroup) -> None:
        while True:
            await self._changed.wait(at_most=TELL_SECONDS)
            if self._written is None or not self._is_reachable():
                continue
            telling = due(self._book, rules, now=self._clock())
            if not telling:
                continue
            text = words.alert_text(telling, now=self._clock())
            await self._tell(text, tasks)
            # After the telling: a crash between the two tells once more, not never.
            self._keep(told(self._book, telling, now=self._clock()))
            await self._survives("alerts cannot be written down", self._write)

    async def _tell(self, text: str, tasks: TaskGroup) -> None:
        """Returns when one admin was told, or none ever can be; those who cannot be told now are told later, while this
        process runs.
        """
        is_told, untold = anyio.Event(), list(self._admins)

        async def tell(admin: int) -> None:
            try:
                is_through = await self._chat.say(admin, text) is not None
            except NotAnswered as error:
                _LOG.info("admin %d is not told of an alert: %s", admin, error)
                return
            untold.remove(admin)
            if is_through or not untold:
                is_told.set()

        _LOG.info("the admins are told of an alert")
        for admin in self._admins:
            tasks.start_soon(tell, admin)
        await is_told.wait()

    async def _load(self) -> None:
        """Once; what the ledger does not have yet is begun."""
        if self._written is not None:
            return
        written = await self._ledger.ask(ReadAlerts(), within=LEDGER_SECONDS)
        if self._written is None:
            self._written = written
            self._keep(written)

    async def _write(self) -> None:
        book = self._book
        await self._ledger.ask(WriteAlerts(book=book), within=LEDGER_SECONDS)
        self._written = book

    async def _look_for_failures(self) -> None:
        after = self._book.failures_through
        if after is None:  # of what failed before there were alerts, nobody is told
            last = await self._sources.last_failure()
            self._keep(replace(self._book, failures_through=last))
            return
        for _ in range(BATCHES):
            failures = await self._sources.failures(after)
            if not failures:
                return
            after = failures[-1].number
            events = [failed_job(failure) for failure in failures]
            self._keep(happened(replace(self._book, failures_through=after), events, now=self._clock()))

    async def _look_at_ledger(self) -> None:
        self._see(await self._sources.at_ledger(self._book))

    async def _look_at_workers(self) -> None:
        self._see(await self._sources.at_workers(self._book))

    def _see(self, sight: Sight) -> None:
        pace, now = 1.0 if self._rules is None else self._rules.pace, self._clock()
        self._suspicions = suspected(self._suspicions, sight.conditions, is_known=sight.is_known, now=now, pace=pace)
        conditions = [replace(each, since=self._suspicions[each.key].since) for each in sight.conditions]
        self._keep(observed(self._book, conditions, is_known=sight.is_known, now=now, pace=pace))

    def _is_worth_writing(self) -> bool:
        """Not each new figure of what was written down already: that would be all of it every few seconds."""
        return _outlines(self._book) != _outlines(self._written)

    def _keep(self, book: AlertBook) -> None:
        self._book = book
        self._facts["alerts"] = [
            {
                "kind": period.kind,
                "subject": period.subject,
                "since": period.since.isoformat(timespec="seconds"),
                "detail": period.detail,
            }
            for period in self.open
        ]

    async def _survives(self, what: str, work: Callable[[], Awaitable[None]]) -> bool:
        return await survives(what, work, log=_LOG)


def _outlines(book: AlertBook | None) -> AlertBook | None:
    if book is None:
        return None
    return replace(book, periods=tuple(replace(period, detail="") for period in book.periods))
