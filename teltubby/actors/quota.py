"""The quota: how full the archive is, who is told of it, and whether more may be archived."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio

from teltubby.actors.chat import Chat
from teltubby.actors.growth import Growth
from teltubby.actors.phrases import intake as words
from teltubby.actors.surviving import survives
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.clock import utc_now
from teltubby.archive.keys import PREFIX
from teltubby.archive.quota import QuotaLevel, QuotaStanding, quota_news, quota_standing
from teltubby.errors import NotAnswered, Transient
from teltubby.messages.history import QuotaAlert, QuotaAlertKind, Usage
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_archive import CountUsage, ReadQuotaAlert, ReadUsage, SetQuotaAlert, SetUsage
from teltubby.messages.transfer import MeasurePrefix, PrefixSize, UploadMessage
from teltubby.supervision import Backoff, Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
LIST_SECONDS = 6 * 3600.0
"""How often the store is listed: what was counted wrong, or put there by others, is corrected."""
FULL_LIST_SECONDS = 300.0
"""How often while the archive is full: somebody may have made room."""
WRITE_SECONDS = 10.0
"""How often what was counted is written down: not with every file, which would cost each a transaction more."""
RETRY_SECONDS = 60.0


NOTHING = PrefixSize(used_bytes=0, objects=0)


class ArchiveFull(Transient):
    """The archive has reached its quota: nothing new is archived until there is room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRules:
    """The operator's settings: bytes (0: no quota), percent from which there are alerts, and how seldom they come."""

    quota_bytes: int
    threshold_pct: float
    cooldown: timedelta


class QuotaKeeper:
    """Knows how full the archive is, by counting and by listing, and tells the `admins`; `room` rings when there is
    room again. Others may count `growth` too.

    Only what is handed in anew is paused. Large files that were queued before are accepted already, and go on: their
    workers know nothing of the count, which is an estimate, and a store that is really full refuses them itself, so
    that they wait unspent.
    """

    def __init__(
        self,
        rules: QuotaRules,
        *,
        ledger: Ref[LedgerMessage],
        upload: Ref[UploadMessage],
        growth: Growth,
        chat: Chat,
        admins: Collection[int],
        room: Wakeup,
        backoff: Backoff,
        rng: random.Random,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._upload = upload
        self._growth = growth
        self._chat = chat
        self._admins = tuple(admins)
        self._room = room
        self._backoff = backoff
        self._rng = rng
        self._clock = clock
        self._usage: Usage | None = None
        self._unwritten = 0
        """Bytes that the ledger is being told of."""
        self._writing = anyio.Lock()
        self._alert: QuotaAlert | None = None
        self._standing = QuotaStanding(level=QuotaLevel.OK, ratio=0.0)
        self._recount = Wakeup()
        self._judged = Wakeup()

    @property
    def standing(self) -> QuotaStanding:
        """Where the archive stands, as far as it is known."""
        return self._standing

    @property
    def full(self) -> bool:
        """Whether nothing new may be archived."""
        return self._standing.level is QuotaLevel.FULL

    @property
    def _used_bytes(self) -> int:
        return (0 if self._usage is None else self._usage.used_bytes) + self._unwritten + self._growth.used_bytes

    def recount(self) -> None:
        """List the store soon: much of it came or went."""
        self._recount.ring()

    def count(self, used_bytes: int, objects: int) -> None:
        """The store has so much more, or less when negative."""
        self._growth.add(PrefixSize(used_bytes=used_bytes, objects=objects))
        self._judge()

    async def keep(self) -> None:
        """Write down, list and alert, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_listing)
            tasks.start_soon(self._keep_alerting)
            while True:
                await survives(
                    "what the archive grew by cannot be written down", self._write, log=_LOG, level=logging.WARNING
                )
                await anyio.sleep(WRITE_SECONDS)

    async def _keep_listing(self) -> None:
        failures = 0
        while True:
            listed = await survives("the archive cannot be listed", self._list, log=_LOG, level=logging.WARNING)
            failures = 0 if listed else failures + 1
            wait = FULL_LIST_SECONDS if self.full else LIST_SECONDS
            if not listed:
                wait = max(RETRY_SECONDS, self._backoff.delay(failures + 1, self._rng))
            await self._recount.wait(at_most=wait)

    async def _keep_alerting(self) -> None:
        while True:
            await self._judged.wait(at_most=RETRY_SECONDS)
            if self._rules.quota_bytes > 0:
                await survives(
                    "the admins cannot be told of the quota", self._tell_of_it, log=_LOG, level=logging.WARNING
                )

    async def _write(self) -> None:
        """Write down what was counted, and learn what the ledger says; an archive at rest asks nobody."""
        async with self._writing:
            grown = self._growth.take()
            if grown == NOTHING and self._usage is not None:
                return
            self._unwritten = grown.used_bytes
            try:
                if grown != NOTHING:
                    request = CountUsage(used_bytes=grown.used_bytes, objects=grown.objects)
                    await self._ledger.ask(request, within=ASK_SECONDS)
                    grown = NOTHING
                self._usage = await self._ledger.ask(ReadUsage(), within=ASK_SECONDS)
            except BaseException:
                self._growth.add(grown)
                raise
            finally:
                self._unwritten = 0
            self._judge()

    async def _list(self) -> None:
        await self._write()
        began = self._clock()
        found = await self._upload.ask(MeasurePrefix(prefix=PREFIX), within=math.inf)
        usage = SetUsage(used_bytes=found.used_bytes, objects=found.objects, listed_at=began)
        async with self._writing:
            await self._ledger.ask(usage, within=ASK_SECONDS)
            self._usage = await self._ledger.ask(ReadUsage(), within=ASK_SECONDS)
        self._judge()

    def _judge(self) -> None:
        before, used = self._standing, self._used_bytes
        self._standing = quota_standing(used, self._rules.quota_bytes, threshold_pct=self._rules.threshold_pct)
        self._growth.is_full = self.full
        if self._standing.level is before.level:
            return
        _LOG.info("the archive is %s: %d bytes are used", self._standing.level, used)
        self._judged.ring()
        if before.level is QuotaLevel.FULL:
            self._room.ring()
        elif self.full:
            self._recount.ring()  # before anybody waits for long: is it true?

    async def _tell_of_it(self) -> None:
        """Tell the admins what is due; remembered after the telling: a crash before it tells once more, not never."""
        standing, used = self._standing, self._used_bytes
        if self._alert is None:
            self._alert = await self._ledger.ask(ReadQuotaAlert(), within=ASK_SECONDS)
        last = self._alert
        news = quota_news(standing, last, now=self._clock(), cooldown=self._rules.cooldown)
        if news.tell is not None:
            was_full = last.kind is QuotaAlertKind.FULL
            text = words.quota_alert(news.tell, standing, used=used, quota=self._rules.quota_bytes, was_full=was_full)
            async with anyio.create_task_group() as tasks:  # one who cannot be told now does not keep it from others
                for admin in self._admins:
                    tasks.start_soon(self._tell, admin, text)
        if news.alert != last:
            await self._ledger.ask(SetQuotaAlert(alert=news.alert), within=ASK_SECONDS)
            self._alert = news.alert

    async def _tell(self, admin: int, text: str) -> None:
        try:
            await self._chat.say(admin, text)
        except NotAnswered as error:
            _LOG.info("admin %d is not told of the quota: %s", admin, error)
