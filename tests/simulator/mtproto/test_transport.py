"""The transports byte by byte, and what is done with streams that follow none of them."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable
from typing import Any, cast
from zlib import crc32

import pytest
from telethon.crypto import AESModeCTR
from telethon.tl import functions

from teltubby.simulator.mtproto.crypto import CtrCipher
from teltubby.simulator.mtproto.transport import (
    Abridged,
    Full,
    Intermediate,
    PaddedIntermediate,
    Stream,
    Transport,
    TransportViolation,
    detect,
)
from tests.simulator.mtproto.conftest import Scene
from tests.simulator.mtproto.raw_client import RawClient

pytestmark = pytest.mark.anyio


class Recorder:
    """In place of a StreamWriter: keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def stream_of(data: bytes, writer: Any = None) -> Stream:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return Stream(reader, cast(asyncio.StreamWriter, writer or Recorder()))


def abridged(payload: bytes) -> bytes:
    words = len(payload) // 4
    return (bytes((words,)) if words < 127 else b"\x7f" + words.to_bytes(3, "little")) + payload


def intermediate(payload: bytes) -> bytes:
    return struct.pack("<I", len(payload)) + payload


def full(payload: bytes, number: int = 0) -> bytes:
    packet = struct.pack("<Ii", len(payload) + 12, number) + payload
    return packet + struct.pack("<I", crc32(packet))


@pytest.mark.parametrize("size", [4, 126 * 4, 127 * 4, 1024 * 1024 + 64])
@pytest.mark.parametrize(
    ("tag", "frame", "kind"),
    [
        (b"\xef", abridged, Abridged),
        (b"\xee" * 4, intermediate, Intermediate),
        (b"\xdd" * 4, intermediate, PaddedIntermediate),
        (b"", full, Full),
    ],
)
async def test_packets_of_every_transport(
    tag: bytes, frame: Callable[[bytes], bytes], kind: type[Transport], size: int
) -> None:
    payload = os.urandom(size)
    stream = stream_of(tag + frame(payload))
    transport = await detect(stream)
    assert isinstance(transport, kind)
    assert await transport.read(stream) == payload
    framed = b"".join(transport.frame([payload[:4], payload[4:]]))
    if kind is PaddedIntermediate:
        (length,) = struct.unpack_from("<I", framed)
        assert length == len(framed) - 4 and 0 <= length - size <= 15 and framed[4:].startswith(payload)
    else:
        assert framed == frame(payload)


async def test_obfuscation_is_undone() -> None:
    head = bytearray(os.urandom(64))
    head[0], head[4:8], head[56:60] = 0x01, b"abcd", b"\xee" * 4
    client = AESModeCTR(bytes(head[8:40]), bytes(head[40:56]))
    head[56:64] = client.encrypt(bytes(head))[56:64]
    backward = bytes(head[55:7:-1])
    answers = AESModeCTR(backward[:32], backward[32:48])
    payload = os.urandom(1000)
    writer = Recorder()
    stream = stream_of(
        bytes(head) + client.encrypt(intermediate(payload)) + client.encrypt(intermediate(b"more")), writer
    )
    transport = await detect(stream)
    assert isinstance(transport, Intermediate)
    assert await transport.read(stream) == payload
    assert await transport.read(stream) == b"more"
    stream.write(transport.frame([b"an answer..."]))
    assert answers.decrypt(writer.data) == intermediate(b"an answer...")


def test_the_stream_cipher_agrees_with_another_one_over_any_pieces() -> None:
    key, iv, data = os.urandom(32), b"\xff" * 15 + b"\xfe", os.urandom(301)
    ours = CtrCipher(key, iv)
    pieces = [ours.apply(data[start:end]) for start, end in ((0, 1), (1, 1), (1, 33), (33, 48), (48, 301))]
    assert b"".join(pieces) == AESModeCTR(key, iv).encrypt(data)


async def test_the_full_transport_counts_and_checks() -> None:
    stream = stream_of(full(b"1234") + full(b"5678", 1))
    transport = await detect(stream)
    assert [await transport.read(stream), await transport.read(stream)] == [b"1234", b"5678"]


@pytest.mark.parametrize(
    "data",
    [
        full(b"1234") + full(b"5678", 2),
        full(b"1234") + full(b"5678", 1)[:-1] + b"x",
        struct.pack("<Ii", 12, 0) + bytes(4),
        struct.pack("<Ii", 17, 0) + bytes(16),
        b"\xef\x7f\xff\xff\xff",
        b"\xef\x00",
        b"\xee\xee\xee\xee" + struct.pack("<I", 1 << 30),
        b"\xee\xee\xee\xee" + struct.pack("<I", 7) + bytes(7),
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /api HTTP/1.1\r\n\r\n",
        bytes(range(1, 65)),
    ],
)
async def test_streams_that_break_the_rules(data: bytes) -> None:
    stream = stream_of(data)
    with pytest.raises(TransportViolation):
        transport = await detect(stream)
        while True:
            await transport.read(stream)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", bytes(range(1, 65)), b"\xef\x00"])
async def test_the_server_hangs_up_on_them(scene: Scene, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.port)
    writer.write(data)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    assert len(scene.server.violations) == 1


async def test_packets_may_arrive_in_pieces(scene: Scene) -> None:
    client = await RawClient.connect(scene.port)
    body = bytes(functions.ReqPqMultiRequest(5))
    packet = abridged(struct.pack("<qqi", 0, client.next_msg_id(), len(body)) + body)
    for byte in packet:
        client.writer.write(bytes((byte,)))
        await client.writer.drain()
        await asyncio.sleep(0)
    assert await client.read_packet()
    await client.close()
