"""One session of a client: which messages it sent, which answers it is owed. Pure: no I/O, time is a parameter.

The rules are those of core.telegram.org/mtproto/service_messages_about_messages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

TOO_OLD_SECONDS = 300
TOO_NEW_SECONDS = 30
REMEMBERED_MESSAGES = 1024
REMEMBERED_ANSWERS = 512
# Larger answers are not kept for a repeated question: a client that lost one asks for that part again.
REPEATABLE_BYTES = 64 * 1024
SMALL_BYTES = 16 * 1024
BATCH_BYTES = 64 * 1024
BATCH_MESSAGES = 100


class BadMessage(IntEnum):
    """Codes of bad_msg_notification."""

    MSG_ID_TOO_LOW = 16
    MSG_ID_TOO_HIGH = 17
    MSG_ID_NOT_DIVISIBLE_BY_4 = 18
    CONTAINER_ID_REUSED = 19
    TOO_OLD_TO_TELL = 20
    SEQNO_TOO_LOW = 32
    SEQNO_TOO_HIGH = 33
    EVEN_SEQNO_EXPECTED = 34
    ODD_SEQNO_EXPECTED = 35
    WRONG_SALT = 48
    INVALID_CONTAINER = 64


class Received(IntEnum):
    """What the server knows of a client's message, in msgs_state_info; ACKNOWLEDGED and ANSWERED are added as flags."""

    UNKNOWN = 1
    NOT_RECEIVED = 2
    NOT_YET = 3
    RECEIVED = 4
    PROCESSING = 32
    ANSWERED = 64


@dataclass(slots=True, kw_only=True, eq=False)
class Outgoing:
    """A message to the client; number and seqno are given to it when it is first sent, and kept when it is repeated.

    `due` is the event loop's time at which it could leave, had the server nothing else to do; 0 is whenever it is seen.
    """

    body: Sequence[bytes | memoryview]
    content_related: bool
    answers: int | None = None
    due: float = 0.0
    msg_id: int = 0
    seqno: int = 0
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.body))

    @property
    def is_repeatable(self) -> bool:
        """Whether it is small enough to be kept until the client has acknowledged it."""
        return self.size <= REPEATABLE_BYTES


FORGOTTEN = Outgoing(body=(), content_related=True)


