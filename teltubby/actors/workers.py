"""The workers as the bot knows them: from what they said, or say when they are asked. In memory only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import anyio

from teltubby.actors.chat import Answer
from teltubby.actors.order_sent import send_order
from teltubby.actors.phrases import workers as words
from teltubby.archive.lateness import comes_late
from teltubby.messages.control import DescribeWorkers
from teltubby.messages.queue import SendOrder
from teltubby.messages.session import SessionState
from teltubby.messages.workers import WorkerStanding
from teltubby.supervision import Ref, Signal

_LOG = logging.getLogger(__name__)

BROKER_SECONDS = 10.0
ANSWER_SECONDS = 3.0
"""A worker whose link works answers in milliseconds."""
OTHERS_SECONDS = 1.0
"""After the first answer of workers that nobody knew: there may be more."""


@dataclass(frozen=True, slots=True)
class _Heard:
    standing: WorkerStanding
    at: datetime
    """By our clock."""
    asked: int
    """How many times all had been asked by then."""


class Workers:
    """What each worker said last, by its place; `missing` says why this process fetches no large files, if so."""

    def __init__(self, *, queue: Ref[SendOrder], missing: str | None, clock: Callable[[], datetime]) -> None:
        self._queue = queue
        self._missing = missing
        self._clock = clock
        self._heard: dict[str, _Heard] = {}
        self._left: set[str] = set()
        self._asked = 0
        self._settled = 0
        """Which asking of all was over last: one that is under way says nothing yet of who answers."""
        self._changed = Signal()

    @property
    def missing(self) -> str | None:
        """Why there can be no worker in this process, in words; None where there can, or where it runs elsewhere."""
        return self._missing

    @property
    def known(self) -> tuple[WorkerStanding, ...]:
        """Each that was heard, by its place."""
        return tuple(self._heard[place].standing for place in sorted(self._heard))

    @property
    def answering(self) -> tuple[WorkerStanding, ...]:
        """Those that answered when all were asked last."""
        return tuple(each for each in self.known if self._has_answered(each.place))

    @property
    def silent(self) -> tuple[tuple[WorkerStanding, datetime], ...]:
        """Those that did not, and when they were heard last, by our clock."""
        heard = (self._heard[each.place] for each in self.known if not self._has_answered(each.place))
        return tuple((each.standing, each.at) for each in heard)

    @property
    def left(self) -> Collection[str]:
        """The places of those that ended as they were told to, and did not come back."""
        return self._left

    @property
    def were_asked(self) -> bool:
        """Whether all were asked by this process, so that each that runs was heard."""
        return self._asked > 0

    @property
    def collect_nothing(self) -> bool:
        """Whether none of them has a collector of channels, as far as that is known: each was heard, and says so."""
        if not self._heard:
            return self._missing is not None
        return self.were_asked and all(each.collects is False for each in self.known)

    def note(self, standing: WorkerStanding) -> bool:
        """A worker says how it stands; answers whether it is news, and does not come late.

        Each process has a key of its own: another one at the same place is the same worker, started anew. One that
        leaves is known no longer.
        """
        known = None if standing.place not in self._heard else self._heard[standing.place].standing
        is_same = known is not None and known.public_key == standing.public_key
        if known is not None and is_same and comes_late(standing.at, known.at, now=self._clock()):
            return False
        if standing.leaves:
            if is_same:
                del self._heard[standing.place]
            self._left.add(standing.place)
            return False
        self._left.discard(standing.place)
        self._heard[standing.place] = _Heard(standing, self._clock(), self._asked)
        self._changed.notify()
        return True

    async def ask(self, *, others: bool = False) -> bool:
        """Have all say how they stand, and wait for those that are known, and a moment for `others` (which it is anyway
        where none is known); False where the broker is away.
        """
        expected = set(self._heard)
        self._asked += 1
        mine = self._asked
        is_reached = await send_order(self._queue, DescribeWorkers(), within=BROKER_SECONDS)
        if is_reached:
            with anyio.move_on_after(ANSWER_SECONDS):
                while not self._have_answered(mine, expected):
                    await self._changed.wait()
                if others or not expected:
                    await anyio.sleep(OTHERS_SECONDS)
        self._settled = max(self._settled, mine)
        return is_reached

    async def describe(self) -> str:
        """How large files are fetched, in one line of plain words."""
        if self._missing is not None:
            return self._missing
        if not self._heard:
            await self.ask()
        return words.in_short(self.known)

    def obstacle(self) -> str | None:
        """Why nobody fetches large files at present, in a line of plain words; None where somebody does, or where that
        is not known yet. Asks nobody.
        """
        if self._missing is not None and not self._heard:
            return self._missing
        if not self._heard and not self._settled:
            return None
        there = self.answering
        sessions = [session for worker in there for session in worker.sessions if session.in_use]
        if any(session.state is SessionState.READY for session in sessions):
            return None
        return words.in_short(there) if there or not self._heard else words.NO_ANSWER

    async def status(self) -> Answer:
        """All of it, and what to do where there is trouble."""
        if self._missing is not None and not self._heard:
            return Answer(html=words.mtproto_missing(self._missing))
        is_reached = await self.ask()
        seen = [
            words.SeenWorker(
                standing=heard.standing, heard_at=heard.at, is_silent=is_reached and not self._has_answered(place)
            )
            for place, heard in sorted(self._heard.items())
        ]
        html = words.workers_text(seen, now=self._clock(), is_reached=is_reached)
        return Answer(html=html)

    def _has_answered(self, place: str) -> bool:
        heard = self._heard.get(place)
        return heard is not None and heard.asked >= self._settled

    def _have_answered(self, asked: int, expected: Collection[str]) -> bool:
        """Whether these have, and anybody."""
        answered = {place for place, heard in self._heard.items() if heard.asked >= asked}
        return bool(answered) and answered.issuperset(expected)
