"""What the server says may be nonsense: then the connection ends, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import gzip
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.mtproto_link import MAX_PACKET
from teltubby.adapters.mtproto_rpc import (
    GZIP_PACKED,
    MSG_CONTAINER,
    RPC_ERROR,
    tl_bytes,
)
from tests.supervision.virtual_time import VirtualTimeLoop
from tests.unit.mtproto import wires
from tests.unit.mtproto.talk import RESULT, asking
from tests.unit.mtproto.wires import (
    Server,
    container,
    gzipped,
)

pytestmark = pytest.mark.anyio


# -- nonsense

BOMB = struct.pack("<I", GZIP_PACKED) + wires.tl_bytes(gzip.compress(bytes(MAX_PACKET + 1)))
CUT = struct.pack("<I", GZIP_PACKED) + wires.tl_bytes(gzip.compress(RESULT * 1000)[:-9])
NESTED = container([(5, 1, container([(1, 1, b"1234")]))])
DEEP = b"1234"
for _ in range(3000):
    DEEP = container([(5, 1, DEEP)])


@pytest.mark.parametrize(
    "nonsense",
    [
        *(BOMB, CUT, NESTED, DEEP, gzipped(gzipped(RESULT)), gzipped(b""), gzipped(b"12")),
        struct.pack("<I", GZIP_PACKED) + wires.tl_bytes(b"no gzip"),
        container([(5, 1, b"1234")], count=2),
        container([(5, 1, b"")]),
        container([], count=-1),
        container([(5, 1, gzipped(container([(1, 1, b"1234")])))]),
        struct.pack("<Iqii", MSG_CONTAINER, 1, 5, 1 << 30),
        struct.pack("<I", 0xF35C6D01),
        struct.pack("<I", 0xEDAB447B),
        struct.pack("<I", 0x9EC20908) + bytes(8),
    ],
    ids=lambda body: f"{len(body)} bytes",
)
async def test_nonsense_ends_the_connection(nonsense: bytes) -> None:
    server = Server()
    async with asking(server, b"1111") as (task,):
        server.says(nonsense)
    assert isinstance(task.exception(), ConnectionError)
    assert "broke the protocol" in str(task.exception())


@pytest.mark.parametrize(
    "result",
    [b"", CUT, BOMB, struct.pack("<I", RPC_ERROR), struct.pack("<Ii", RPC_ERROR, 5) + b"\xfe\xff\xff\xff"],
    ids=lambda body: f"{len(body)} bytes",
)
async def test_an_answer_that_is_nonsense_ends_the_request_too(result: bytes) -> None:
    server = Server()
    async with asking(server, b"1111", b"2222") as tasks:
        server.answers(server.requests[0], result)
    assert all(isinstance(task.exception(), ConnectionError) for task in tasks)


@given(noise=st.binary(max_size=40).map(lambda data: data + bytes(-len(data) % 4) or b"1234"), packed=st.booleans())
def test_whatever_the_server_says_no_request_waits_for_ever(noise: bytes, packed: bool) -> None:
    async def run() -> None:
        server = Server()
        async with asking(server, b"1111") as (task,):
            server.says(gzipped(noise) if packed else noise)
            server.answers(server.requests[0], RESULT) if server.is_open else None
        assert task.exception() is None or isinstance(task.exception(), ConnectionError)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


# -- strings


@given(data=st.binary(max_size=600), before=st.binary(max_size=5))
def test_a_string_is_read_where_it_stands(data: bytes, before: bytes) -> None:
    assert bytes(tl_bytes(memoryview(before + wires.tl_bytes(data)), len(before))) == data


@given(data=st.binary(max_size=600), cut=st.integers(1, 600))
def test_a_string_that_is_cut_off_is_none(data: bytes, cut: int) -> None:
    whole = wires.tl_bytes(data)[: (1 if len(data) < 254 else 4) + len(data)]
    with pytest.raises(struct.error):
        tl_bytes(memoryview(whole[: max(0, len(whole) - cut)]), 0)


def test_a_string_that_is_longer_than_any_packet_is_none() -> None:
    with pytest.raises(struct.error):
        tl_bytes(memoryview(b"\xff" + bytes(300)), 0)
