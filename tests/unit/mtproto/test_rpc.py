"""Requests and their answers over one connection: each gets its own, whatever else the server says meanwhile."""

from __future__ import annotations

import random
import struct

import pytest

from teltubby.adapters.mtproto_rpc import (
    ACK_MESSAGES,
    RpcFault,
)
from tests.unit.mtproto.talk import RESULT, asking, introduced, settle
from tests.unit.mtproto.wires import (
    HELLO,
    Server,
    bad_message,
    bad_salt,
    container,
    gzipped,
    new_session,
    pong,
    rpc_error,
    rpc_result,
)

pytestmark = pytest.mark.anyio


# -- answers


async def test_every_request_gets_its_own_answer() -> None:
    server = Server()
    async with asking(server, b"1111", b"2222", b"3333") as tasks:
        assert [sent.body for sent in server.requests] == [HELLO + b"1111", HELLO + b"2222", HELLO + b"3333"]
        for sent in reversed(server.requests):
            server.answers(sent, sent.body[-4:] * 2)
    assert [bytes(await task) for task in tasks] == [b"11111111", b"22222222", b"33333333"]


async def test_it_introduces_itself_until_an_answer_shows_that_it_is_known() -> None:
    server = Server()
    async with asking(server, b"1111") as (first,):
        server.answers(server.requests[0], rpc_error(420, "FLOOD_WAIT_3"))
    assert isinstance(first.exception(), RpcFault)
    async with asking(server, b"2222"):
        server.answers(server.requests[1], RESULT)
    async with asking(server, b"3333"):
        server.answers(server.requests[2], RESULT)
    assert [sent.body for sent in server.requests] == [HELLO + b"1111", HELLO + b"2222", b"3333"]


async def test_thousands_of_requests_may_be_on_their_way() -> None:
    server = Server()
    numbers = range(5000)
    async with asking(server, *(struct.pack("<I", number) for number in numbers)) as tasks:
        order = list(server.requests)
        random.Random(1).shuffle(order)
        for at in range(0, len(order), 100):
            batch = order[at : at + 100]
            messages = [(server.next_id(), 1, rpc_result(sent.msg_id, sent.body[-4:] * 2)) for sent in batch]
            server.says(container(messages), content=False)
    assert [struct.unpack("<II", await task) for task in tasks] == [(number, number) for number in numbers]
    assert server.is_open
    assert len(set(server.acknowledged)) == len(server.acknowledged) >= 5000 - ACK_MESSAGES


@pytest.mark.parametrize("outer", [False, True], ids=["", "packed"])
@pytest.mark.parametrize("inner", [False, True], ids=["", "packed inside"])
@pytest.mark.parametrize("contained", [False, True], ids=["alone", "contained"])
async def test_answers_may_be_packed_and_contained(outer: bool, inner: bool, contained: bool) -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        body = rpc_result(server.requests[0].msg_id, gzipped(RESULT * 99) if inner else RESULT * 99)
        body = gzipped(body) if outer else body
        server.says(container([(server.next_id(), 1, body)]) if contained else body)
    assert bytes(await task) == RESULT * 99


async def test_an_error_is_raised_with_its_code_and_text() -> None:
    server = Server()
    async with asking(server, b"1111", b"2222") as (first, second):
        server.answers(server.requests[0], rpc_error(420, "FLOOD_WAIT_3"))
        server.answers(server.requests[1], gzipped(rpc_error(-503, "Timeout \xff")))
    for task, code, text in ((first, 420, "FLOOD_WAIT_3"), (second, -503, "Timeout \xff")):
        fault = task.exception()
        assert isinstance(fault, RpcFault) and (fault.code, fault.message) == (code, text)


async def test_what_nobody_asked_is_ignored() -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        server.says(rpc_result(12345, RESULT))
        server.says(struct.pack("<I", 0xE317AF7E))  # updatesTooLong
        server.says(container([(server.next_id(), 1, b"1234"), (server.next_id(), 2, b"5678")]))
        server.says(pong(4), content=False)
        server.answers(server.requests[0], RESULT)
        server.answers(server.requests[0], b"AGAIN...")
    assert bytes(await task) == RESULT
    assert server.is_open


async def test_an_answer_that_comes_twice_counts_once() -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        msg_id = server.answers(server.requests[0], RESULT)
        server.says(rpc_result(server.requests[0].msg_id, b"OTHER..."), msg_id=msg_id)
    assert bytes(await task) == RESULT


