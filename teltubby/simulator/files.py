"""Files as Telegram keeps them: photos with their sizes, and documents, which is everything else."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from enum import StrEnum

from teltubby.simulator.content import Content, sha256_of, sha256_ranges
from teltubby.simulator.people import HOME_DC

UNIQUE_PHOTO = 1
UNIQUE_DOCUMENT = 2


class FileKind(StrEnum):
    """The media types of the Bot API; all but PHOTO are documents in MTProto."""

    PHOTO = "photo"
    DOCUMENT = "document"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    VIDEO_NOTE = "video_note"
    ANIMATION = "animation"
    STICKER = "sticker"


MIME_TYPES = {
    FileKind.DOCUMENT: "application/octet-stream",
    FileKind.VIDEO: "video/mp4",
    FileKind.AUDIO: "audio/mpeg",
    FileKind.VOICE: "audio/ogg",
    FileKind.VIDEO_NOTE: "video/mp4",
    FileKind.ANIMATION: "video/mp4",
    FileKind.STICKER: "image/webp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSize:
    """One rendition of a photo; `letter` is MTProto's thumb_size (s, m, x, y, w)."""

    letter: str
    width: int
    height: int
    content: Content


@dataclass(slots=True, weakref_slot=True, kw_only=True, eq=False)
class File:
    """A photo or document on Telegram's servers, the same object (and `id`) wherever it is forwarded to.

    Sending the same content anew makes another File with another id. `id` is a signed 64-bit document or photo id,
    `dc` where MTProto serves it, `name` exactly what the sender gave. `size_known=False` makes the Bot API omit
    file_size, as it does now and then; `claimed_size` is what both servers say instead of the truth. A photo's `sizes`
    run from small to large, and the last is `content`. `references` is the generation of valid file references (see
    World.file_reference), of which each is good for `reference_uses` parts (None: any number); `uses` counts them.
    """

    id: int
    kind: FileKind
    content: Content
    date: int
    mime_type: str | None = None
    name: str | None = None
    dc: int = HOME_DC
    width: int = 0
    height: int = 0
    duration: int = 0
    performer: str | None = None
    title: str | None = None
    emoji: str | None = None
    is_animated: bool = False
    is_video: bool = False
    size_known: bool = True
    sizes: tuple[PhotoSize, ...] = ()
    claimed_size: int | None = None
    references: int = 0
    reference_uses: int | None = None
    uses: int = 0

    @property
    def size(self) -> int:
        """Length in bytes (of the largest size, for a photo)."""
        return self.content.size

    @property
    def stated_size(self) -> int:
        """What the servers say its length is."""
        return self.content.size if self.claimed_size is None else self.claimed_size

    @property
    def is_photo(self) -> bool:
        """Whether MTProto knows it as a photo; otherwise it is a document."""
        return self.kind is FileKind.PHOTO

    @property
    def unique_id(self) -> str:
        """The Bot API's file_unique_id (of the largest size, for a photo)."""
        return self.size_unique_id(self.sizes[-1]) if self.is_photo else document_unique_id(self.id)

    def size_unique_id(self, size: PhotoSize) -> str:
        """The Bot API's file_unique_id of one size of a photo."""
        return photo_unique_id(self.id, size.letter)

    def expire_reference(self) -> None:
        """Make the references given out so far invalid."""
        self.references += 1
        self.uses = 0

    def use_reference(self) -> bool:
        """Whether the present reference is good for one part more, which is counted; otherwise it expires by this."""
        if self.reference_uses is not None and self.uses >= self.reference_uses:
            self.expire_reference()
            return False
        self.uses += 1
        return True

    def rendition(self, letter: str) -> Content | None:
        """What `thumb_size=letter` (empty: the file itself) stands for; None when there is no such size."""
        if not letter:
            return self.content
        return next((size.content for size in self.sizes if size.letter == letter), None)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end, none beyond it."""
        return self.content.read(offset, length)

    def sha256(self) -> str:
        """SHA-256 of the content in hex; streams it the first time, so keep big files off an event loop."""
        return sha256_of(self.content)

    def sha256_ranges(self, offset: int, count: int = 8) -> list[tuple[int, int, bytes]]:
        """(offset, length, SHA-256) of 128 KiB ranges, for upload.getFileHashes."""
        return sha256_ranges(self.content, offset, count)


def document_unique_id(document_id: int) -> str:
    """file_unique_id of a document: base64url of run-length-encoded `<i32 2><i64 id>` (TDLib, FileManager)."""
    return _base64url(zeros_encoded(struct.pack("<iq", UNIQUE_DOCUMENT, document_id)))


def photo_unique_id(photo_id: int, letter: str) -> str:
    """file_unique_id of one photo size: `<i32 1><i64 id><u8 letter + 5>` (TDLib, PhotoSizeSource::get_unique)."""
    return _base64url(zeros_encoded(struct.pack("<iqB", UNIQUE_PHOTO, photo_id, ord(letter) + 5)))


def zeros_encoded(data: bytes) -> bytes:
    """Telegram's run-length encoding: each run of up to 250 zero bytes becomes a zero and its length."""
    encoded = bytearray()
    run = 0
    for byte in data:
        if byte == 0 and run < 250:
            run += 1
            continue
        if run:
            encoded += bytes((0, run))
        run = 1 if byte == 0 else 0
        if byte:
            encoded.append(byte)
    if run:
        encoded += bytes((0, run))
    return bytes(encoded)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
