"""What a crowd of curators hands in: a seeded mixture of everything that people send to the bot."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import File, FileKind

R = TypeVar("R")

MIB = 1 << 20
LARGE_FROM, LARGE_TO = 21 * MIB, 26 * MIB
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """One message, or the messages of an album, with the files in them (none: text, a command)."""

    curator: Curator
    message_ids: tuple[int, ...]
    files: tuple[File, ...]


class Crowd:
    """Curators who take turns at random; equal seeds hand in the same."""

    def __init__(self, curators: Sequence[Curator], rng: random.Random) -> None:
        self._curators = curators
        self._rng = rng
        self._known: list[File] = []
        self._acts: tuple[tuple[Callable[[Curator], HandedIn], int], ...] = (
            (self._small, 60),
            (self._album, 12),
            (self._again, 10),
            (self._large, 4),
            (self._mixed_album, 2),
            (self._words, 8),
            (self._command, 4),
        )

    def hand_in(self) -> HandedIn:
        """One more message or album from somebody."""
        act = self._pick(self._acts)
        return act(self._rng.choice(self._curators))

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
        command = self._rng.choice(("/status", "/queue", "/quota", "/jobs 12345678", "/unheard_of"))
        return HandedIn(curator=curator, message_ids=(curator.send_text(command),), files=())

    def _small_file(self, curator: Curator) -> File:
        return self._file(curator, self._pick(SMALL), self._rng.randint(1_000, 200_000))

    def _photo(self, curator: Curator) -> File:
        return self._file(curator, FileKind.PHOTO, self._rng.randint(1_000, 200_000))

    def _large_file(self, curator: Curator) -> File:
        return self._file(curator, FileKind.VIDEO, self._rng.randint(LARGE_FROM, LARGE_TO))

    def _file(self, curator: Curator, kind: FileKind, size: int) -> File:
        seed = self._rng.getrandbits(32)
        file = curator.new_file(kind, size, seed=seed, name=f"{seed:08x}.bin")
        self._known.append(file)
        return file

    def _pick(self, weighted: Sequence[tuple[R, int]]) -> R:
        return self._rng.choices([one for one, _ in weighted], [weight for _, weight in weighted])[0]


def _single(curator: Curator, file: File) -> HandedIn:
    return HandedIn(curator=curator, message_ids=(curator.send_media(file),), files=(file,))


def _album(curator: Curator, files: Sequence[File]) -> HandedIn:
    return HandedIn(curator=curator, message_ids=curator.send_album(list(files)), files=tuple(files))
