"""Names that every store, shell and file system takes: lower-case ASCII letters, digits, dot, underscore, hyphen."""

from __future__ import annotations

import re

from slugify import slugify

CAPTION_WORDS = 6
"""How many words of a caption become part of a file name."""

_OTHER_THAN_KEPT = r"[^a-z0-9._-]+"
_SURROGATES = re.compile("[\ud800-\udfff]")


def slug(text: str) -> str:
    """`text` in `[a-z0-9._-]`: transliterated by Unidecode, lower-case, everything else one hyphen, none at the ends.

    The empty string stands for "no slug": nothing of the text was left, or only dots and hyphens, which would be a
    path and not a name. The rules are python-slugify's (a comma between digits vanishes, an apostrophe separates), so
    that names agree with those of existing archives; `slug(slug(text)) == slug(text)`.
    """
    # Unidecode drops lone surrogates too, but warns about each of them.
    result = slugify(
        _SURROGATES.sub("", text), regex_pattern=_OTHER_THAN_KEPT, entities=False, decimal=False, hexadecimal=False
    )
    return result if result.strip(".-") else ""


def caption_slug(caption: str | None) -> str:
    """The slug of the caption's first six words (as white space separates them), or the empty string."""
    return slug(" ".join(caption.split()[:CAPTION_WORDS])) if caption else ""


def shorten(name: str, room: int) -> str:
    """A non-empty slug cut to at most `room` characters (at least one), still a slug: never empty, never only dots."""
    if len(name) <= room:
        return name
    cut = name[:room].rstrip("-")
    return cut if cut.strip(".-") else name.lstrip(".-")[:room].rstrip("-")
