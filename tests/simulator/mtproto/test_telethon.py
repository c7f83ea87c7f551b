"""Stock Telethon, set up through its public seams, against the server."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import pytest
from telethon import TelegramClient, errors, events
from telethon.network.connection import (
    Connection,
    ConnectionTcpAbridged,
    ConnectionTcpFull,
    ConnectionTcpIntermediate,
    ConnectionTcpObfuscated,
)
from telethon.sessions import StringSession
from telethon.tl import functions, types

from teltubby.simulator.files import FileKind
from tests.simulator.mtproto.conftest import NewClient, Scene, bots_copy

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 10.0


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> TelegramClient:
    """Signed in as the bot, without updates."""
    return await bot_client(new_client, scene, receive_updates=False)


async def bot_client(new_client: NewClient, scene: Scene, **options: Any) -> TelegramClient:
    client = await new_client(**options)
    await client.sign_in(bot_token=scene.bot.token)
    return client


async def downloaded(client: TelegramClient, media: Any, **how: Any) -> bytes:
    return b"".join([chunk async for chunk in client.iter_download(media, **how)])


@pytest.mark.parametrize(
    "connection", [ConnectionTcpFull, ConnectionTcpAbridged, ConnectionTcpIntermediate, ConnectionTcpObfuscated]
)
async def test_every_transport_signs_in_and_downloads(
    new_client: NewClient, scene: Scene, connection: type[Connection]
) -> None:
    client = await bot_client(new_client, scene, connection=connection, receive_updates=False)
    assert (await client.get_me()).username == "archive_bot"
    message = await client.get_messages(scene.person.id, ids=scene.photo_post.id)
    assert sha256(await client.download_media(message, file=bytes)).hexdigest() == scene.photo.sha256()


async def test_a_bot_fetches_what_was_sent_to_it(client: TelegramClient, scene: Scene) -> None:
    message = await client.get_messages(scene.person.id, ids=scene.document_post.id)
    assert message.message == "a video"
    assert (message.file.name, message.file.size, message.file.width) == ("Видео.mp4", scene.document.size, 640)
    assert message.media.document.id == scene.document.id
    for size in (64 * 1024, 512 * 1024):
        data = await downloaded(client, message.media, request_size=size)
        assert sha256(data).hexdigest() == scene.document.sha256()


async def test_one_mebibyte_parts_are_legal(client: TelegramClient, scene: Scene) -> None:
    message = await client.get_messages(scene.person.id, ids=scene.document_post.id)
    document = message.media.document
    location = types.InputDocumentFileLocation(document.id, document.access_hash, document.file_reference, "")
    part = await client(functions.upload.GetFileRequest(location, 1024 * 1024, 1024 * 1024))
    assert part.bytes == scene.document.read(1024 * 1024, 1024 * 1024)


async def test_a_message_of_somebody_elses_mailbox_is_not_found(client: TelegramClient, scene: Scene) -> None:
    theirs = next(copy for copy in scene.document_post.post.copies if copy is not scene.document_post)
    assert await client.get_messages(scene.person.id, ids=theirs.id) is None


async def test_a_channel_that_the_bot_is_in(client: TelegramClient, scene: Scene) -> None:
    message = await client.get_messages(types.PeerChannel(scene.channel.id), ids=scene.channel_post.id)
    data = await downloaded(client, message.media, request_size=512 * 1024)
    assert sha256(data).hexdigest() == scene.document.sha256()


async def test_a_person_signs_in_with_a_code_and_reads_history(new_client: NewClient, scene: Scene) -> None:
    client = await new_client(receive_updates=False)
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    with pytest.raises(errors.PhoneCodeInvalidError):
        await client.sign_in(phone, "x")
    await client.send_code_request(phone)
    me = await client.sign_in(phone, scene.server.login_codes[phone])
    assert (me.id, me.phone) == (scene.person.id, "79991234567")
    messages = await client.get_messages("archive_bot", limit=10)
    assert [message.message for message in messages] == ["a video", "a photo", "/start"]
    assert messages[0].out and messages[0].id != scene.document_post.id
    assert "Login code" in scene.world.history(scene.person, scene.world.service_account())[0].post.text


async def test_a_session_is_kept_and_used_again(new_client: NewClient, scene: Scene) -> None:
    first = await bot_client(new_client, scene, session=StringSession(), receive_updates=False)
    kept = first.session.save()
    await first.disconnect()
    second = await new_client(StringSession(kept), receive_updates=False)
    assert (await second.get_me()).id == scene.bot.id
    assert [call.method for call in scene.server.calls].count("auth.importBotAuthorization") == 1
    await second.log_out()


async def test_a_wrong_token_is_refused(new_client: NewClient, scene: Scene) -> None:
    client = await new_client()
    with pytest.raises(errors.AccessTokenInvalidError):
        await client.sign_in(bot_token=f"{scene.bot.id}:AAwrong")


async def test_new_messages_arrive(new_client: NewClient, scene: Scene) -> None:
    client = await bot_client(new_client, scene)
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    client.add_event_handler(arrived.put, events.NewMessage)
    await client.get_me()
    sent = bots_copy(scene.world.send(scene.person, scene.bot, "news", media=scene.document), scene.bot)
    async with asyncio.timeout(WAIT_SECONDS):
        event = await arrived.get()
    assert (event.message.id, event.raw_text) == (sent.id, "news")
    assert event.message.media.document.id == scene.document.id


async def test_flood_waits_and_expired_references_are_told(client: TelegramClient, scene: Scene) -> None:
    message = await client.get_messages(scene.person.id, ids=scene.document_post.id)
    scene.world.faults.add("upload.getFile", error=420, message="FLOOD_WAIT_7", skip=1)
    with pytest.raises(errors.FloodWaitError) as flood:
        await downloaded(client, message.media)
    assert flood.value.seconds == 7
    scene.world.expire_references()
    with pytest.raises(errors.FileReferenceExpiredError):
        await downloaded(client, message.media)


async def test_a_download_survives_a_cut_connection(client: TelegramClient, scene: Scene) -> None:
    message = await client.get_messages(scene.person.id, ids=scene.document_post.id)
    scene.world.faults.add("upload.getFile", cut=True, skip=3)
    data = await downloaded(client, message.media, request_size=128 * 1024)
    assert sha256(data).hexdigest() == scene.document.sha256()


async def test_requests_survive_revoked_salts(client: TelegramClient, scene: Scene) -> None:
    scene.server.revoke_salts()
    assert (await client.get_me()).id == scene.bot.id


async def test_lost_keys_are_told(client: TelegramClient, scene: Scene) -> None:
    scene.server.forget_keys()
    with pytest.raises((errors.AuthKeyNotFound, ConnectionError)):
        await client.get_me()


@pytest.mark.parametrize("scene", [{}, {"media_only": True}], indirect=True)
async def test_a_file_of_another_data_centre(new_client: NewClient, scene: Scene) -> None:
    scene.document.dc = 4
    client = await bot_client(new_client, scene, receive_updates=False)
    message = await client.get_messages(scene.person.id, ids=scene.document_post.id)
    data = await downloaded(client, message.media, request_size=512 * 1024)
    assert sha256(data).hexdigest() == scene.document.sha256()
    assert {call.dc for call in scene.server.calls if call.method == "upload.getFile"} == {4}


async def test_a_bot_that_is_at_home_elsewhere(new_client: NewClient, scene: Scene) -> None:
    scene.bot.home_dc = 4
    client = await bot_client(new_client, scene, receive_updates=False)
    assert client.session.dc_id == 4
    message = await client.get_messages(scene.person.id, ids=scene.photo_post.id)
    assert sha256(await client.download_media(message, file=bytes)).hexdigest() == scene.photo.sha256()
    assert [call.method for call in scene.server.calls].count("auth.exportAuthorization") == 1


async def test_a_duplicated_session_is_told(new_client: NewClient, scene: Scene) -> None:
    first = await bot_client(new_client, scene, session=StringSession(), receive_updates=False)
    copied = await new_client(StringSession(first.session.save()), receive_updates=False)
    await copied.get_me()
    with pytest.raises(errors.AuthKeyDuplicatedError):
        await first.get_me()
    with pytest.raises(errors.AuthKeyUnregisteredError):
        await copied(functions.updates.GetStateRequest())


async def test_every_kind_of_media_is_read(client: TelegramClient, scene: Scene) -> None:
    for kind in FileKind:
        file = scene.world.add_file(kind, 70_000, name="a.bin" if kind is FileKind.DOCUMENT else None, duration=3)
        post = bots_copy(scene.world.send(scene.person, scene.bot, media=file), scene.bot)
        message = await client.get_messages(scene.person.id, ids=post.id)
        assert getattr(message, {"animation": "gif"}.get(kind, kind)) is not None
        assert sha256(await client.download_media(message, file=bytes)).hexdigest() == file.sha256()
