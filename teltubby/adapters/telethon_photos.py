"""The sizes of a photo: which is the whole of it, and how many bytes that has.

Sizes that come within the message (cached, stripped, outlines) are no files of their own.
Source: core.telegram.org/type/PhotoSize.
"""

from __future__ import annotations

from typing import Any

from telethon import types

from teltubby.adapters.telethon_values import count, listed

FETCHED = (types.PhotoSize, types.PhotoSizeProgressive)


def largest_size(photo: Any) -> Any | None:
    """The largest size of a types.Photo that can be asked for by its letter (`type`); None where there is none."""
    sizes = [size for size in listed(photo.sizes) if isinstance(size, FETCHED)]
    return max(sizes, key=_area, default=None)


def size_bytes(size: Any) -> int | None:
    """Of a size; a progressive JPEG's last step is the whole of it."""
    if isinstance(size, types.PhotoSizeProgressive):
        return max((each for each in map(count, listed(size.sizes)) if each is not None), default=None)
    return count(getattr(size, "size", None))


def _area(size: Any) -> int:
    return (count(size.w) or 0) * (count(size.h) or 0)
