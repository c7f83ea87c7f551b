"""AiogramGateway against the simulated Bot API, on both backends: what comes through, and what each failure becomes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio import to_thread

from teltubby.adapters.base import Account, BotGateway
from teltubby.adapters.bot_api import AiogramGateway
from teltubby.adapters.bot_updates import parse_update
from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    ContentMismatch,
    FileGone,
    FileTooBig,
    FloodWait,
    PollConflict,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
    WebhookActive,
)
from teltubby.messages.media import IncomingMessage
from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.conftest import opened
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.anyio

MTPROTO = False
WITHIN = 20.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SERVED = 20 * 1024 * 1024


def gateway_to(url: str, bot: User, *, token: str | None = None, timeout: float = 5.0) -> AiogramGateway:
    return AiogramGateway(token=token or bot.token or "", api_url=url, local=False, timeout=timeout)


@pytest.fixture
async def gateway(telegram: SimulatedTelegram, bot: User, curator: Curator) -> AsyncIterator[BotGateway]:
    async with opened(gateway_to(telegram.bot_api_url, bot)) as gateway:
        yield gateway


# -- the good way


async def test_it_knows_who_it_is(gateway: BotGateway, bot: User) -> None:
    assert await gateway.identify() == Account(id=bot.id, username=bot.username, is_bot=True)


async def test_updates_come_as_telegram_sent_them(gateway: BotGateway, curator: Curator) -> None:
    album = [curator.new_file(FileKind.PHOTO, 50_000 + n, width=9, height=9) for n in range(2)]
    first, _ = curator.send_album([(album[0], "Альбом"), album[1]])
    del first
    updates = await gateway.updates(offset=0, wait=0)
    assert [update.update_id for update in updates] == sorted(update.update_id for update in updates)
    (start, one, two) = updates
    assert start.media_group_id is None
    assert one.media_group_id == two.media_group_id is not None
    for update in updates:
        payload = json.loads(update.payload)
        assert payload["update_id"] == update.update_id
        assert payload["message"]["chat"]["id"] == update.chat_id == curator.user.id
        assert payload["message"]["message_id"] == update.message_id
        assert update.payload.isascii()
    message = parse_update(one.payload)
    assert isinstance(message, IncomingMessage) and message.caption == "Альбом" and message.media is not None
    assert message.media.size_bytes == 50_000


async def test_updates_of_unknown_kinds_do_not_stop_the_intake(
    gateway: BotGateway, telegram: SimulatedTelegram, bot: User
) -> None:
    def push() -> None:
        queue = telegram.bot_api.account(bot.token or "").updates
        queue.push("message", lambda: {"a": {"new": ["kind", None]}})

    telegram.call(push)
    assert len(await gateway.updates(offset=0, wait=0)) == 2


async def test_an_offset_confirms_what_lies_before_it(gateway: BotGateway, curator: Curator) -> None:
    curator.send_text("two")
    (first, second) = await gateway.updates(offset=0, wait=0)
    (left,) = await gateway.updates(offset=second.update_id, wait=0)
    assert left == second
    assert await gateway.updates(offset=second.update_id + 1, wait=0) == ()
    assert await gateway.updates(offset=first.update_id, wait=0) == (), "confirmed means discarded"


async def until_polled(telegram: SimulatedTelegram, bot: User) -> None:
    """Wait until a getUpdates of the bot waits at the server."""
    queue = telegram.bot_api.account(bot.token or "").updates
    with anyio.fail_after(WITHIN):
        while telegram.call(lambda: queue._poll is None or queue._poll.done()):
            await anyio.sleep(0.01)


async def test_a_long_poll_returns_when_something_comes(
    gateway: BotGateway, telegram: SimulatedTelegram, bot: User, curator: Curator
) -> None:
    (start,) = await gateway.updates(offset=0, wait=0)

    async def write() -> None:
        await until_polled(telegram, bot)
        await to_thread.run_sync(curator.send_text, "now")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        with anyio.fail_after(WITHIN):
            (update,) = await gateway.updates(offset=start.update_id + 1, wait=25)
    assert "now" in update.payload


async def test_a_long_poll_that_is_cancelled_leaves_the_client_usable(gateway: BotGateway, curator: Curator) -> None:
    (start,) = await gateway.updates(offset=0, wait=0)
    with anyio.move_on_after(0.2) as scope:
        await gateway.updates(offset=start.update_id + 1, wait=25)
    assert scope.cancelled_caught
    curator.send_text("later")
    (update,) = await gateway.updates(offset=start.update_id + 1, wait=25)
    assert "later" in update.payload


async def test_it_speaks_replies_and_edits(gateway: BotGateway, curator: Curator) -> None:
    updates = await gateway.updates(offset=0, wait=0)
    sent = await gateway.send(curator.user.id, "<b>Привет</b> &amp; <code>a</code>", reply_to=updates[0].message_id)
    (line,) = [line for line in curator.conversation() if line.from_bot]
    assert line.text == "Привет & a" and line.reply_to is not None
    await gateway.edit(curator.user.id, sent, "done")
    await gateway.edit(curator.user.id, sent, "done")  # the same text again is fine
    (line,) = [line for line in curator.conversation() if line.from_bot]
    assert (line.text, line.edits) == ("done", 1)
    await gateway.send(curator.user.id, "a reply to what is gone", reply_to=99_999)
    assert [line.text for line in curator.conversation() if line.from_bot] == ["done", "a reply to what is gone"]
    await gateway.set_commands({"help": "how to use it", "status": "jobs"})


async def test_a_download_is_whole(gateway: BotGateway, curator: Curator, tmp_path: Path) -> None:
    for size in (SERVED, 300_000, 1, 0):
        file = curator.new_file(FileKind.DOCUMENT, size, name="a.bin")
        curator.send_document(file)
        assert await gateway.download(await file_id(gateway), tmp_path / "new" / "a.bin") == size
        assert await to_thread.run_sync((tmp_path / "new" / "a.bin").read_bytes) == file.read(0, size)


async def file_id(gateway: BotGateway) -> str:
    """Of the newest message."""
    message = parse_update((await gateway.updates(offset=0, wait=0))[-1].payload)
    assert isinstance(message, IncomingMessage) and message.media is not None
    return message.media.file_id


# -- failures


async def test_a_file_over_twenty_mebibytes_is_too_big(gateway: BotGateway, curator: Curator, tmp_path: Path) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, SERVED + 1))
    with pytest.raises(FileTooBig):
        await gateway.download(await file_id(gateway), tmp_path / "a.bin")


async def test_a_wrong_file_id_is_gone(gateway: BotGateway, tmp_path: Path) -> None:
    for wrong in ("nonsense", "", "AgACAgIAAxkBAAIB"):
        with pytest.raises(FileGone):
            await gateway.download(wrong, tmp_path / "a.bin")


async def test_a_file_path_that_has_run_out_is_told(
    gateway: BotGateway, telegram: SimulatedTelegram, curator: Curator, tmp_path: Path
) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 1000))
    wanted = await file_id(gateway)
    program(telegram, "file", error=404)
    with pytest.raises(FileGone):
        await gateway.download(wanted, tmp_path / "a.bin")


async def test_half_a_file_is_no_file(
    gateway: BotGateway, telegram: SimulatedTelegram, curator: Curator, tmp_path: Path
) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 1_000_000))
    wanted = await file_id(gateway)
    program(telegram, "file", truncate=400_000)
    with pytest.raises((ContentMismatch, TelegramUnavailable)):
        await gateway.download(wanted, tmp_path / "a.bin")
    assert await gateway.download(wanted, tmp_path / "a.bin") == 1_000_000, "and the next try replaces it"


async def test_a_disk_that_takes_nothing_is_told(gateway: BotGateway, curator: Curator, tmp_path: Path) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 300_000))
    wanted = await file_id(gateway)
    await to_thread.run_sync((tmp_path / "file").write_bytes, b"")
    for into in (Path("/dev/full"), tmp_path / "file" / "a.bin"):
        with pytest.raises(SpoolFull):
            await gateway.download(wanted, into)


Ask = Callable[[BotGateway, int, Path], Awaitable[object]]

METHODS: dict[str, Ask] = {
    "getMe": lambda gateway, chat, into: gateway.identify(),
    "getUpdates": lambda gateway, chat, into: gateway.updates(offset=0, wait=0),
    "sendMessage": lambda gateway, chat, into: gateway.send(chat, "x"),
    "editMessageText": lambda gateway, chat, into: gateway.edit(chat, 2, "x"),
    "getFile": lambda gateway, chat, into: gateway.download("x", into),
    "setMyCommands": lambda gateway, chat, into: gateway.set_commands({"a": "b"}),
    "sendPhoto": lambda gateway, chat, into: gateway.send_photo(chat, PNG, html="x"),
    "sendDocument": lambda gateway, chat, into: gateway.send_document(chat, "a.html", b"x"),
    "deleteMessage": lambda gateway, chat, into: gateway.delete(chat, 2),
    "answerCallbackQuery": lambda gateway, chat, into: gateway.answer_press("1", "x"),
    "sendChatAction": lambda gateway, chat, into: gateway.show_typing(chat),
    "setWebhook": lambda gateway, chat, into: gateway.set_webhook("https://127.0.0.1/", secret="s"),
    "deleteWebhook": lambda gateway, chat, into: gateway.delete_webhook(),
}
MEANINGS: list[tuple[int, str, type[TeltubbyError]]] = [
    (500, "Internal Server Error", TelegramUnavailable),
    (502, "Bad Gateway", TelegramUnavailable),
    (429, "Too Many Requests: retry after 17", FloodWait),
    (401, "Unauthorized", Unauthorised),
    (404, "Not Found", Unauthorised),
    (409, "Conflict: terminated by other getUpdates request", PollConflict),
    (409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook", WebhookActive),
    (403, "Forbidden: bot was blocked by the user", ChatUnavailable),
    (400, "Bad Request: chat not found", ChatUnavailable),
    (400, "Bad Request: can't parse entities", BadRequest),
]


async def test_errors_are_translated(
    gateway: BotGateway, telegram: SimulatedTelegram, curator: Curator, tmp_path: Path
) -> None:
    for method, ask in METHODS.items():
        for code, text, kind in MEANINGS:
            program(telegram, method, error=code, message=text, retry_after=17 if code == 429 else None)
            with pytest.raises(kind) as caught:
                await ask(gateway, curator.user.id, tmp_path / "a.bin")
            assert type(caught.value) is kind, (method, text)
            assert caught.value.__cause__ is not None
            assert not isinstance(caught.value, FloodWait) or caught.value.seconds == 17


def program(telegram: SimulatedTelegram, method: str, **fault: Any) -> None:
    """What the next call of this method meets."""
    telegram.call(lambda: telegram.world.faults.add(method, **fault))


async def test_a_wrong_token_is_told(telegram: SimulatedTelegram, bot: User) -> None:
    for token in (f"{bot.id}:AAwrongwrongwrongwrongwrongwrong", "1:a"):
        async with opened(gateway_to(telegram.bot_api_url, bot, token=token)) as gateway:
            with pytest.raises(Unauthorised):
                await gateway.identify()


async def test_who_cannot_be_written_to_is_told(gateway: BotGateway, curator: Curator) -> None:
    with pytest.raises(BadRequest):
        await gateway.edit(curator.user.id, 99_999, "no such message")
    with pytest.raises(ChatUnavailable):
        await gateway.send(123_456_789, "no such chat")
    curator.block_bot()
    with pytest.raises(ChatUnavailable):
        await gateway.send(curator.user.id, "hello?")


async def test_a_second_poller_is_told(telegram: SimulatedTelegram, bot: User, curator: Curator) -> None:
    async with (
        opened(gateway_to(telegram.bot_api_url, bot)) as one,
        opened(gateway_to(telegram.bot_api_url, bot)) as other,
    ):
        (start,) = await one.updates(offset=0, wait=0)
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(conflicts, one, start.update_id + 1)
                await until_polled(telegram, bot)
                await other.updates(offset=start.update_id + 1, wait=0)


async def conflicts(gateway: BotGateway, offset: int) -> None:
    with pytest.raises(PollConflict):
        await gateway.updates(offset=offset, wait=25)


# -- the wire


async def test_a_refused_connection_is_told_and_survived(wire: TcpProxy, bot: User, curator: Curator) -> None:
    wire.refuse()
    async with opened(gateway_to(f"http://{wire.host}:{wire.port}", bot)) as gateway:
        for method in ("getMe", "sendMessage", "getUpdates"):
            with pytest.raises(TelegramUnavailable):
                await METHODS[method](gateway, curator.user.id, Path("/nonexistent"))
        wire.accept()
        assert (await gateway.identify()).id == bot.id


async def test_a_cut_long_poll_is_told_and_survived(
    wire: TcpProxy, telegram: SimulatedTelegram, bot: User, curator: Curator
) -> None:
    async with opened(gateway_to(f"http://{wire.host}:{wire.port}", bot)) as gateway:
        (start,) = await gateway.updates(offset=0, wait=0)
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(is_unavailable, gateway, start.update_id + 1)
                await until_polled(telegram, bot)
                await to_thread.run_sync(wire.cut)
        curator.send_text("after the cut")
        assert len(await gateway.updates(offset=start.update_id + 1, wait=5)) == 1


async def is_unavailable(gateway: BotGateway, offset: int) -> None:
    with pytest.raises(TelegramUnavailable):
        await gateway.updates(offset=offset, wait=25)


async def test_a_server_that_hangs_is_given_up(wire: TcpProxy, bot: User, curator: Curator) -> None:
    async with opened(gateway_to(f"http://{wire.host}:{wire.port}", bot, timeout=0.5)) as gateway:
        wire.stall()
        with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
            await gateway.identify()
        wire.resume()
        assert (await gateway.identify()).id == bot.id


async def test_a_cut_download_is_told(
    wire: TcpProxy, telegram: SimulatedTelegram, bot: User, curator: Curator, tmp_path: Path
) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 5_000_000))
    async with opened(gateway_to(f"http://{wire.host}:{wire.port}", bot)) as gateway:
        wanted = await file_id(gateway)
        program(telegram, "file", cut=True, times=2)  # aiohttp itself repeats a GET whose kept connection was cut
        with pytest.raises(TelegramUnavailable):
            await gateway.download(wanted, tmp_path / "a.bin")
        assert await gateway.download(wanted, tmp_path / "a.bin") == 5_000_000


async def test_a_download_on_a_dead_connection_is_given_up(
    wire: TcpProxy, telegram: SimulatedTelegram, bot: User, curator: Curator, tmp_path: Path
) -> None:
    """Nothing resets it, and nothing comes any more."""
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 300_000))
    async with opened(gateway_to(f"http://{wire.host}:{wire.port}", bot, timeout=1.0)) as gateway:
        wanted = await file_id(gateway)
        program(telegram, "file", then=wire.stall)
        with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
            await gateway.download(wanted, tmp_path / "a.bin")
        wire.resume()
        assert await gateway.download(wanted, tmp_path / "a.bin") == 300_000


async def test_what_is_no_bot_api_is_told(bot: User) -> None:
    """A proxy's login page, say."""
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    async with page_server(page) as url, opened(gateway_to(url, bot)) as gateway:
        with pytest.raises(TelegramUnavailable):
            await gateway.identify()


