"""What real files of media say of themselves is in their artifacts, small and large, and pictures have previews.

Hostile ones are archived too.
"""

from __future__ import annotations

import io
import struct
import wave
import zlib
from typing import Any

from PIL import Image

from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.household import Household
from tests.adapters.films import mp4

MIB = 1 << 20
CREATED_AT = 1_700_000_000
EXIF_IFD, ORIENTATION, TAKEN, OFFSET = 0x8769, 0x0112, 0x9003, 0x9011
SIDEWAYS = 6
FILM = mp4(seconds=2.5, width=640, height=360, created_at=CREATED_AT, codec=b"hvc1")
FILM_DETAILS = {"codec": "hvc1", "audio_codec": "mp4a", "taken_at": "2023-11-14T22:13:20Z"}


def photo(orientation: int = 1) -> bytes:
    """As a camera makes them: red on the left and blue on the right."""
    exif, into = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    exif.get_ifd(EXIF_IFD).update({TAKEN: "2024:05:06 07:08:09", OFFSET: "+02:00"})
    image = Image.new("RGB", (1200, 800), "red")
    image.paste("blue", (600, 0, 1200, 800))
    image.save(into, "JPEG", exif=exif)
    return into.getvalue()


def sound() -> bytes:
    into = io.BytesIO()
    with wave.open(into, "wb") as writer:
        writer.setparams((1, 2, 8000, 24000, "NONE", ""))
        writer.writeframes(bytes(48000))
    return into.getvalue()


def bomb() -> bytes:
    """A PNG of a few kilobytes that is 10 GB when it is decoded."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000_000), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def padded(body: bytes) -> bytes:
    """More than the Bot API serves: what follows a film in a box of its own (ISO/IEC 14496-12, 8.1.2)."""
    return body + struct.pack(">I4s", 21 * MIB, b"free") + bytes(21 * MIB - 8)


def broken(body: bytes) -> bytes:
    """Every box after the first says that it is as long as it can be."""
    return body[:28] + b"\x7f\xff\xff\xff" + body[32:300].replace(b"\0\0\0", b"\xff\xff\x7f")


def archived(house: Household, message: int, file: File) -> dict[str, Any]:
    [item] = house.settled(message, "stored")
    assert item["sha256"] == file.sha256() == sha256(house.archive, item["s3_key"])
    return item


def preview(house: Household, item: dict[str, Any]) -> Image.Image:
    """As somebody sees it who opens it."""
    folder, _, name = item["s3_key"].rpartition("/")
    assert item["preview_key"] == f"{folder}/previews/{name.rpartition('.')[0]}.jpg"
    image = Image.open(io.BytesIO(b"".join(house.archive.chunks(item["preview_key"]))))
    assert image.format == "JPEG" and not image.getexif()
    return image.convert("RGB")


def test_details_previews_and_hostile_files(box: Household) -> None:
    box.without_flood_control()
    box.start("run")
    ada = box.ada
    said: dict[str, tuple[FileKind, str, bytes, dict[str, Any]]] = {
        "a.jpg": (
            FileKind.DOCUMENT,
            "image/jpeg",
            photo(),
            {"width": 1200, "height": 800, "codec": "JPEG", "taken_at": "2024-05-06T05:08:09Z"},
        ),
        "large.jpg": (
            FileKind.DOCUMENT,
            "image/jpeg",
            padded(photo(SIDEWAYS)),
            {"width": 800, "height": 1200, "codec": "JPEG", "taken_at": "2024-05-06T05:08:09Z"},
        ),
        "b.mp4": (
            FileKind.DOCUMENT,
            "video/mp4",
            FILM,
            {"duration": 2.5, "width": 640, "height": 360, **FILM_DETAILS},
        ),
        "c.mp4": (FileKind.VIDEO, "video/mp4", FILM + b"\0", FILM_DETAILS),
        "large.mp4": (FileKind.VIDEO, "video/mp4", padded(FILM), FILM_DETAILS),
        "bomb.png": (FileKind.DOCUMENT, "image/png", bomb(), {"width": 60_000, "height": 60_000, "codec": "PNG"}),
        "large-bomb.png": (
            FileKind.DOCUMENT,
            "image/png",
            padded(bomb()),
            {"width": 60_000, "height": 60_000, "codec": "PNG"},
        ),
    }
    unread = {
        "broken.mp4": ("video/mp4", broken(FILM)),
        "noise.mp4": ("video/mp4", None),
        "text.txt": ("text/plain", b"words " * 1000),
    }
    shown = {"a.jpg": (320, 213), "large.jpg": (213, 320)}
    sent, silent = {}, {}
    for name, (kind, mime_type, body, _) in said.items():
        measures: dict[str, Any] = {"width": 640, "height": 360, "duration": 2} if kind is FileKind.VIDEO else {}
        file = ada.new_file(kind, data=body, name=name, mime_type=mime_type, **measures)
        sent[name] = (ada.send_media(file), file)
    for name, (mime_type, content) in unread.items():
        size = 21 * MIB if content is None else None
        file = ada.new_file(FileKind.DOCUMENT, size, data=content, name=name, mime_type=mime_type)
        silent[name] = (ada.send_media(file), file)
    taken = ada.new_file(FileKind.PHOTO, data=photo(SIDEWAYS) + b"\0", width=800, height=1200)
    seen = archived(box, ada.send_media(taken), taken)
    upright = preview(box, seen)
    assert "details" not in seen and upright.size == (213, 320)
    above, below = (upright.crop((100, y, 101, y + 1)).tobytes() for y in (10, 310))
    assert above[0] > 200 > 50 > above[2] and below[2] > 200 > 50 > below[0]
    tone = ada.new_file(FileKind.DOCUMENT, data=sound(), name="d.wav", mime_type="audio/x-wav")
    heard = archived(box, ada.send_media(tone), tone)["details"]
    assert heard["duration"] == 3.0 and heard["audio_codec"] and set(heard) == {"duration", "audio_codec"}
    for name, (message, file) in sent.items():
        item = archived(box, message, file)
        assert item["details"] == said[name][3], name
        assert (preview(box, item).size if "preview_key" in item else None) == shown.get(name), name
    for name, (message, file) in silent.items():
        item = archived(box, message, file)
        assert name == "broken.mp4" or "details" not in item, name
        assert "preview_key" not in item, name
    assert len([key for key in box.archive.stored() if "/previews/" in key]) == 3
