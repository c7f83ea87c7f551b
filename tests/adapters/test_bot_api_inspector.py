"""AiogramInspector against the simulated Telegram: what `teltubby doctor` asks, and the upload of its round trip."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from teltubby.adapters.bot_inspector import AiogramInspector
from teltubby.adapters.inspection import BotInspector, ChatFacts, MemberFacts, WebhookFacts
from teltubby.errors import ChatUnavailable, FileTooBig, TelegramUnavailable, TeltubbyError, Unauthorised
from teltubby.messages.transfer import ChannelPlace
from teltubby.simulator.curator import Curator
from teltubby.simulator.people import AdminRights, Chat, ChatKind, User
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.house import House

pytestmark = pytest.mark.anyio

MIB = 1 << 20
WITHIN = 20.0


def inspector_at(url: str, token: str) -> AiogramInspector:
    return AiogramInspector(token=token, api_url=url, local=False, timeout=5.0)


@pytest.fixture
async def inspector(telegram: SimulatedTelegram, bot: User, curator: Curator) -> AsyncIterator[BotInspector]:
    made = inspector_at(telegram.bot_api_url, bot.token or "")
    await made.open()
    yield made
    await made.aclose()


@pytest.fixture
def channel(telegram: SimulatedTelegram, bot: User, curator: Curator) -> Chat:
    world = telegram.world
    return telegram.call(
        lambda: world.add_chat(ChatKind.CHANNEL, "Реле", members=(curator.user,), admins=(bot,), protected=True)
    )


async def test_chats(inspector: BotInspector, telegram: SimulatedTelegram, curator: Curator, channel: Chat) -> None:
    facts = ChatFacts(id=channel.bot_api_id, kind="channel", title="Реле", is_protected=True)
    assert await inspector.chat(channel.bot_api_id) == facts
    private = ChatFacts(id=curator.user.id, kind="private", title="Ada", is_protected=False, is_public=True)
    assert await inspector.chat(curator.user.id) == private
    with pytest.raises(ChatUnavailable, match="chat not found"):
        await inspector.chat(-1_009_999_999_999)


async def test_members(
    inspector: BotInspector, telegram: SimulatedTelegram, bot: User, curator: Curator, channel: Chat
) -> None:
    relay = channel.bot_api_id
    everything = MemberFacts(status="administrator", can_post=True, can_delete=True)
    assert await inspector.member(relay, bot.id) == everything
    telegram.call(channel.rights.__setitem__, bot.id, AdminRights(can_delete=False))
    assert await inspector.member(relay, bot.id) == MemberFacts(status="administrator", can_post=True, can_delete=False)
    reader = MemberFacts(status="member", can_post=False, can_delete=False)
    assert await inspector.member(relay, curator.user.id) == reader
    nobody = MemberFacts(status="left", can_post=False, can_delete=False)
    assert await inspector.member(relay, 4242) == nobody
    telegram.call(channel.members.discard, curator.user.id)
    assert await inspector.member(relay, curator.user.id) == nobody
    telegram.call(channel.kicked.add, curator.user.id)
    assert (await inspector.member(relay, curator.user.id)).status == "kicked"
    telegram.call(channel.members.discard, bot.id)
    telegram.call(channel.kicked.add, bot.id)
    for ask in (inspector.member(relay, bot.id), inspector.chat(relay)):
        with pytest.raises(ChatUnavailable, match="kicked"):
            await ask


async def test_members_of_groups_may_write(
    inspector: BotInspector, telegram: SimulatedTelegram, bot: User, curator: Curator
) -> None:
    world = telegram.world
    group = telegram.call(lambda: world.add_chat(ChatKind.SUPERGROUP, "G", members=(bot, curator.user)))
    facts = await inspector.member(group.bot_api_id, bot.id)
    assert facts == MemberFacts(status="member", can_post=True, can_delete=False)


async def test_the_webhook(inspector: BotInspector, curator: Curator) -> None:
    assert await inspector.webhook() == WebhookFacts(url="", pending=1, last_error=None)
    url = "http://127.0.0.1:9/hook"
    await inspector.set_webhook(url, secret="s3cret")
    with anyio.fail_after(WITHIN):
        while (facts := await inspector.webhook()).last_error is None:
            await anyio.sleep(0.05)
    assert (facts.url, facts.pending) == (url, 1) and "onnect" in (facts.last_error or "")


@pytest.mark.parametrize("off", [0, 3600, -3600])
async def test_the_server_s_clock(inspector: BotInspector, telegram: SimulatedTelegram, off: int) -> None:
    telegram.call(telegram.world.advance, off)
    told = await inspector.server_time()
    assert told is not None and told.tzinfo is not None
    assert abs(told - datetime.now(UTC) - timedelta(seconds=off)) < timedelta(seconds=30)


async def test_a_server_that_tells_no_time(bot: User) -> None:
    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        made = inspector_at(f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}", bot.token or "")
        await made.open()
        assert await made.server_time() is None
        await made.aclose()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "ask",
    [
        lambda inspector: inspector.chat(1),
        lambda inspector: inspector.member(1, 2),
        lambda inspector: inspector.webhook(),
        lambda inspector: inspector.server_time(),
    ],
)
async def test_nobody_at_home(bot: User, ask: Callable[[BotInspector], Awaitable[object]]) -> None:
    made = inspector_at("http://127.0.0.1:9", bot.token or "")
    await made.open()
    with pytest.raises(TelegramUnavailable):
        await ask(made)
    await made.aclose()
    with pytest.raises(TelegramUnavailable):
        await ask(made)


async def test_a_revoked_token(inspector: BotInspector, telegram: SimulatedTelegram, bot: User) -> None:
    telegram.call(telegram.world.revoke_token, bot)
    for ask in (inspector.identify(), inspector.webhook(), inspector.chat(1)):
        with pytest.raises(Unauthorised):
            await ask
    assert await inspector.server_time() is not None, "the clock is told to everybody"


# -- the round trip


async def test_what_the_bot_uploads_is_there_for_mtproto(
    inspector: BotInspector, telegram: SimulatedTelegram, channel: Chat, house: House, tmp_path: Path
) -> None:
    body, probe = hashlib.shake_256(b"a probe").digest(25 * MIB), tmp_path / "probe.bin"
    await to_thread.run_sync(probe.write_bytes, body)
    sent = await inspector.send_file(channel.bot_api_id, probe, html="<b>probe</b>")
    async with house.opened() as session:
        location = await session.locate(ChannelPlace(channel_id=channel.bot_api_id, message_id=sent))
        assert location.size == len(body)
        connection = await session.dial(location.data_centre)
        parts = [bytes(await connection.fetch(location, offset, MIB)) for offset in range(0, len(body), MIB)]
        await connection.aclose()
    assert b"".join(parts) == body
    await inspector.delete(channel.bot_api_id, sent)
    assert telegram.call(lambda: dict(channel.mailbox.messages)) == {}


@pytest.mark.parametrize(("size", "kind"), [(50_000_001, FileTooBig), (0, TeltubbyError)])
async def test_what_the_bot_api_does_not_take(
    inspector: BotInspector, channel: Chat, tmp_path: Path, size: int, kind: type[TeltubbyError]
) -> None:
    probe = tmp_path / "probe.bin"
    await to_thread.run_sync(probe.write_bytes, bytes(size))
    with pytest.raises(kind):
        await inspector.send_file(channel.bot_api_id, probe, html="")
