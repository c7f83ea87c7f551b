"""Which message ids of a seeded channel exist and what stands there: a pattern from a seed, repeated without end. Pure.

Counting and finding the n-th message costs the same in a channel of a million posts as in one of a hundred.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache
from random import Random

PERIOD = 4096


class Kind(StrEnum):
    """What a seeded message is."""

    SERVICE = auto()
    TEXT = auto()
    LINKS = auto()
    REPLY = auto()
    FORWARD = auto()
    ALBUM = auto()
    PHOTO = auto()
    VIDEO = auto()
    DOCUMENT = auto()
    AUDIO = auto()
    VOICE = auto()
    VIDEO_NOTE = auto()
    ANIMATION = auto()
    STICKER = auto()
    POLL = auto()
    LOCATION = auto()
    VENUE = auto()
    CONTACT = auto()
    WEB_PAGE = auto()
    UNSUPPORTED = auto()


SHARES = {
    Kind.TEXT: 28,
    Kind.LINKS: 14,
    Kind.REPLY: 8,
    Kind.FORWARD: 8,
    Kind.PHOTO: 12,
    Kind.VIDEO: 6,
    Kind.DOCUMENT: 4,
    Kind.AUDIO: 2,
    Kind.VOICE: 2,
    Kind.VIDEO_NOTE: 1,
    Kind.ANIMATION: 2,
    Kind.STICKER: 1,
    Kind.POLL: 2,
    Kind.LOCATION: 1,
    Kind.VENUE: 1,
    Kind.CONTACT: 1,
    Kind.WEB_PAGE: 2,
    Kind.UNSUPPORTED: 1,
}
GAPS, ALBUMS, SERVICES = 0.06, 0.04, 0.01


@dataclass(frozen=True, slots=True)
class Slot:
    """What stands at an id; an album's part knows how far behind its first one it is."""

    kind: Kind
    behind: int = 0


class Layout:
    """The ids of a channel with `posts` messages; id 1 is always there, and gaps are what was deleted long ago."""

    def __init__(self, seed: int, posts: int) -> None:
        self._slots = _pattern(seed)
        self._places = [place for place, slot in enumerate(self._slots) if slot is not None]
        self.posts = posts
        self.last_id = self.id_at(posts - 1) if posts else 0

    def slot(self, message_id: int) -> Slot | None:
        """What stands at an id; None for a gap, and for what is no id of the channel."""
        if not 1 <= message_id <= self.last_id:
            return None
        return self._slots[(message_id - 1) % PERIOD]

    def id_at(self, place: int) -> int:
        """The id of the message at a place from 0."""
        rounds, rest = divmod(place, len(self._places))
        return rounds * PERIOD + self._places[rest] + 1

    def below(self, message_id: int) -> int:
        """How many messages have a smaller id."""
        if message_id <= 1:
            return 0
        rounds, rest = divmod(message_id - 2, PERIOD)
        return min(self.posts, rounds * len(self._places) + bisect_right(self._places, rest))

    def text_before(self, message_id: int) -> int | None:
        """The id of the nearest earlier message that is only text."""
        for earlier in range(message_id - 1, max(0, message_id - PERIOD), -1):
            slot = self.slot(earlier)
            if slot is not None and slot.kind is Kind.TEXT:
                return earlier
        return None


@lru_cache(maxsize=16)
def _pattern(seed: int) -> list[Slot | None]:
    dice = Random(seed)
    slots: list[Slot | None] = [Slot(Kind.SERVICE), Slot(Kind.TEXT)]
    kinds, shares = list(SHARES), list(SHARES.values())
    while len(slots) < PERIOD:
        choice = dice.random()
        room = PERIOD - len(slots)
        if choice < GAPS:
            slots.extend([None] * min(dice.choice((1, 1, 1, 2, 3, 40)), room))
        elif choice < GAPS + ALBUMS and room >= 10:
            slots.extend(Slot(Kind.ALBUM, behind) for behind in range(dice.randint(2, 10)))
        elif choice < GAPS + ALBUMS + SERVICES:
            slots.append(Slot(Kind.SERVICE))
        else:
            slots.append(Slot(dice.choices(kinds, shares)[0]))
    return slots
