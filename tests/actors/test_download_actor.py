"""DownloadActor: the engine lives and ends with it, and connections come from the session."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from teltubby.actors.download import DownloadActor
from teltubby.actors.session import SessionActor, SessionMessage
from teltubby.actors.troubles import Troubles
from teltubby.errors import ConnectionLost, RouteClosed
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import FetchLarge
from teltubby.supervision import ActorCrashed, ChildSpec, Mailbox, Supervisor
from teltubby.transfer.engine import Engine
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder
from tests.actors.stage import MIB, noise, restarts, running
from tests.actors.worker_wing import BACKOFF
from tests.mtproto_twins import Asked, RemoteTwin, SessionTwin, Silence
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(12 * MIB + 5)


@dataclass
class Downloads:
    """The two actors, and the one document that there is."""

    tree: Supervisor
    session: SessionTwin
    remote: RemoteTwin
    mail: Mailbox[FetchLarge]
    spool: Spool

    @property
    def request(self) -> FetchLarge:
        return FetchLarge(
            account=AccountKind.BOT,
            location=self.remote.location,
            refresh=self.remote.refresh,
            into=self.spool,
        )

    async def fetch(self) -> None:
        await self.mail.ref.ask(self.request, within=math.inf)

    async def is_there(self) -> bool:
        return await self.spool.read(0, len(BODY)) == BODY


@asynccontextmanager
async def downloads(place: Path, *, before: Callable[[Downloads], None] = lambda it: None) -> AsyncIterator[Downloads]:
    """`before` sees the mailboxes while nobody is there yet."""
    session, rng = SessionTwin(), random.Random(1)
    session.round_trip = 0.1
    remote = session.documents[1, 1] = RemoteTwin(1, BODY)
    mail, download = Mailbox[SessionMessage]("session"), Mailbox[FetchLarge]("download")
    folder = SpoolFolder(place, keep_seconds=math.inf)
    specs = [
        ChildSpec(
            "session",
            lambda: SessionActor(
                session,
                account=AccountKind.BOT,
                is_needed=True,
                announce=lambda changed: None,
                troubles=Troubles(),
                backoff=BACKOFF,
                rng=rng,
                clock=wall_clock,
                session_file=place / "bot.session",
            ),
            mailbox=mail,
        ),
        ChildSpec(
            "download",
            lambda: DownloadActor({AccountKind.BOT: mail.ref}, width=4, engine=partial(Engine)),
            mailbox=download,
        ),
    ]
    async with folder.open("job", document_id=1, size=len(BODY), key="key") as spool:
        it = Downloads(None, session, remote, download, spool)  # type: ignore[arg-type]
        before(it)
        async with running(*specs) as it.tree:
            yield it
    assert session.open_connections == [], "no connection outlives the actors"


async def test_it_fetches(tmp_path: Path) -> None:
    async with downloads(tmp_path) as it:
        await it.fetch()
        assert await it.is_there()
        assert restarts(it.tree) == {}


@pytest.mark.parametrize("turn", range(5))
async def test_mail_that_was_there_first_waits_for_the_engine(tmp_path: Path, turn: int) -> None:
    async with downloads(tmp_path, before=lambda it: it.mail.ref.tell(it.request)) as it:
        with anyio.fail_after(60):
            assert await it.is_there(), f"at the start, {turn}"


async def test_a_session_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    def hold(it: Downloads) -> None:
        it.session.script.slow("open", 40.0)

    async with downloads(tmp_path, before=hold) as it:
        await it.fetch()
        assert anyio.current_time() >= 40


async def test_a_crash_of_the_engine_is_told_and_survived(tmp_path: Path) -> None:
    async with downloads(tmp_path) as it:
        it.session.trouble = lambda asked: ZeroDivisionError("a bug") if asked.index == 3 else None
        with pytest.raises((ConnectionLost, ActorCrashed)):
            await it.fetch()
        it.session.trouble = lambda asked: None
        await until(lambda: restarts(it.tree) != {})
        async with SpoolFolder(tmp_path / "other", keep_seconds=1).open(
            "job", document_id=1, size=len(BODY), key="key"
        ) as it.spool:
            await it.fetch()
            assert await it.is_there()


async def test_a_connection_that_comes_when_nobody_waits_for_it_is_closed(tmp_path: Path) -> None:
    """The engine crashes while the session still dials for it."""
    async with downloads(tmp_path) as it:
        dialled = it.session.script

        def meet(asked: Asked) -> Exception | Silence | None:
            if dialled.count("dial") == 1:
                dialled.slow("dial", 50.0)
                return None
            return ZeroDivisionError("a bug")

        it.session.trouble = meet
        with pytest.raises((ConnectionLost, ActorCrashed)):
            await it.fetch()
        dials = dialled.count("dial")
        assert dials > 1
        await until(lambda: len(it.session.dialled) == dials)
        await until(lambda: it.session.open_connections == [], within=1)


async def test_a_file_of_an_account_that_is_not_configured_is_refused(tmp_path: Path) -> None:
    async with downloads(tmp_path) as it:
        with pytest.raises(RouteClosed, match="user account is not configured"):
            await it.mail.ref.ask(replace(it.request, account=AccountKind.USER), within=math.inf)
        await it.fetch()
        assert await it.is_there() and restarts(it.tree) == {}
