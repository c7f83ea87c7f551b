"""The engine over real connections: the file comes whole, and trouble on the way costs parts and not the file."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from teltubby.messages.transfer import VerifyHashes
from tests.adapters.abroad import ABROAD, HOME, MIB
from tests.adapters.engine.transfers import IN_FLIGHT, SHORT_PATIENCE, SIZE, Begin

pytestmark = pytest.mark.anyio


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
    patience = SHORT_PATIENCE if trouble == "stall" else 5.0
    async with begin(dc=dc, patience=patience) as it:
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
