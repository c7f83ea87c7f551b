"""What an account finds by itself: its conversations, and messages in them by kind, words and date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from teltubby.simulator.files import FileKind
from teltubby.simulator.people import ChatKind
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import assert_refused

pytestmark = pytest.mark.anyio

NOWHERE = types.InputPeerEmpty()
SELF = types.InputPeerSelf()


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> TelegramClient:
    """Signed in as the person."""
    client = await new_client(receive_updates=False)
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    await client.sign_in(phone, scene.server.login_codes[phone])
    return client


def said_later(scene: Scene, text: str) -> int:
    """The bot says something a minute after all else; the person's id of it."""
    scene.world.advance(60)
    post = scene.world.send(scene.bot, scene.person, text).post
    return next(copy.id for copy in post.copies if copy.mailbox is scene.person.mailbox)


async def test_dialogs_are_all_the_conversations_newest_first(client: TelegramClient, scene: Scene) -> None:
    world = scene.world
    world.add_chat(ChatKind.CHANNEL, "Of others", members=(scene.bot,))
    silent = world.add_chat(ChatKind.SUPERGROUP, "Silent", members=(scene.person,))
    latest = said_later(scene, "news")
    dialogs = await client.get_dialogs()
    assert {dialog.name for dialog in dialogs} == {"Archive", "Private channel", "Telegram", silent.title}
    assert (dialogs[0].name, dialogs[0].message.id, dialogs[0].message.message) == ("Archive", latest, "news")


async def test_by_a_dialog_a_client_knows_its_channel(client: TelegramClient, scene: Scene) -> None:
    with pytest.raises(ValueError, match="Could not find the input entity"):
        await client.get_messages(types.PeerChannel(scene.channel.id), ids=scene.channel_post.id)
    await client.get_dialogs()
    message = await client.get_messages(types.PeerChannel(scene.channel.id), ids=scene.channel_post.id)
    assert message.media.document.id == scene.document.id


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
async def test_pages_of_dialogs_fit_together(client: TelegramClient, scene: Scene, chunk: int) -> None:
    for number in range(10):
        chat = scene.world.add_chat(ChatKind.CHANNEL, f"Channel {number}", admins=(scene.person,))
        if number % 3:
            scene.world.send(scene.person, chat, "hello")
        scene.world.advance(number % 2)
    names: list[str] = []
    offset_date, offset_id, offset_peer = None, 0, NOWHERE
    while True:
        page = await client(functions.messages.GetDialogsRequest(offset_date, offset_id, offset_peer, chunk, 0))
        chats = {chat.id: chat for chat in page.chats}
        users = {user.id: user for user in page.users}
        tops = {(str(message.peer_id), message.id): message for message in page.messages}
        for dialog in page.dialogs:
            if isinstance(dialog.peer, types.PeerChannel):
                chat = chats[dialog.peer.channel_id]
                names.append(chat.title)
                offset_peer = types.InputPeerChannel(chat.id, chat.access_hash)
            else:
                user = users[dialog.peer.user_id]
                names.append(user.first_name)
                offset_peer = types.InputPeerUser(user.id, user.access_hash)
            top = tops.get((str(dialog.peer), dialog.top_message))
            offset_date, offset_id = (top.date, top.id) if top else (None, 0)
        if isinstance(page, types.messages.Dialogs) or not page.dialogs:
            break
    assert len(names) == len(set(names)) == 13


async def test_named_dialogs(client: TelegramClient, scene: Scene) -> None:
    request = functions.messages.GetPeerDialogsRequest([await client.get_input_entity("archive_bot")])
    (dialog,) = (await client(request)).dialogs
    assert dialog.peer.user_id == scene.bot.id


