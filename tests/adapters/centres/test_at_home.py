"""Connections for parts at home, under the session's own key: to addresses for files, or over its one connection."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
from telethon import TelegramClient

from teltubby.adapters.telethon_parts import TelethonParts
from teltubby.adapters.telethon_stock import StockParts
from teltubby.errors import ConnectionLost, SessionNotReady, TelegramUnavailable
from teltubby.simulator.curator import Curator
from tests.adapters.abroad import ABROAD, HOME, MIB, Wires, asked, handed_in, violations
from tests.adapters.centres.dialling import SIZE, WITHIN, close, dialled, lost, without_media
from tests.adapters.house import House

pytestmark = pytest.mark.anyio


async def test_at_home_parts_come_from_the_addresses_for_files(house: House, curator: Curator) -> None:
    film = handed_in(house, curator, SIZE)
    async with house.opened() as session:
        connections = await dialled(session, HOME, 4)
        assert all(isinstance(connection, TelethonParts) for connection in connections)
        for index in range(5):
            assert await film.reads(session, connections[index % 4], index)
        await close(*connections)
    assert asked(house) == {(HOME, True): 5}
    assert violations(house) == []


@without_media
async def test_without_such_an_address_they_come_over_the_one_connection(house: House, curator: Curator) -> None:
    film = handed_in(house, curator, SIZE)
    async with house.opened() as session:
        connections = await dialled(session, HOME, 2)
        assert all(isinstance(connection, StockParts) for connection in connections)
        for index in range(5):
            assert await film.reads(session, connections[index % 2], index)
    assert asked(house) == {(HOME, False): 5}
    assert violations(house) == []


@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_no_connection_makes_the_session_a_duplicate(house: House, curator: Curator, dc: int) -> None:
    """All of them at once, the session's own too; the server ends a session whose key is used twice."""
    film = handed_in(house, curator, SIZE, dc=dc)
    async with house.opened() as session:
        connections = await dialled(session, dc, 6)
        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(film.reads, session, connections[number % 6], number % 5)
        assert (await film.location(session)).document_id == film.file.id
        await close(*connections)
    assert violations(house) == []


async def test_addresses_for_files_that_do_not_answer_are_done_without(
    house: House, curator: Curator, wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    film = handed_in(house, curator, SIZE)
    wires.media.refuse()
    async with house.opened() as session:
        (connection,) = await dialled(session, HOME, 1)
        assert isinstance(connection, StockParts)
        assert await film.reads(session, connection)
        assert any("slowly" in record.message for record in caplog.records)
        wires.media.accept()
        (connection,) = await dialled(session, HOME, 1)
        assert isinstance(connection, TelethonParts)
        assert await film.reads(session, connection)
        await connection.aclose()


@pytest.mark.parametrize("end", ["sign_out", "forget_keys"])
async def test_a_session_that_ended_is_told_by_its_own_connection(house: House, curator: Curator, end: str) -> None:
    film = handed_in(house, curator, SIZE)
    server = house.telegram.mtproto_server
    async with house.opened() as session:
        location = await film.location(session)
        (connection,) = await dialled(session, HOME, 1)
        house.on_server(partial(server.sign_out, house.bot) if end == "sign_out" else server.forget_keys)
        with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost):
            await connection.fetch(location, 0, MIB)
        await connection.aclose()
        # Of a key that nobody knows its own connection may have heard before, by a confirmation that was on its way.
        told = (SessionNotReady,) if end == "sign_out" else (SessionNotReady, TelegramUnavailable)
        with anyio.fail_after(WITHIN), pytest.raises(told):
            connection = await session.dial(HOME)
            assert isinstance(connection, StockParts)
            await connection.fetch(location, 0, MIB)
        if end == "forget_keys":
            with anyio.fail_after(WITHIN):
                await session.wait_lost()


async def test_a_session_whose_key_is_refused_for_files_goes_on_without(
    house: House, curator: Curator, caplog: pytest.LogCaptureFixture
) -> None:
    film = handed_in(house, curator, SIZE)
    async with house.opened() as session:
        connections = await dialled(session, HOME, 2)
        house.fault("upload.getFile", message="AUTH_KEY_UNREGISTERED", times=2)
        for connection in connections:
            await lost(film, session, connection)
        assert [record.message for record in caplog.records if "slowly" in record.message] != []
        (connection,) = await dialled(session, HOME, 1)
        assert await film.reads(session, connection)
    async with house.opened() as session:
        (connection,) = await dialled(session, HOME, 1)
        assert isinstance(connection, TelethonParts), "a new session tries anew"
        await connection.aclose()


async def test_an_account_that_lives_elsewhere_stays_signed_in(house: House, curator: Curator) -> None:
    """MTPROTO_DC names where to begin: the account's home is what Telegram says, and the key is good there alone."""
    house.on_server(setattr, house.bot, "home_dc", ABROAD)
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    for _ in range(2):
        async with house.opened() as session:
            (connection,) = await dialled(session, ABROAD, 1)
            assert await film.reads(session, connection)
            await connection.aclose()
        TelegramClient._config = None
    assert sum(asked(house, "auth.importBotAuthorization").values()) == 2, "refused at one, accepted at the other"
    assert asked(house) == {(ABROAD, True): 2}
    assert violations(house) == []
