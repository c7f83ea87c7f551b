"""A connection for requests: what comes is acknowledged, silence is not endured, and its end is told."""

from __future__ import annotations

import asyncio

import pytest

from teltubby.adapters.mtproto_rpc import (
    ACK_MESSAGES,
    ACK_SECONDS,
)
from tests.unit.mtproto import wires
from tests.unit.mtproto.talk import RESULT, asking, introduced
from tests.unit.mtproto.wires import (
    HELLO,
    STALL_SECONDS,
    Server,
    container,
    pong,
)

pytestmark = pytest.mark.anyio


# -- acknowledgements


async def test_content_is_acknowledged_after_a_while() -> None:
    server = Server()
    async with asking(server, b"1111"):
        ids = [server.says(b"1234"), server.answers(server.requests[0], RESULT)]
    server.says(b"5678", content=False)
    await asyncio.sleep(ACK_SECONDS - 0.1)
    assert server.acknowledged == []
    await asyncio.sleep(0.2)
    assert server.acknowledged == ids
    await asyncio.sleep(60)
    assert server.acknowledged == ids, "once"


async def test_content_is_acknowledged_with_the_next_request() -> None:
    server = Server()
    async with asking(server, b"1111"):
        ids = [server.answers(server.requests[0], RESULT)]
    async with asking(server, b"2222"):
        assert server.acknowledged == ids
        ids.append(server.answers(server.requests[1], RESULT))
    await asyncio.sleep(2 * ACK_SECONDS)
    assert server.acknowledged == ids


async def test_much_content_is_acknowledged_at_once() -> None:
    server = Server()
    async with asking(server, b"1111"):
        ids = [server.says(b"1234") for _ in range(ACK_MESSAGES)]
        assert server.acknowledged == ids
        server.answers(server.requests[0], RESULT)


async def test_contained_messages_are_acknowledged_and_the_container_is_not() -> None:
    server = Server()
    async with asking(server, b"1111"):
        inside = [(server.next_id(), 1, b"1234"), (server.next_id(), 2, b"5678"), (server.next_id(), 3, b"9999")]
        server.says(container(inside), content=False)
        server.answers(server.requests[0], RESULT)
        await asyncio.sleep(ACK_SECONDS)
    assert server.acknowledged[:2] == [inside[0][0], inside[2][0]]


async def test_acknowledgements_go_on_as_long_as_the_connection_lives() -> None:
    server = Server()
    await introduced(server)
    for _ in range(50):
        async with asking(server, b"1111"):
            ids = [server.answers(server.requests[-1], RESULT)]
        await asyncio.sleep(ACK_SECONDS * 1.5)
        assert server.acknowledged[-1:] == ids


# -- silence


async def test_a_connection_on_which_nothing_comes_is_given_up() -> None:
    server = Server()
    async with asking(server, b"1111", b"2222") as tasks:
        await asyncio.sleep(STALL_SECONDS * 0.6)
        assert len(server.pings) == 1, "the server is asked for a sign of life first"
    assert all("nothing came for 15 s" in str(task.exception()) for task in tasks)
    assert asyncio.get_running_loop().time() <= STALL_SECONDS * 1.5
    with pytest.raises(ConnectionError, match="nothing came"):
        await server.rpc.invoke(b"3333")


@pytest.mark.parametrize("every", [1.0, 7.4, 14.0])
async def test_a_connection_on_which_something_comes_is_not_given_up(every: float) -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        for _ in range(50):
            await asyncio.sleep(every)
            server.wire.heard_at = asyncio.get_running_loop().time()
        assert server.is_open
        server.answers(server.requests[0], RESULT)
    assert bytes(await task) == RESULT


async def test_a_pong_is_a_sign_of_life() -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        answered = 0
        for _ in range(600):
            await asyncio.sleep(1)
            if len(server.pings) > answered:
                answered += 1
                server.says(pong(server.pings[-1].msg_id), content=False)
        assert server.is_open and answered > 10
        server.answers(server.requests[0], RESULT)
    assert bytes(await task) == RESULT


async def test_an_idle_connection_is_left_alone_and_watched_again_when_it_is_used() -> None:
    server = Server()
    await introduced(server)
    await asyncio.sleep(1000)
    assert server.is_open and server.pings == []
    began = asyncio.get_running_loop().time()
    async with asking(server, b"1111") as (task,):
        await asyncio.sleep(STALL_SECONDS * 0.4)
        assert server.is_open, "it has not been silent for longer than it was asked"
    assert "nothing came" in str(task.exception())
    assert STALL_SECONDS <= asyncio.get_running_loop().time() - began <= 1.5 * STALL_SECONDS


async def test_it_is_watched_however_often_it_was_used(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    for pause in (0.1, 1 / 3, 7.5, 7.4999, 15.0, 0.7, 22.5, 3.3) * 20:
        async with asking(server, b"1111"):
            await asyncio.sleep(min(pause, 7.0))
            server.answers(server.requests[-1], RESULT)
        await asyncio.sleep(pause)
    assert server.is_open
    async with asking(server, b"1111") as (task,):
        pass
    assert "nothing came" in str(task.exception())


# -- the end


async def test_a_lost_connection_ends_everything_on_it() -> None:
    server = Server()
    async with asking(server, b"1111", b"2222") as tasks:
        server.wire.end(ConnectionResetError("reset"))
    assert [str(task.exception()) for task in tasks] == ["reset"] * 2
    assert not server.is_open
    with pytest.raises(ConnectionResetError):
        await server.rpc.invoke(b"3333")
    await asyncio.sleep(100)
    assert len(server.requests) == 2


async def test_closing_ends_what_is_on_its_way_and_may_be_done_twice() -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        await server.rpc.aclose()
        await server.rpc.aclose()
    assert "closed" in str(task.exception())
    assert not server.is_open


async def test_a_link_that_was_lost_before_is_told_at_once() -> None:
    server = Server()
    wire = wires.Wire()
    wire.end(ConnectionResetError("too late"))
    rpc = type(server.rpc)(wire, server.envelope, introduce=HELLO.__add__, stall_seconds=STALL_SECONDS)
    async with asyncio.timeout(1):
        with pytest.raises(ConnectionResetError, match="too late"):
            await rpc.invoke(b"1111")
        assert not rpc.is_open
        await rpc.aclose()
