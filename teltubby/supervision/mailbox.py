"""Mailboxes and addresses: how messages reach an actor, whichever of its incarnations is alive.

Everything here may be called from asyncio-flavoured code that trio-asyncio hosts as well as from trio's own
tasks: whoever waits makes the event it waits for, in its own flavour, and an event may be set from either.
Nothing here is thread-safe.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from teltubby.supervision.errors import ActorStopped, MailboxFull
from teltubby.supervision.trace import Tally, current_tally, current_trace

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """Base of the messages that are answered with an `R`."""

    __slots__ = ()


class Signal:
    """Wakes whoever waits at that moment; it has no memory, so check the condition before waiting."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[anyio.Event] = []

    def notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            event.set()

    async def wait(self) -> None:
        event = anyio.Event()
        self._waiting.append(event)
        try:
            await event.wait()
        finally:
            if event in self._waiting:
                self._waiting.remove(event)


class Reply(Generic[R]):
    """The place an answer goes to. It is made by the asker, and settled once; what comes later is ignored."""

    __slots__ = ("_error", "_settled", "_value")

    def __init__(self) -> None:
        self._settled = anyio.Event()
        self._error: Exception | None = None

    @property
    def settled(self) -> bool:
        return self._settled.is_set()

    def answer(self, value: R) -> None:
        if not self.settled:
            self._value = value
            self._settled.set()

    def fail(self, error: Exception) -> None:
        if not self.settled:
            self._error = error
            self._settled.set()

    async def wait(self) -> R:
        await self._settled.wait()
        if self._error is not None:
            raise self._error
        return self._value


@dataclass(frozen=True, slots=True, eq=False)
class Envelope(Generic[M]):
    """A message on its way, with the place for its answer if somebody asked, and what it is for."""

    message: M
    reply: Reply[Any] | None = None
    trace: str | None = field(default_factory=current_trace.get)
    tally: Tally | None = field(default_factory=current_tally.get)

    def answer(self, value: object) -> None:
        """Gives the asker its answer; without an asker nothing happens."""
        if self.reply is not None:
            self.reply.answer(value)

    def fail(self, error: Exception) -> None:
        """Makes the asker's `ask` raise `error`; without an asker nothing happens."""
        if self.reply is not None:
            self.reply.fail(error)


@dataclass(slots=True, eq=False)
class _WaitingSender(Generic[M]):
    envelope: Envelope[M]
    decided: anyio.Event
    accepted: bool = False


class Mailbox(Generic[M]):
    """A bounded queue that outlives the incarnations reading it.

    It can be made on its own, before the tree, so that others get its `ref` while the child it belongs to is
    only declared: `ledger = Mailbox[LedgerMessage]("ledger")`, then `ChildSpec("ledger", start,
    mailbox=ledger)`. It takes mail from the moment it is made until its child stops for good.
    """

    def __init__(self, name: str, *, capacity: int = 64) -> None:
        if capacity < 1:
            raise ValueError(f"{name}: a mailbox holds at least one message, not {capacity}")
        self.name = name
        self.capacity = capacity
        self.changed = Signal()
        self._queue: deque[Envelope[M]] = deque()
        self._arrivals: deque[float] = deque()
        self._taken_at = time.monotonic()
        self._senders: deque[_WaitingSender[M]] = deque()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Mailbox {self.name}: {self.depth} of {self.capacity}{', closed' if self._closed else ''}>"

    @property
    def ref(self) -> Ref[M]:
        """The address of whoever reads this mailbox."""
        return Ref(self)

    @property
    def depth(self) -> int:
        """How many messages are queued, senders that wait for room not counted."""
        return len(self._queue)

    @property
    def oldest(self) -> float:
        """Seconds for which the oldest queued message has waited; 0 when none is queued."""
        return max(0.0, time.monotonic() - self._arrivals[0]) if self._arrivals else 0.0

    @property
    def stalled(self) -> float:
        """Seconds for which nobody took anything although mail was there all the time; 0 when none is queued."""
        return min(self.oldest, time.monotonic() - self._taken_at)

    def post(self, envelope: Envelope[M]) -> None:
        """Queues without waiting. Raises MailboxFull or ActorStopped."""
        if self._closed:
            raise ActorStopped(self.name)
        if self.depth >= self.capacity:
            raise MailboxFull(self.name, self.capacity)
        self._enqueue(envelope)
        self.changed.notify()

    async def put(self, envelope: Envelope[M]) -> None:
        """Queues, after waiting for room, in the order of the senders' arrival. Raises ActorStopped."""
        await anyio.lowlevel.checkpoint()
        if self._closed or self.depth < self.capacity:
            self.post(envelope)
            return
        sender = _WaitingSender(envelope, anyio.Event())
        self._senders.append(sender)
        try:
            await sender.decided.wait()
        finally:
            if sender in self._senders:
                self._senders.remove(sender)
        if not sender.accepted:
            raise ActorStopped(self.name)

    def take(self) -> Envelope[M] | None:
        """The oldest envelope, or None when there is none; lets the first waiting sender in."""
        if not self._queue:
            return None
        envelope = self._queue.popleft()
        self._arrivals.popleft()
        self._taken_at = time.monotonic()
        if self._senders:
            sender = self._senders.popleft()
            self._enqueue(sender.envelope)
            sender.accepted = True
            sender.decided.set()
        return envelope

    def open(self) -> None:
        """Takes mail again; a supervisor that is started once more opens its children's mailboxes."""
        self._closed = False

    def close(self) -> int:
        """Refuses from now on; whoever waits here gets ActorStopped. Returns how many queued messages were dropped."""
        self._closed = True
        dropped = self.depth
        for envelope in self._queue:
            envelope.fail(ActorStopped(self.name))
        self._queue.clear()
        self._arrivals.clear()
        for sender in self._senders:
            sender.decided.set()
        self._senders.clear()
        return dropped

    def _enqueue(self, envelope: Envelope[M]) -> None:
        self._queue.append(envelope)
        self._arrivals.append(time.monotonic())


@dataclass(frozen=True, slots=True)
class Ref(Generic[M_contra]):
    """Address of an actor; it outlives the actor's incarnations and may be kept for as long as the tree lives."""

    _mailbox: Mailbox[Any]

    @property
    def name(self) -> str:
        return self._mailbox.name

    def tell(self, message: M_contra) -> None:
        """Leaves a message and never waits. Raises MailboxFull or ActorStopped."""
        self._mailbox.post(Envelope(message))

    async def send(self, message: M_contra) -> None:
        """Leaves a message and waits for room in the mailbox: back-pressure. Raises ActorStopped."""
        await self._mailbox.put(Envelope(message))

    async def ask(self, request: Request[R], *, within: float) -> R:
        """Leaves a request and waits for its answer, for at most `within` seconds, room in the mailbox
        included.

        Raises Refused when the answer is no; the handler's own error when handling this request crashed the
        actor; ActorCrashed when the incarnation ended for another reason meanwhile; ActorStopped when the
        actor stops for good; TimeoutError when time is up, in which case the request may still be handled.
        """
        reply: Reply[R] = Reply()
        with anyio.fail_after(within):
            await self._mailbox.put(Envelope(request, reply))
            return await reply.wait()
