"""Which files of a channel's posts are archived: `/track @name media=photo,video max=500MB since=2024-01-01`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from teltubby.archive.findable import searchable
from teltubby.archive.timestamps import in_utc
from teltubby.messages.collected import CollectedMedia, Post
from teltubby.messages.collector import MediaFilter

FILES = (
    CollectedMedia.PHOTO,
    CollectedMedia.VIDEO,
    CollectedMedia.DOCUMENT,
    CollectedMedia.AUDIO,
    CollectedMedia.VOICE,
    CollectedMedia.VIDEO_NOTE,
    CollectedMedia.ANIMATION,
    CollectedMedia.STICKER,
)
"""What of a post's media is a file that can be archived."""

ALL = "all"
WORDS = 20
WORD_CHARACTERS = 64
TOPICS = 100
"""How many words and topics a filter may name, and how long a word may be."""

EXAMPLE = "media=photo,video max=500MB min=10KB since=2024-01-01 until=2024-12-31 words=cats,dogs topics=1,2"

LARGEST = 2**31 - 1
"""A topic is called by the id of a message."""

FIRST_YEAR = 1970
"""Telegram's dates are seconds since then."""

_DAY = timedelta(days=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_UNITS = ("", "k", "m", "g", "t")


@dataclass(slots=True)
class _Wishes:
    """What was read so far."""

    kinds: tuple[CollectedMedia, ...] = ()
    max_bytes: int | None = None
    min_bytes: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: tuple[str, ...] = ()
    topics: tuple[int, ...] = ()
    named: set[str] = field(default_factory=set)


def read_filter(words: Sequence[str]) -> MediaFilter | None:
    """What is written behind a channel's name, each word `name=value`; None where nothing is.

    Kinds are those of CollectedMedia that are files, or `all`; sizes have units of 1000 (`500MB`, `1.5GB`) or of 1024
    (`20MiB`); days are UTC's, `until` is the last one; times of day are written `2024-01-01T12:00`. Raises ValueError
    with a sentence (no full stop) for a person.
    """
    if not words:
        return None
    read = _Wishes()
    for word in words:
        name, separator, value = word.partition("=")
        reader = _READERS.get(name.lower())
        if reader is None or not separator:
            raise ValueError(f"“{_clipped(word)}” is not understood: write, for example, {EXAMPLE}")
        if name.lower() in read.named:
            raise ValueError(f"{name.lower()}= is written twice")
        if not value:
            raise ValueError(f"nothing is written behind {name.lower()}=")
        read.named.add(name.lower())
        reader(read, value)
    if not read.kinds:
        raise ValueError("say which files are wanted, for example media=photo,video, or media=all")
    if read.min_bytes is not None and read.max_bytes is not None and read.min_bytes > read.max_bytes:
        raise ValueError("min= is more than max=, so no file would fit")
    if read.since is not None and read.until is not None and read.since >= read.until:
        raise ValueError("since= is later than until=, so no file would fit")
    return MediaFilter(
        kinds=read.kinds,
        max_bytes=read.max_bytes,
        min_bytes=read.min_bytes,
        since=read.since,
        until=read.until,
        words=read.words,
        topics=read.topics,
    )


def accepts(wanted: MediaFilter, post: Post) -> bool:
    """Whether this post's file is to be archived.

    Never what its owner protects, nor what is deleted or has no file that could be asked for (paid and not bought, or
    destroyed). A size that Telegram does not tell fits no limit. `since` is the first moment, `until` the first that
    is too late.
    """
    media = post.media
    if media is None or media.kind not in wanted.kinds or media.kind not in FILES or media.document_id is None:
        return False
    if post.protected or post.deleted_at is not None:
        return False
    size = media.size_bytes
    if wanted.max_bytes is not None and (size is None or size > wanted.max_bytes):
        return False
    if wanted.min_bytes is not None and (size is None or size < wanted.min_bytes):
        return False
    date = in_utc(post.date)
    if wanted.since is not None and date < in_utc(wanted.since):
        return False
    if wanted.until is not None and date >= in_utc(wanted.until):
        return False
    if wanted.topics and post.topic_id not in wanted.topics:
        return False
    text = _folded(post.text)
    return not wanted.words or any(_folded(word) in text for word in wanted.words)


def describe(wanted: MediaFilter) -> str:
    """The filter in words, as plain text: `photo, video · up to 500 MB · since 2024-01-01 · with “cats” or “dogs”`."""
    every = set(wanted.kinds) >= set(FILES)
    told = ["all files" if every else ", ".join(kind.value.replace("_", " ") for kind in wanted.kinds)]
    if wanted.min_bytes is not None:
        told.append(f"from {_size_words(wanted.min_bytes)}")
    if wanted.max_bytes is not None:
        told.append(f"up to {_size_words(wanted.max_bytes)}")
    if wanted.since is not None:
        told.append(f"since {_since_words(wanted.since)}")
    if wanted.until is not None:
        told.append(_until_words(wanted.until))
    if wanted.words:
        told.append("with " + " or ".join(f"“{word}”" for word in wanted.words))
    if wanted.topics:
        told.append(f"topic{'' if len(wanted.topics) == 1 else 's'} " + ", ".join(map(str, wanted.topics)))
    return " · ".join(told)


# -- reading


def _media(read: _Wishes, value: str) -> None:
    if value.lower() == ALL:
        read.kinds = FILES
        return
    kinds = {kind.value: kind for kind in FILES}
    found: list[CollectedMedia] = []
    for name in _listed(value):
        one = name.lower().replace("-", "_")
        kind = kinds.get(one) or kinds.get(one.removesuffix("s"))
        if kind is None:
            raise ValueError(f"“{_clipped(name)}” is no kind of file: {', '.join(kinds)}, or {ALL}")
        found.append(kind)
    read.kinds = tuple(kind for kind in FILES if kind in found)


def _max(read: _Wishes, value: str) -> None:
    read.max_bytes = _bytes(value)


def _min(read: _Wishes, value: str) -> None:
    read.min_bytes = _bytes(value)


def _bytes(value: str) -> int:
    found = _SIZE.fullmatch(value)
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"“{_clipped(value)}” is no size: write it like 500MB or 1.5GB")
    unit = (1024 if found[3] else 1000) ** _UNITS.index(found[2].lower())
    count = int(Decimal(found[1]) * unit)
    if count >= 2**63:
        raise ValueError(f"“{_clipped(value)}” is more than any file has")
    return count


