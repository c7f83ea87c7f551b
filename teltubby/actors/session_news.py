"""What the bot does with a worker's report of itself: the admins, and whoever signs in, are told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from typing import assert_never

import anyio

from teltubby.actors.chat import Chat
from teltubby.actors.in_turn import InTurn
from teltubby.actors.phrases import workers as words
from teltubby.actors.sign_in import SignInDesk
from teltubby.actors.trail import Trail
from teltubby.actors.wakeup import Wakeup
from teltubby.actors.workers import Workers
from teltubby.archive.conditions import subject_of
from teltubby.archive.lateness import is_older
from teltubby.archive.session_news import News, NewsKind, session_news
from teltubby.errors import NotAnswered
from teltubby.messages.alerts import NoteEnd
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_sessions import FindTrouble, SetTrouble
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionStanding
from teltubby.messages.workers import SignInTold, WorkerReport, WorkerStanding
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 20.0
TELL_SECONDS = 120.0
"""An admin whom Telegram lets us tell later than this is told later; the report is settled without."""
LOOK_SECONDS = 3600.0

Session = tuple[str, AccountKind]
"""Place and account."""


class SessionNews:
    """Tells every admin once of trouble that begins and of trouble that is over, also across restarts of all."""

    def __init__(
        self,
        *,
        workers: Workers,
        sign_in: SignInDesk,
        ledger: Ref[LedgerMessage],
        chat: Chat,
        trail: Trail,
        admins: Collection[int],
        clock: Callable[[], datetime],
    ) -> None:
        self._workers = workers
        self._sign_in = sign_in
        self._ledger = ledger
        self._chat = chat
        self._trail = trail
        self._admins = tuple(admins)
        self._clock = clock
        self._turns = InTurn()
        self._newest: dict[Session, datetime] = {}
        """Since when each session stands as it was heard last."""
        self._owed: list[tuple[int, str]] = []
        self._owing = Wakeup()

    async def handle(self, report: WorkerReport) -> None:
        """Record it and pass it on. Raises Transient when it has to be brought again."""
        match report:
            case WorkerStanding():
                if self._workers.note(report):
                    self._sign_in.heard(report)
                if report.leaves:
                    end = NoteEnd(process=subject_of("", report.place), incarnation=report.public_key)
                    await self._ledger.ask(end, within=ASK_SECONDS)
                    return
                for session in report.sessions:
                    async with self._turns.at((report.place, session.account)):
                        await self._judge(report, session)
            case SignInTold():
                self._sign_in.told(report)
            case _:
                assert_never(report)

    async def keep(self) -> None:
        """Attend to those who sign in, and tell whom Telegram did not let us tell at once, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._sign_in.keep)
            while True:
                while self._owed:
                    tasks.start_soon(self._tell, *self._owed.pop())
                await self._owing.wait(at_most=LOOK_SECONDS)

    async def _judge(self, report: WorkerStanding, session: SessionStanding) -> None:
        here = (report.place, session.account)
        now = self._clock()
        if is_older(session.since, self._newest.get(here, session.since), now=now):
            return
        self._newest[here] = min(session.since, now)
        known = await self._ledger.ask(FindTrouble(place=report.place, account=session.account), within=ASK_SECONDS)
        news = session_news(session, known, now=self._clock())
        if news is None:
            return
        await self._announce(report, session, news)
        if news.tell is not None:
            what = f"the {session.account} account at {report.place} is {session.state}"
            self._trail.decided("session", f"{what}: {session.detail}" if session.detail else what)
        # After the telling: a crash between the two tells once more, not never.
        request = SetTrouble(place=report.place, account=session.account, trouble=news.known)
        await self._ledger.ask(request, within=ASK_SECONDS)

    async def _announce(self, report: WorkerStanding, session: SessionStanding, news: News) -> None:
        match news.tell:
            case NewsKind.TROUBLE:
                text = words.trouble_begins(report, session)
            case NewsKind.OVER:
                text = words.trouble_is_over(report, session)
            case None:
                return
            case _:
                assert_never(news.tell)
        _LOG.info("the admins are told: the %s account at %s is %s", session.account, report.place, session.state)
        waiting = set(self._admins)

        async def tell(admin: int) -> None:
            if await self._tell(admin, text):
                waiting.discard(admin)

        with anyio.move_on_after(TELL_SECONDS):
            async with anyio.create_task_group() as tasks:  # one who cannot be told now does not keep it from others
                for admin in self._admins:
                    tasks.start_soon(tell, admin)
        if waiting and len(waiting) == len(self._admins):
            raise NotAnswered("nobody could be told yet")
        self._owed += [(admin, text) for admin in sorted(waiting)]
        self._owing.ring()

    async def _tell(self, admin: int, text: str) -> bool:
        """Whether no more can be done about it: it was said, or never will be heard."""
        try:
            await self._chat.say(admin, text)
        except NotAnswered as error:
            _LOG.info("admin %d is not told of a session: %s", admin, error)
            return False
        return True