async def test_another_length_than_was_announced_is_no_file(bot: User, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    file = {"file_id": "f", "file_unique_id": "u", "file_size": 1000, "file_path": "a.bin"}
    answer = json.dumps({"ok": True, "result": file}).encode()
    pages = [head % (len(answer), answer), head % (400, b"x" * 400)]
    async with page_server(*pages) as url, opened(gateway_to(url, bot)) as gateway:
        with pytest.raises(ContentMismatch):
            await gateway.download("f", tmp_path / "a.bin")


@asynccontextmanager
async def page_server(*answers: bytes) -> AsyncIterator[str]:
    """Answers one request after the other with these, and all further ones with the last."""
    left = list(answers)

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(left.pop(0) if len(left) > 1 else left[0])

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


async def test_before_it_is_open_and_after_it_is_closed_it_says_so(telegram: SimulatedTelegram, bot: User) -> None:
    gateway = gateway_to(telegram.bot_api_url, bot)
    with pytest.raises(TelegramUnavailable):
        await gateway.identify()
    await gateway.open()
    await gateway.identify()
    await gateway.aclose()
    await gateway.aclose()
    with pytest.raises(TelegramUnavailable):
        await gateway.identify()
    await gateway.open()
    await gateway.identify()
    await gateway.aclose()
