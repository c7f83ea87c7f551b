"""The one loop of a running supervisor: every decision about its children is made here, and nothing here
waits but the loop.

What has to happen later (a restart after its backoff, a readiness or a stop that takes too long) is a
deadline of the child, so that an exit, a readiness or a request to stop is dealt with when it comes, whatever
else is pending.
"""

from __future__ import annotations

import logging
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, assert_never

import anyio
from anyio.abc import TaskGroup

from teltubby.supervision.child import Child, describe
from teltubby.supervision.context import Context
from teltubby.supervision.errors import Fatal, IntensityExceeded, NotReady
from teltubby.supervision.spec import Intensity, Restart, Strategy
from teltubby.supervision.view import State

logger = logging.getLogger("teltubby.supervision")


class DecisionLoop:
    """One run of a supervisor. `retire` gets each child that is gone for good, `enter` the supervisor's own states."""

    def __init__(
        self,
        context: Context[Any],
        children: Sequence[Child],
        *,
        strategy: Strategy,
        intensity: Intensity,
        rng: random.Random,
        retire: Callable[[Child], None],
        enter: Callable[[State], None],
    ) -> None:
        self._context = context
        self._children = children
        self._strategy = strategy
        self._intensity = intensity
        self._rng = rng
        self._retire = retire
        self._enter = enter
        self._exits: deque[tuple[Child, Exception | None]] = deque()
        self._restarts: deque[float] = deque()
        self._leaving = False
        self._failure: IntensityExceeded | Fatal | None = None

    async def run(self) -> None:
        """Until asked to stop or every child has finished. Raises IntensityExceeded, with the children stopped."""
        async with anyio.create_task_group() as tasks:
            while True:
                now = anyio.current_time()
                self._note_requests()
                while self._exits:
                    self._note_exit(*self._exits.popleft(), now)
                self._note_deadlines(now)
                if self._is_over():
                    break
                self._stop_next(now)
                self._start_due(tasks, now)
                self._report_ready()
                with anyio.CancelScope(deadline=self._next_deadline(now)):
                    await self._context.changed.wait()
        if self._failure is not None:
            raise self._failure

    # -- what happened -----------------------------------------------------------------------------------------

    def _note_requests(self) -> None:
        if self._context.stopping.is_set() and not self._leaving:
            self._leave()
        if self._context.cancelled:
            for child in self._children:
                if child.context is not None and child.state.alive and not child.context.cancelled:
                    child.enter(State.STOPPING)
                    child.context.cancel()

    def _note_exit(self, child: Child, error: Exception | None, now: float) -> None:
        if child.late is not None:
            child.late.__cause__ = error
            error = child.late
        if error is not None:
            child.last_error = describe(error)
            known = isinstance(
                error, IntensityExceeded | Fatal
            )  # logged where it happened, or says all there is to say
            logger.error("%s crashed: %s", child.path, child.last_error, exc_info=None if known else error)
        condemned, child.condemned = child.condemned, False
        if self._leaving:
            child.enter(State.STOPPED)
            if self._context.for_good:
                self._retire(child)
        elif self._finishes(child, error):
            child.introduced = True
            child.enter(State.FINISHED)
            self._retire(child)
        elif condemned:  # an exit that was asked for is not news
            child.enter(State.WAITING, deadline=child.due)
        else:
            self._decide(child, error, now)

    def _finishes(self, child: Child, error: Exception | None) -> bool:
        match child.spec.restart:
            case Restart.PERMANENT:
                return False
            case Restart.TRANSIENT:
                return error is None and child.state is not State.STOPPING
            case Restart.TEMPORARY:
                return True
            case never:
                assert_never(never)

    def _note_deadlines(self, now: float) -> None:
        for child in self._children:
            if child.deadline > now or child.context is None:
                continue
            match child.state:
                case State.STARTING:
                    child.late = NotReady(child.path, child.spec.ready_within)
                case State.STOPPING:
                    logger.warning("%s did not stop within %g s: cancelled", child.path, child.spec.stop_within)
                case _:
                    continue
            child.deadline = math.inf
            child.context.cancel()

    # -- what follows from it ----------------------------------------------------------------------------------

    def _decide(self, child: Child, error: Exception | None, now: float) -> None:
        """A child ended that should not have: intensity first, then the strategy, put off by the child's backoff."""
        if isinstance(error, Fatal):
            self._give_up(child, error)
            return
        self._restarts.append(now)
        while self._restarts[0] <= now - self._intensity.within:
            self._restarts.popleft()
        if len(self._restarts) > self._intensity.restarts:
            exceeded = IntensityExceeded(
                child.path,
                restarts=self._intensity.restarts,
                within=self._intensity.within,
                last_error=child.last_error if error else None,
            )
            exceeded.__cause__ = error
            self._give_up(child, exceeded)
            return
        if child.ready_at is not None and now - child.ready_at >= child.spec.backoff.healthy_after:
            child.attempt = 0
        child.attempt += 1
        child.restarts += 1
        delay = child.spec.backoff.delay(child.attempt, self._rng)
        logger.warning("%s restarts in %.1f s, %s", child.path, delay, self._strategy)
        for victim in self._victims(child):
            victim.due = max(victim.due, now + delay)
            victim.condemned = victim.state.alive and victim is not child
        child.enter(State.BACKOFF, deadline=child.due)

    def _victims(self, child: Child) -> Sequence[Child]:
        match self._strategy:
            case Strategy.ONE_FOR_ONE:
                return [child]
            case Strategy.ONE_FOR_ALL:
                return self._children
            case Strategy.REST_FOR_ONE:
                return self._children[self._children.index(child) :]
            case never:
                assert_never(never)

    def _give_up(self, child: Child, failure: IntensityExceeded | Fatal) -> None:
        self._failure = failure
        logger.error("%s gives up: %s", self._context.path, failure)
        child.enter(State.STOPPED)
        self._leave()

    def _leave(self) -> None:
        self._leaving = True
        self._enter(State.STOPPING)
        for child in self._children:
            if child.state.alive:
                child.condemned = True
            elif child.state is not State.FINISHED:
                child.enter(State.STOPPED)

    def _is_over(self) -> bool:
        if self._leaving:
            return not any(child.state.alive for child in self._children)
        return all(child.state is State.FINISHED for child in self._children)

    def _stop_next(self, now: float) -> None:
        """In reverse, one after the other: the last condemned child alive is the one to stop."""
        for child in reversed(self._children):
            if child.condemned and child.state.alive and child.context is not None:
                if child.state is not State.STOPPING:
                    child.enter(State.STOPPING, deadline=now + child.spec.stop_within)
                    child.context.stop(drain=self._context.draining)
                elif self._context.draining and not child.context.draining:
                    child.context.stop(drain=True)  # it was to be restarted, and now is not
                return

    def _start_due(self, tasks: TaskGroup, now: float) -> None:
        if self._leaving:
            return
        for position, child in enumerate(self._children):
            if child.state in (State.WAITING, State.BACKOFF) and child.due <= now and self._is_turn(position):
                child.late = None
                child.ready_at = None
                child.context = Context(
                    child.path, child.mailbox, parent=self._context, on_started=partial(self._on_started, child)
                )
                child.enter(State.STARTING, deadline=now + child.spec.ready_within)
                tasks.start_soon(self._live, child, name=child.path)

    def _is_turn(self, position: int) -> bool:
        before, after = self._children[:position], self._children[position + 1 :]
        match self._strategy:
            case Strategy.ONE_FOR_ONE:
                return all(child.introduced for child in before)
            case Strategy.ONE_FOR_ALL | Strategy.REST_FOR_ONE:
                return all(child.state in (State.READY, State.FINISHED) for child in before) and not any(
                    child.state.alive for child in after
                )
            case never:
                assert_never(never)

    def _report_ready(self) -> None:
        if self._leaving or self._context.ready.is_set() or not all(child.introduced for child in self._children):
            return
        self._enter(State.READY)
        self._context.started()

    def _next_deadline(self, now: float) -> float:
        """A restart that is due and could not be made is not among them: it waits for another child's event."""
        return min(
            (child.deadline for child in self._children if child.state.alive or child.deadline > now), default=math.inf
        )

    # -- in the child's task -----------------------------------------------------------------------------------

    async def _live(self, child: Child) -> None:
        error = await child.live()
        self._exits.append((child, error))
        self._context.changed.notify()

    def _on_started(self, child: Child) -> None:
        if child.state is State.STARTING and child.late is None:
            child.ready_at = anyio.current_time()
            child.introduced = True
            child.enter(State.READY)
            self._context.changed.notify()