class Session:
    """The state of one (auth key, session id). `wake` is set while a connection carries it, and tells that to send."""

    def __init__(self, session_id: int) -> None:
        self.id = session_id
        self.announced = False
        self.wants_updates = False
        self.wake: Callable[[], None] | None = None
        self.outbox: deque[Outgoing] = deque()
        # Questions in order of arrival with their answers; None while one is being worked on.
        self.answers: OrderedDict[int, Outgoing | None] = OrderedDict()
        self.failed: deque[int] = deque(maxlen=REMEMBERED_ANSWERS)
        self._unacknowledged: OrderedDict[int, Outgoing] = OrderedDict()
        self._received: list[tuple[int, int]] = []
        self._forgotten_below = 0
        self._sent_content = 0
        self._last_msg_id = 0

    # -- what comes in

    def check(self, msg_id: int, seqno: int, now: float) -> BadMessage | None:
        """Why a new message cannot be accepted, or None. Whether seqno's parity fits its content is not asked here."""
        if msg_id % 4:
            return BadMessage.MSG_ID_NOT_DIVISIBLE_BY_4
        sent_at = msg_id / 2**32
        if sent_at < now - TOO_OLD_SECONDS:
            return BadMessage.MSG_ID_TOO_LOW
        if sent_at > now + TOO_NEW_SECONDS:
            return BadMessage.MSG_ID_TOO_HIGH
        if msg_id <= self._forgotten_below:
            return BadMessage.TOO_OLD_TO_TELL
        place = bisect_left(self._received, (msg_id,))
        if place and _out_of_order(self._received[place - 1][1], seqno):
            return BadMessage.SEQNO_TOO_LOW
        if place < len(self._received) and _out_of_order(seqno, self._received[place][1]):
            return BadMessage.SEQNO_TOO_HIGH
        return None

    def has_received(self, msg_id: int) -> bool:
        """Whether a message of that id was accepted before (and not yet forgotten)."""
        place = bisect_left(self._received, (msg_id,))
        return place < len(self._received) and self._received[place][0] == msg_id

    def accept(self, msg_id: int, seqno: int) -> None:
        """Remember a message that was found good."""
        self._received.insert(bisect_left(self._received, (msg_id,)), (msg_id, seqno))
        if len(self._received) > REMEMBERED_MESSAGES:
            self._forgotten_below = self._received.pop(0)[0]

    def state_of(self, msg_id: int) -> int:
        """The byte that msgs_state_info gives for one message of the client."""
        if self.has_received(msg_id):
            if msg_id not in self.answers:
                return Received.RECEIVED
            if self.answers[msg_id] is None:
                return Received.RECEIVED | Received.PROCESSING
            return Received.RECEIVED | Received.PROCESSING | Received.ANSWERED
        if msg_id <= self._forgotten_below:
            return Received.UNKNOWN
        if not self._received or msg_id > self._received[-1][0]:
            return Received.NOT_YET
        return Received.NOT_RECEIVED

    def acknowledge(self, msg_ids: Sequence[int]) -> None:
        """The client has these messages of the server."""
        for msg_id in msg_ids:
            self._unacknowledged.pop(msg_id, None)

    # -- what goes out

    def post(self, body: Sequence[bytes], *, content_related: bool, answers: int | None = None) -> None:
        """Queue a message; `answers` is the client's message that it responds to."""
        self._queue(Outgoing(body=body, content_related=content_related, answers=answers))

    def post_answer(self, question: int, body: Sequence[bytes | memoryview], *, due: float = 0.0) -> None:
        """Queue the answer to an RPC query, unless the client dropped it meanwhile."""
        if question in self.answers:
            outgoing = Outgoing(body=body, content_related=True, answers=question, due=due)
            self.answers[question] = outgoing if outgoing.is_repeatable else FORGOTTEN
            self._queue(outgoing)

    def begin(self, question: int) -> None:
        """An RPC query is being worked on."""
        if len(self.answers) >= REMEMBERED_ANSWERS:
            answered = next((known for known, answer in self.answers.items() if answer is not None), None)
            if answered is not None:
                del self.answers[answered]
        self.answers[question] = None

    def drop_answer(self, question: int) -> Outgoing | bool:
        """The client wants no answer: returns it if it was unsent, else whether the query was being worked on."""
        if question not in self.answers:
            return False
        if self.answers[question] is None:
            del self.answers[question]
            return True
        unsent = next((outgoing for outgoing in self.outbox if outgoing.answers == question), None)
        if unsent is None:
            return False
        self.outbox.remove(unsent)
        return unsent

    def repeat_answer(self, question: int) -> None:
        """The same query came again: send its answer once more, if there is one and it is not too large to be kept."""
        answer = self.answers.get(question)
        if answer is not None and answer is not FORGOTTEN and answer not in self.outbox:
            self._queue(answer)

    def repeat(self, msg_ids: Sequence[int]) -> None:
        """The client asks for messages that it believes lost."""
        for msg_id in msg_ids:
            outgoing = self._unacknowledged.get(msg_id)
            if outgoing is not None and outgoing not in self.outbox:
                self._queue(outgoing)

    def attach(self, wake: Callable[[], None]) -> None:
        """A connection carries this session now; what was not acknowledged on an earlier one is sent again."""
        moved = self.wake is not None or self.announced
        self.wake = wake
        if moved:
            for outgoing in self._unacknowledged.values():
                if outgoing not in self.outbox:
                    self.outbox.append(outgoing)
        if self.outbox:
            wake()

    def detach(self, wake: Callable[[], None]) -> None:
        """That connection is gone; large answers that were not sent yet go with it, unless the session has moved."""
        if self.wake is wake:
            self.wake = None
            self.outbox = deque(outgoing for outgoing in self.outbox if outgoing.is_repeatable)

    def take_batch(self, now: float) -> list[Outgoing]:
        """The next messages to put into one packet: one large one, or many small ones for a container."""
        batch: list[Outgoing] = []
        size = 0
        while self.outbox and len(batch) < BATCH_MESSAGES:
            length = self.outbox[0].size
            if batch and (length > SMALL_BYTES or size + length > BATCH_BYTES):
                break
            outgoing = self.outbox.popleft()
            batch.append(outgoing)
            size += length
            if not outgoing.msg_id:
                self._number(outgoing, now)
            if length > SMALL_BYTES:
                break
        return batch

    def container_number(self, now: float) -> tuple[int, int]:
        """msg_id and seqno for a container around messages that have theirs."""
        return self._next_msg_id(now, reply=False), self._sent_content * 2

    def _queue(self, outgoing: Outgoing) -> None:
        if self.wake is not None:
            self.outbox.append(outgoing)
            self.wake()
        elif outgoing.is_repeatable:
            self.outbox.append(outgoing)

    def _number(self, outgoing: Outgoing, now: float) -> None:
        outgoing.msg_id = self._next_msg_id(now, reply=outgoing.answers is not None)
        outgoing.seqno = self._sent_content * 2 + outgoing.content_related
        if outgoing.content_related:
            self._sent_content += 1
            if outgoing.is_repeatable:
                self._unacknowledged[outgoing.msg_id] = outgoing
                if len(self._unacknowledged) > REMEMBERED_ANSWERS:
                    self._unacknowledged.popitem(last=False)

    def _next_msg_id(self, now: float, *, reply: bool) -> int:
        """Ids grow strictly; 1 modulo 4 answers a client's message, 3 does not."""
        remainder = 1 if reply else 3
        msg_id = int(now * 2**32) // 4 * 4 + remainder
        if msg_id <= self._last_msg_id:
            msg_id = self._last_msg_id // 4 * 4 + 4 + remainder
        self._last_msg_id = msg_id
        return msg_id


def _out_of_order(earlier: int, later: int) -> bool:
    """Whether two seqnos contradict the order of their msg_ids: numbers grow, and only an odd one counts up."""
    return earlier > later or (earlier == later and earlier % 2 == 1)
