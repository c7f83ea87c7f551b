"""Connections for parts, of each kind and on both backends, against the simulated MTProto server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from anyio import to_thread

from teltubby.adapters.mtproto_rpc import ACK_MESSAGES
from teltubby.adapters.telethon_bot import BotSession
from teltubby.errors import (
    BadRequest,
    ConnectionLost,
    FileGone,
    FileMoved,
    FloodWait,
    PartUnavailable,
    ReferenceExpired,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.transfer import FileLocation, PartConnection
from teltubby.simulator.curator import Curator
from teltubby.simulator.faults import FileHashes
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.abroad import ABROAD, HOME, MIB, Film, Wires, handed_in, violations, wired
from tests.adapters.house import House

pytestmark = pytest.mark.anyio

WITHIN = 30.0
SIZE = 3 * MIB + 12_345
OURS = ["ours at home", "ours abroad"]
KINDS = [*OURS, "Telethon's at home", "Telethon's abroad"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def telegram(kind: str) -> Iterator[SimulatedTelegram]:
    with SimulatedTelegram(dcs=(HOME, ABROAD), media_only=kind in OURS) as telegram:
        yield telegram


@pytest.fixture
def wires(telegram: SimulatedTelegram) -> Iterator[Wires]:
    with wired(telegram) as wires:
        yield wires


@pytest.fixture
def patience() -> float:
    """Seconds of silence after which a connection is given up."""
    return 5.0


@dataclass
class Line:
    """A connection of this kind, and a film where it leads to."""

    house: House
    session: BotSession
    film: Film
    parts: PartConnection
    location: FileLocation

    async def comes(self, offset: int, length: int = MIB) -> bool:
        got = bytes(await self.parts.fetch(self.location, offset, length))
        return got == self.film.file.read(offset, length)

    def fault(self, method: str = "upload.getFile", **fault: Any) -> None:
        self.house.on_server(self.house.telegram.world.faults.clear)
        self.house.fault(method, **fault)


@pytest.fixture
async def line(house: House, wires: Wires, curator: Curator, kind: str, patience: float) -> AsyncIterator[Line]:
    dc = ABROAD if "abroad" in kind else HOME
    film = handed_in(house, curator, SIZE, dc=dc)
    async with house.opened(timeout=patience) as session:
        if kind not in OURS:
            session._centres = None
        parts = await session.dial(dc)
        yield Line(house, session, film, parts, await film.location(session))
        await parts.aclose()
    assert violations(house) == []


# -- parts


async def test_any_part_that_the_protocol_allows_comes_whole_and_alone(line: Line) -> None:
    for offset, length in (
        *((0, 4096), (4096, 4096), (256 * 1024, 256 * 1024), (0, MIB), (MIB, MIB)),
        *((2 * MIB + 512 * 1024, 512 * 1024), (3 * MIB + 8192, 4096), (3 * MIB, MIB)),
    ):
        assert await line.comes(offset, length), (offset, length)


async def test_beyond_the_end_there_is_nothing(line: Line) -> None:
    assert bytes(await line.parts.fetch(line.location, 4 * MIB, MIB)) == b""


async def test_many_parts_may_be_on_their_way(line: Line) -> None:
    right: list[bool] = []

    async def fetch(index: int) -> None:
        right.append(await line.comes(index * MIB))

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(fetch, number % 4)
    assert right == [True] * 40


@pytest.mark.parametrize("kind", OURS, indirect=True)
async def test_thousands_of_requests_on_one_connection_are_answered_and_acknowledged(line: Line) -> None:
    wrong: list[int] = []

    async def fetch(number: int) -> None:
        if not await line.comes(4096 * (number % 700), 4096):
            wrong.append(number)

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            for number in range(2000):
                tasks.start_soon(fetch, number)
    assert wrong == []
    assert await line.comes(0)  # with it the last acknowledgements go

    def unacknowledged() -> int:
        keys = line.house.telegram.mtproto_server._state.keys.values()
        return max(len(each._unacknowledged) for key in keys for each in key.sessions.values())

    assert line.house.telegram.call(unacknowledged) < ACK_MESSAGES


async def test_a_part_that_is_cancelled_leaves_the_others(line: Line) -> None:
    assert await line.comes(0)
    line.fault(delay=0.5, times=9)
    with anyio.move_on_after(0.1) as scope:
        await line.comes(0)
    assert scope.cancelled_caught
    line.house.on_server(line.house.telegram.world.faults.clear)
    for _ in range(3):
        assert await line.comes(MIB)
    await anyio.sleep(0.6)  # the answer that nobody waits for any more
    assert await line.comes(2 * MIB)


# -- trouble


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        ({"message": "FLOOD_WAIT_7"}, FloodWait),
        ({"message": "FLOOD_PREMIUM_WAIT_7"}, FloodWait),
        ({"error": 400, "message": "FILE_REFERENCE_EXPIRED"}, ReferenceExpired),
        ({"error": 400, "message": "LOCATION_NOT_AVAILABLE"}, PartUnavailable),
        ({"error": 400, "message": "LOCATION_INVALID"}, FileGone),
        ({"error": 400, "message": "LIMIT_INVALID"}, BadRequest),
        ({"error": 500, "message": "RPC_CALL_FAIL", "times": 9}, PartUnavailable),
        ({"error": -503, "message": "Timedout", "times": 9}, PartUnavailable),
    ],
    ids=lambda value: value.get("message") if isinstance(value, dict) else "",
)
async def test_trouble_of_a_part_is_that_of_the_part(
    line: Line, fault: dict[str, Any], meaning: type[TeltubbyError]
) -> None:
    line.fault(**fault)
    with anyio.fail_after(WITHIN), pytest.raises(TeltubbyError) as error:
        await line.comes(0)
    assert type(error.value) is meaning
    assert not isinstance(error.value, FloodWait) or error.value.seconds == 7
    line.house.on_server(line.house.telegram.world.faults.clear)
    assert await line.comes(0), "the connection is as good as before"


@pytest.mark.parametrize("kind", ["ours at home", "ours abroad", "Telethon's at home"], indirect=True)
async def test_a_file_that_moved_is_told(line: Line) -> None:
    line.fault(message="FILE_MIGRATE_5")
    with pytest.raises(FileMoved) as moved:
        await line.comes(0)
    assert moved.value.data_centre == 5
    assert await line.comes(0)


async def test_an_expired_reference_is_told_until_another_comes(line: Line) -> None:
    line.house.on_server(line.house.telegram.world.expire_references)
    with pytest.raises(ReferenceExpired):
        await line.comes(0)
    line.location = await line.film.location(line.session)
    assert await line.comes(0)


@pytest.mark.parametrize("kind", [*OURS, "Telethon's at home"], indirect=True)  # abroad it connects again by itself
async def test_a_connection_that_is_cut_is_lost(line: Line) -> None:
    line.fault(cut=True, times=9)
    with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost):
        await line.comes(0)


@pytest.mark.parametrize("kind", OURS, indirect=True)
async def test_a_cut_is_that_of_all_that_is_on_its_way_and_the_connection_stays_lost(line: Line, wires: Wires) -> None:
    line.fault(delay=5.0, times=99)
    errors: list[Exception] = []

    async def fetch(index: int) -> None:
        try:
            await line.comes(index * MIB)
        except TeltubbyError as error:
            errors.append(error)

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            for index in range(4):
                tasks.start_soon(fetch, index)
            await anyio.sleep(0.5)
            for wire in wires.each():
                await to_thread.run_sync(wire.cut)
    assert [type(error) for error in errors] == [ConnectionLost] * 4
    with pytest.raises(ConnectionLost):
        await line.comes(0)


@pytest.mark.parametrize("patience", [1.0])
@pytest.mark.parametrize("kind", [*OURS, "Telethon's at home"], indirect=True)  # abroad whoever asks loses patience
async def test_a_server_that_falls_silent_is_given_up(line: Line, wires: Wires) -> None:
    assert await line.comes(0)
    for wire in (line.house.wire, *wires.each()):
        await to_thread.run_sync(wire.stall)
    with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
        await line.comes(0)


@pytest.mark.parametrize("patience", [1.0])
@pytest.mark.parametrize("kind", OURS, indirect=True)
async def test_one_silent_connection_is_given_up_by_itself(line: Line) -> None:
    line.fault(stall=True)
    began = anyio.current_time()
    with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost, match="nothing came"):
        await line.comes(0)
    assert 0.9 <= anyio.current_time() - began <= 5, "1 s of silence is too much"


@pytest.mark.parametrize("patience", [1.0])
@pytest.mark.parametrize("kind", ["Telethon's at home"], indirect=True)
async def test_the_sessions_own_connection_is_ended_when_it_is_dead_though_nobody_waits_long_for_a_part(
    line: Line,
) -> None:
    line.fault(stall=True)
    with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost):
        while True:
            with anyio.move_on_after(0.3):
                await line.comes(0)


@pytest.mark.parametrize("patience", [1.0])
@pytest.mark.parametrize("kind", ["Telethon's at home"], indirect=True)
async def test_the_sessions_own_connection_outlives_a_part_that_alone_is_not_answered(line: Line) -> None:
    line.fault(silent=True, times=2)
    for _ in range(2):
        with anyio.move_on_after(1.5):
            assert not await line.comes(0)
    assert await line.comes(0)


@pytest.mark.parametrize("kind", OURS, indirect=True)
async def test_closing_ends_what_is_on_its_way_and_may_be_done_twice(line: Line) -> None:
    line.fault(silent=True)

    async def close() -> None:
        await anyio.sleep(0.2)
        await line.parts.aclose()
        await line.parts.aclose()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)
        with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost, match="closed"):
            await line.comes(0)


async def test_closing_it_leaves_the_session_as_it_was(line: Line) -> None:
    await line.parts.aclose()
    assert (await line.film.location(line.session)).document_id == line.film.file.id


# -- hashes


async def test_the_hashes_are_those_of_the_file(line: Line, kind: str) -> None:
    found = await line.parts.hashes(line.location, MIB)
    if kind == "Telethon's abroad":
        assert list(found) == [], "its public methods cannot ask there"
        return
    expected = await to_thread.run_sync(line.film.file.sha256_ranges, MIB)
    assert [(entry.offset, entry.length, entry.sha256) for entry in found] == expected


@pytest.mark.parametrize("kind", [*OURS, "Telethon's at home"], indirect=True)
async def test_trouble_with_hashes_is_told(line: Line) -> None:
    faults = line.house.telegram.world.faults
    line.house.on_server(setattr, faults, "hashes", FileHashes.EMPTY)
    assert list(await line.parts.hashes(line.location, 0)) == []
    line.house.on_server(setattr, faults, "hashes", FileHashes.REFUSED)
    with pytest.raises(BadRequest):
        await line.parts.hashes(line.location, 0)
    line.fault("upload.getFileHashes", message="FLOOD_WAIT_7")
    with pytest.raises(FloodWait):
        await line.parts.hashes(line.location, 0)
    line.fault("upload.getFileHashes", cut=True)
    with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost):
        await line.parts.hashes(line.location, 0)
