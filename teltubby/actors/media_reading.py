"""The details of media that were just archived, read from the spool: a favour, which no job waits for longer than that.

Without the extra `media` nothing is read.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from teltubby.adapters.media_details import READ_SECONDS, MediaDetails
from teltubby.messages.details import FileDetails
from teltubby.messages.media import MediaKind

_LOG = logging.getLogger(__name__)

ReadDetails = Callable[[Path], Awaitable[MediaDetails | None]]

AT_ONCE = 2
"""Each is a process, with memory of its own."""

_ALWAYS = (MediaKind.VIDEO, MediaKind.ANIMATION, MediaKind.AUDIO, MediaKind.VOICE, MediaKind.VIDEO_NOTE)
_DOCUMENTS = ("image/", "video/", "audio/")


class MediaReading:
    """Reads files by `read`, a few at once; with None, which is said where the tree is built, it knows nothing."""

    def __init__(self, read: ReadDetails | None = None, *, at_once: int = AT_ONCE) -> None:
        self._read = read
        self._slots = anyio.Semaphore(at_once)

    async def details(self, path: Path, kind: MediaKind, content_type: str) -> FileDetails | None:
        """What the file says of itself; None where nothing can be known, or not within READ_SECONDS.

        Of photos and stickers everything is known: Telegram makes them anew, and says how large they are.
        """
        if self._read is None or not (
            kind in _ALWAYS or (kind is MediaKind.DOCUMENT and content_type.lower().startswith(_DOCUMENTS))
        ):
            return None
        with anyio.move_on_after(READ_SECONDS):  # a turn is waited for within that time, too
            async with self._slots:
                found = await self._read(path)
            return None if found is None else found.facts
        _LOG.info("nothing is known of %s: other files were in the way", path.name)
        return None
