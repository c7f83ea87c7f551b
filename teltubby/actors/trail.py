"""Lines of the audit trail that nobody waits for: who looked, who was turned away, what teltubby decided by itself."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime

import anyio

from teltubby.actors.wakeup import Wakeup
from teltubby.errors import CannotBeKept
from teltubby.messages.chat import ButtonPress, EditedMessage, Incoming, Unreadable
from teltubby.messages.media import IncomingMessage
from teltubby.messages.trail import RecordTrail, TrailEntry, TrailKind
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
AGAIN_SECONDS = 30.0
LOOK_SECONDS = 600.0
LAST_SECONDS = 2.0
"""What a stop waits for the last lines."""
BATCH = 200
MOST_WAITING = 2000
"""Lines that are kept in memory while the ledger is away."""
MOST_STRANGERS = 200
"""Lines about strangers in an hour; who comes after that is one of the others."""
LONGEST_WORDS = 200
REMEMBERED = 50

OTHERS = "others"
QUESTIONS = frozenset(
    {
        *("start", "help", "status", "quota", "mode", "db_maint", "mtstatus"),
        *("channels", "alerts", "queue", "jobs", "find", "stats", "purge"),
    }
)
"""Commands that look; who gave another kind is written down with what it does. That of a purge is its second step."""
ORDERS = frozenset(("retry", "cancel", "priority"))
"""Written down by the ledger in the transaction that obeys or refuses them."""
NOT_BEGUN = frozenset(("mtlogin", "mtcode", "mtpass", "track", "untrack", "report"))
"""Written down before they are begun; what comes to nothing before that is written down here."""


class Trail:
    """Keeps lines until the ledger has them; no method but `keep` and `aclose` waits, and none raises.

    A line may be lost with the process, within the moment until it is written; and written twice, where the ledger's
    answer was lost. One that no database keeps is logged instead. While the ledger is away so many are kept, then the
    newest are counted instead.
    """

    def __init__(self, *, ledger: Ref[RecordTrail], clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._waiting: deque[TrailEntry] = deque()
        self._lost = 0
        self._hour: datetime | None = None
        self._strangers: Counter[tuple[int | None, str]] = Counter()
        """Who came in this hour, and how often since the line about it."""
        self._written: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._bell = Wakeup()
        self._is_away = False
        self._alone = 0
        """Lines that are written one by one, as there is one among them that the ledger cannot keep."""

    # -- what is written down

    def decided(self, command: str, detail: str, *, job_id: str | None = None) -> None:
        """teltubby did, or found, this by itself."""
        self._add(TrailKind.DECISION, None, command, detail=detail, job_id=job_id)

    def wrote(self, message: IncomingMessage) -> None:
        """What came of this command is in the trail already."""
        self._written.append((message.chat_id, message.message_id))

    def answered(self, message: IncomingMessage, name: str, words: Sequence[str], *, understood: bool) -> None:
        """A command was answered; what is done in `words` may be anything, but no secret."""
        if (message.chat_id, message.message_id) in self._written or (name in ORDERS and understood):
            return
        user_id = message.chat_id if message.sender_id is None else message.sender_id
        name = name.removesuffix("!")  # a secret that was miswritten
        if name in QUESTIONS and understood:
            said = " ".join(words)[:LONGEST_WORDS] or None
            is_code = name == "purge" and said != "confirm"
            self._add(TrailKind.QUESTION, user_id, name, detail="confirmed" if is_code else said)
        elif name in QUESTIONS | ORDERS | NOT_BEGUN:
            kind = TrailKind.QUESTION if name in QUESTIONS else TrailKind.COMMAND
            why = "not begun" if understood else "not understood"
            self._add(kind, user_id, name, accepted=False, detail=why)
        else:  # whatever it was: a misspelt command may have a secret behind it
            self._add(TrailKind.QUESTION, user_id, "unknown", accepted=False)

    def pressed(self, press: ButtonPress, command: str, detail: str, *, accepted: bool = True) -> None:
        """Somebody looked at something by a button."""
        self._add(TrailKind.QUESTION, press.user_id, command, accepted=accepted, detail=detail)

    def turned_away(self, incoming: Incoming) -> None:
        """Somebody who is not let in: a line for the first time in an hour, and one for all others at its end."""
        self._close_hour()
        who = _stranger(incoming)
        if who not in self._strangers:
            if len(self._strangers) >= MOST_STRANGERS:
                who = (None, OTHERS)
            if who not in self._strangers:
                self._strangers[who] = 0
                self._add(TrailKind.STRANGER, who[0], who[1], accepted=False)
                return
        self._strangers[who] += 1

    # -- how it gets there

    async def keep(self) -> None:
        """Write what there is, as soon as the ledger can, until cancelled."""
        while True:
            self._close_hour()
            while self._waiting:
                if not await self._write():
                    await anyio.sleep(AGAIN_SECONDS)  # whatever rings: a ledger in trouble is left in peace
            await self._bell.wait(at_most=LOOK_SECONDS)

    async def aclose(self) -> None:
        """Write what is left, if that takes no longer than a stop can wait."""
        self._tell_strangers()
        with anyio.move_on_after(LAST_SECONDS):
            while self._waiting and await self._write():
                pass
        if self._waiting:
            _LOG.warning("%d lines of the audit trail are lost: the ledger is away", len(self._waiting) + self._lost)

    async def _write(self) -> bool:
        """Whether the oldest lines can be let go of now, or be written in another way at once."""
        batch = tuple(self._waiting)[: 1 if self._alone else BATCH]
        try:
            await self._ledger.ask(RecordTrail(entries=batch), within=ASK_SECONDS)
        except CannotBeKept as error:
            if len(batch) > 1:
                self._alone = len(batch)
                return True
            _LOG.error("a line of the audit trail (%s %s) is dropped: %s", batch[0].kind, batch[0].command, error)
        except (SupervisionError, TimeoutError) as error:
            if not self._is_away:
                _LOG.warning("the audit trail waits for the ledger: %s", str(error) or "no answer in time")
            self._is_away = True
            return False
        self._is_away = False
        for _ in batch:
            self._waiting.popleft()
        self._alone = max(self._alone - 1, 0)
        if self._lost:
            lost, self._lost = self._lost, 0
            self.decided("trail", f"{lost} lines were lost: the ledger was away for long")
        return True

    def _add(
        self,
        kind: TrailKind,
        user_id: int | None,
        command: str,
        *,
        accepted: bool = True,
        detail: str | None = None,
        job_id: str | None = None,
        times: int = 1,
    ) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        entry = TrailEntry(
            at=self._clock(),
            kind=kind,
            user_id=user_id,
            command=command,
            accepted=accepted,
            detail=None if detail is None else clean(detail),
            job_id=job_id,
            times=times,
        )
        self._waiting.append(entry)
        self._bell.ring()

    def _close_hour(self) -> None:
        hour = self._clock().replace(minute=0, second=0, microsecond=0)
        if self._hour not in (None, hour):
            self._tell_strangers()
        self._hour = hour

    def _tell_strangers(self) -> None:
        for (user_id, what), times in self._strangers.items():
            if times:
                self._add(TrailKind.STRANGER, user_id, what, accepted=False, detail="again", times=times)
        self._strangers.clear()


def clean(text: str) -> str:
    """The text as it may be written down: without the secrets of this process, and of what the database can keep."""
    return SupervisionError.scrub(text).encode(errors="replace").decode()


def _stranger(incoming: Incoming) -> tuple[int | None, str]:
    """Who it is, and what was sent where: a word of a few, whatever was sent."""
    match incoming:
        case ButtonPress():
            return incoming.user_id, f"button {_place(incoming.chat_type)}"
        case EditedMessage(message=message):
            return message.sender_id, f"edit {_place(message.chat_type)}"
        case Unreadable():
            what = "button" if incoming.press_id is not None else "edit" if incoming.edited else "message"
            return incoming.sender_id, f"{what} {_place(incoming.chat_type)}"
        case IncomingMessage() as message:
            is_command = (message.text or "").startswith("/")
            return message.sender_id, f"{'command' if is_command else 'message'} {_place(message.chat_type)}"


def _place(chat_type: str | None) -> str:
    return "in private" if chat_type in ("private", None) else "in a group"
