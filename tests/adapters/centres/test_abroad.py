"""Connections for parts at other data centres: under a login that is exported once, and whose key is kept."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import Any

import anyio
import pytest
from anyio import to_thread
from telethon import errors

from teltubby.adapters import telethon_centres, telethon_private
from teltubby.errors import ConnectionLost, FloodWait, SessionNotReady, TelegramUnavailable
from teltubby.simulator.curator import Curator
from tests.adapters.abroad import ABROAD, Wires, asked, handed_in, violations
from tests.adapters.centres.dialling import SIZE, WITHIN, close, dialled, lost, without_media
from tests.adapters.house import House

pytestmark = pytest.mark.anyio


async def test_abroad_one_export_serves_all_connections_and_outlives_the_process(
    house: House, curator: Curator
) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    for _ in range(2):
        async with house.opened() as session:
            connections = await dialled(session, ABROAD, 5)
            assert session.connections == 6
            for index in range(5):
                assert await film.reads(session, connections[index], index)
            await close(*connections)
            assert session.connections == 1
        assert house.calls("auth.exportAuthorization") == house.calls("auth.importAuthorization") == 1
    assert asked(house) == {(ABROAD, True): 10}, "its addresses for files first"
    assert violations(house) == []


@without_media
async def test_abroad_any_address_will_do(house: House, curator: Curator) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    async with house.opened() as session:
        connections = await dialled(session, ABROAD, 3)
        for index in range(5):
            assert await film.reads(session, connections[index % 3], index)
        await close(*connections)
    assert asked(house) == {(ABROAD, False): 5}


async def test_an_address_that_does_not_answer_is_passed_over(house: House, curator: Curator, wires: Wires) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    wires.abroad_media.refuse()
    async with house.opened() as session:
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()
        wires.abroad.refuse()
        with pytest.raises(ConnectionLost, match="no address"):
            await session.dial(ABROAD)
        wires.abroad_media.accept()
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()
    assert house.calls("auth.exportAuthorization") == 1


@pytest.mark.parametrize("end", ["sign_out", "forget_keys"])
async def test_a_key_that_died_abroad_is_made_anew_once(house: House, curator: Curator, end: str) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    server = house.telegram.mtproto_server
    async with house.opened() as session:
        connections = await dialled(session, ABROAD, 3)
        assert await film.reads(session, connections[0])
        house.on_server(
            lambda: server.sign_out(house.bot, dc=ABROAD) if end == "sign_out" else server.forget_keys(dc=ABROAD)
        )
        for connection in connections:
            await lost(film, session, connection)
        connections = await dialled(session, ABROAD, 3)
        for connection in connections:
            assert await film.reads(session, connection)
        await close(*connections)
    assert house.calls("auth.exportAuthorization") == 2
    async with house.opened() as session:
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()
    assert house.calls("auth.exportAuthorization") == 2, "the new one is kept"


async def test_a_key_that_died_while_nobody_looked(house: House, curator: Curator) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    async with house.opened() as session:
        await close(*await dialled(session, ABROAD, 1))
    house.on_server(lambda: house.telegram.mtproto_server.forget_keys(dc=ABROAD))
    async with house.opened() as session:
        (connection,) = await dialled(session, ABROAD, 1)
        await lost(film, session, connection)
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()


async def test_keys_of_another_account_are_not_used_but_replaced(house: House, curator: Curator) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    async with house.opened():
        pass
    saved = await house.saved()
    assert saved is not None and saved.account_id == house.bot.id and not saved.centres
    await house.save(replace(saved, account_id=1, centres={ABROAD: bytes(256)}))
    async with house.opened() as session:
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()
    saved = await house.saved()
    assert saved is not None and saved.account_id == house.bot.id and list(saved.centres) == [ABROAD]
    assert saved.centres[ABROAD] != bytes(256)


async def test_keys_that_cannot_be_kept_are_used_and_told(
    house: House, curator: Curator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with house.opened() as session:
        monkeypatch.setattr(os, "fsync", full)
        connections = await dialled(session, ABROAD, 2)
        assert await film.reads(session, connections[1])
        await close(*connections)
    assert any("cannot be kept" in record.message for record in caplog.records)
    assert house.calls("auth.exportAuthorization") == 1


async def test_a_flooded_export_says_how_long(house: House) -> None:
    house.fault("auth.exportAuthorization", message="FLOOD_WAIT_77")
    async with house.opened() as session:
        with pytest.raises(FloodWait) as flood:
            await session.dial(ABROAD)
        assert flood.value.seconds == 77
        await close(*await dialled(session, ABROAD, 1))


@pytest.mark.parametrize(
    ("method", "fault", "kind"),
    [
        ("auth.exportAuthorization", {"error": 400, "message": "DC_ID_INVALID"}, TelegramUnavailable),
        ("auth.exportAuthorization", {"error": 500, "message": "INTERNAL"}, TelegramUnavailable),
        ("auth.exportAuthorization", {"error": 401, "message": "AUTH_KEY_UNREGISTERED"}, SessionNotReady),
        ("auth.importAuthorization", {"error": 400, "message": "AUTH_BYTES_INVALID"}, TelegramUnavailable),
        ("auth.importAuthorization", {"error": 400, "message": "USER_ID_INVALID"}, TelegramUnavailable),
        ("auth.importAuthorization", {"error": 500, "message": "INTERNAL"}, TelegramUnavailable),
        ("auth.importAuthorization", {"message": "FLOOD_WAIT_5"}, FloodWait),
        ("auth.importAuthorization", {"cut": True}, ConnectionLost),
        ("auth.importAuthorization", {"stall": True}, ConnectionLost),
        ("auth.importAuthorization", {"silent": True}, ConnectionLost),
    ],
    ids=str,
)
async def test_a_login_that_is_refused_abroad_is_no_fault_of_any_file(
    house: House, curator: Curator, method: str, fault: dict[str, Any], kind: type[Exception]
) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    house.fault(method, **fault)
    async with house.opened(timeout=1.0) as session:
        with anyio.fail_after(WITHIN), pytest.raises(kind):
            await session.dial(ABROAD)
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()
    assert house.calls("auth.importAuthorization") <= 2


async def test_a_key_exchange_on_a_dead_wire_is_given_up(
    house: House, wires: Wires, curator: Curator, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    monkeypatch.setattr(telethon_centres, "DIAL_SECONDS", 1.0)
    async with house.opened() as session:
        await to_thread.run_sync(wires.abroad_media.stall)
        with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost, match="did not answer in 1 s"):
            await session.dial(ABROAD)
        await to_thread.run_sync(wires.abroad_media.resume)
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()


async def test_a_key_exchange_on_a_wire_that_is_cut_ends_at_once(house: House, wires: Wires, curator: Curator) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    async with house.opened() as session:
        await to_thread.run_sync(wires.abroad_media.stall)

        async def cut() -> None:
            while not await to_thread.run_sync(wires.abroad_media.cut):
                await anyio.sleep(0.05)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cut)
            with anyio.fail_after(4), pytest.raises(ConnectionLost):
                await session.dial(ABROAD)
        await to_thread.run_sync(wires.abroad_media.resume)
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()


async def test_a_dial_that_is_cancelled_leaves_nothing_and_can_be_repeated(
    house: House, wires: Wires, curator: Curator
) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    async with house.opened() as session:
        await to_thread.run_sync(wires.abroad_media.stall)
        with anyio.move_on_after(0.3) as scope:
            await session.dial(ABROAD)
        assert scope.cancelled_caught
        await to_thread.run_sync(wires.abroad_media.resume)
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()


@pytest.mark.parametrize("times", [1, 2])
async def test_a_key_exchange_that_fails_by_its_own_arithmetic_is_repeated(
    house: House, curator: Curator, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    film = handed_in(house, curator, SIZE, dc=ABROAD)
    failing_exchange(monkeypatch, errors.SecurityError("Step 3 invalid new nonce hash"), times)
    async with house.opened() as session:
        (connection,) = await dialled(session, ABROAD, 1)
        assert await film.reads(session, connection)
        await connection.aclose()
    assert house.calls("auth.exportAuthorization") == 1


@pytest.mark.parametrize(
    "error",
    [errors.SecurityError("no"), AssertionError("no"), BufferError("no"), errors.TypeNotFoundError(1, b"")],
    ids=lambda error: type(error).__name__,
)
async def test_a_key_exchange_that_never_succeeds_is_a_lost_connection(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing_exchange(monkeypatch, error, 99)
    async with house.opened() as session:
        with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost, match="no key"):
            await session.dial(ABROAD)


def failing_exchange(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
    """The next key exchanges of ours end so, after they were made."""
    names = telethon_private.private_names()
    left = [error] * times

    async def make_key(sender: Any) -> tuple[bytes, int]:
        made = await names.make_key(sender)
        if left:
            raise left.pop()
        return made

    monkeypatch.setattr("teltubby.adapters.telethon_session.private_names", lambda: replace(names, make_key=make_key))


async def test_a_data_centre_that_nobody_knows(house: House) -> None:
    async with house.opened() as session:
        with pytest.raises(TelegramUnavailable, match="no address of data centre 9"):
            await session.dial(9)
        await close(*await dialled(session, ABROAD, 1))
