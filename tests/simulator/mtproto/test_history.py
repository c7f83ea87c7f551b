"""Reading histories of any length: pages by offsets, and channels whose posts are made when they are looked at."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telethon import TelegramClient, errors, utils
from telethon.tl import functions, types

from teltubby.simulator.files import File
from teltubby.simulator.messages import Message, Unsupported
from teltubby.simulator.mtproto.paging import page_of
from teltubby.simulator.people import Chat
from teltubby.simulator.seeded import SeededMessages
from teltubby.simulator.world import World
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.wire import input_channel

pytestmark = pytest.mark.anyio

MILLION = 1_000_000


def seeded(posts: int, *, seed: int = 1) -> tuple[World, Chat]:
    """A world that is a seeded channel."""
    world = World(seed=3, clock=lambda: 1_700_000_000.0)
    editor = world.add_user("Editor")
    return world, world.add_seeded_channel("Long", posts, seed=seed, admins=(editor,))


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> TelegramClient:
    """Signed in as the person."""
    client = await new_client(receive_updates=False)
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    await client.sign_in(phone, scene.server.login_codes[phone])
    return client


def channel_of(scene: Scene, posts: int, *, seed: int = 1) -> Chat:
    """A seeded channel that the person writes."""
    return scene.world.add_seeded_channel("Long", posts, seed=seed, username="long_channel", admins=(scene.person,))


def read(client: TelegramClient, **how: int | bool) -> AsyncIterator[Any]:
    """All of that channel, without Telethon's rests between pages."""
    messages: AsyncIterator[Any] = client.iter_messages("long_channel", wait_time=0, **how)
    return messages


async def ids_of(client: TelegramClient, **how: int | bool) -> list[int]:
    return [message.id async for message in read(client, **how)]


def asked(*, offset_id: int, add_offset: int, limit: int, max_id: int, min_id: int) -> object:
    peer = types.InputPeerSelf()
    return functions.messages.GetHistoryRequest(peer, offset_id, None, add_offset, limit, max_id, min_id, 0)


def page_by_the_book(messages: list[Message], request: object, before: int) -> list[int]:
    """The page as core.telegram.org/api/offsets describes it, from the whole list, newest first."""
    offset_id, add_offset, limit = (getattr(request, name) for name in ("offset_id", "add_offset", "limit"))
    newer = [one for one in messages if (one.id >= offset_id if offset_id else before and one.post.date >= before)]
    first = len(newer) + add_offset
    page = messages[max(0, first) : max(0, first + limit)]
    min_id, max_id = getattr(request, "min_id", 0), getattr(request, "max_id", 0)
    return [one.id for one in page if one.id > min_id and (not max_id or one.id < max_id)]


IDS = st.just(0) | st.integers(0, 180)


@settings(deadline=None, max_examples=60)
@given(
    offset_id=IDS,
    add_offset=st.integers(-120, 120),
    limit=st.integers(0, 100),
    max_id=IDS,
    min_id=IDS,
    hour=st.none() | st.integers(-1, 4),
    gone=st.sets(st.integers(1, 180), max_size=40),
    later=st.integers(0, 5),
)
def test_pages_are_cut_as_offsets_say(
    offset_id: int,
    add_offset: int,
    limit: int,
    max_id: int,
    min_id: int,
    hour: int | None,
    gone: set[int],
    later: int,
) -> None:
    world, chat = seeded(120)
    editor = next(iter(world.users.values()))
    world.remove([chat.mailbox.messages[number] for number in gone if number in chat.mailbox.messages])
    for _ in range(later):
        world.send(editor, chat, "later")
    timeline = world.timeline(editor, chat)
    before = 0 if hour is None else chat.date + hour * 3600
    request = asked(offset_id=offset_id, add_offset=add_offset, limit=limit, max_id=max_id, min_id=min_id)
    everything = world.history(editor, chat)[::-1]
    assert [one.id for one in everything] == sorted(chat.mailbox.messages, reverse=True)
    found = [message.id for message in page_of(timeline, request, before=before)]
    assert found == page_by_the_book(everything, request, before)


async def test_telethon_reads_all_of_a_channel_once_and_in_order(client: TelegramClient, scene: Scene) -> None:
    chat = channel_of(scene, 330)
    ids = await ids_of(client)
    assert ids == sorted(chat.mailbox.messages, reverse=True) and len(ids) == 330
    assert ids[-1] == 1 and len(ids) < ids[0]
    assert [message.id async for message in read(client, reverse=True)] == ids[::-1]
    assert [message.id async for message in read(client, min_id=ids[150])] == ids[:150]
    noon = scene.world.history(scene.person, chat)[300].post.date
    older = [message.id async for message in read(client, offset_date=noon, limit=5)]
    dates = {message.id: message.post.date for message in scene.world.history(scene.person, chat)}
    assert older == [number for number in ids if dates[number] < noon][:5]


