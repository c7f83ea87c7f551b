"""The details of media that were just archived, read from the spool, and previews of pictures: a favour, which no job
waits for longer than that.

Without the extra `media` nothing is read.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio

from teltubby.adapters.media_details import JPEG, READ_SECONDS, MediaDetails
from teltubby.archive.keys import preview_key
from teltubby.messages.details import FileDetails, Preview
from teltubby.messages.media import MediaKind
from teltubby.messages.transfer import FindObject, StorePreview, UploadMessage
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)


class ReadDetails(Protocol):
    """As `read_details` of media_details does it."""

    async def __call__(self, path: Path, *, preview: bool) -> MediaDetails | None: ...


AT_ONCE = 2
"""Each is a process, with memory of its own."""

_ALWAYS = (MediaKind.VIDEO, MediaKind.ANIMATION, MediaKind.AUDIO, MediaKind.VOICE, MediaKind.VIDEO_NOTE)
_DOCUMENTS = ("image/", "video/", "audio/")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRead:
    """What a file says of itself, and the preview that is in the store; None where there is nothing."""

    details: FileDetails | None = None
    preview: Preview | None = None


NOTHING = MediaRead()


class MediaReading:
    """Reads files by `read`, a few at once; with None, which is said where the tree is built, it knows nothing.

    With `previews`, pictures get one.
    """

    def __init__(self, read: ReadDetails | None = None, *, previews: bool = False, at_once: int = AT_ONCE) -> None:
        self._read = read
        self._previews = previews and read is not None
        self._slots = anyio.Semaphore(at_once)

    async def read(
        self, path: Path, kind: MediaKind, content_type: str, *, key: str | None, upload: Ref[UploadMessage]
    ) -> MediaRead:
        """What the file says of itself, and its preview, which is stored by `upload`: within READ_SECONDS altogether.

        `key` is the object's that holds the file, None where an older copy does. Of photos and stickers everything is
        known: Telegram makes them anew, and says how large they are; a photo is read for its preview.
        """
        place = preview_key(key) if key is not None and self._has_preview(kind, content_type) else None
        has_details = _has_details(kind, content_type)
        if self._read is None or not (has_details or (place is not None and await _is_jpeg(path))):
            return NOTHING
        details: FileDetails | None = None
        with anyio.move_on_after(READ_SECONDS):  # a turn is waited for within that time, too
            async with self._slots:
                found = await self._read(path, preview=place is not None)
            if found is None:
                return NOTHING
            details = found.facts if has_details else None
            preview = None if place is None else await _kept(place, found.preview, upload)
            return MediaRead(details=details, preview=preview)
        _LOG.info("not everything is known of %s: other files, or the store, were in the way", path.name)
        return MediaRead(details=details)

    async def stored_before(
        self, key: str, kind: MediaKind, content_type: str, *, upload: Ref[UploadMessage]
    ) -> Preview | None:
        """The preview that a run which was cut off stored for the file under `key`."""
        place = preview_key(key) if self._has_preview(kind, content_type) else None
        if place is None:
            return None
        try:
            size = await upload.ask(FindObject(key=place), within=READ_SECONDS)
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.info("whether there is a preview of %s is not known: %s", key, error)
            return None
        return None if size is None else Preview(key=place, size_bytes=size)

    def _has_preview(self, kind: MediaKind, content_type: str) -> bool:
        is_image = kind is MediaKind.DOCUMENT and content_type.lower().startswith("image/")
        return self._previews and (is_image or kind is MediaKind.PHOTO)


def _has_details(kind: MediaKind, content_type: str) -> bool:
    return kind in _ALWAYS or (kind is MediaKind.DOCUMENT and content_type.lower().startswith(_DOCUMENTS))


async def _is_jpeg(path: Path) -> bool:
    """As every photo is; what is not need not be read."""
    async with await anyio.open_file(path, "rb") as file:
        return await file.read(len(JPEG)) == JPEG


async def _kept(key: str, body: bytes | None, upload: Ref[UploadMessage]) -> Preview | None:
    """The preview, once the store has it."""
    if body is None:
        return None
    try:
        await upload.ask(StorePreview(key=key, body=body), within=READ_SECONDS)
    except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
        _LOG.warning("the preview %s is left out: %s", key, error)
        return None
    return Preview(key=key, size_bytes=len(body))
