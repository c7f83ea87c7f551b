"""Packing and sealing: what goes in comes out, and nothing else is ever taken for it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.adapters.backup_key import CHUNK_BYTES, BackupKey
from teltubby.backup.packing import Packer, Unpacker, WronglyPacked
from tests.unit.backup.installation import KEY

BACKUP_KEY = BackupKey(KEY)
PLACE = "teltubby-backups/box/ledger.db"


def pack(content: bytes, key: BackupKey | None = BACKUP_KEY, *, pieces: int = 1000) -> bytes:
    packer = Packer(io.BytesIO(content), None if key is None else key.sealing(PLACE))
    packed = bytearray()
    while not packer.ended:
        packed += packer.take(pieces)
    assert (packer.size, packer.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    return bytes(packed)


def unpack(
    packed: bytes, key: BackupKey | None = BACKUP_KEY, *, place: str = PLACE, most: int = 1 << 24, pieces: int = 777
) -> bytes:
    out = io.BytesIO()
    unpacker = Unpacker(None if key is None else key.unsealing(place), most=most, write=out.write)
    for at in range(0, len(packed), pieces):
        unpacker.feed(packed[at : at + pieces])
    unpacker.finish()
    assert unpacker.stored_sha256 == hashlib.sha256(packed).hexdigest()
    assert unpacker.sha256 == hashlib.sha256(out.getvalue()).hexdigest()
    return out.getvalue()


@given(st.binary(max_size=5000), st.booleans(), st.integers(1, 3000), st.integers(1, 3000))
def test_what_is_packed_is_unpacked(content: bytes, is_sealed: bool, size: int, other: int) -> None:
    key = BACKUP_KEY if is_sealed else None
    assert unpack(pack(content, key, pieces=size), key, pieces=other) == content


@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_at_the_borders_of_blocks(size: int) -> None:
    """Random bytes do not get smaller: the seal has blocks to cut."""
    content = os.urandom(size)
    assert unpack(pack(content, pieces=1 << 20), pieces=1 << 19) == content


def test_what_is_not_sealed_opens_with_gunzip() -> None:
    assert gzip.decompress(pack(b"in the clear" * 100, None)) == b"in the clear" * 100


@settings(max_examples=200)
@given(st.data(), st.booleans())
def test_a_changed_byte_anywhere_is_noticed(data: st.DataObject, is_sealed: bool) -> None:
    """Sealed: by the seal. In the clear: by gzip, or by the digest that a manifest has."""
    key, content = BACKUP_KEY if is_sealed else None, b"some content" * 40
    packed = bytearray(pack(content, key))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    if is_sealed:
        with pytest.raises(WronglyPacked):
            unpack(bytes(packed), key)
        return
    with suppress(WronglyPacked):
        unpack(bytes(packed), key)
    assert hashlib.sha256(packed).hexdigest() != hashlib.sha256(pack(content, key)).hexdigest()


@given(st.data(), st.booleans())
def test_a_cut_or_lengthened_end_is_noticed(data: st.DataObject, is_sealed: bool) -> None:
    key = BACKUP_KEY if is_sealed else None
    packed = pack(b"some content" * 40, key)
    for other in (packed[: data.draw(st.integers(0, len(packed) - 1))], packed + data.draw(st.binary(min_size=1))):
        with pytest.raises(WronglyPacked):
            unpack(other, key)


def test_blocks_cannot_change_places() -> None:
    packed = pack(os.urandom(3 * CHUNK_BYTES), pieces=1 << 20)
    head, block = packed.index(b"\n") + 1 + 24, CHUNK_BYTES + 17
    first, second = packed[head : head + block], packed[head + block : head + 2 * block]
    with pytest.raises(WronglyPacked):
        unpack(packed[:head] + second + first + packed[head + 2 * block :], pieces=1 << 20)


def test_another_key_and_another_place_open_nothing() -> None:
    packed = pack(b"content")
    for key, place in ((BackupKey("x" * 32), PLACE), (BACKUP_KEY, "teltubby-backups/box/queue.db")):
        with pytest.raises(WronglyPacked):
            unpack(packed, key, place=place)


def test_more_than_there_should_be_is_not_unpacked() -> None:
    """Ten megabytes of nothing in ten kilobytes."""
    packed = pack(bytes(10 << 20))
    written: list[int] = []
    unpacker = Unpacker(BACKUP_KEY.unsealing(PLACE), most=1 << 20, write=lambda content: written.append(len(content)))
    with pytest.raises(WronglyPacked):
        for at in range(0, len(packed), 777):
            unpacker.feed(packed[at : at + 777])
        unpacker.finish()
    assert sum(written) <= 1 << 20


def test_a_key_says_nothing_of_itself() -> None:
    assert KEY not in repr(BACKUP_KEY) and len(BACKUP_KEY.name) == 16
    assert BackupKey(KEY).name == BACKUP_KEY.name != BackupKey(KEY + "x").name
