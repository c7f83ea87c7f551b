"""Any troubles in any order: the file is exactly right, or it is said why not and the next attempt goes on."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from pathlib import Path

import anyio
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from teltubby.errors import (
    ConnectionLost,
    FloodWait,
    PartUnavailable,
    SessionAway,
    SessionNotReady,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import FetchLarge, FileLocation, VerifyHashes
from teltubby.transfer.engine import Engine
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder
from tests.mtproto_twins import Asked, RemoteTwin, SessionTwin, Silence
from tests.unit.transfer.engines import MIB, ROUND_TRIP, noise, same
from tests.virtual_time import backend_in_virtual_time

pytestmark = pytest.mark.usefixtures("virtual_time")


class Strike(StrEnum):
    """What happens at a request."""

    FLOOD = auto()
    LOST = auto()
    ALL_LOST = auto()
    UNAVAILABLE = auto()
    SILENCE = auto()
    SHORT = auto()
    LONG = auto()
    EXPIRE = auto()
    MOVE = auto()
    SPOILT = auto()
    LONG_FLOOD = auto()
    SIGNED_OUT = auto()
    CANCEL = auto()
    CLOSE = auto()
    STOP = auto()


ENDS = {Strike.LONG_FLOOD, Strike.SIGNED_OUT, Strike.CANCEL, Strike.CLOSE, Strike.STOP}
"""What ends an attempt."""


def strikes(data: st.DataObject, *, hashed: bool, ends: bool, least: int, most: int) -> dict[int, Strike]:
    """What happens at which request; without hashes nobody can know of spoilt bytes."""
    kinds = [kind for kind in Strike if (hashed or kind is not Strike.SPOILT) and (ends or kind not in ENDS)]
    requests, happens = st.integers(1, 2 * most), st.sampled_from(kinds)
    return data.draw(st.dictionaries(requests, happens, min_size=least, max_size=most), label="strikes")


DIALS = st.sampled_from(
    [TelegramUnavailable("refused"), SessionAway("away"), FloodWait(3), SessionNotReady("out"), None]
)
REFRESHES = st.sampled_from([TelegramUnavailable("refused"), SessionAway("away"), FloodWait(3), None])
LIMITS = st.builds(
    Limits,
    connections=st.integers(1, 3),
    window=st.integers(1, 4),
    parts_in_flight=st.integers(1, 6),
)
SIZES = st.one_of(st.integers(0, 5).map(lambda count: count * MIB), st.integers(1, 6 * MIB))


@dataclass
class Fate:
    """What the requests meet, by their number in the order in which they come."""

    strikes: Mapping[int, Strike]
    telegram: SessionTwin
    remote: RemoteTwin
    spool: Spool | None = None
    requests: int = 0
    fetching: anyio.CancelScope | None = None
    running: anyio.CancelScope | None = None
    again: list[int] = field(default_factory=list)

    def __call__(self, asked: Asked) -> object:
        self.requests += 1
        if self.spool is not None and not asked.hashes and asked.index in self.spool.present:
            self.again.append(asked.index)
        strike = self.strikes.get(self.requests)
        if strike is not None:
            event(strike)
        return self._meet(strike, asked)

    def _meet(self, strike: Strike | None, asked: Asked) -> object:
        match strike:
            case Strike.FLOOD:
                return FloodWait(3)
            case Strike.LONG_FLOOD:
                return FloodWait(100)
            case Strike.LOST:
                return ConnectionLost("reset")
            case Strike.UNAVAILABLE:
                return PartUnavailable("LOCATION_NOT_AVAILABLE")
            case Strike.SILENCE:
                return Silence()
            case Strike.SIGNED_OUT:
                return SessionNotReady("signed out")
            case Strike.SHORT | Strike.LONG | Strike.SPOILT if not asked.hashes:
                length = max(0, min(MIB, self.remote.location.size - asked.index * MIB))
                return bytes(length + {Strike.SHORT: -min(length, 5), Strike.LONG: 5, Strike.SPOILT: 0}[strike])
            case Strike():
                self._happen(strike)
        return None

    def _happen(self, strike: Strike) -> None:
        if strike is Strike.ALL_LOST:
            for connection in self.telegram.open_connections:
                connection.lose()
        elif strike is Strike.EXPIRE:
            self.remote.expire()
        elif strike is Strike.MOVE:
            self.remote.move(6 - self.remote.location.data_centre)
        elif strike is Strike.CANCEL and self.fetching is not None:
            self.fetching.cancel()
        elif strike is Strike.CLOSE and self.spool is not None:
            self.spool.fail(SpoolFull("full"))
        elif strike is Strike.STOP and self.running is not None:
            self.running.cancel()


async def attempt(fate: Fate, spools: SpoolFolder, engine: Engine, begin: FileLocation) -> bytes | TeltubbyError | None:
    """One attempt: the file, or why there is none; None when whoever wanted it has left."""
    location = fate.remote.location
    async with spools.open("job", document_id=location.document_id, size=location.size, key="key") as fate.spool:
        with anyio.CancelScope() as fate.fetching:
            try:
                await engine.fetch(
                    FetchLarge(account=AccountKind.BOT, location=begin, refresh=fate.remote.refresh, into=fate.spool)
                )
                return await fate.spool.read(0, location.size)
            except TeltubbyError as error:
                return error
    return None


async def live(fate: Fate, spools: SpoolFolder, limits: Limits, verify: VerifyHashes) -> int:
    """Attempts until the file is there; returns how many."""
    telegram = fate.telegram
    for number in range(1, 40):
        begin = fate.remote.location  # each attempt begins with the message
        engine = Engine(telegram.dial, limits=limits, verify=verify)

        async def run(engine: Engine = engine) -> None:
            with anyio.CancelScope() as fate.running:
                await engine.run()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            outcome = await attempt(fate, spools, engine, begin)
            assert not sum(each.in_flight for each in telegram.dialled), "nothing is on its way any more"
            tasks.cancel_scope.cancel()
        assert telegram.open_connections == []
        if isinstance(outcome, bytes):
            assert same(outcome, noise(begin.size, 1))
            return number
        event(f"attempt ended with {type(outcome).__name__}")
        await anyio.sleep(outcome.seconds if isinstance(outcome, FloodWait) else 1)
    raise AssertionError("the troubles were over long ago")


def lives(
    backend: str,
    *,
    size: int,
    hashed: bool,
    limits: Limits,
    strikes: Mapping[int, Strike],
    dials: Sequence[TeltubbyError | None] = (),
    refreshes: Sequence[TeltubbyError | None] = (),
) -> int:
    """How many attempts it took."""

    async def main() -> int:
        telegram = SessionTwin()
        telegram.is_open, telegram.round_trip = True, ROUND_TRIP
        remote = telegram.documents[1, 1] = RemoteTwin(1, noise(size, 1), hashed=hashed)
        telegram.script.fail("dial", *dials)
        remote.script.fail("refresh", *refreshes)
        telegram.trouble = fate = Fate(strikes, telegram, remote)
        with tempfile.TemporaryDirectory() as place:
            spools = SpoolFolder(Path(place), keep_seconds=math.inf)
            attempts = await live(fate, spools, limits, VerifyHashes.REQUIRE if hashed else VerifyHashes.AUTO)
        assert fate.again == [], "no part that was written is asked for again"
        return attempts

    name, options = backend_in_virtual_time(backend)
    return anyio.run(main, backend=name, backend_options=options)


MANY = settings(max_examples=100)
EVERY = ["asyncio", "trio"]


@pytest.mark.parametrize("backend", EVERY)
@MANY
@given(
    size=SIZES,
    hashed=st.booleans(),
    limits=LIMITS,
    data=st.data(),
    dials=st.lists(DIALS, max_size=5),
    refreshes=st.lists(REFRESHES, max_size=3),
)
def test_any_sequence_of_troubles_ends_with_exactly_the_file(
    backend: str,
    size: int,
    hashed: bool,
    limits: Limits,
    data: st.DataObject,
    dials: list[TeltubbyError | None],
    refreshes: list[TeltubbyError | None],
) -> None:
    struck = strikes(data, hashed=hashed, ends=True, least=4, most=16)
    lives(backend, size=size, hashed=hashed, limits=limits, strikes=struck, dials=dials, refreshes=refreshes)


@pytest.mark.parametrize("backend", EVERY)
@MANY
@given(size=SIZES, hashed=st.booleans(), limits=LIMITS, data=st.data())
def test_no_ordinary_trouble_costs_more_than_parts(
    backend: str, size: int, hashed: bool, limits: Limits, data: st.DataObject
) -> None:
    struck = strikes(data, hashed=hashed, ends=False, least=1, most=4)
    assert lives(backend, size=size, hashed=hashed, limits=limits, strikes=struck) == 1
