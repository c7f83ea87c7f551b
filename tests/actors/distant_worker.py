"""A worker at the other end of the broker, as the bot sees it: it notes its orders, and reports what the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from teltubby.actors.letters import worker_report_letter
from teltubby.adapters.base import Broker, Destination, Heard
from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.errors import BrokerUnavailable
from teltubby.messages.control import BeginSignIn, DescribeWorkers, Order, SubmitCode, SubmitPassword
from teltubby.messages.health import Standing
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.wire import decode_order
from teltubby.messages.workers import SignInTold, WorkerReport, WorkerStanding
from tests.actors.bot_wing import BotWing
from tests.virtual_time import until, wall_clock

URL = "tg://login?token="
QR_SECONDS = 30


def session(
    state: SessionState,
    *,
    account: AccountKind = AccountKind.USER,
    detail: str = "as it is",
    since: datetime | None = None,
    is_trouble: bool | None = None,
    in_use: bool = True,
) -> SessionStanding:
    """A session in this state since now, in trouble where the state is one."""
    troubled = state in (SessionState.REVOKED, SessionState.SUSPENDED)
    return SessionStanding(
        account=account,
        state=state,
        detail=detail,
        since=since or wall_clock(),
        is_trouble=troubled if is_trouble is None else is_trouble,
        in_use=in_use,
        name="A…a",
    )


@dataclass
class DistantWorker:
    """What a test reaches of it. `answers` off: it hears nothing any more."""

    broker: Broker
    name: str
    place: str
    sessions: Sequence[SessionStanding]
    routes: tuple[FileRoute, ...] = tuple(FileRoute)
    boxes: SealedBoxes = field(default_factory=SealedBoxes)
    orders: list[Order] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    answers: bool = True
    collects: bool | None = None
    collector: str | None = None
    unwell: tuple[Standing, ...] = ()

    async def work(self) -> None:
        """Listen, for ever."""
        async with await self.broker.listen() as stream:
            async for heard in stream:
                self.heard.append(heard)
                order = decode_order(heard.body, heard.type, str(heard.headers["schema"]))
                if not self.answers or getattr(order, "worker", self.name) != self.name:
                    continue
                if isinstance(order, DescribeWorkers):
                    await self.stand()
                else:
                    self.orders.append(order)

    def standing(self, *sessions: SessionStanding, at: datetime | None = None) -> WorkerStanding:
        return WorkerStanding(
            worker=self.name,
            place=self.place,
            at=at or wall_clock(),
            public_key=self.boxes.public_key,
            routes=self.routes,
            sessions=tuple(sessions or self.sessions),
            collects=self.collects,
            collector=self.collector,
            unwell=self.unwell,
        )

    async def stand(self, *sessions: SessionStanding) -> None:
        """It says how it stands, from now on so if sessions are given."""
        self.sessions = sessions or self.sessions
        await self.say(self.standing())

    async def say(self, report: WorkerReport) -> None:
        with suppress(BrokerUnavailable):
            await self.broker.publish(Destination.EVENTS, worker_report_letter(report))

    @property
    def begun(self) -> BeginSignIn:
        """The newest order to begin."""
        return [order for order in self.orders if isinstance(order, BeginSignIn)][-1]

    @property
    def secrets(self) -> list[str]:
        """The codes and passwords that it was given, opened."""
        return [
            self.boxes.open(order.sealed) for order in self.orders if isinstance(order, SubmitCode | SubmitPassword)
        ]

    async def ordered(self, count: int) -> Order:
        """Wait until it had so many orders; the newest."""
        await until(lambda: len(self.orders) >= count, within=60)
        assert len(self.orders) == count
        return self.orders[-1]

    async def tell(
        self, state: SessionState, detail: str = "", *, qr: str | None = None, is_over: bool = False
    ) -> None:
        """The next step of the sign-in that was begun last."""
        at = wall_clock()
        sealed = None if qr is None else seal(self.begun.reply_key, URL + qr)
        await self.say(
            SignInTold(
                worker=self.name,
                sign_in_id=self.begun.sign_in_id,
                at=at,
                state=state,
                detail=detail or f"it is {state} now",
                sealed_qr=sealed,
                expires_at=None if qr is None else at + timedelta(seconds=QR_SECONDS),
                is_over=is_over,
            )
        )


@asynccontextmanager
async def worker_at(
    wing: BotWing,
    *sessions: SessionStanding,
    name: str = "box-1",
    place: str | None = None,
    introduced: bool = True,
) -> AsyncIterator[DistantWorker]:
    """One at work; its person's account is not signed in unless `sessions` say otherwise."""
    broker = wing.queue.client()
    await broker.open()
    nobody = session(SessionState.DISCONNECTED, detail="nobody is signed in", in_use=False)
    worker = DistantWorker(broker, name, place or f"{name}: user.session", sessions or (nobody,))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.work)
        if introduced:
            await worker.stand()
        yield worker
        tasks.cancel_scope.cancel()
    await broker.aclose()
