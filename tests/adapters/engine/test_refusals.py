"""What the engine cannot mend now: named, never kept as good, and no hindrance to the next attempt."""

from __future__ import annotations

from functools import partial

import pytest

from teltubby.errors import ContentMismatch, FloodWait, PartUnavailable, SessionNotReady, TeltubbyError, Unverifiable
from teltubby.messages.transfer import VerifyHashes
from teltubby.simulator.faults import FileHashes
from tests.adapters.abroad import MIB
from tests.adapters.engine.transfers import Begin

pytestmark = pytest.mark.anyio


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