def _since(read: _Wishes, value: str) -> None:
    read.since = _moment(value)


def _until(read: _Wishes, value: str) -> None:
    try:
        read.until = _moment(value) + (_DAY if _DATE.fullmatch(value) else timedelta())
    except OverflowError:
        raise ValueError(f"“{_clipped(value)}” is further than calendars go") from None


def _moment(value: str) -> datetime:
    try:
        moment = in_utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise ValueError(f"“{_clipped(value)}” is no day: write it like 2024-01-31, or 2024-01-31T12:00") from None
    if moment.year < FIRST_YEAR:
        raise ValueError(f"“{_clipped(value)}” is before all messages")
    return moment


def _words(read: _Wishes, value: str) -> None:
    found = tuple(dict.fromkeys(_listed(value)))
    if len(found) > WORDS or any(len(word) > WORD_CHARACTERS for word in found):
        raise ValueError(f"at most {WORDS} words are looked for, each of at most {WORD_CHARACTERS} characters")
    read.words = found


def _topics(read: _Wishes, value: str) -> None:
    found: list[int] = []
    for number in _listed(value):
        if not (number.isascii() and number.isdecimal() and len(number) <= len(str(LARGEST))):
            raise ValueError(f"“{_clipped(number)}” is no topic: they are called by number, topics=1,2")
        if not 0 < int(number) <= LARGEST:
            raise ValueError(f"there is no topic {int(number)}")
        found.append(int(number))
    if len(found) > TOPICS:
        raise ValueError(f"at most {TOPICS} topics can be named")
    read.topics = tuple(dict.fromkeys(found))


_READERS: Mapping[str, Callable[[_Wishes, str], None]] = {
    "media": _media,
    "max": _max,
    "min": _min,
    "since": _since,
    "until": _until,
    "words": _words,
    "topics": _topics,
}


def _listed(value: str) -> list[str]:
    found = [entry for entry in (part.strip() for part in value.split(",")) if entry]
    if not found:
        raise ValueError(f"“{_clipped(value)}” names nothing")
    return found


# -- words


def _folded(text: str) -> str:
    return searchable(text).casefold()


def _clipped(text: str) -> str:
    return text if len(text) <= WORD_CHARACTERS else text[: WORD_CHARACTERS - 1] + "…"


def _size_words(count: int) -> str:
    """Exactly, in the largest unit of 1000 that takes at most three digits behind the point; else in bytes."""
    for power in range(len(_UNITS) - 1, 0, -1):
        unit = 1000**power
        if count >= unit and count * 1000 % unit == 0:
            return f"{Decimal(count) / unit:f} {_UNITS[power].upper()}B"
    return f"{count} B"


def _since_words(moment: datetime) -> str:
    at = in_utc(moment)
    return f"{at:%Y-%m-%d}" if _is_midnight(at) else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _until_words(moment: datetime) -> str:
    at = in_utc(moment)
    return f"until {at - _DAY:%Y-%m-%d}" if _is_midnight(at) else f"before {at:%Y-%m-%d %H:%M:%S} UTC"


def _is_midnight(at: datetime) -> bool:
    return (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)
