"""SessionActor: owns the MTProto session, keeps it connected, and says where it stands."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import assert_never

import anyio

from teltubby.adapters.base import MtprotoGateway
from teltubby.errors import FloodWait, Permanent, SessionAway, SessionNotReady, Transient, Unauthorised
from teltubby.messages.jobs import Job
from teltubby.messages.session import DescribeSession, SessionChanged, SessionState
from teltubby.messages.transfer import Dial, FileLocation, Locate, PartConnection
from teltubby.supervision import Actor, ActorStopped, Backoff, Context

_LOG = logging.getLogger(__name__)

SessionMessage = Locate | Dial | DescribeSession

WIDTH = 8
SIGN_IN_AGAIN_SECONDS = 600.0
"""Repeated bot logins are flood-limited for tens of minutes (telegram.md): a refused sign-in is tried again rarely."""


class SessionActor(Actor[SessionMessage]):
    """A lost connection is this actor's own loop with backoff; a lost login is a state that it reports and stays up in.

    `announce` is told of every change of state.
    """

    def __init__(
        self,
        gateway: MtprotoGateway,
        *,
        announce: Callable[[SessionChanged], None],
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        self._gateway = gateway
        self._announce = announce
        self._backoff = backoff
        self._rng = rng
        self._now = SessionChanged(state=SessionState.DISCONNECTED, detail="not connected yet")

    async def run(self, context: Context[SessionMessage]) -> None:
        context.started()
        await context.serve(self.handle, partial(self._stay_connected, context), width=WIDTH)

    async def teardown(self) -> None:
        await self._gateway.aclose()

    async def handle(self, message: SessionMessage, /) -> object:
        match message:
            case DescribeSession():
                return self._now
            case Locate(job=job):
                return await self._locate(job)
            case Dial():
                return await self._dial(message)
            case _:
                assert_never(message)

    async def _locate(self, job: Job) -> FileLocation:
        self._require_ready()
        try:
            return await self._gateway.locate(job.chat_id, job.message_id)
        except SessionNotReady as error:
            await self._sign_in_anew(error)
            raise

    async def _dial(self, request: Dial) -> PartConnection:
        self._require_ready()
        try:
            connection = await self._gateway.dial(request.data_centre)
        except SessionNotReady as error:
            await self._sign_in_anew(error)
            raise
        if not request.is_wanted():
            await connection.aclose()
        return connection

    async def _sign_in_anew(self, error: SessionNotReady) -> None:
        self._enter(SessionState.SIGNED_OUT, str(error))
        await self._gateway.aclose()  # wakes the loop, which signs in anew

    def _require_ready(self) -> None:
        match self._now.state:
            case SessionState.READY:
                return
            case SessionState.DISCONNECTED | SessionState.CONNECTING:
                raise SessionAway(f"the MTProto session is {self._now.state}: {self._now.detail}")
            case _:
                raise SessionNotReady(f"the MTProto session is {self._now.state}: {self._now.detail}")

    async def _stay_connected(self, context: Context[SessionMessage]) -> None:
        failures = 0
        while not context.stopping.is_set():
            began = anyio.current_time()
            least: float | None = 0.0
            with context.interruptible():
                least = await self._connect()
            if least is None and not context.stopping.is_set():
                with context.interruptible():
                    await self._gateway.wait_lost()
                if self._now.state is SessionState.READY and not context.stopping.is_set():
                    self._enter(SessionState.DISCONNECTED, "the connection was lost")
            await self._gateway.aclose()
            if anyio.current_time() - began >= self._backoff.healthy_after:
                failures = 0
            failures += 1
            with context.interruptible():
                await anyio.sleep(max(least or 0.0, self._backoff.delay(failures + 1, self._rng)))

    async def _connect(self) -> float | None:
        """Connect and sign in; None when that worked, else the seconds that must pass before the next try."""
        self._enter(SessionState.CONNECTING, "signing in")
        try:
            account = await self._gateway.open()
        except FloodWait as error:
            self._enter(SessionState.FLOOD_WAIT, str(error))
            return error.seconds
        except (Unauthorised, SessionNotReady, Permanent) as error:
            self._enter(SessionState.SIGNED_OUT, str(error))
            return SIGN_IN_AGAIN_SECONDS
        except Transient as error:
            self._enter(SessionState.DISCONNECTED, str(error))
            return 0.0
        self._enter(SessionState.READY, f"signed in as {account.username or account.id}")
        return None

    def _enter(self, state: SessionState, detail: str) -> None:
        changed = SessionChanged(state=state, detail=detail)
        if changed != self._now:
            self._now = changed
            level = logging.INFO if state in (SessionState.READY, SessionState.CONNECTING) else logging.WARNING
            _LOG.log(level, "MTProto session %s: %s", state, detail)
            with suppress(ActorStopped):  # at a stop, whoever wants to know ends before this actor
                self._announce(changed)
