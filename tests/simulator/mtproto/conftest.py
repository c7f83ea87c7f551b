"""A world with one bot, one person and some files, a server over it, and clients that cannot leave loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.sessions import MemorySession

from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import Message
from teltubby.simulator.mtproto import MTProtoServer, make_rsa_key
from teltubby.simulator.people import Chat, ChatKind, User
from teltubby.simulator.world import World
from tests.simulator.loopback import guard
from tests.simulator.mtproto.raw_client import RawClient

MIB = 1024 * 1024
Reconnect = Callable[..., Awaitable[RawClient]]
NewClient = Callable[..., Awaitable[TelegramClient]]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Server and clients are asyncio's. The loop is named: under trio_asyncio the policy would give another kind."""
    return "asyncio", {"loop_factory": asyncio.SelectorEventLoop}


@pytest.fixture(autouse=True)
def stay_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection to anywhere else."""
    guard(monkeypatch)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Who and what there is. `photo_post`, `document_post` are the bot's copies of what the person sent it."""

    world: World
    server: MTProtoServer
    bot: User
    person: User
    channel: Chat
    photo: File
    document: File
    photo_post: Message
    document_post: Message
    channel_post: Message

    @property
    def port(self) -> int:
        """Where data centre 2 listens."""
        return self.server.ports[2]


def bots_copy(message: Message, bot: User) -> Message:
    """The same message in the bot's mailbox, where it has another id."""
    return next(copy for copy in message.post.copies if copy.mailbox is bot.mailbox)


@pytest.fixture
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """A running server, with the options that a test gives it indirectly; at the end it must not have failed inside."""
    # Time passes only when a test says so: what is answered in seconds is the same on a slow machine.
    began = time.time()
    world = World(seed=7, clock=lambda: began)
    bot = world.add_bot("Archive", "archive_bot")
    person = world.add_user("Ада", username="ada", phone="+79991234567")
    channel = world.add_chat(ChatKind.CHANNEL, "Private channel", members=(bot,), admins=(person,))
    photo = world.add_file(FileKind.PHOTO, 200_000)
    document = world.add_file(FileKind.VIDEO, 3 * MIB + 12_345, name="Видео.mp4", width=640, height=360, duration=9)
    world.send(person, bot, "/start")
    photo_post = world.send(person, bot, "a photo", media=photo)
    document_post = world.send(person, bot, "a video", media=document)
    server = MTProtoServer(world, make_rsa_key(), **{"dcs": (2, 4), **getattr(request, "param", {})})
    await server.start()
    yield Scene(
        world=world,
        server=server,
        bot=bot,
        person=person,
        channel=channel,
        photo=photo,
        document=document,
        photo_post=bots_copy(photo_post, bot),
        document_post=bots_copy(document_post, bot),
        channel_post=world.send(person, channel, "in the channel", media=document),
    )
    await server.stop()
    assert server.failures == []


@pytest.fixture
async def raw(scene: Scene) -> AsyncIterator[RawClient]:
    """A client on the wire with a fresh authorization key, nobody signed in."""
    client = await RawClient.connect(scene.port)
    await client.make_key(scene.server.public_key_pem)
    yield client
    await client.close()


@pytest.fixture
async def reconnect(scene: Scene) -> AsyncIterator[Reconnect]:
    """Opens further connections with a client's key, on the same session or a fresh one."""
    opened: list[RawClient] = []

    async def connect(
        client: RawClient, *, dc: int = 2, same_session: bool = True, media_only: bool = False
    ) -> RawClient:
        ports = scene.server.media_ports if media_only else scene.server.ports
        opened.append(await client.on_new_connection(ports[dc], same_session=same_session))
        return opened[-1]

    yield connect
    for client in opened:
        await client.close()


@pytest.fixture
async def raw_bot(scene: Scene, raw: RawClient) -> RawClient:
    """The same, signed in as the bot."""
    await raw.sign_in_bot(scene.bot.token or "")
    return raw


@pytest.fixture
async def elsewhere(scene: Scene) -> AsyncIterator[RawClient]:
    """A client of data centre 4 with a key there, nobody signed in."""
    client = await RawClient.connect(scene.server.ports[4])
    await client.make_key(scene.server.public_key_pem, dc=4)
    yield client
    await client.close()


@pytest.fixture
async def new_client(scene: Scene) -> AsyncIterator[NewClient]:
    """Makes stock Telethon clients that know the server's address and key; all are disconnected at the end."""
    rsa.add_key(make_rsa_key().public_key_pem, old=False)
    # Cached on the class, with the ports of the server of an earlier test.
    TelegramClient._config = None
    clients: list[TelegramClient] = []

    async def make(session: Any = None, **options: Any) -> TelegramClient:
        session = MemorySession() if session is None else session
        session.set_dc(2, "127.0.0.1", scene.port)
        settings = {"connection_retries": 3, "retry_delay": 0, "request_retries": 2, "flood_sleep_threshold": 0}
        client = TelegramClient(session, 1, "hash", **{**settings, **options})
        clients.append(client)
        await client.connect()
        return client

    yield make
    for client in clients:
        await client.disconnect()
