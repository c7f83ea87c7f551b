"""Packets over one TCP connection: whole, in order, however they are cut up on the way."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.mtproto_link import MAX_PACKET, TAG, Link, TransportError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A protocol of asyncio's, called by hand."""
    return "asyncio", {"loop_factory": asyncio.SelectorEventLoop}


class Wire(asyncio.Transport):
    """What the link writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.aborted = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted += 1


class Watched:
    """A link, and what came of it."""

    def __init__(self) -> None:
        self.wire, self.link = Wire(), Link()
        self.packets: list[bytes] = []
        self.reasons: list[Exception] = []
        self.link.receive = lambda packet: self.packets.append(bytes(packet))
        self.link.lost = self.reasons.append
        self.link.connection_made(self.wire)

    def feed(self, data: bytes, sizes: Sequence[int] = ()) -> None:
        """These bytes come, in pieces of these sizes at most, over and over."""
        at, turn = 0, 0
        while at < len(data) and not self.wire.aborted:
            room = self.link.get_buffer(-1)
            assert len(room) > 0, "asyncio takes an empty buffer for a bug"
            size = min(len(room), len(data) - at, sizes[turn % len(sizes)] if sizes else len(room))
            room[:size] = data[at : at + size]
            self.link.buffer_updated(size)
            at, turn = at + size, turn + 1


def framed(*packets: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(packet)) + packet for packet in packets)


async def test_it_says_first_what_it_speaks() -> None:
    assert Watched().wire.written == TAG


async def test_packets_are_sent_with_their_length() -> None:
    it = Watched()
    it.link.send(b"12345678", b"")
    it.link.send()
    it.link.send(b"x" * 300)
    assert it.wire.written == TAG + framed(b"12345678", b"", b"x" * 300)


@given(
    packets=st.lists(st.binary(min_size=5, max_size=200), max_size=6),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=9),
)
def test_packets_come_whole_and_in_order_however_they_are_cut_up(packets: list[bytes], sizes: list[int]) -> None:
    async def run() -> None:
        it = Watched()
        it.feed(framed(*packets), sizes)
        assert it.packets == packets
        assert it.wire.aborted == 0

    asyncio.run(run())


async def test_a_packet_that_did_not_come_whole_is_none() -> None:
    it = Watched()
    it.feed(framed(b"x" * 100)[:-1])
    it.link.connection_lost(None)
    assert it.packets == []
    assert len(it.reasons) == 1


@pytest.mark.parametrize("code", [-404, -429, -1, 0, 5])
async def test_a_transport_error_ends_the_connection_with_its_code(code: int) -> None:
    it = Watched()
    it.feed(framed(struct.pack("<i", code)))
    assert it.wire.aborted == 1
    it.link.connection_lost(None)
    (reason,) = it.reasons
    assert isinstance(reason, TransportError) and reason.code == code
    assert it.packets == []


@pytest.mark.parametrize("length", [0, 1, 3, MAX_PACKET + 1, (1 << 31) - 1, (1 << 32) - 1])
async def test_a_packet_that_cannot_be_ends_the_connection(length: int) -> None:
    it = Watched()
    it.feed(struct.pack("<I", length) + bytes(100))
    it.link.connection_lost(None)
    assert it.wire.aborted == 1
    assert it.packets == []
    assert str(length) in str(it.reasons[0])


async def test_the_largest_packet_is_taken() -> None:
    it = Watched()
    it.feed(framed(bytes(MAX_PACKET)), [100_000])
    assert list(map(len, it.packets)) == [MAX_PACKET]


async def test_the_first_reason_is_the_reason() -> None:
    it = Watched()
    it.link.abort(ConnectionError("first"))
    it.link.abort(ConnectionError("second"))
    it.link.connection_lost(OSError("third"))
    assert list(map(str, it.reasons)) == ["first"]
    assert str(it.link.reason) == "first"


@pytest.mark.parametrize("reason", [None, ConnectionResetError("reset")])
async def test_when_the_server_ends_it_that_is_told(reason: Exception | None) -> None:
    it = Watched()
    before = it.link.is_lost
    it.link.connection_lost(reason)
    assert [before, it.link.is_lost] == [False, True]
    assert isinstance(it.reasons[0], ConnectionError)
    assert it.reasons[0] is (reason or it.reasons[0])
    it.link.send(b"12345678")
    it.link.abort(ConnectionError("late"))
    assert it.wire.written == TAG and it.wire.aborted == 0


async def test_it_notes_when_it_last_heard_anything() -> None:
    it = Watched()
    before = it.link.heard_at
    await asyncio.sleep(0.01)
    it.feed(b"\x08")
    assert it.link.heard_at > before
