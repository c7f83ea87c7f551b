"""Signing in by a QR code: stock Telethon shows it, a person's phone scans it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from teltubby.simulator.mtproto.login_tokens import ACCEPTED_SECONDS, TOKEN_SECONDS
from teltubby.simulator.mtproto.rpc import RpcError
from teltubby.simulator.phone import token_of
from tests.simulator.mtproto.conftest import NewClient, Reconnect, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import assert_refused, sign_in

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 20.0
EXPORT = functions.auth.ExportLoginTokenRequest(1, "hash", [])


@pytest.fixture
def waiting() -> Iterator[list[asyncio.Task[Any]]]:
    """Tasks that a test began; none is left behind."""
    tasks: list[asyncio.Task[Any]] = []
    yield tasks
    for task in tasks:
        task.cancel()


def scanned(scene: Scene, url: str) -> None:
    """What a person does whose phone is a session of their own."""
    scene.server.accept_login_token(scene.person, token_of(url))


async def accepted(scene: Scene, client: RawClient, token: bytes) -> None:
    """Scanned, and the client that shows the code has heard of it."""
    scene.server.accept_login_token(scene.person, token)
    assert isinstance((await client.expect(types.UpdateShort)).update, types.UpdateLoginToken)


async def signed_in_by(scene: Scene, client: TelegramClient, waiting: list[asyncio.Task[Any]]) -> Any:
    """Show a code, scan it while Telethon waits, and return what Telethon makes of it."""
    shown = await client.qr_login()
    task = asyncio.create_task(shown.wait(WAIT_SECONDS))
    waiting.append(task)
    # The handler is registered before the first await of `wait` that can suspend.
    await asyncio.sleep(0)
    scanned(scene, shown.url)
    return await task


async def test_a_scan_signs_in(new_client: NewClient, scene: Scene, waiting: list[asyncio.Task[Any]]) -> None:
    client = await new_client()
    assert (await signed_in_by(scene, client, waiting)).id == scene.person.id
    assert (await client.get_me()).id == scene.person.id


async def test_with_a_password_that_comes_next(
    new_client: NewClient, scene: Scene, waiting: list[asyncio.Task[Any]]
) -> None:
    scene.person.password = "secret"
    client = await new_client()
    with pytest.raises(errors.SessionPasswordNeededError):
        await signed_in_by(scene, client, waiting)
    assert (await client.sign_in(password="secret")).id == scene.person.id


@pytest.mark.parametrize("password", [None, "secret"])
async def test_somebody_who_is_at_home_elsewhere(
    new_client: NewClient, scene: Scene, waiting: list[asyncio.Task[Any]], password: str | None
) -> None:
    scene.person.home_dc, scene.person.password = 4, password
    client = await new_client()
    if password is None:
        await signed_in_by(scene, client, waiting)
    else:
        with pytest.raises(errors.SessionPasswordNeededError):
            await signed_in_by(scene, client, waiting)
        await client.sign_in(password=password)
    assert (client.session.dc_id, (await client.get_me()).id) == (4, scene.person.id)


async def test_a_code_is_good_for_half_a_minute(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    first = await raw.call(EXPORT)
    assert abs((first.expires.timestamp() - scene.world.now()) - TOKEN_SECONDS) <= WAIT_SECONDS
    scene.world.advance(TOKEN_SECONDS - 1)
    second = await raw.call(EXPORT)
    assert second.token != first.token
    scene.world.advance(1)
    with pytest.raises(RpcError, match="AUTH_TOKEN_EXPIRED"):
        scene.server.accept_login_token(scene.person, first.token)
    await accepted(scene, raw, second.token)
    assert (await raw.call(EXPORT)).authorization.user.id == scene.person.id


async def test_who_scans_is_told_what_is_wrong(raw: RawClient, scene: Scene, elsewhere: RawClient) -> None:
    await elsewhere.initialise()
    await raw.initialise()
    await sign_in(raw, scene)
    accept = functions.auth.AcceptLoginTokenRequest
    await assert_refused(raw, accept(b"x" * 32), 400, "AUTH_TOKEN_INVALIDX")
    barred = await elsewhere.call(functions.auth.ExportLoginTokenRequest(1, "hash", [scene.person.id]))
    await assert_refused(raw, accept(barred.token), 400, "AUTH_TOKEN_EXCEPTION")
    shown = await elsewhere.call(EXPORT)
    accepted = await raw.call(accept(shown.token))
    assert (accepted.current, accepted.api_id, accepted.password_pending) == (False, 1, False)
    await assert_refused(raw, accept(shown.token), 400, "AUTH_TOKEN_ALREADY_ACCEPTED")


async def test_only_persons_scan(raw: RawClient, raw_bot: RawClient, elsewhere: RawClient) -> None:
    await elsewhere.initialise()
    shown = await elsewhere.call(EXPORT)
    request = functions.auth.AcceptLoginTokenRequest(shown.token)
    await assert_refused(raw_bot, request, 400, "BOT_METHOD_INVALID")
    await assert_refused(elsewhere, request, 401, "AUTH_KEY_UNREGISTERED")
    await assert_refused(elsewhere, functions.auth.ExportLoginTokenRequest(0, "hash", []), 400, "API_ID_INVALID")


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [("banned", "USER_DEACTIVATED_BAN"), ("deactivated", "USER_DEACTIVATED"), ("frozen", "FROZEN_METHOD_INVALID")],
)
async def test_an_account_in_trouble_scans_nothing(raw: RawClient, scene: Scene, trouble: str, complaint: str) -> None:
    await raw.initialise()
    shown = await raw.call(EXPORT)
    if trouble == "banned":
        scene.person.ban()
    else:
        setattr(scene.person, trouble, True)
    with pytest.raises(RpcError, match=complaint):
        scene.server.accept_login_token(scene.person, shown.token)


async def test_the_login_can_be_asked_for_again(raw: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    await raw.initialise()
    shown = await raw.call(EXPORT)
    await accepted(scene, raw, shown.token)
    assert isinstance(await raw.call(EXPORT), types.auth.LoginTokenSuccess)
    await raw.close()
    again = await reconnect(raw, same_session=False)
    assert isinstance(await again.call(EXPORT), types.auth.LoginTokenSuccess)


async def test_an_acceptance_is_not_kept_for_ever(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    shown = await raw.call(EXPORT)
    await accepted(scene, raw, shown.token)
    scene.world.advance(ACCEPTED_SECONDS)
    assert isinstance(await raw.call(EXPORT), types.auth.LoginToken)


async def test_after_signing_out_a_new_code_is_shown(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    shown = await raw.call(EXPORT)
    await accepted(scene, raw, shown.token)
    await raw.call(EXPORT)
    await raw.call(functions.auth.LogOutRequest())
    assert isinstance(await raw.call(EXPORT), types.auth.LoginToken)


async def test_a_login_is_fetched_where_it_belongs_and_once(raw: RawClient, elsewhere: RawClient, scene: Scene) -> None:
    scene.person.home_dc = 4
    for client in (raw, elsewhere):
        await client.initialise()
    shown = await raw.call(EXPORT)
    fetch = functions.auth.ImportLoginTokenRequest(shown.token)
    await assert_refused(elsewhere, fetch, 400, "AUTH_TOKEN_INVALIDX")
    await accepted(scene, raw, shown.token)
    moved = await raw.call(EXPORT)
    assert (moved.dc_id, moved.token) == (4, shown.token)
    assert (await elsewhere.call(fetch)).authorization.user.id == scene.person.id
    third = await RawClient.connect(scene.server.ports[4])
    await third.make_key(scene.server.public_key_pem, dc=4)
    await third.initialise()
    await assert_refused(third, fetch, 400, "AUTH_TOKEN_ALREADY_ACCEPTED")
    await third.close()


async def test_only_a_session_that_listens_is_told(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    quiet = await raw.call(functions.InvokeWithoutUpdatesRequest(EXPORT))
    scene.server.accept_login_token(scene.person, quiet.token)
    raw.send(functions.PingRequest(1))
    assert isinstance((await raw.receive()).value, types.Pong)


def test_what_is_no_code_is_not_taken_for_one() -> None:
    token = b"\xfb\xff" * 16
    text = base64.urlsafe_b64encode(token).decode().rstrip("=")
    assert token_of(f"tg://login?token={text}") == token
    for url in ("", "tg://login", "tg://login?token=", f"https://login?token={text}", "tg://login?token=%C3%A4"):
        with pytest.raises(RpcError, match="AUTH_TOKEN_INVALIDX"):
            token_of(url)
