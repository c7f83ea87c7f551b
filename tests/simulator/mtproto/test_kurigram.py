"""kurigram, whose TL layer, crypto and sessions are its own, against the server built on Telethon's TL layer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any

import pytest

from teltubby.simulator.files import FileKind
from teltubby.simulator.mtproto import make_rsa_key
from tests.simulator.mtproto import kurigram
from tests.simulator.mtproto.conftest import MIB, Scene, bots_copy

pyrogram = kurigram.pyrogram
errors = pyrogram.errors
transport = pyrogram.connection.transport

pytestmark = pytest.mark.anyio

NewClient = Callable[..., pyrogram.Client]
WAIT_SECONDS = 10.0


@pytest.fixture
async def new_client(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NewClient]:
    """Makes clients that know the server's address and key; whatever is connected at the end is stopped."""
    monkeypatch.setattr(pyrogram.crypto.rsa, "server_public_keys", kurigram.known_keys(make_rsa_key()))
    clients: list[pyrogram.Client] = []

    def make(**options: Any) -> pyrogram.Client:
        clients.append(kurigram.new_client(scene.port, **options))
        return clients[-1]

    yield make
    for client in clients:
        if client.is_initialized:
            await client.stop()
        elif client.is_connected:
            await client.disconnect()


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> pyrogram.Client:
    """Signed in as the bot, without updates."""
    client = new_client(bot_token=scene.bot.token)
    await client.start()
    return client


@pytest.mark.parametrize("scene", [{"media_only": True}], indirect=True)
@pytest.mark.parametrize("dc", [2, 4])
async def test_files_come_over_the_address_that_is_for_them(client: pyrogram.Client, scene: Scene, dc: int) -> None:
    scene.photo.dc = dc
    message = await client.get_messages(scene.person.id, scene.photo_post.id)
    assert message is not None
    data = await client.download_media(message, in_memory=True)
    assert sha256(data.getvalue()).hexdigest() == scene.photo.sha256()
    parts = [call for call in scene.server.calls if call.method == "upload.getFile"]
    assert {(call.dc, call.media_only) for call in parts} >= {(dc, True)}
    assert not scene.server.violations


@pytest.mark.parametrize("protocol", [transport.TCPAbridged, transport.TCPIntermediate, transport.TCPFull])
async def test_a_bot_signs_in_fetches_and_downloads(new_client: NewClient, scene: Scene, protocol: Any) -> None:
    client = new_client(bot_token=scene.bot.token, protocol_factory=protocol)
    await client.start()
    assert client.me.username == "archive_bot"
    message = await client.get_messages(scene.person.id, scene.photo_post.id)
    assert message.caption == "a photo"
    assert message is not None
    data = await client.download_media(message, in_memory=True)
    assert sha256(data.getvalue()).hexdigest() == scene.photo.sha256()


async def test_a_file_of_several_parts(client: pyrogram.Client, scene: Scene) -> None:
    # Not much more than one part: kurigram's own cipher does half a megabyte per second.
    file = scene.world.add_file(FileKind.VIDEO, MIB + 12_345, name="Видео.mp4")
    post = bots_copy(scene.world.send(scene.person, scene.bot, media=file), scene.bot)
    message = await client.get_messages(scene.person.id, post.id)
    assert message is not None
    assert (message.video.file_name, message.video.file_size) == ("Видео.mp4", file.size)
    assert message.video.file_unique_id == file.unique_id
    digest = sha256()
    async for chunk in client.stream_media(message):
        digest.update(chunk)
    assert digest.hexdigest() == file.sha256()


async def test_a_message_of_somebody_elses_mailbox_is_not_found(client: pyrogram.Client, scene: Scene) -> None:
    theirs = next(copy for copy in scene.document_post.post.copies if copy is not scene.document_post)
    assert (await client.get_messages(scene.person.id, theirs.id)).empty


async def test_a_channel_that_the_bot_is_in(client: pyrogram.Client, scene: Scene) -> None:
    message = await client.get_messages(scene.channel.bot_api_id, scene.channel_post.id)
    assert (message.chat.title, message.video.file_size) == ("Private channel", scene.document.size)


