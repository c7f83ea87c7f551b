"""The extension under which a file is archived."""

from __future__ import annotations

import re
from typing import assert_never

from teltubby.archive.slugs import slug
from teltubby.messages.media import Media, MediaKind, StickerFormat

EXTENSION_MAX = 16
"""What stands behind a name's last dot and is longer than this is part of the name, not an extension."""

_STICKERS = {StickerFormat.STATIC: "webp", StickerFormat.ANIMATED: "tgs", StickerFormat.VIDEO: "webm"}
_LAST_COMPONENT = re.compile(r"[^/\\]*\Z")


def extension(media: Media) -> str:
    """Without the dot, in `[a-z0-9]`: by the original name where the kind keeps one, else what the kind usually is."""
    match media.kind:
        case MediaKind.PHOTO:
            return "jpg"
        case MediaKind.VOICE:
            return "ogg"
        case MediaKind.VIDEO_NOTE:
            return "mp4"
        case MediaKind.STICKER:
            return _STICKERS[media.sticker_format or StickerFormat.STATIC]
        case MediaKind.DOCUMENT:
            return _from_name(media.file_name) or "bin"
        case MediaKind.VIDEO | MediaKind.ANIMATION:
            return _from_name(media.file_name) or "mp4"
        case MediaKind.AUDIO:
            return _from_name(media.file_name) or "mp3"
        case _:
            assert_never(media.kind)


def _from_name(name: str | None) -> str:
    """What follows the last dot of the name (a leading dot hides a file and starts no extension), or ``""``."""
    component = _LAST_COMPONENT.search(name or "")
    stem, _, tail = (component.group() if component else "").lstrip(".").rpartition(".")
    found = re.sub(r"[^a-z0-9]", "", slug(tail)) if stem else ""
    return found if len(found) <= EXTENSION_MAX else ""
