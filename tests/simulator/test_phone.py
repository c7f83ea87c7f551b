"""A person's phone beside a client that signs in: the whole simulated Telegram, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.crypto import rsa
from telethon.sessions import MemorySession
from telethon.tl import functions

from teltubby.simulator.mtproto.rpc import RpcError
from teltubby.simulator.people import User
from teltubby.simulator.phone import Phone
from teltubby.simulator.server import SimulatedTelegram
from tests.simulator.loopback import guard

pytestmark = pytest.mark.anyio

NUMBER = "+15550100"
WAIT_SECONDS = 20.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Telethon is asyncio's; see tests/simulator/mtproto/conftest.py."""
    return "asyncio", {"loop_factory": asyncio.SelectorEventLoop}


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedTelegram]:
    """Both servers."""
    guard(monkeypatch)
    with SimulatedTelegram() as telegram:
        yield telegram
        assert telegram.mtproto_server.failures == []


@pytest.fixture
def ada(telegram: SimulatedTelegram) -> User:
    return telegram.add_curator(telegram.add_bot(), phone=NUMBER).user


@pytest.fixture
def phone(telegram: SimulatedTelegram, ada: User) -> Phone:
    return Phone(telegram, ada)


@pytest.fixture
async def client(telegram: SimulatedTelegram) -> AsyncIterator[TelegramClient]:
    """Connected, nobody signed in."""
    rsa.add_key(telegram.public_key_pem, old=False)
    TelegramClient._config = None
    session = MemorySession()
    session.set_dc(2, "127.0.0.1", telegram.mtproto_ports[2])
    client = TelegramClient(session, 1, "hash", flood_sleep_threshold=0, connection_retries=1, retry_delay=0)
    await client.connect()
    yield client
    await client.disconnect()


async def test_it_scans_a_code_that_is_shown(client: TelegramClient, phone: Phone, ada: User) -> None:
    shown = await client.qr_login()
    waiting = asyncio.create_task(shown.wait(WAIT_SECONDS))
    await asyncio.sleep(0)
    await asyncio.to_thread(phone.scan, shown.url)
    assert (await waiting).id == ada.id
    with pytest.raises(RpcError, match="AUTH_TOKEN_ALREADY_ACCEPTED"):
        phone.scan(shown.url)


async def test_a_code_that_was_shown_too_long_is_of_no_use(
    telegram: SimulatedTelegram, client: TelegramClient, phone: Phone
) -> None:
    shown = await client.qr_login()
    telegram.call(telegram.world.advance, 30)
    with pytest.raises(RpcError, match="AUTH_TOKEN_EXPIRED"):
        phone.scan(shown.url)
    await shown.recreate()
    phone.scan(shown.url)


async def test_it_is_sent_the_login_codes(client: TelegramClient, phone: Phone, ada: User) -> None:
    assert phone.codes() == ()
    with pytest.raises(TimeoutError):
        phone.wait_for_code(0)
    waiting = asyncio.create_task(asyncio.to_thread(phone.wait_for_code, WAIT_SECONDS))
    await client.send_code_request(NUMBER)
    first = await waiting
    await client.send_code_request(NUMBER)
    second = await asyncio.to_thread(phone.wait_for_code, WAIT_SECONDS, seen=1)
    assert phone.codes() == (first, second)
    assert (await client.sign_in(NUMBER, second)).id == ada.id


async def test_a_phone_that_is_looked_at_later_shows_them_too(
    telegram: SimulatedTelegram, client: TelegramClient, phone: Phone, ada: User
) -> None:
    await client.send_code_request(NUMBER)
    assert Phone(telegram, ada).codes() == phone.codes() != ()


async def test_it_ends_the_other_sessions(client: TelegramClient, phone: Phone) -> None:
    await client.send_code_request(NUMBER)
    await client.sign_in(NUMBER, phone.codes()[-1])
    phone.end_other_sessions()
    with pytest.raises(errors.SessionRevokedError):
        await client(functions.updates.GetStateRequest())