async def test_a_person_signs_in_with_a_code(new_client: NewClient, scene: Scene) -> None:
    client = new_client()
    assert not await client.connect()
    phone = scene.person.phone or ""
    sent = await client.send_code(phone)
    with pytest.raises(errors.PhoneCodeInvalid):
        await client.sign_in(phone, sent.phone_code_hash, "x")
    user = await client.sign_in(phone, sent.phone_code_hash, scene.server.login_codes[phone])
    assert user.id == scene.person.id
    history = [message.text or message.caption async for message in client.get_chat_history("archive_bot", limit=3)]
    assert history == ["a video", "a photo", "/start"]


async def test_a_wrong_token_is_refused(new_client: NewClient, scene: Scene) -> None:
    with pytest.raises(errors.AccessTokenInvalid):
        await new_client(bot_token=f"{scene.bot.id}:AAwrong").start()


async def test_new_messages_arrive(new_client: NewClient, scene: Scene) -> None:
    client = new_client(bot_token=scene.bot.token, no_updates=False)
    arrived: asyncio.Queue[Any] = asyncio.Queue()

    async def keep(_: pyrogram.Client, message: Any) -> None:
        await arrived.put(message)

    client.add_handler(pyrogram.handlers.MessageHandler(keep, pyrogram.filters.private))
    await client.start()
    sent = bots_copy(scene.world.send(scene.person, scene.bot, "news"), scene.bot)
    async with asyncio.timeout(WAIT_SECONDS):
        message = await arrived.get()
    assert (message.id, message.text) == (sent.id, "news")


async def test_flood_waits_are_told(client: pyrogram.Client, scene: Scene) -> None:
    scene.world.faults.add("updates.getState", error=420, message="FLOOD_WAIT_7")
    with pytest.raises(errors.FloodWait) as flood:
        await client.invoke(pyrogram.raw.functions.updates.get_state.GetState())
    assert flood.value.value == 7


async def test_a_file_of_another_data_centre(client: pyrogram.Client, scene: Scene) -> None:
    scene.photo.dc = 4
    message = await client.get_messages(scene.person.id, scene.photo_post.id)
    assert message is not None
    data = await client.download_media(message, in_memory=True)
    assert sha256(data.getvalue()).hexdigest() == scene.photo.sha256()
    assert {call.dc for call in scene.server.calls if call.method == "upload.getFile"} == {4}


async def test_every_kind_of_media_is_read(client: pyrogram.Client, scene: Scene) -> None:
    for kind in FileKind:
        file = scene.world.add_file(kind, 20_000, name="a.bin" if kind is FileKind.DOCUMENT else None, duration=3)
        post = bots_copy(scene.world.send(scene.person, scene.bot, media=file), scene.bot)
        message = await client.get_messages(scene.person.id, post.id)
        assert getattr(message, kind).file_size == file.size
        if kind is not FileKind.PHOTO:
            assert getattr(message, kind).file_unique_id == file.unique_id


async def test_a_person_signs_in_with_code_and_password(new_client: NewClient, scene: Scene) -> None:
    scene.person.password = "корова"
    client = new_client()
    await client.connect()
    phone = scene.person.phone or ""
    sent = await client.send_code(phone)
    with pytest.raises(errors.SessionPasswordNeeded):
        await client.sign_in(phone, sent.phone_code_hash, scene.server.login_codes[phone])
    with pytest.raises(errors.PasswordHashInvalid):
        await client.check_password("вол")
    assert (await client.check_password("корова")).id == scene.person.id


@pytest.mark.parametrize("home_dc", [2, 4])
async def test_a_person_signs_in_by_qr_code(new_client: NewClient, scene: Scene, home_dc: int) -> None:
    scene.person.home_dc = home_dc
    client = new_client(no_updates=False)
    await client.connect()
    shown = pyrogram.qrlogin.QRLogin(client)
    await shown.recreate()
    waiting = asyncio.create_task(shown.wait(WAIT_SECONDS))
    await asyncio.sleep(0)
    # kurigram takes updates from when its dispatcher runs, which it starts in `wait`.
    while not client.dispatcher.handler_worker_tasks:
        await asyncio.sleep(0)
    scene.server.accept_login_token(scene.person, shown.r.token)
    assert (await waiting).id == scene.person.id
    assert (await client.get_me()).id == scene.person.id