async def test_a_request_that_was_given_up_is_forgotten() -> None:
    server = Server()
    async with asking(server, b"1111", b"2222") as (first, second):
        first.cancel()
        await settle()
        server.answers(server.requests[0], RESULT)
        server.answers(server.requests[1], RESULT)
    assert first.cancelled()
    assert bytes(await second) == RESULT
    assert not server.rpc._queries
    await introduced(server)


async def test_a_request_that_is_given_up_as_its_error_comes_leaves_no_complaint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        server.answers(server.requests[0], rpc_error(500, "INTERNAL"))
        task.cancel()
    assert task.cancelled()
    del task
    await settle()
    assert not caplog.records


# -- refused unread


async def test_a_wrong_salt_is_mended_and_the_request_repeated() -> None:
    server = Server()
    async with asking(server, b"1111", b"2222") as tasks:
        for sent in list(server.requests):
            server.says(bad_salt(sent, 777), content=False)
        again = server.requests[2:]
        assert [(sent.salt, sent.body) for sent in again] == [(777, HELLO + b"1111"), (777, HELLO + b"2222")]
        assert all(sent.msg_id > server.requests[1].msg_id for sent in again)
        for sent in again:
            server.answers(sent, RESULT)
    assert [bytes(await task) for task in tasks] == [RESULT] * 2


async def test_a_request_that_was_repeated_may_be_given_up() -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        server.says(bad_salt(server.requests[0], 777), content=False)
        task.cancel()
        await settle()
        assert not server.rpc._queries, "it is forgotten under its second number"
        server.says(bad_salt(server.requests[1], 778), content=False)
    assert len(server.requests) == 2


@pytest.mark.parametrize("ahead", [-5000, -301, 31, 5000])
@pytest.mark.parametrize("code", [16, 17])
async def test_a_wrong_time_is_mended_and_the_request_repeated(code: int, ahead: int) -> None:
    server = Server(ahead=ahead)
    async with asking(server, b"1111") as (task,):
        server.says(bad_message(server.requests[0], code), content=False)
        again = server.requests[1]
        assert abs((again.msg_id - server.requests[0].msg_id) / (1 << 32) - ahead) < 2
        server.answers(again, RESULT)
    assert bytes(await task) == RESULT


@pytest.mark.parametrize("ahead", [-290, 31, 200])
async def test_a_clock_that_the_server_accepts_but_we_would_not_is_learnt(ahead: int) -> None:
    """A server takes messages that are 300 s old, and its answers are then that far in our future."""
    server = Server(ahead=ahead)
    async with asking(server, b"1111") as (task,):
        server.says(new_session(server.requests[0], 5), content=True)
        server.answers(server.requests[0], RESULT)
    assert bytes(await task) == RESULT
    assert server.envelope.time_offset == ahead or ahead == -290
    await introduced(server)


@pytest.mark.parametrize("ahead", [-301, 31])
async def test_later_on_messages_of_another_time_are_refused(ahead: int) -> None:
    server = Server()
    await introduced(server)
    async with asking(server, b"1111") as (task,):
        server.ahead, server._last_id = ahead, 0
        server.answers(server.requests[-1], RESULT)
    assert isinstance(task.exception(), ConnectionError)
    assert not server.is_open


@pytest.mark.parametrize(("code", "seqno"), [(32, 129), (33, -31)])
async def test_a_wrong_sequence_number_is_mended(code: int, seqno: int) -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        server.says(bad_message(server.requests[0], code), content=False)
        assert server.requests[1].seqno == seqno + 2
        server.answers(server.requests[1], RESULT)
    assert bytes(await task) == RESULT


@pytest.mark.parametrize("code", [18, 19, 20, 34, 35, 48, 64, 999])
async def test_a_refusal_that_cannot_be_mended_ends_the_connection(code: int) -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        server.says(bad_message(server.requests[0], code), content=False)
    assert str(code) in str(task.exception()) and not server.is_open


async def test_a_new_session_brings_its_salt() -> None:
    server = Server()
    async with asking(server, b"1111"):
        server.says(new_session(server.requests[0], 777))
        server.answers(server.requests[0], RESULT)
    async with asking(server, b"2222"):
        assert server.requests[1].salt == 777
        server.answers(server.requests[1], RESULT)
