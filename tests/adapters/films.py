"""Films made of nothing: MP4 boxes as ISO/IEC 14496-12 has them, without any samples."""

from __future__ import annotations

import struct

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SECONDS_FROM_1904 = 2_082_844_800


def mp4(*, seconds: float, width: int, height: int, created_at: int, codec: bytes = b"avc1") -> bytes:
    """A film with a picture and a sound; `created_at` in Unix seconds."""
    moment, duration = created_at + _SECONDS_FROM_1904, round(seconds * 1000)
    header = _full(
        b"mvhd",
        struct.pack(">4I", moment, moment, 1000, duration),
        struct.pack(">IH", 0x10000, 0x100) + bytes(10) + _MATRIX + bytes(24) + struct.pack(">I", 3),
    )
    picture = struct.pack(">H", 1) + bytes(16) + struct.pack(">2H", width, height)
    picture += struct.pack(">3I", 0x480000, 0x480000, 0) + struct.pack(">H", 1) + bytes(32) + struct.pack(">Hh", 24, -1)
    sound = struct.pack(">H", 1) + bytes(8) + struct.pack(">4H", 2, 16, 0, 0) + struct.pack(">I", 44100 << 16)
    movie = _box(
        b"moov",
        header,
        _track(b"vide", _box(codec, bytes(6), picture), duration, width, height),
        _track(b"soun", _box(b"mp4a", bytes(6), sound), duration, 0, 0),
    )
    return _box(b"ftyp", b"isom\0\0\2\0isomavc1") + movie + _box(b"mdat", bytes(1000))


def _track(kind: bytes, sample: bytes, duration: int, width: int, height: int) -> bytes:
    track = (
        struct.pack(">5I", 0, 0, 1, 0, duration) + bytes(16) + _MATRIX + struct.pack(">2I", width << 16, height << 16)
    )
    media = _full(b"mdhd", struct.pack(">4I", 0, 0, 1000, duration), struct.pack(">2H", 0x55C4, 0))
    handler = _full(b"hdlr", bytes(4), kind, bytes(12), b"x\0")
    about = _full(b"vmhd", bytes(8)) if kind == b"vide" else _full(b"smhd", bytes(4))
    samples = _box(b"stbl", _full(b"stsd", struct.pack(">I", 1), sample))
    return _box(b"trak", _full(b"tkhd", track), _box(b"mdia", media, handler, _box(b"minf", about, samples)))


def _full(kind: bytes, *content: bytes) -> bytes:
    return _box(kind, bytes(4), *content)


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body
