"""The backlog: what waits in the inbox, sorted so that nobody waits behind what need not come first."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from teltubby.messages.chat import ButtonPress, EditedMessage, Incoming, Unreadable
from teltubby.messages.ledger import InboxGroup
from teltubby.messages.media import IncomingMessage

Ids = tuple[int, ...]
"""The updates of a group."""
MessageKey = tuple[int, int]
"""Chat and message id."""


class Lane(StrEnum):
    """Each chat has one of each kind, and they do not wait for each other."""

    QUICK = "quick"
    """Commands, pressed buttons, and whatever needs an answer only, or none."""
    FILES = "files"
    EDITS = "edits"


AT_ONCE: Mapping[Lane, int] = {Lane.QUICK: 8, Lane.FILES: 32, Lane.EDITS: 1}
"""Groups of a chat that are dealt with at once. Of files more than are fetched at once: some only wait for an answer
that Telegram holds back, and yet a thousand of them must not all be in memory, nor ask the ledger, at the same time.
Edits one after the other: Telegram tells their times in whole seconds, and of two within one the order of coming
decides."""


Place = tuple[Lane, int | None]
"""The lane of a chat."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one update is, without what it brings."""

    lane: Lane
    chat_id: int | None
    message: MessageKey | None


class Backlog:
    """Open groups of the inbox, and which of them may be begun now; holds no task and asks nobody.

    An album gathers for `album_seconds` since its newest item was seen. Seen by this process, on its own clock: the
    wall clock may be set back, and after a restart an album that was complete waits once more, which harms nobody.
    """

    def __init__(self, look: Callable[[str], Incoming | None], *, album_seconds: float) -> None:
        self._look = look
        self._album_seconds = album_seconds
        self._sights: dict[int, _Sight] = {}
        self._seen_at: dict[Ids, float] = {}
        self._waiting: dict[Place, list[InboxGroup]] = {}
        self._running: Counter[Place] = Counter()
        self._under_way: dict[Ids, Place] = {}
        self._expected: Counter[MessageKey] = Counter()
        """Messages with files that wait or are under way."""
        self._closed: set[int] = set()
        self._held: set[Ids] = set()
        self._not_before: dict[Ids, float] = {}
        self._grown = False
        """Whether more has come for a group that is under way."""

    def asking(self) -> None:
        """The inbox is about to be asked; its answer may be older than what ends meanwhile."""
        self._closed.clear()

    def learn(self, groups: Sequence[InboxGroup], now: float) -> bool:
        """This is open in the inbox, oldest first; answers whether it has to be asked again, being overtaken."""
        open_ids = {update_id for group in groups for update_id in group.update_ids}
        self._sights = {update_id: sight for update_id, sight in self._sights.items() if update_id in open_ids}
        self._seen_at = {group.update_ids: self._seen_at.get(group.update_ids, now) for group in groups}
        self._held &= self._seen_at.keys()
        self._not_before = {ids: at for ids, at in self._not_before.items() if ids in self._seen_at}
        under_way = set[int]().union(*self._under_way)
        waiting: defaultdict[Place, list[InboxGroup]] = defaultdict(list)
        self._expected.clear()
        self._grown = overtaken = False
        for group in groups:
            place = self._place(group)
            if place[0] is Lane.FILES:
                self._expected.update(self._messages(group))
            if under_way.isdisjoint(group.update_ids) and self._closed.isdisjoint(group.update_ids):
                waiting[place].append(group)
            elif not (under_way | self._closed).issuperset(group.update_ids):
                self._grown |= not under_way.isdisjoint(group.update_ids)
                overtaken |= under_way.isdisjoint(group.update_ids)
        self._waiting = dict(waiting)
        return overtaken

    def age(self, ids: Ids, now: float) -> float:
        """Seconds since this group was first seen."""
        return now - self._seen_at.get(ids, now)

    def hold(self, ids: Ids) -> None:
        """This one waits until there is room in the archive."""
        self._held.add(ids)

    def delay(self, ids: Ids, until: float) -> None:
        """This one is not begun before."""
        self._not_before[ids] = until

    def begin(self, now: float, *, full: bool) -> tuple[list[InboxGroup], float]:
        """The groups to deal with now, which are under way from here on, and the seconds until others are due."""
        begun: list[InboxGroup] = []
        wait = math.inf
        if not full:
            self._held.clear()
        for place, groups in self._waiting.items():
            left: list[InboxGroup] = []
            for at, group in enumerate(groups):
                if self._running[place] >= AT_ONCE[place[0]]:
                    left += groups[at:]
                    break
                due_in = self._due_in(group, place[0], now)
                if due_in > 0:
                    wait = min(wait, due_in)
                if due_in > 0 or group.update_ids in self._held or self._awaits(group, place[0]):
                    left.append(group)
                else:
                    begun.append(group)
                    self._running[place] += 1
                    self._under_way[group.update_ids] = place
            self._waiting[place] = left
        return begun, wait

    def end(self, group: InboxGroup) -> bool:
        """This one is not under way any more; answers whether the inbox has to be asked to know what comes next."""
        ids = group.update_ids
        place = self._under_way.pop(ids)
        self._running[place] -= 1
        self._closed.update(ids)
        if place[0] is Lane.FILES:
            self._expected.subtract(self._messages(group))
        return self._grown or ids in self._held or ids in self._not_before

    def _due_in(self, group: InboxGroup, lane: Lane, now: float) -> float:
        gathers = group.media_group_id is not None and lane is Lane.FILES
        complete_in = self._album_seconds - self.age(group.update_ids, now) if gathers else 0.0
        return max(complete_in, self._not_before.get(group.update_ids, -math.inf) - now)

    def _awaits(self, group: InboxGroup, lane: Lane) -> bool:
        """Whether it edits a message that is not archived yet, but will be."""
        return lane is Lane.EDITS and any(self._expected[key] > 0 for key in self._messages(group))

    def _messages(self, group: InboxGroup) -> Iterator[MessageKey]:
        for update_id in group.update_ids:
            if (sight := self._sights.get(update_id)) is not None and sight.message is not None:
                yield sight.message

    def _place(self, group: InboxGroup) -> Place:
        each = zip(group.update_ids, group.payloads, strict=True)
        sights = [self._sight(update_id, payload) for update_id, payload in each]
        lanes = {sight.lane for sight in sights}
        lane = next((lane for lane in (Lane.FILES, Lane.EDITS) if lane in lanes), Lane.QUICK)
        return lane, sights[0].chat_id

    def _sight(self, update_id: int, payload: str) -> _Sight:
        known = self._sights.get(update_id)
        if known is None:
            known = self._sights[update_id] = _sight_of(self._look(payload))
        return known


def _sight_of(incoming: Incoming | None) -> _Sight:
    match incoming:
        case IncomingMessage(chat_id=chat_id, message_id=message_id, media=media):
            lane = Lane.QUICK if media is None else Lane.FILES
            return _Sight(lane, chat_id, (chat_id, message_id))
        case EditedMessage(message=message):
            return _Sight(Lane.EDITS, message.chat_id, (message.chat_id, message.message_id))
        case ButtonPress(user_id=user_id):
            return _Sight(Lane.QUICK, user_id, None)
        case Unreadable(chat_id=chat_id):
            return _Sight(Lane.QUICK, chat_id, None)
        case None:
            return _Sight(Lane.QUICK, None, None)
