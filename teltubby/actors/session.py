"""SessionActor: owns an MTProto session, keeps it connected, has people sign in on it, and says where it stands."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar, assert_never

import anyio

from teltubby.actors.channel_answers import answer_of
from teltubby.actors.session_record import SessionRecord, masked
from teltubby.actors.sign_in_steps import SignInMeans
from teltubby.actors.sign_ins import SignIns
from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import ChannelGateway, MtprotoGateway
from teltubby.archive.session_states import SessionEvent
from teltubby.errors import (
    AccountSuspended,
    BadRequest,
    NotSignedIn,
    Permanent,
    SessionAway,
    SessionFileDamaged,
    SessionNotReady,
    SessionRevoked,
    TeltubbyError,
    Transient,
    Unauthorised,
)
from teltubby.messages.channels import (
    ChannelRequest,
    DescribeChannel,
    FindChannel,
    FollowUpdates,
    PostsAfter,
    PostsBefore,
    PostsById,
    ReadDifference,
)
from teltubby.messages.control import BeginSignIn, CancelSignIn, SignInOrder, SubmitCode, SubmitPassword
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import DescribeSession, SessionChanged, SessionState
from teltubby.messages.transfer import Dial, Locate, PartConnection
from teltubby.supervision import Actor, Backoff, Context, Signal

SessionMessage = Locate | Dial | ChannelRequest | DescribeSession | SignInOrder

R = TypeVar("R")

WIDTH = 48
"""Requests at once: those of 32 channels (MTPROTO_CONCURRENCY), and of jobs."""
SIGN_IN_AGAIN_SECONDS = 600.0
"""Repeated bot logins are flood-limited for tens of minutes (telegram.md): a refused sign-in is tried again rarely."""
SUSPENDED_SECONDS = 3600.0
CHECK_SECONDS = 300.0
LOOK_SECONDS = 60.0
"""Session files are looked at again this often, which asks nothing of Telegram: another process may let go of one, and
`teltubby login` may make one.
"""


class SessionActor(Actor[SessionMessage]):
    """A lost connection is this actor's own loop with backoff; a lost login is a state that it reports and stays up in.

    The loop alone opens and closes the session. A bot's session signs itself in again; a person's waits for an order
    (`sign_in`), or for another session in `session_file`. `announce` is told of every change; what an operator or
    admin must act on stands in `troubles`. `is_needed`: the routes cannot do without this account. What is asked of
    channels is answered by `channels`, the same session; None where it tells nothing of them, as a bot's does.
    """

    def __init__(
        self,
        gateway: MtprotoGateway,
        *,
        account: AccountKind,
        is_needed: bool,
        announce: Callable[[SessionChanged], None],
        troubles: Troubles,
        backoff: Backoff,
        rng: random.Random,
        clock: Callable[[], datetime],
        session_file: Path,
        sign_in: SignInMeans | None = None,
        channels: ChannelGateway | None = None,
    ) -> None:
        self._gateway = gateway
        self._channels = channels
        self._account = account
        self._backoff = backoff
        self._rng = rng
        self._file = anyio.Path(session_file)
        self._changed = Signal()
        self._record = SessionRecord(
            account, gateway, is_needed=is_needed, announce=announce, troubles=troubles, clock=clock
        )
        self._sign_ins = None if sign_in is None else SignIns(sign_in, self._record, changed=self._changed, clock=clock)
        self._connection = anyio.CancelScope()
        self._tries_again = False

    async def run(self, context: Context[SessionMessage]) -> None:
        context.started()
        await context.serve(self.handle, partial(self._keep_signed_in, context), width=WIDTH)

    async def teardown(self) -> None:
        await self._gateway.aclose()

    async def handle(self, message: SessionMessage, /) -> object:
        match message:
            case DescribeSession():
                return self._record.standing()
            case Locate(place=place):
                return await self._served(partial(self._gateway.locate, place))
            case Dial():
                return await self._served(partial(self._dial, message))
            case (
                FindChannel()
                | DescribeChannel()
                | PostsBefore()
                | PostsAfter()
                | PostsById()
                | ReadDifference()
                | FollowUpdates()
            ):
                if self._channels is None:
                    raise BadRequest(f"the {self._account} session tells nothing of channels")
                return await self._served(partial(answer_of, self._channels, message))
            case BeginSignIn() | SubmitCode() | SubmitPassword() | CancelSignIn():
                if self._sign_ins is not None:
                    self._sign_ins.obey(message)
                return None
            case _:
                assert_never(message)

    # -- requests

    async def _served(self, work: Callable[[], Awaitable[R]]) -> R:
        """What Telegram answers. That the login is lost is noted at once, and the session closed by its loop."""
        self._require_ready()
        connection = self._connection
        try:
            answer = await work()
        except (SessionNotReady, Unauthorised) as error:
            if not isinstance(error, SessionAway) and connection is self._connection:
                event = SessionEvent.SUSPENDED if isinstance(error, AccountSuspended) else SessionEvent.REFUSED
                self._lose_login(event, str(error))
            if isinstance(error, SessionNotReady):
                raise
            raise SessionRevoked(str(error)) from error
        self._record.succeeded()
        return answer

    async def _dial(self, request: Dial) -> PartConnection:
        connection = await self._gateway.dial(request.data_centre)
        if not request.is_wanted():
            await connection.aclose()
        return connection

    def _lose_login(self, event: SessionEvent, detail: str) -> None:
        if self._record.state is SessionState.READY:
            self._record.note(event, detail)
            self._connection.cancel()

    def _require_ready(self) -> None:
        state, detail = self._record.state, self._record.detail
        reason = f"the {self._account} session is {state}: {detail}"
        match state:
            case SessionState.READY:
                return
            case SessionState.DISCONNECTED | SessionState.CONNECTING if self._record.is_anybodys:
                raise SessionAway(reason)
            case SessionState.SUSPENDED:
                raise AccountSuspended(reason)
            case SessionState.REVOKED:
                raise SessionRevoked(reason)
            case SessionState.FLOOD_WAIT:
                raise SessionNotReady(reason)
            case _:
                raise NotSignedIn(reason)

    # -- the loop

    async def _keep_signed_in(self, context: Context[SessionMessage]) -> None:
        failures = 0
        while not context.stopping.is_set():
            began = anyio.current_time()
            was_connected = False
            with context.interruptible():
                was_connected = await self._live_once()
            await self._gateway.aclose()
            if anyio.current_time() - began >= self._backoff.healthy_after:
                failures = 0
            failures += 1
            with context.interruptible():
                await self._pause(max(self._patience(was_connected), self._backoff.delay(failures + 1, self._rng)))
        if self._sign_ins is not None:
            self._sign_ins.cut_off("this worker stops; begin again when it is back")

    async def _live_once(self) -> bool:
        """Have a person sign in who wants to, connect, and stay while it lasts. Whether there was a connection."""
        if self._sign_ins is not None and self._sign_ins.wanted and not await self._sign_ins.run():
            return False
        is_connected = await self._connect()
        if self._sign_ins is not None:
            self._sign_ins.settle()
        if is_connected:
            with self._connection:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._keep_checking)
                    await self._gateway.wait_lost()
                    tasks.cancel_scope.cancel()
            if self._record.state is SessionState.READY:
                self._record.note(SessionEvent.CONNECTION_LOST, "the connection was lost")
        return is_connected

    async def _keep_checking(self) -> None:
        """Notice a login that was ended while nothing is asked of it; what else fails is for who needs it to meet."""
        while True:
            await anyio.sleep(CHECK_SECONDS)
            with suppress(TeltubbyError):
                await self._served(self._gateway.check)

    async def _connect(self) -> bool:
        if not self._tries_again:  # else nothing is new before it is known how this try ends
            self._tries_again = True
            self._record.note(SessionEvent.CONNECT_BEGAN, "connecting")
        try:
            account = await self._gateway.open()
        except (Transient, Permanent, Unauthorised, SessionFileDamaged) as error:
            self._record.failed(error)
            return False
        self._connection, self._tries_again = anyio.CancelScope(), False
        self._record.note(SessionEvent.CONNECTED, f"signed in as {masked(account)}", who=account)
        return True

    def _patience(self, was_connected: bool) -> float:
        """How long at least nothing is tried: Telegram is not asked again what it has refused."""
        is_bot = self._account is AccountKind.BOT
        match self._record.last:
            case SessionEvent.FLOODED:
                return self._record.flood_seconds
            case SessionEvent.NOBODY | SessionEvent.FILE_UNUSABLE | SessionEvent.FILE_DAMAGED:
                return LOOK_SECONDS
            case SessionEvent.SUSPENDED:
                return SUSPENDED_SECONDS if is_bot else math.inf
            case SessionEvent.REFUSED if not is_bot:
                return math.inf
            case SessionEvent.REFUSED if not was_connected:
                return SIGN_IN_AGAIN_SECONDS
            case _:
                return 0.0

    async def _pause(self, seconds: float) -> None:
        """Until so much time has passed, a person wants to sign in, or there is another session file."""
        until = anyio.current_time() + seconds
        file = await self._fingerprint()
        while (left := until - anyio.current_time()) > 0 and not self._is_wanted:
            with anyio.move_on_after(min(LOOK_SECONDS, left)):
                await self._changed.wait()
            if await self._fingerprint() != file:
                break

    @property
    def _is_wanted(self) -> bool:
        return self._sign_ins is not None and self._sign_ins.wanted

    async def _fingerprint(self) -> object:
        try:
            stat = await self._file.stat()
        except OSError:
            return None
        return (stat.st_ino, stat.st_size, stat.st_mtime_ns)
