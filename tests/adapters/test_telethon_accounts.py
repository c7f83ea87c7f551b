"""BotSession with another account's file, and with a key as OpenSSL writes it."""

from __future__ import annotations

import subprocess

import pytest
from rsa import PublicKey

from teltubby.errors import TelegramUnavailable
from tests.adapters.house import House

pytestmark = pytest.mark.anyio


async def test_the_session_file_of_another_bot_is_replaced(house: House) -> None:
    """Message ids are one account's own: in the mailbox of another bot there are other messages under them."""
    other = house.telegram.add_bot("Other", "other_bot")
    async with house.opened(token=other.token):
        pass
    session = house.session()
    with pytest.raises(TelegramUnavailable, match="another account"):
        await session.open()
    await session.aclose()
    assert (await session.open()).id == house.bot.id
    await session.aclose()
    async with house.opened():
        assert house.calls("auth.importBotAuthorization") == 2, "the new session was kept"


async def test_a_key_as_openssl_writes_it_serves_too(house: House) -> None:
    pem = PublicKey.load_pkcs1(house.telegram.public_key_pem.encode())
    spki = _spki(pem)
    session = house.session(public_key=spki)
    assert (await session.open()).id == house.bot.id
    await session.aclose()


def _spki(key: PublicKey) -> str:
    """The key as SubjectPublicKeyInfo in PEM (RFC 5280, 4.1), by OpenSSL itself."""
    done = subprocess.run(
        ["openssl", "rsa", "-RSAPublicKey_in", "-pubout"],
        input=key.save_pkcs1(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()
