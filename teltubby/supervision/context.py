"""What an incarnation is given to live with: its path, its mail, and the wish that it should end."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from teltubby.supervision.errors import ActorCrashed, ActorStopped, Refused
from teltubby.supervision.mailbox import Envelope, Mailbox, Signal
from teltubby.supervision.trace import tracing

M = TypeVar("M")

logger = logging.getLogger("teltubby.supervision")


def is_stray_cancellation(exc: BaseException) -> bool:
    """Whether a cancellation reached the current task that none of its cancel scopes, nor an ancestor's,
    asked for.

    A library raised it (asyncio.CancelledError is a BaseException) and nothing above would count it as an
    error: the task would end silently. On trio asyncio's class is foreign altogether.
    """
    if isinstance(exc, Exception | KeyboardInterrupt | SystemExit | GeneratorExit):
        return False
    if isinstance(exc, BaseExceptionGroup):
        return all(isinstance(inner, Exception) or is_stray_cancellation(inner) for inner in exc.exceptions)
    if not isinstance(exc, anyio.get_cancelled_exc_class()):
        return True
    return not anyio.get_current_task().has_pending_cancellation()


class Context(Generic[M]):
    """The incarnation's side of its supervisor, and the supervisor's handle on the incarnation.

    An actor uses `path`, `started`, `stopping`, `interruptible`, `serve` and `receive`. The root of a tree
    gets one made by its runner (`Context("bot")`), who uses `ready`, `stop` and `cancel`. `ready` and
    `stopping` are events of the native flavour: asyncio-flavoured code on trio may only look at them.
    """

    def __init__(
        self,
        path: str,
        mailbox: Mailbox[M] | None = None,
        *,
        parent: Context[Any] | None = None,
        on_started: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self.parent = parent
        self.ready = anyio.Event()
        self.stopping = anyio.Event()
        self.draining = False
        self.cancelled = False
        self.changed = mailbox.changed if mailbox is not None else Signal()
        self._mailbox = mailbox
        self._on_started = on_started
        self._scope: anyio.CancelScope | None = None
        self._interruptible: set[anyio.CancelScope] = set()
        self._beside = 0
        self._unanswered: list[Envelope[M]] = []
        self._in_hand: dict[Envelope[M], float] = {}

    # -- for whoever runs the incarnation ----------------------------------------------------------------------

    @property
    def for_good(self) -> bool:
        """Whether it was asked to end, or everything above it was, without a successor."""
        return self.draining or (self.cancelled if self.parent is None else self.parent.for_good)

    @property
    def busy(self) -> float:
        """Seconds for which the message has been handled that has been in hand for longest; 0 when none is."""
        return max(0.0, time.monotonic() - min(self._in_hand.values())) if self._in_hand else 0.0

    def stop(self, *, drain: bool = True) -> None:
        """Asks for an orderly end: the current message is finished and, with `drain`, what is queued.

        For a supervisor it means that its children stop so, the last one first. Draining is what an end for
        good looks like; without it the mail is kept for the next incarnation.
        """
        self.draining = self.draining or drain
        self.stopping.set()
        for scope in self._interruptible:
            scope.cancel()
        self.changed.notify()

    def cancel(self) -> None:
        """Ends it and all below at the next checkpoint; teardowns still run, for 5 s at most."""
        self.cancelled = True
        self.stop(drain=False)
        if self._scope is not None:
            self._scope.cancel()

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """The body is what `cancel` cuts off."""
        with anyio.CancelScope() as self._scope:
            if self.cancelled:
                self._scope.cancel()
            yield

    def abandon(self) -> None:
        """It has ended: nobody will answer any more what it has taken and not answered."""
        for envelope in self._unanswered:
            if self.for_good:
                envelope.fail(ActorStopped(self.path))
            else:
                envelope.fail(ActorCrashed(self.path, "ended before it answered"))
        self._unanswered.clear()

    # -- for the incarnation -----------------------------------------------------------------------------------

    def started(self) -> None:
        """Says "ready", which means stable and able to take mail, not connected to anything. Once is
        enough."""
        if not self.ready.is_set():
            self.ready.set()
            self._on_started()

    @contextmanager
    def interruptible(self) -> Iterator[anyio.CancelScope]:
        """The body is cut off as soon as a stop is asked for: wrap a poller's long wait in it, and nothing
        else.

        Execution goes on after the block; look at `stopping`.
        """
        with anyio.CancelScope() as scope:
            self._interruptible.add(scope)
            try:
                if self.stopping.is_set():
                    scope.cancel()
                yield scope
            finally:
                self._interruptible.discard(scope)

    async def receive(self) -> Envelope[M] | None:
        """The next envelope, or None when it is time to end: answer it, or let it `fail`, yourself.

        Cancelling the wait loses no message.
        """
        if self._mailbox is None:
            raise RuntimeError(f"{self.path} has no mailbox")
        await anyio.lowlevel.checkpoint()
        while True:
            if self.stopping.is_set() and not self.draining:
                return None
            if (envelope := self._mailbox.take()) is not None:
                self._remember(envelope)
                return envelope
            if self.stopping.is_set() and not self._beside:
                return None
            await self.changed.wait()

    async def serve(
        self,
        handle: Callable[[M], Awaitable[object]],
        *beside: Callable[[], Awaitable[None]],
        width: int = 1,
    ) -> None:
        """Handles mail, up to `width` messages at once, until asked to stop; runs `beside` at the same time.

        What runs beside (a poll loop, a consumer) must end soon after `stopping` is set: it is waited for
        first, then the mail is drained. If it ends earlier, the mail is still served; if it raises, the
        incarnation crashes.
        """
        if width < 1:
            raise ValueError(f"{self.path}: width must be at least 1, not {width}")
        if width == 1 and not beside:
            while (envelope := await self.receive()) is not None:
                await self._dispatch(handle, envelope)
            return
        async with anyio.create_task_group() as tasks:
            for loop in beside:
                self._beside += 1
                tasks.start_soon(self._run_beside, loop)
            await self._serve_many(tasks, handle, width)

    async def _serve_many(self, tasks: TaskGroup, handle: Callable[[M], Awaitable[object]], width: int) -> None:
        slots = anyio.Semaphore(width)

        async def dispatch(envelope: Envelope[M]) -> None:
            try:
                await self._dispatch(handle, envelope)
            finally:
                slots.release()

        while True:
            await slots.acquire()
            if (envelope := await self.receive()) is None:
                return
            tasks.start_soon(dispatch, envelope, name=f"{self.path}: {type(envelope.message).__name__}")

    async def _run_beside(self, loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
        except BaseException as exc:
            if is_stray_cancellation(exc):
                raise ActorCrashed(self.path, "a library cancelled the loop beside its mail") from exc
            raise
        finally:
            self._beside -= 1
            self.changed.notify()

    async def _dispatch(self, handle: Callable[[M], Awaitable[object]], envelope: Envelope[M]) -> None:
        self._in_hand[envelope] = time.monotonic()
        try:
            with tracing(envelope.trace, envelope.tally):
                answer = await handle(envelope.message)
        except Refused as refusal:
            envelope.fail(refusal)
            if envelope.reply is None:
                logger.info("%s refused %s: %s", self.path, type(envelope.message).__name__, refusal)
        except Exception as exc:
            envelope.fail(exc)
            raise
        except BaseException as exc:
            if not is_stray_cancellation(exc):
                raise  # `abandon` tells the asker
            crash = ActorCrashed(self.path, f"a library cancelled {type(envelope.message).__name__}")
            envelope.fail(crash)
            raise crash from exc
        else:
            envelope.answer(answer)
        finally:
            del self._in_hand[envelope]

    def _remember(self, envelope: Envelope[M]) -> None:
        self._unanswered = [known for known in self._unanswered if known.reply and not known.reply.settled]
        if envelope.reply is not None:
            self._unanswered.append(envelope)
