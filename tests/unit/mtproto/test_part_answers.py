"""What a server answers about parts: read where it stands, or refused with a reason, whatever it is."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from telethon import types

from teltubby.adapters.mtproto_link import TransportError
from teltubby.adapters.mtproto_rpc import RpcFault
from teltubby.adapters.telethon_parts import UPLOAD_FILE, TelethonParts
from teltubby.adapters.telethon_private import private_names
from teltubby.errors import (
    BadRequest,
    ConnectionLost,
    FileGone,
    FileMoved,
    FloodWait,
    PartUnavailable,
    ReferenceExpired,
    TeltubbyError,
)
from teltubby.messages.transfer import FileLocation, RangeHash
from tests.unit.mtproto.wires import tl_bytes

pytestmark = pytest.mark.anyio

NAMES = private_names()
WHERE = FileLocation(document_id=1, access_hash=2, file_reference=b"ref", data_centre=2, size=3)
HASHES = [types.FileHash(at, 128 * 1024, bytes([at % 7]) * 32) for at in range(0, 1 << 20, 128 * 1024)]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """asyncio-flavoured code, without sockets."""
    return "asyncio", {"loop_factory": asyncio.SelectorEventLoop}


class Rpc:
    """Answers every request so."""

    def __init__(self, answer: bytes | Exception) -> None:
        self._answer = answer
        self.asked: list[bytes] = []

    async def invoke(self, request: bytes) -> memoryview:
        self.asked.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return memoryview(self._answer)


def parts(answer: bytes | Exception, *, key_died: Callable[[], None] = lambda: None) -> TelethonParts:
    return TelethonParts(Rpc(answer), NAMES, key_died=key_died)  # type: ignore[arg-type]


def upload_file(data: bytes) -> bytes:
    return struct.pack("<IIi", UPLOAD_FILE, types.storage.FileUnknown.CONSTRUCTOR_ID, 5) + tl_bytes(data)


def vector(*objects: Any) -> bytes:
    return struct.pack("<Ii", 0x1CB5C415, len(objects)) + b"".join(map(bytes, objects))


@pytest.mark.parametrize("size", [0, 1, 3, 253, 254, 255, 4096, 1 << 20])
async def test_the_bytes_of_a_part_are_read(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    got = await parts(upload_file(data[:size])).fetch(WHERE, 0, 1 << 20)
    assert type(got) is memoryview
    assert bytes(got) == data[:size]


async def test_telethon_writes_what_we_read() -> None:
    answer = bytes(types.upload.File(types.storage.FileJpeg(), 5, b"data"))
    assert bytes(await parts(answer).fetch(WHERE, 0, 4096)) == b"data"


async def test_hashes_are_read() -> None:
    expected = [RangeHash(offset=entry.offset, length=entry.limit, sha256=entry.hash) for entry in HASHES]
    assert list(await parts(vector(*HASHES)).hashes(WHERE, 0)) == expected
    assert list(await parts(vector()).hashes(WHERE, 0)) == []


@pytest.mark.parametrize("answer", [bytes(types.Pong(1, 2)), struct.pack("<I", 0x997275B5)], ids=["pong", "boolTrue"])
async def test_hashes_that_are_none_are_nothing(answer: bytes) -> None:
    assert list(await parts(answer).hashes(WHERE, 0)) == []


async def test_a_part_that_is_elsewhere_is_not_believed() -> None:
    redirect = types.upload.FileCdnRedirect(4, b"token", b"k" * 32, b"i" * 32, [])
    with pytest.raises(PartUnavailable, match="constructor"):
        await parts(bytes(redirect)).fetch(WHERE, 0, 4096)


def only_known_errors(ask: Callable[[], Awaitable[object]]) -> None:
    async def run() -> None:
        try:
            await ask()
        except TeltubbyError as error:
            assert isinstance(error, PartUnavailable)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(run())


WHOLE = [upload_file(b"1234567"), vector(*HASHES[:3])]
TOUCHED = st.one_of(
    st.binary(max_size=60),
    st.tuples(st.sampled_from(WHOLE), st.integers(0, 150)).map(lambda cut: cut[0][: cut[1]]),
    st.tuples(st.sampled_from(WHOLE), st.integers(0, 10_000), st.integers(1, 255)).map(
        lambda flip: bytes(byte ^ flip[2] * (at == flip[1] % len(flip[0])) for at, byte in enumerate(flip[0]))
    ),
)


@given(answer=TOUCHED)
@example(answer=struct.pack("<Ii", 0x1CB5C415, -1))
@example(answer=struct.pack("<Ii", 0x1CB5C415, (1 << 31) - 1))
@example(answer=struct.pack("<IIi", UPLOAD_FILE, 0, 0) + b"\xfe\xff\xff\xff")
def test_whatever_comes_is_read_or_refused(answer: bytes) -> None:
    only_known_errors(lambda: parts(answer).fetch(WHERE, 0, 4096))
    only_known_errors(lambda: parts(answer).hashes(WHERE, 0))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (RpcFault(420, "FLOOD_WAIT_7"), FloodWait),
        (RpcFault(420, "FLOOD_PREMIUM_WAIT_7"), FloodWait),
        (RpcFault(400, "FILE_REFERENCE_EXPIRED"), ReferenceExpired),
        (RpcFault(400, "FILE_REFERENCE_INVALID"), ReferenceExpired),
        (RpcFault(400, "FILE_REFERENCE_EMPTY"), ReferenceExpired),
        (RpcFault(303, "FILE_MIGRATE_4"), FileMoved),
        (RpcFault(400, "LOCATION_NOT_AVAILABLE"), PartUnavailable),
        (RpcFault(500, "INTERNAL"), PartUnavailable),
        (RpcFault(-503, "Timeout"), PartUnavailable),
        (RpcFault(-503, "Timedout"), PartUnavailable),
        (RpcFault(400, "LOCATION_INVALID"), FileGone),
        (RpcFault(400, "LIMIT_INVALID"), BadRequest),
        (RpcFault(400, "\xff nonsense"), BadRequest),
        (RpcFault(999, ""), PartUnavailable),
        (RpcFault(420, "FROZEN_METHOD_INVALID"), ConnectionLost),
        (RpcFault(401, "AUTH_KEY_UNREGISTERED"), ConnectionLost),
        (RpcFault(406, "AUTH_KEY_DUPLICATED"), ConnectionLost),
        (ConnectionError("reset"), ConnectionLost),
        (TransportError(-429), ConnectionLost),
        (TransportError(-404), ConnectionLost),
    ],
    ids=lambda value: getattr(value, "message", None) or getattr(value, "__name__", str(value)),
)
async def test_an_error_means(fault: Exception, kind: type[TeltubbyError]) -> None:
    connection = parts(fault)
    for ask in (connection.fetch(WHERE, 0, 4096), connection.hashes(WHERE, 0)):
        with pytest.raises(TeltubbyError) as error:
            await ask
        assert type(error.value) is kind
        if isinstance(error.value, FloodWait):
            assert error.value.seconds == 7
        if isinstance(error.value, FileMoved):
            assert error.value.data_centre == 4


@pytest.mark.parametrize(
    ("fault", "died"),
    [
        (TransportError(-404), True),
        (TransportError(-429), False),
        (RpcFault(401, "AUTH_KEY_UNREGISTERED"), True),
        (RpcFault(401, "SESSION_REVOKED"), True),
        (RpcFault(406, "AUTH_KEY_DUPLICATED"), True),
        (RpcFault(500, "INTERNAL"), False),
        (RpcFault(420, "FLOOD_WAIT_5"), False),
        (ConnectionError("reset"), False),
    ],
    ids=str,
)
async def test_the_death_of_a_key_is_told_and_is_that_of_the_connection(fault: Exception, died: bool) -> None:
    deaths: list[None] = []
    with pytest.raises(TeltubbyError) as error:
        await parts(fault, key_died=lambda: deaths.append(None)).fetch(WHERE, 0, 4096)
    assert bool(deaths) is died
    assert not died or isinstance(error.value, ConnectionLost)
