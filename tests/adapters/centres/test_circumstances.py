"""Connections for parts where clocks are wrong, salts expire, or Telethon has changed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from telethon import errors
from telethon.tl import alltlobjects

from teltubby.adapters import telethon_private
from teltubby.adapters.mtproto_envelope import Envelope
from teltubby.adapters.telethon_stock import StockParts
from teltubby.simulator.curator import Curator
from tests.adapters.abroad import ABROAD, HOME, asked, handed_in, violations
from tests.adapters.centres.dialling import SIZE, close, dialled
from tests.adapters.house import House

pytestmark = pytest.mark.anyio


# -- time and salts


@pytest.mark.parametrize("ahead", [-100_000, -200, 45, 200, 100_000])
@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_a_clock_that_is_wrong_is_no_hindrance(
    house: House, curator: Curator, monkeypatch: pytest.MonkeyPatch, dc: int, ahead: int
) -> None:
    film = handed_in(house, curator, SIZE, dc=dc)
    defaults = Envelope.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "clock", lambda: time.time() + ahead)
    async with house.opened() as session:
        connections = await dialled(session, dc, 2)
        for index in range(5):
            assert await film.reads(session, connections[index % 2], index)
        await close(*connections)


@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_salts_that_expire_cost_nothing(house: House, curator: Curator, dc: int) -> None:
    film = handed_in(house, curator, SIZE, dc=dc)
    async with house.opened() as session:
        (connection,) = await dialled(session, dc, 1)
        for index in range(5):
            house.on_server(house.telegram.mtproto_server.revoke_salts)
            assert await film.reads(session, connection, index)
        await connection.aclose()
    assert sum(asked(house).values()) == 5


# -- a Telethon that changed


def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(alltlobjects, "LAYER")


def younger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telethon_private, "__version__", "1.46.0")


def other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "rpc_message_to_error", lambda error, request: ValueError("not what it was"))


def other_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telethon.network.authenticator.do_authentication", lambda: None)


def no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("telethon.extensions.BinaryReader")


def other_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader:
        def __init__(self, data: object) -> None: ...

        def tgread_object(self) -> object:
            raise BufferError("not what it was")

    monkeypatch.setattr("telethon.extensions.BinaryReader", Reader)


CHANGES = [(gone, HOME), (gone, ABROAD), *((change, HOME) for change in (younger, other_errors, other_exchange))]
CHANGES += [(no_reader, HOME), (other_reader, HOME)]


@pytest.mark.parametrize(("change", "dc"), CHANGES, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_a_telethon_whose_private_names_changed_is_used_as_its_documentation_says(
    house: House,
    curator: Curator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[pytest.MonkeyPatch], None],
    dc: int,
) -> None:
    film = handed_in(house, curator, SIZE, dc=dc)
    async with house.opened():
        pass  # the session's own key is made with the same names
    with monkeypatch.context() as patch:
        change(patch)
        async with house.opened() as session:
            patch.undo()
            assert any("slowly" in record.message for record in caplog.records)
            connections = await dialled(session, dc, 2)
            assert all(isinstance(connection, StockParts) for connection in connections)
            for index in range(5):
                assert await film.reads(session, connections[index % 2], index)
    assert violations(house) == []


def test_this_telethon_is_the_one_that_was_tried() -> None:
    names = telethon_private.private_names()
    assert names.layer == alltlobjects.LAYER
    assert isinstance(names.to_error(420, "FLOOD_WAIT_3"), errors.FloodWaitError)