async def test_files_are_found_by_kind(client: TelegramClient, scene: Scene) -> None:
    file = scene.world.add_file(FileKind.DOCUMENT, 1000, name="Отчёт.pdf")
    sent = scene.world.send(scene.person, scene.bot, "please keep", media=file).id
    videos = await client.get_messages("archive_bot", filter=types.InputMessagesFilterVideo, limit=10)
    assert [message.media.document.id for message in videos] == [scene.document.id]
    documents = await client.get_messages("archive_bot", filter=types.InputMessagesFilterDocument, limit=10)
    assert [(message.id, message.media.document.id) for message in documents] == [(sent, file.id)]
    photos = await client.get_messages("archive_bot", filter=types.InputMessagesFilterPhotos, limit=10)
    assert [message.message for message in photos] == ["a photo"]
    for words, found in (("ОТЧЁТ", 1), ("please keep", 1), ("please video", 0), ("a", 2)):
        assert len(await client.get_messages("archive_bot", search=words, limit=10)) == found


async def test_what_was_found_comes_in_pages(client: TelegramClient, scene: Scene) -> None:
    world = scene.world
    for number in range(7):
        world.advance(60)
        world.send(
            scene.person, scene.bot, f"number {number}", media=world.add_file(FileKind.DOCUMENT, 10, name=f"{number}")
        )
    peer = await client.get_input_entity("archive_bot")
    only = types.InputMessagesFilterDocument()

    async def found(*, offset_id: int = 0, limit: int = 3, until: int = 0, since: int = 0) -> list[str]:
        min_date, max_date = (datetime.fromtimestamp(at, UTC) if at else None for at in (since, until))
        request = functions.messages.SearchRequest(peer, "", only, min_date, max_date, offset_id, 0, limit, 0, 0, 0)
        answer = await client(request)
        ids.extend(message.id for message in answer.messages)
        return [message.message[-1] for message in answer.messages]

    ids: list[int] = []
    assert await found() == ["6", "5", "4"]
    assert await found(offset_id=ids[-1]) == ["3", "2", "1"]
    assert await found(offset_id=ids[-1]) == ["0"]
    assert await found(until=world.now() - 60, limit=2) == ["4", "3"]
    assert await found(since=world.now() - 120) == ["6", "5"]


async def test_searches_that_make_no_sense(client: TelegramClient) -> None:
    for request, complaint in (
        (types.InputMessagesFilterEmpty(), errors.SearchQueryEmptyError),
        (types.InputMessagesFilterGeo(), errors.InputFilterInvalidError),
    ):
        with pytest.raises(complaint):
            await client(functions.messages.SearchRequest(SELF, "", request, None, None, 0, 0, 10, 0, 0, 0))


async def test_pages_of_history_by_date_and_offset(client: TelegramClient, scene: Scene) -> None:
    for number in range(3):
        said_later(scene, f"number {number}")
    now = scene.world.now()

    async def read(**how: int | datetime) -> list[str]:
        return [message.message for message in await client.get_messages("archive_bot", **how)]

    assert await read(limit=2) == ["number 2", "number 1"]
    assert await read(limit=2, offset_date=datetime.fromtimestamp(now, UTC)) == ["number 1", "number 0"]
    assert await read(limit=2, add_offset=1) == ["number 1", "number 0"]
    newest = (await client.get_messages("archive_bot", limit=1))[0].id
    assert await read(limit=1, offset_id=newest) == ["number 1"]


async def test_bots_may_not_look_around(raw_bot: RawClient, scene: Scene) -> None:
    peer = types.InputPeerUser(scene.person.id, 0)
    for request in (
        functions.messages.GetDialogsRequest(None, 0, NOWHERE, 10, 0),
        functions.messages.GetPeerDialogsRequest([types.InputDialogPeer(peer)]),
        functions.messages.GetHistoryRequest(peer, 0, None, 0, 10, 0, 0, 0),
        functions.messages.SearchRequest(peer, "", types.InputMessagesFilterDocument(), None, None, 0, 0, 10, 0, 0, 0),
    ):
        await assert_refused(raw_bot, request, 400, "BOT_METHOD_INVALID")