async def test_what_is_in_it_arrives_as_it_was_said(client: TelegramClient, scene: Scene) -> None:
    chat = channel_of(scene, 400)
    albums: dict[int, list[int]] = {}
    kinds = set()
    async for message in read(client):
        post = chat.mailbox.messages[message.id].post
        assert (message.message or "") == post.text
        for entity, shown in message.get_entities_text() if message.entities else []:
            assert shown and "\ufffd" not in shown
            kinds.add(type(entity).__name__)
        if isinstance(post.media, File):
            assert utils.get_input_media(message.media).id.id == post.media.id
        elif isinstance(post.media, Unsupported):
            kinds.add(type(message.media).__name__)
        if message.grouped_id:
            albums.setdefault(message.grouped_id, []).append(message.id)
        kinds |= {name for name in ("reply_to", "fwd_from", "reactions", "action") if getattr(message, name, None)}
    assert all(2 <= len(ids) <= 10 and ids == list(range(ids[0], ids[-1] - 1, -1)) for ids in albums.values())
    assert len(albums) > 5
    wanted = {"reply_to", "fwd_from", "reactions", "action", "MessageMediaUnsupported", "MessageEntityTextUrl"}
    assert wanted | {"MessageEntityUrl", "MessageEntityMention", "MessageEntityHashtag"} <= kinds


async def test_a_file_of_a_seeded_post_can_be_fetched(client: TelegramClient, scene: Scene) -> None:
    chat = channel_of(scene, 300)
    message = next(one for one in [every async for every in read(client)] if one.voice)
    file = chat.mailbox.messages[message.id].post.media
    assert isinstance(file, File)
    assert await client.download_media(message, file=bytes) == file.read(0, file.size)
    scene.world.expire_references()
    scene.server.calls.clear()
    assert await client.download_media(message, file=bytes) == file.read(0, file.size)
    # Telethon asks for the message again when the reference has expired.
    assert "channels.getMessages" in [call.method for call in scene.server.calls]


async def test_messages_by_id_in_hundreds(client: TelegramClient, scene: Scene) -> None:
    chat = channel_of(scene, 500)
    messages = await client.get_messages("long_channel", ids=list(range(1, 301)))
    present = [message.id for message in messages if message is not None]
    assert present == [number for number in range(1, 301) if number in chat.mailbox.messages] and len(present) < 300
    too_many = [types.InputMessageID(number) for number in range(1, 102)]
    with pytest.raises(errors.LimitInvalidError):
        await client(functions.channels.GetMessagesRequest(input_channel(scene, scene.person, chat), too_many))


async def test_pages_may_be_slow_or_flooded(client: TelegramClient, scene: Scene) -> None:
    channel_of(scene, 300)
    scene.world.faults.add("messages.getHistory", delay=0.2, times=1)
    slow = scene.world.faults.add("messages.getHistory", skip=1, message=range(7, 8))
    began = time.monotonic()
    assert len(await client.get_messages("long_channel", limit=10)) == 10
    assert time.monotonic() - began >= 0.2
    await client.get_messages("long_channel", limit=10)
    with pytest.raises(errors.FloodWaitError, match="wait of 7 seconds"):
        await client.get_messages("long_channel", limit=10)
    assert slow.used == 1


async def test_a_million_posts_cost_nothing(client: TelegramClient, scene: Scene) -> None:
    tracemalloc.start()
    began = time.process_time()
    chat = channel_of(scene, MILLION)
    assert time.process_time() - began < 1.0
    newest, everything = chat.mailbox.last_id, len(chat.mailbox.messages)
    assert everything == MILLION
    for offset in (0, newest // 2, 5000, 100):
        page = await client.get_messages("long_channel", limit=100, offset_id=offset)
        assert page.total == MILLION and len(page) > 50
    date = datetime.fromtimestamp(chat.date + 500_000 * 60, UTC)
    (message,) = await client.get_messages("long_channel", limit=1, offset_date=date)
    assert message.date < date
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


def test_the_same_seed_makes_the_same_channel() -> None:
    (_, one), (_, same), (_, other) = seeded(300), seeded(300), seeded(300, seed=2)

    def said(chat: Chat) -> list[tuple[int, str, int]]:
        return [(number, one.post.text, one.post.counters.views) for number, one in chat.mailbox.messages.items()]

    assert said(one) == said(same) != said(other)


def test_what_changed_in_a_seeded_channel_stays_changed() -> None:
    world, chat = seeded(2000)
    editor = next(iter(world.users.values()))
    messages = chat.mailbox.messages
    assert isinstance(messages, SeededMessages)
    number = next(one for one in messages if messages[one].post.text)
    world.edit(messages[number], text="edited")
    world.react(messages[number], editor, "🔥")
    views = messages[number].post.counters.views
    world.view(messages[number], times=7)
    gone = max(messages)
    world.delete(messages[gone])
    assert (messages[number].post.text, messages[number].post.counters.views) == ("edited", views + 7)
    assert gone not in messages and len(messages) == 1999
    assert world.send(editor, chat, "new").id == gone + 1 == max(messages)
