"""Which of several files is served next, so that none starves another."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

SMALL_FILE_BYTES = 20 * 1024 * 1024
"""The largest file that counts as small: Telegram's clients treat those over 20 MB apart (telegram.md, Limits)."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Lane(Generic[K]):
    """Files of one class; `most` are admitted, each with the turn at which it was admitted or served last."""

    most: int
    admitted: dict[K, int] = field(default_factory=dict)
    waiting: dict[K, None] = field(default_factory=dict)

    def admit(self, turn: int) -> None:
        while self.waiting and len(self.admitted) < self.most:
            file = next(iter(self.waiting))
            del self.waiting[file]
            self.admitted[file] = turn  # not 0: one new file after the other would go before an old one for ever


class Shares(Generic[K]):
    """The files that one data centre serves; at most `small` small and `large` large ones at once, the rest wait.

    First come, first admitted within a class, and no class waits for the other. Among the admitted, whoever has the
    fewest parts in flight is next, then whoever has waited longest, and of those who came together a small file before
    a large one. Raises ValueError for caps below 1, a file that is added twice, and one that it does not know.
    """

    def __init__(self, *, small: int = 5, large: int = 2) -> None:
        if small < 1 or large < 1:
            raise ValueError(f"of each class at least one file must be admitted, not {small} and {large}")
        self._small: _Lane[K] = _Lane(small)
        self._large: _Lane[K] = _Lane(large)
        self._lanes: dict[K, _Lane[K]] = {}
        self._turn = 0

    def add(self, file: K, size: int) -> None:
        """A file of `size` bytes wants to be served from here on."""
        if file in self._lanes:
            raise ValueError(f"{file!r} is here already")
        lane = self._lanes[file] = self._small if size <= SMALL_FILE_BYTES else self._large
        lane.waiting[file] = None
        lane.admit(self._turn)

    def remove(self, file: K) -> None:
        """The file is done with, admitted or not; its place goes to the next of its class."""
        lane = self._lane(file)
        del self._lanes[file]
        if file in lane.waiting:
            del lane.waiting[file]
        else:
            del lane.admitted[file]
            lane.admit(self._turn)

    def admitted(self, file: K) -> bool:
        """Whether it is the file's time; once it is, it stays so until the file is removed."""
        return file in self._lane(file).admitted

    def next(self, wanting: Mapping[K, int]) -> K | None:
        """Who is next of the files that want a part, each given with its parts in flight; None if none is admitted."""
        candidates = [file for file in wanting if self.admitted(file)]
        return min(candidates, key=lambda file: self._rank(file, wanting[file]), default=None)

    def served(self, file: K) -> None:
        """A part of an admitted file was asked for just now."""
        lane = self._lane(file)
        if file not in lane.admitted:
            raise ValueError(f"{file!r} is not admitted yet")
        self._turn += 1
        lane.admitted[file] = self._turn

    def _rank(self, file: K, in_flight: int) -> tuple[int, int, bool]:
        lane = self._lanes[file]
        return in_flight, lane.admitted[file], lane is self._large

    def _lane(self, file: K) -> _Lane[K]:
        if file not in self._lanes:
            raise ValueError(f"{file!r} is not here")
        return self._lanes[file]
