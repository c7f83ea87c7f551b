"""What a crowd of curators hands in: a seeded mixture of everything that people send to the bot."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import File, FileKind

R = TypeVar("R")

MIB = 1 << 20
ABROAD = 4
"""A data centre of Telegram that is nobody's home."""
ABOVE_BOT_API = (21 * MIB, 26 * MIB)
"""Just above what the Bot API serves: the rest of a large file teaches nothing more here."""
SMALL = (
    (FileKind.PHOTO, 4),
    (FileKind.DOCUMENT, 4),
    (FileKind.VOICE, 1),
    (FileKind.STICKER, 1),
    (FileKind.ANIMATION, 1),
    (FileKind.AUDIO, 1),
)
"""Kinds of small files, and how often of each."""
JOB = re.compile(r"\bjob ([0-9a-f]{8})\b")
NO_JOB = "12345678"


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How often people do what (weights), how many bytes the large files have, and what share of them is `abroad`."""

    small: int = 60
    album: int = 12
    again: int = 10
    large: int = 4
    mixed_album: int = 2
    words: int = 8
    command: int = 4
    edit: int = 0
    order: int = 0
    sizes: tuple[int, int] = ABOVE_BOT_API
    abroad: float = 0.0


@dataclass(slots=True, kw_only=True, eq=False)
class HandedIn:
    """One message, or the messages of an album, with the files in them (none: text, a command).

    `edits` is the newest caption of each message that was edited. What `was_ordered` may be cancelled; what
    `was_exchanged` at Telegram, before it was fetched, may have failed for that.
    """

    curator: Curator
    message_ids: tuple[int, ...]
    files: tuple[File, ...]
    edits: dict[int, str] = field(default_factory=dict)
    was_ordered: bool = False
    was_exchanged: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether nothing but the archive is right."""
        return not (self.was_ordered or self.was_exchanged)


class Crowd:
    """Curators who take turns at random; equal seeds hand in the same."""

    def __init__(self, curators: Sequence[Curator], rng: random.Random, habits: Habits | None = None) -> None:
        habits = habits or Habits()
        self._curators = curators
        self._rng = rng
        self._sizes = habits.sizes
        self._abroad = habits.abroad
        self._known: list[File] = []
        self.handed_in: list[HandedIn] = []
        self._acts: tuple[tuple[Callable[[Curator], HandedIn], int], ...] = (
            (self._small, habits.small),
            (self._album, habits.album),
            (self._again, habits.again),
            (self._large, habits.large),
            (self._mixed_album, habits.mixed_album),
            (self._words, habits.words),
            (self._command, habits.command),
            (self._edit, habits.edit),
            (self._order, habits.order),
        )

    def hand_in(self) -> HandedIn:
        """One more message or album from somebody."""
        act = self._pick(self._acts)
        one = act(self._rng.choice(self._curators))
        if one not in self.handed_in:
            self.handed_in.append(one)
        return one

    def _small(self, curator: Curator) -> HandedIn:
        file = self._small_file(curator)
        return _single(curator, file)

    def _large(self, curator: Curator) -> HandedIn:
        return _single(curator, self._large_file(curator))

    def _again(self, curator: Curator) -> HandedIn:
        """A file that was handed in before: forwarded, or its bytes sent anew."""
        if not self._known:
            return self._small(curator)
        file = self._rng.choice(self._known)
        if self._rng.random() < 0.5:
            seed = int(getattr(file.content, "seed"))  # noqa: B009 - contents that are made from a seed have one
            file = curator.new_file(file.kind, file.size, seed=seed, name=file.name)
        return _single(curator, file)

    def _album(self, curator: Curator) -> HandedIn:
        return _album(curator, [self._photo(curator) for _ in range(self._rng.randint(2, 5))])

    def _mixed_album(self, curator: Curator) -> HandedIn:
        """Small and large together."""
        files = [self._photo(curator), self._large_file(curator), self._photo(curator)]
        self._rng.shuffle(files)
        return _album(curator, files)

    def _words(self, curator: Curator) -> HandedIn:
        return HandedIn(curator=curator, message_ids=(curator.send_text("how <are> you & yours?"),), files=())

    def _command(self, curator: Curator) -> HandedIn:
        command = self._rng.choice(("/status", "/queue", "/quota", f"/jobs {NO_JOB}", "/unheard_of"))
        return HandedIn(curator=curator, message_ids=(curator.send_text(command),), files=())

    def _edit(self, curator: Curator) -> HandedIn:
        """Another caption for a file that they handed in before."""
        own = [one for one in self.handed_in if one.curator is curator and one.files]
        if not own:
            return self._small(curator)
        one = self._rng.choice(own)
        message = self._rng.choice(one.message_ids)
        one.edits[message] = f"edited {self._rng.getrandbits(32):08x}"
        curator.edit_caption(message, one.edits[message])
        return one

    def _order(self, curator: Curator) -> HandedIn:
        """/cancel or /retry of one of their jobs, as far as they have heard of any."""
        lines = [line for line in curator.conversation() if line.from_bot and JOB.search(line.text)]
        verb = self._rng.choice(("cancel", "cancel", "retry"))
        job = NO_JOB
        if lines:
            line = self._rng.choice(lines)
            job = "".join(JOB.findall(line.text)[:1])
            for one in self.handed_in:
                one.was_ordered |= one.curator is curator and line.reply_to in one.message_ids
        message = curator.send_text(f"/{verb} {job}")
        return HandedIn(curator=curator, message_ids=(message,), files=())

    def _small_file(self, curator: Curator) -> File:
        return self._file(curator, self._pick(SMALL), self._rng.randint(1_000, 200_000))

    def _photo(self, curator: Curator) -> File:
        return self._file(curator, FileKind.PHOTO, self._rng.randint(1_000, 200_000))

    def _large_file(self, curator: Curator) -> File:
        size = self._rng.randint(*self._sizes)
        is_abroad = self._abroad > 0.0 and self._rng.random() < self._abroad
        return self._file(curator, FileKind.VIDEO, size, dc=ABROAD if is_abroad else None)

    def _file(self, curator: Curator, kind: FileKind, size: int, *, dc: int | None = None) -> File:
        seed = self._rng.getrandbits(32)
        file = curator.new_file(kind, size, seed=seed, name=f"{seed:08x}.bin", dc=dc)
        self._known.append(file)
        return file

    def _pick(self, weighted: Sequence[tuple[R, int]]) -> R:
        return self._rng.choices([one for one, _ in weighted], [weight for _, weight in weighted])[0]


def _single(curator: Curator, file: File) -> HandedIn:
    return HandedIn(curator=curator, message_ids=(curator.send_media(file),), files=(file,))


def _album(curator: Curator, files: Sequence[File]) -> HandedIn:
    return HandedIn(curator=curator, message_ids=curator.send_album(list(files)), files=tuple(files))
