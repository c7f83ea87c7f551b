"""The engine over real connections to the simulated Telegram: whatever happens on the way, the file or a reason."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from teltubby.adapters.telethon_session import TelethonSession
from teltubby.errors import ContentMismatch, FloodWait, PartUnavailable, SessionNotReady, TeltubbyError, Unverifiable
from teltubby.messages.transfer import FetchLarge, VerifyHashes
from teltubby.simulator.curator import Curator
from teltubby.simulator.faults import FileHashes
from teltubby.simulator.server import SimulatedTelegram
from teltubby.transfer.engine import Engine
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool_folder import SpoolFolder
from tests.adapters.abroad import ABROAD, HOME, MIB, Film, Wires, handed_in, violations, wired
from tests.adapters.house import House
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.anyio

WITHIN = 60.0
SIZE = 12 * MIB + 12_345
IN_FLIGHT = 8
STALL_SECONDS = 1.0
LIMITS = Limits(connections=3, window=3, parts_in_flight=IN_FLIGHT, park_seconds=10)


@pytest.fixture
def telegram(request: pytest.FixtureRequest) -> Iterator[SimulatedTelegram]:
    with SimulatedTelegram(**{"dcs": (HOME, ABROAD), "media_only": True, **getattr(request, "param", {})}) as telegram:
        yield telegram


@pytest.fixture
def wires(telegram: SimulatedTelegram) -> Iterator[Wires]:
    with wired(telegram) as wires:
        yield wires


@dataclass
class Transfer:
    """A film on its way, with everything that it meets."""

    house: House
    wires: Wires
    session: TelethonSession
    film: Film
    engine: Engine
    folder: SpoolFolder

    async def attempt(self) -> bool:
        """One attempt, from what the last left; whether it brought exactly the file."""
        location = await self.film.location(self.session)
        spool = self.folder.open("job", document_id=location.document_id, size=location.size, key="key")
        async with spool:
            with anyio.fail_after(WITHIN):
                refresh = partial(self.film.location, self.session)
                await self.engine.fetch(FetchLarge(location=location, refresh=refresh, into=spool))
            got = await spool.read(0, spool.size)
        return got == await to_thread.run_sync(self.film.file.read, 0, len(got)) and len(got) == self.film.file.size

    def fault(self, method: str = "upload.getFile", **fault: Any) -> None:
        self.house.fault(method, **fault)

    def well_again(self) -> None:
        self.house.on_server(self.house.telegram.world.faults.clear)

    def on_server(self, work: Callable[[], object]) -> None:
        self.house.telegram.call(work)

    @property
    def repeated(self) -> int:
        """Parts that were sent in vain."""
        served = self.house.telegram.mtproto_server.served
        return self.house.telegram.call(served.repeated, self.film.file.id) // MIB


@asynccontextmanager
async def transfer(
    house: House,
    wires: Wires,
    curator: Curator,
    place: Path,
    *,
    size: int = SIZE,
    dc: int = HOME,
    verify: VerifyHashes = VerifyHashes.AUTO,
    limits: Limits = LIMITS,
    **options: Any,
) -> AsyncIterator[Transfer]:
    film = handed_in(house, curator, size, dc=dc, **options)
    async with house.opened(timeout=STALL_SECONDS) as session, anyio.create_task_group() as tasks:
        engine = Engine(session.dial, limits=limits, verify=verify)
        tasks.start_soon(engine.run)
        yield Transfer(house, wires, session, film, engine, SpoolFolder(place / "spool", keep_seconds=math.inf))
        tasks.cancel_scope.cancel()
    assert violations(house) == []


Begin = Callable[..., Any]


@pytest.fixture
def begin(house: House, wires: Wires, curator: Curator, tmp_path: Path) -> Begin:
    return partial(transfer, house, wires, curator, tmp_path)


# -- all is well


@pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB, SIZE])
@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_a_file_comes_whole_and_no_byte_twice(begin: Begin, size: int, dc: int) -> None:
    async with begin(size=size, dc=dc, verify=VerifyHashes.REQUIRE) as it:
        assert await it.attempt()
        assert it.repeated == 0


@pytest.mark.parametrize("telegram", [{"media_only": False}], indirect=True, ids=["no address for files"])
@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_a_file_comes_whole_without_addresses_for_files(begin: Begin, dc: int) -> None:
    async with begin(dc=dc) as it:
        assert await it.attempt()
        assert it.repeated == 0


@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_a_file_comes_whole_over_telethons_own_methods(begin: Begin, dc: int) -> None:
    async with begin(dc=dc, size=4 * MIB + 5) as it:
        it.session._centres = None
        assert await it.attempt()
        assert it.repeated == 0


# -- trouble that costs parts

TROUBLES: dict[str, dict[str, Any]] = {
    "flood": {"message": "FLOOD_WAIT_1", "times": 3},
    "premium flood": {"message": "FLOOD_PREMIUM_WAIT_1", "times": 3},
    "cut": {"cut": True, "times": 3},
    "stall": {"stall": True, "times": 2},
    "unavailable": {"error": 400, "message": "LOCATION_NOT_AVAILABLE", "times": 3},
    "internal": {"error": 500, "message": "INTERNAL", "times": 3},
    "timed out": {"error": -503, "message": "Timedout", "times": 3},
    "expired": {"expire": True},
    "corrupt": {"corrupt": True, "times": 3},
    "short": {"truncate": 5000, "times": 3},
    "empty": {"truncate": 0, "times": 2},
    "another place": {"shift": 3 * MIB, "times": 3},
    "key refused for files": {"error": 401, "message": "AUTH_KEY_UNREGISTERED"},
    "key abroad ended": {"error": 401, "message": "AUTH_KEY_UNREGISTERED"},
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_costs_parts_and_not_the_file(begin: Begin, trouble: str) -> None:
    dc = ABROAD if "abroad" in trouble else HOME
    async with begin(dc=dc) as it:
        it.fault(skip=4, **TROUBLES[trouble])
        assert await it.attempt()
        assert it.repeated <= IN_FLIGHT * TROUBLES[trouble].get("times", 1)


@pytest.mark.parametrize("fault", [{"message": "FLOOD_WAIT_1"}, {"error": 500, "message": "INTERNAL"}], ids=str)
async def test_trouble_with_hashes_costs_nothing(begin: Begin, fault: dict[str, Any]) -> None:
    async with begin(verify=VerifyHashes.REQUIRE) as it:
        it.fault("upload.getFileHashes", skip=2, times=2, **fault)
        assert await it.attempt()
        assert it.repeated == 0


async def test_all_of_it_at_once_and_all_the_time(begin: Begin) -> None:
    async with begin(size=64 * MIB + 5) as it:
        it.fault(message="FLOOD_WAIT_1", chance=0.03, times=99, seed=1)
        it.fault(cut=True, chance=0.03, times=99, seed=2)
        it.fault(error=500, message="INTERNAL", chance=0.03, times=99, seed=3)
        it.fault(corrupt=True, chance=0.03, times=99, seed=4)
        it.fault(truncate=77, chance=0.03, times=99, seed=5)
        it.fault(expire=True, chance=0.01, times=99, seed=6)
        it.fault("upload.getFileHashes", message="FLOOD_WAIT_1", chance=0.03, times=99, seed=7)
        assert await it.attempt()


async def test_a_file_that_moves_on_its_way(begin: Begin) -> None:
    async with begin() as it:
        it.fault(skip=6, then=lambda: setattr(it.film.file, "dc", ABROAD))
        assert await it.attempt()
        assert it.repeated <= IN_FLIGHT


@pytest.mark.parametrize("end", ["sign_out", "forget_keys"])
async def test_a_login_abroad_that_ends_on_the_way(begin: Begin, end: str) -> None:
    async with begin(dc=ABROAD) as it:
        server = it.house.telegram.mtproto_server
        happens = partial(server.sign_out, it.house.bot, dc=ABROAD) if end == "sign_out" else None
        it.fault(skip=6, then=happens or partial(server.forget_keys, dc=ABROAD))
        assert await it.attempt()
        assert it.house.calls("auth.exportAuthorization") == 2
        assert it.repeated <= IN_FLIGHT
        it.on_server(server.violations.clear)  # it tells of every packet under a key that it forgot


async def test_references_that_are_good_for_few_parts(begin: Begin) -> None:
    async with begin() as it:
        it.on_server(lambda: setattr(it.film.file, "reference_uses", 9))
        assert await it.attempt()


# -- the wire


async def during(it: Transfer, *happens: Callable[[], object], every: float, bandwidth: int = 4 * MIB) -> bool:
    """The file comes at so many bytes per second and connection, and these things happen meanwhile."""
    it.on_server(lambda: setattr(it.house.telegram.world.faults, "bandwidth", bandwidth))

    async def happen() -> None:
        for trouble in happens:
            await anyio.sleep(every)
            await to_thread.run_sync(trouble)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(happen)
        whole = await it.attempt()
        tasks.cancel_scope.cancel()
    return whole


def vanish(*wires: TcpProxy) -> None:
    """Nobody listens there any more."""
    for wire in wires:
        wire.refuse()
        wire.cut()


def come_back(*wires: TcpProxy) -> None:
    for wire in wires:
        wire.accept()


@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_wires_that_are_cut_again_and_again(begin: Begin, dc: int) -> None:
    async with begin(dc=dc, size=12 * MIB) as it:
        cuts: list[int] = []

        def cut() -> None:
            cuts.append(sum(wire.cut() for wire in it.wires.each()))

        assert await during(it, *[cut] * 99, every=0.7)
        assert sum(cuts) > 0


async def test_a_wire_that_hangs_for_longer_than_patience(begin: Begin) -> None:
    """Half-open: the connections stay, and nothing comes any more; new ones are no better for a while."""
    async with begin() as it:
        assert await during(it, it.wires.media.stall, it.wires.media.resume, every=2.5)


async def test_a_wire_that_hangs_for_a_moment_costs_nothing(begin: Begin) -> None:
    async with begin() as it:
        assert await during(it, it.wires.media.stall, it.wires.media.resume, every=0.4)
        assert it.repeated == 0


async def test_a_data_centre_that_cannot_be_reached_for_a_while(begin: Begin) -> None:
    async with begin(dc=ABROAD) as it:
        wires = it.wires.abroad, it.wires.abroad_media
        assert await during(it, partial(vanish, *wires), partial(come_back, *wires), every=1.0)


async def test_addresses_for_files_that_vanish_are_done_without(begin: Begin) -> None:
    async with begin() as it:
        assert await during(it, partial(vanish, it.wires.media), every=0.3, bandwidth=16 * MIB)


# -- what cannot be mended now


@pytest.mark.parametrize("claimed", [0, 1, 3 * MIB - 1, 3 * MIB, 3 * MIB + 6, 4 * MIB])
async def test_a_size_that_lies_is_never_a_file(begin: Begin, claimed: int) -> None:
    async with begin(size=3 * MIB + 5, claimed_size=claimed) as it:
        with pytest.raises(ContentMismatch):
            await it.attempt()


async def test_bytes_that_stay_wrong_are_never_a_file(begin: Begin) -> None:
    async with begin() as it:
        it.fault(corrupt=True, times=999, matches=lambda parameters: parameters["offset"] == 3 * MIB)
        with pytest.raises(ContentMismatch, match=f"offset {3 * MIB}"):
            await it.attempt()
        it.well_again()
        before = it.repeated
        assert await it.attempt()
        assert it.repeated == before + 1, "all other parts had been kept"


async def test_parts_of_another_place_are_never_a_file(begin: Begin) -> None:
    async with begin() as it:
        it.fault(shift=MIB, times=999)
        with pytest.raises(ContentMismatch):
            await it.attempt()


async def test_hashes_that_lie_are_never_a_reason_to_keep(begin: Begin) -> None:
    async with begin() as it:
        it.on_server(lambda: setattr(it.house.telegram.world.faults, "hashes", FileHashes.WRONG))
        with pytest.raises(ContentMismatch):
            await it.attempt()


@pytest.mark.parametrize("hashes", [FileHashes.EMPTY, FileHashes.REFUSED])
async def test_a_server_without_hashes(begin: Begin, hashes: FileHashes) -> None:
    async with begin(verify=VerifyHashes.REQUIRE) as it:
        it.on_server(lambda: setattr(it.house.telegram.world.faults, "hashes", hashes))
        with pytest.raises(Unverifiable):
            await it.attempt()
    async with begin(verify=VerifyHashes.AUTO) as it:
        assert await it.attempt()


async def test_a_part_that_is_never_served(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teltubby.transfer.pacing.FIRST_REST_SECONDS", 0.01)
    async with begin() as it:
        offset = {"matches": lambda parameters: parameters["offset"] == 3 * MIB, "times": 999}
        it.fault(error=400, message="LOCATION_NOT_AVAILABLE", **offset)
        with pytest.raises(PartUnavailable, match="LOCATION_NOT_AVAILABLE"):
            await it.attempt()
        it.well_again()
        assert await it.attempt()
        assert it.repeated == 0


async def test_a_long_flood_is_left_to_whoever_waits(begin: Begin) -> None:
    async with begin() as it:
        it.fault(skip=4, message="FLOOD_WAIT_600")
        with pytest.raises(FloodWait) as flood:
            await it.attempt()
        assert 590 <= flood.value.seconds <= 600


async def test_a_session_that_was_ended(begin: Begin) -> None:
    async with begin() as it:
        server = it.house.telegram.mtproto_server
        it.fault(skip=4, then=partial(server.sign_out, it.house.bot))
        with pytest.raises(SessionNotReady):
            await it.attempt()


async def test_a_message_that_is_gone_when_its_reference_expires(begin: Begin) -> None:
    async with begin() as it:
        own = it.house.telegram.call(lambda: it.film.curator.user.mailbox.last_id)
        it.fault(skip=4, expire=True)
        it.film.curator.delete(own)
        with pytest.raises(TeltubbyError):
            await it.attempt()
