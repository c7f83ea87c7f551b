"""WebhookServer on both backends, over real sockets: what it takes, and everything that it does not."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio import to_thread

from teltubby.adapters import webhook_server
from teltubby.adapters.webhook_server import CONNECTION_SECONDS, MAX_BODY, SECRET_HEADER, WebhookServer
from teltubby.errors import ConfigurationError
from teltubby.messages.media import RawUpdate

pytestmark = pytest.mark.anyio

SECRET = "s3cret_-A"
PATH = "/hook/й"
TARGET = "/hook/%D0%B9"
WITHIN = 20.0


class Inbox:
    """Takes updates, or not."""

    def __init__(self) -> None:
        self.taken: list[RawUpdate] = []
        self.works = True

    async def accept(self, update: RawUpdate) -> bool:
        if self.works:
            self.taken.append(update)
        return self.works


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@asynccontextmanager
async def serving(inbox: Inbox, *, port: int = 0, seconds: float = CONNECTION_SECONDS) -> AsyncIterator[int]:
    server = WebhookServer(
        host="127.0.0.1",
        port=port,
        path=TARGET,
        secret=SECRET,
        accept=inbox.accept,
        connection_seconds=seconds,
    )
    opened = await server.open()
    try:
        yield opened
    finally:
        await server.aclose()
        await server.aclose()


def update(update_id: int = 1, **fields: Any) -> bytes:
    message = {"message_id": 9, "chat": {"id": 7}, "text": "Привет", **fields}
    return json.dumps({"update_id": update_id, "message": message}).encode()


def request(
    body: bytes = b"",
    *,
    method: str = "POST",
    target: str = TARGET,
    secret: str | None = SECRET,
    length: int | None = None,
    more: str = "",
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body) if length is None else length}"]
    if secret is not None:
        lines.append(f"{SECRET_HEADER}: {secret}")
    return ("\r\n".join(lines) + f"\r\n{more}\r\n").encode() + body


async def answer(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """The status and head of the answer to a request that is sent in pieces; the server ends the connection."""
    with anyio.fail_after(WITHIN):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for piece in pieces:
                await stream.send(piece)
            head = await rest(stream)
    return int(head.split()[1]), head


async def still_takes_updates(port: int) -> None:
    """Return when one was taken; a busy machine may need a few tries where connections are cut off early."""
    with anyio.fail_after(WITHIN):
        while True:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                with contextlib.suppress(anyio.BrokenResourceError):
                    await stream.send(request(update(2)))
                if (await rest(stream)).startswith(b"HTTP/1.1 200 "):
                    return


async def rest(stream: anyio.abc.ByteReceiveStream) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while True:
        try:
            received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


# -- what is taken


async def test_an_update_is_answered_with_200_when_it_is_durable(inbox: Inbox) -> None:
    async with serving(inbox) as port:
        status, head = await answer(port, request(update()))
        assert status == 200 and b"connection: close" in head.lower()
    (taken,) = inbox.taken
    assert (taken.update_id, taken.chat_id, taken.message_id) == (1, 7, 9)
    assert json.loads(taken.payload) == json.loads(update())


async def test_it_may_come_in_pieces_and_in_chunks(inbox: Inbox) -> None:
    body = update()
    whole = request(body)
    chunked = request(b"", more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
    async with serving(inbox) as port:
        assert (await answer(port, *[whole[n : n + 40] for n in range(0, len(whole), 40)]))[0] == 200
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:50], body[50:]))
        assert (await answer(port, chunked, chunks, b"0\r\n\r\n"))[0] == 200
    assert [taken.payload for taken in inbox.taken] == [inbox.taken[0].payload] * 2


async def test_what_is_just_small_enough_is_taken(inbox: Inbox) -> None:
    body = update(text="x" * (MAX_BODY - len(update(text=""))))
    assert len(body) == MAX_BODY
    async with serving(inbox) as port:
        assert (await answer(port, request(body)))[0] == 200
    assert len(inbox.taken) == 1


async def test_what_cannot_be_made_durable_is_left_to_telegram(inbox: Inbox) -> None:
    async with serving(inbox) as port:
        inbox.works = False
        status, head = await answer(port, request(update()))
        assert status == 503 and b"retry-after: " in head.lower()
        inbox.works = True
        assert (await answer(port, request(update())))[0] == 200
    assert len(inbox.taken) == 1


async def test_many_come_at_once(inbox: Inbox) -> None:
    async with serving(inbox) as port, anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(answer, port, request(update(number)))
    assert sorted(taken.update_id for taken in inbox.taken) == list(range(40))


# -- what is not


@pytest.mark.parametrize(
    ("secret", "status"),
    [
        (None, 401),
        ("", 403),
        (SECRET[:-1], 403),
        (SECRET + "A", 403),
        (SECRET.lower(), 403),
        ("ключ", 403),
        (f"{SECRET}, {SECRET}", 403),
    ],
)
async def test_without_the_secret_nothing_is_taken(
    inbox: Inbox, caplog: pytest.LogCaptureFixture, secret: str | None, status: int
) -> None:
    with caplog.at_level(logging.INFO):
        async with serving(inbox) as port:
            assert (await answer(port, request(update(), secret=secret)))[0] == status
    assert inbox.taken == []
    assert "refused" in caplog.text and SECRET not in caplog.text


async def test_without_the_secret_no_body_is_waited_for(inbox: Inbox) -> None:
    """Nor for what cannot be an update: the answer comes before the body."""
    async with serving(inbox) as port:
        for head, status in ((request(length=500, secret="x"), 403), (request(length=MAX_BODY + 1), 413)):
            with anyio.fail_after(WITHIN):
                async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                    await stream.send(head)
                    assert int((await stream.receive()).split()[1]) == status
    assert inbox.taken == []


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", TARGET, 405),
        ("PUT", TARGET, 405),
        ("POST", TARGET + "/", 404),
        ("POST", TARGET + "/x", 404),
        ("POST", "/", 404),
        ("POST", "/hook", 404),
        ("GET", "/healthz", 404),
    ],
)
async def test_only_posts_on_the_path_are_heard(inbox: Inbox, method: str, target: str, status: int) -> None:
    async with serving(inbox) as port:
        assert (await answer(port, request(update(), method=method, target=target)))[0] == status
    assert inbox.taken == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"null",
        b"[]",
        b"{}",
        b'{"update_id": "1"}',
        b'{"update_id": true}',
        b"\xff\xfe",
        b"\x1f\x8b\x08\x00",
        b"[" * 100_000,
        b'{"update_id": 1' + b"1" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:16]),
)
async def test_what_is_no_update_is_refused_and_logged(
    inbox: Inbox, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    async with serving(inbox) as port:
        assert (await answer(port, request(body)))[0] == 400
        assert (await answer(port, request(update())))[0] == 200
    assert len(inbox.taken) == 1
    assert [record for record in caplog.records if record.levelno == logging.ERROR]


async def test_a_body_that_is_too_long_is_not_kept(inbox: Inbox) -> None:
    async with serving(inbox) as port:
        assert (await answer(port, request(length=MAX_BODY + 1)))[0] == 413
        chunked = request(b"", more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
        chunk = b"%x\r\n%s\r\n" % (MAX_BODY + 1, b" " * (MAX_BODY + 1))
        assert (await answer(port, chunked + chunk))[0] == 413
    assert inbox.taken == []


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET\r\n\r\n",
        b"x" * 20_000 + b"\r\n\r\n",
        request(more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"") + b"no number\r\n",
    ],
    ids=["TLS", "a word", "too long", "no chunks"],
)
async def test_what_is_no_http_ends_the_connection(inbox: Inbox, noise: bytes) -> None:
    async with serving(inbox, seconds=1.0) as port:
        with anyio.fail_after(WITHIN):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(noise)
                await rest(stream)
        await still_takes_updates(port)


# -- who takes their time


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST ",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nX-A: ",
        request(update(), secret=SECRET)[:-5],
        request(length=900, secret="wrong") + b"{",
    ],
    ids=["nothing", "a word", "half a head", "half a body", "a body for nobody"],
)
async def test_a_slow_client_is_cut_off(inbox: Inbox, begun: bytes) -> None:
    async with serving(inbox, seconds=0.5) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        if begun:
            await stream.send(begun)
        with anyio.fail_after(WITHIN):
            await rest(stream)
        await still_takes_updates(port)
    assert {taken.update_id for taken in inbox.taken} == {2}


@pytest.mark.parametrize(
    "begun",
    [
        request(update())[:-5],
        request(more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"") + b"5\r\nab",
    ],
    ids=["half a body", "half a chunk"],
)
@pytest.mark.parametrize("leaves", [True, False])
async def test_what_ends_in_the_middle_is_nothing_and_no_news(
    inbox: Inbox, caplog: pytest.LogCaptureFixture, begun: bytes, leaves: bool
) -> None:
    """Whether the client leaves or is cut off."""
    async with serving(inbox, seconds=0.5) as port:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(begun)
            if not leaves:
                with anyio.fail_after(WITHIN):
                    await rest(stream)
        await still_takes_updates(port)
    assert {taken.update_id for taken in inbox.taken} == {2}
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_who_sends_a_byte_now_and_then_is_cut_off_too(inbox: Inbox) -> None:
    async with serving(inbox, seconds=0.5) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request(length=MAX_BODY))
        with anyio.fail_after(WITHIN), pytest.raises(anyio.BrokenResourceError):
            while True:
                await stream.send(b" ")
                await anyio.sleep(0.05)
    assert inbox.taken == []


async def test_connections_are_counted(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_server, "MAX_CONNECTIONS", 2)
    async with (
        serving(inbox) as port,
        await anyio.connect_tcp("127.0.0.1", port) as oldest,
        await anyio.connect_tcp("127.0.0.1", port),
    ):
        await still_takes_updates(port)
        with anyio.fail_after(WITHIN):
            assert await rest(oldest) == b"", "who says nothing gives way to one who does"


# -- coming and going


async def test_a_port_that_is_taken_is_a_mistake_in_the_configuration(inbox: Inbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"WEBHOOK_LISTEN_PORT.*{port}"):
            async with serving(inbox, port=port):
                pass


async def test_after_the_end_nobody_answers_and_the_port_is_free(inbox: Inbox) -> None:
    async with serving(inbox) as port:
        silent = await anyio.connect_tcp("127.0.0.1", port)
    async with silent:
        with anyio.fail_after(WITHIN):
            assert await rest(silent) == b"", "who is silent is cut off at the end"
    with pytest.raises(OSError):
        await to_thread.run_sync(lambda: socket.create_connection(("127.0.0.1", port), 5).close())
    async with serving(inbox, port=port):
        assert (await answer(port, request(update())))[0] == 200
