"""A supervisor's record of one child, and the life of one of its incarnations."""

from __future__ import annotations

import logging
import math
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import anyio

from teltubby.supervision.actor import Runnable
from teltubby.supervision.context import Context, is_stray_cancellation
from teltubby.supervision.errors import ActorCrashed, SupervisionError
from teltubby.supervision.mailbox import Mailbox
from teltubby.supervision.spec import ChildSpec
from teltubby.supervision.view import State

TEARDOWN_WITHIN = 5.0
"""Seconds that a teardown is shielded from cancellation."""

LAST_ERROR_LENGTH = 300

logger = logging.getLogger("teltubby.supervision")

current_path: ContextVar[str | None] = ContextVar("teltubby_actor_path", default=None)
"""The path of the actor whose code is running, for whoever formats log records."""


def describe(error: Exception) -> str:
    """One line for people: the type, the text, cut at a length that fits a status page."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = SupervisionError.scrub(text)  # before it is cut: half a secret is not recognised
    return text if len(text) <= LAST_ERROR_LENGTH else f"{text[: LAST_ERROR_LENGTH - 1]}…"


def innermost(error: Exception) -> Exception:
    """The error itself where task groups wrapped it, one by one, in groups of one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@dataclass(slots=True, eq=False)
class Child:
    """Mutable; only its supervisor's loop and its own incarnation write here."""

    spec: ChildSpec
    path: str
    mailbox: Mailbox[Any] | None
    runnable: Runnable | None = None
    context: Context[Any] | None = None
    state: State = State.WAITING
    since: float = field(default_factory=time.time)
    restarts: int = 0
    attempt: int = 0
    last_error: str | None = None
    ready_at: float | None = None  # of the present incarnation, by the event loop's clock
    deadline: float = math.inf  # when the present state has lasted too long: readiness, backoff, stopping
    due: float = -math.inf  # not to be started before
    condemned: bool = False  # to be stopped, when its turn comes
    introduced: bool = False  # was ready once, or is finished: those declared after it may start
    late: SupervisionError | None = None  # why the supervisor cancelled it before it was ready

    def enter(self, state: State, *, deadline: float = math.inf) -> None:
        self.state = state
        self.since = time.time()
        self.deadline = deadline

    async def live(self) -> Exception | None:
        """One incarnation, from its making to its teardown; returns the error that ended it, never raises it."""
        assert self.context is not None
        current_path.set(self.path)
        try:
            with self.context.cancellable():
                self.runnable = self.spec.start()
                await self._live(self.runnable, self.context)
        except Exception as exc:  # noqa: BLE001 - the boundary that supervision is: its supervisor logs and decides
            return innermost(exc)
        except BaseException as exc:
            if not is_stray_cancellation(exc):
                raise
            crash = ActorCrashed(self.path, "a library cancelled it")
            crash.__cause__ = exc
            return crash
        finally:
            self.context.abandon()
        return None

    async def _live(self, runnable: Runnable, context: Context[Any]) -> None:
        await runnable.setup()
        try:
            await runnable.run(context)
        finally:
            with anyio.move_on_after(TEARDOWN_WITHIN, shield=True) as scope:
                try:
                    await runnable.teardown()
                except Exception:
                    # Raised from here it would hide why the incarnation ended.
                    logger.exception("%s: teardown failed", self.path)
            if scope.cancelled_caught:
                logger.error("%s: teardown cut off after %g s", self.path, TEARDOWN_WITHIN)
