"""What a worker reports of itself: how it stands, and every step of a sign-in; in order, once the broker is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

import anyio

from teltubby.actors.letters import worker_report_letter
from teltubby.actors.link import Link
from teltubby.adapters.base import Broker, Destination
from teltubby.errors import BrokerUnavailable
from teltubby.messages.health import Standing
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.workers import SignInTold, WorkerReport, WorkerStanding
from teltubby.supervision import Signal

WAITING = 64
"""So many reports wait for the broker; of more, the oldest are of no use any more."""
LEAVE_SECONDS = 2.0
"""For the last word; a stop goes on without it."""


def all_is_well() -> Sequence[Standing]:
    """Nothing else is watched."""
    return ()


class WorkerReports:
    """Keeps the newest standing of each session. `worker` is the name of the process, `place` where it runs.

    `collector` says why channels cannot be collected, None while they can; without one this worker collects none.
    `unwell` says what else of the process is not as it should be.
    """

    def __init__(
        self,
        broker: Broker,
        link: Link,
        *,
        worker: str,
        place: str,
        public_key: str,
        routes: Sequence[FileRoute],
        clock: Callable[[], datetime],
        collector: Callable[[], str | None] | None = None,
        unwell: Callable[[], Sequence[Standing]] = all_is_well,
    ) -> None:
        self._broker = broker
        self._link = link
        self._worker = worker
        self._place = place
        self._public_key = public_key
        self._routes = tuple(routes)
        self._clock = clock
        self._collector = collector
        self._unwell = unwell
        self._jobs_accounts = frozenset(route.account for route in routes)
        self._sessions: dict[AccountKind, SessionStanding] = {}
        self._waiting: deque[SignInTold | None] = deque()
        self._filled = Signal()

    @property
    def is_ready(self) -> bool:
        """Whether jobs can be done: by whichever account there are routes over.

        Files of channels wait with the others: an account that only collects would have those parked that need another.
        """
        return any(
            standing.state is SessionState.READY
            for account, standing in self._sessions.items()
            if account in self._jobs_accounts
        )

    def learn(self, standing: SessionStanding) -> None:
        """So a session stands now."""
        self._sessions[standing.account] = standing

    def describe(self) -> None:
        """Report how the worker stands, by what is known when the report leaves; one report says it for all before."""
        if None in self._waiting:
            self._waiting.remove(None)
        self._put(None)

    def tell(self, step: SignInTold) -> None:
        """Report a step of a sign-in, unless what it shows is no longer good by then."""
        self._put(step)

    def refuse(self, sign_in_id: str, why: str) -> None:
        """Report that a sign-in cannot be."""
        self.tell(
            SignInTold(
                worker=self._worker,
                sign_in_id=sign_in_id,
                at=self._clock(),
                state=SessionState.DISCONNECTED,
                detail=why,
                is_over=True,
            )
        )

    async def publish(self) -> None:
        """Publish what waits, and what comes, one report after the other; for ever."""
        while True:
            while not self._waiting:
                await self._filled.wait()
            await self._link.wait_up()
            waiting = self._waiting.popleft()
            report = self._standing() if waiting is None else waiting
            if self._is_expired(report):
                continue
            letter = worker_report_letter(report)
            try:
                await self._link.use(partial(self._broker.publish, Destination.EVENTS, letter))
            except BrokerUnavailable:  # the next connection is waited for
                if waiting is not None or None not in self._waiting:
                    self._waiting.appendleft(waiting)

    async def take_leave(self) -> None:
        """Report that this process ends in order, the last that is heard of it; who is away then misses a process."""
        self._waiting.clear()
        with anyio.move_on_after(LEAVE_SECONDS), suppress(BrokerUnavailable):
            letter = worker_report_letter(self._standing(leaves=True))
            await self._link.use(partial(self._broker.publish, Destination.EVENTS, letter))

    def _put(self, report: SignInTold | None) -> None:
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
        self._waiting.append(report)
        self._filled.notify()

    def _standing(self, *, leaves: bool = False) -> WorkerStanding:
        return WorkerStanding(
            worker=self._worker,
            place=self._place,
            at=self._clock(),
            public_key=self._public_key,
            routes=self._routes,
            sessions=tuple(self._sessions[account] for account in AccountKind if account in self._sessions),
            collects=self._collector is not None,
            collector=None if self._collector is None else self._collector(),
            unwell=tuple(self._unwell()),
            leaves=leaves,
        )

    def _is_expired(self, report: WorkerReport) -> bool:
        expires_at = report.expires_at if isinstance(report, SignInTold) else None
        return expires_at is not None and expires_at <= self._clock()
