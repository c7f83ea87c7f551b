"""Supervisors: a tree's declaration, its addresses, its picture, and its run."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from teltubby.supervision.actor import Runnable
from teltubby.supervision.child import TEARDOWN_WITHIN, Child, describe
from teltubby.supervision.context import Context
from teltubby.supervision.errors import IntensityExceeded
from teltubby.supervision.loop import DecisionLoop
from teltubby.supervision.mailbox import Mailbox, Ref
from teltubby.supervision.spec import Backoff, ChildSpec, Intensity, Restart, Strategy
from teltubby.supervision.view import Node, State

logger = logging.getLogger("teltubby.supervision")


class Supervisor(Runnable):
    """Starts its children in order, restarts them by its strategy, stops them in reverse.

    It may itself be a child, as it stands: `restart` and `backoff` say how its parent treats it then. The
    tree is data until `run`; addresses can be taken from it before (`ref`), and the same supervisor runs
    again after a restart with the mail that waited. A supervisor can also be made anew for each incarnation
    by a ChildSpec's `start`; addresses of its children are then taken from mailboxes that were made
    beforehand, and that spec's `ready_within` and `stop_within` must leave time for all of them.

    Raises ValueError for names that are not unique, a mailbox used twice, or no children at all.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec | Supervisor],
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity = Intensity(),  # noqa: B008 - frozen
        restart: Restart = Restart.PERMANENT,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.strategy = strategy
        self.intensity = intensity
        self._rng = rng or random.Random()
        self._as_child = ChildSpec(
            name, lambda: self, restart=restart, backoff=backoff, ready_within=math.inf, stop_within=math.inf
        )
        self._nested = {child.name: child for child in children if isinstance(child, Supervisor)}
        self._specs = [child._as_child if isinstance(child, Supervisor) else child for child in children]
        if not self._specs or len({spec.name for spec in self._specs}) < len(self._specs):
            raise ValueError(f"{name}: a supervisor needs children, each with a name of its own")
        self._mailboxes = {spec.name: _mailbox(name, spec) for spec in self._specs if spec.name not in self._nested}
        if len(set(self.mailboxes())) < len(list(self.mailboxes())):
            raise ValueError(f"{name}: a mailbox has one reader")
        self._running = False
        self._state = State.WAITING
        self._since = time.time()
        self._last_error: str | None = None
        self._children = self._declare(name)

    # -- what others see ---------------------------------------------------------------------------------------

    def ref(self, path: str) -> Ref[Any]:
        """The address of a child, or of a nested supervisor's: "session", "telegram/session". Raises
        KeyError."""
        name, _, rest = path.partition("/")
        return self._nested[name].ref(rest) if rest else self._mailboxes[name].ref

    @property
    def declared(self) -> tuple[ChildSpec | Supervisor, ...]:
        """The children as they were declared, in their order."""
        return tuple(self._nested.get(spec.name, spec) for spec in self._specs)

    def mailboxes(self) -> Iterator[Mailbox[Any]]:
        """Those of all actors below that are declared (not those of supervisors made at start)."""
        yield from self._mailboxes.values()
        for supervisor in self._nested.values():
            yield from supervisor.mailboxes()

    @property
    def stop_within(self) -> float:
        """The longest that an orderly stop can take, in seconds, teardowns included."""
        actors = [spec for spec in self._specs if spec.name not in self._nested]
        return sum(spec.stop_within + TEARDOWN_WITHIN for spec in actors) + sum(
            supervisor.stop_within for supervisor in self._nested.values()
        )

    def snapshot(self) -> Node:
        """The tree as it is now, this supervisor at its root."""
        return Node(
            name=self.name,
            kind=f"{self.strategy}, {self.intensity}",
            state=self._state,
            last_error=self._last_error,
            since=self._since,
            children=tuple(self._node(child) for child in self._children),
        )

    def close(self) -> None:
        """The actors below are gone for good: whoever waits for one of them, or writes to one, gets ActorStopped."""
        for child in self._children:
            self._retire(child)

    # -- its life ----------------------------------------------------------------------------------------------

    async def run(self, context: Context[Any]) -> None:
        """Runs until asked to stop, or until every child has finished by itself.

        What its children raise is logged and decided upon, never raised. Raises IntensityExceeded when it
        gives up, its children stopped; RuntimeError when it runs already.
        """
        if self._running:
            raise RuntimeError(f"{context.path} runs already")
        self._running = True
        self._children = self._declare(context.path)
        for mailbox in self._mailboxes.values():
            mailbox.open()
        loop = DecisionLoop(
            context,
            self._children,
            strategy=self.strategy,
            intensity=self.intensity,
            rng=self._rng,
            retire=self._retire,
            enter=self._enter,
        )
        self._enter(State.STARTING)
        try:
            await loop.run()
        except IntensityExceeded as failure:
            self._last_error = describe(failure)
            raise
        finally:
            self._running = False
            self._enter(State.STOPPED)
            for child in self._children:
                if child.state is not State.FINISHED:
                    child.enter(State.STOPPED)
            if context.parent is None:
                self.close()

    def _declare(self, path: str) -> tuple[Child, ...]:
        return tuple(
            Child(spec, f"{path}/{spec.name}", self._mailboxes.get(spec.name), runnable=self._nested.get(spec.name))
            for spec in self._specs
        )

    def _enter(self, state: State) -> None:
        self._state = state
        self._since = time.time()

    def _retire(self, child: Child) -> None:
        if child.mailbox is not None and (dropped := child.mailbox.close()):
            logger.warning("%s: %d queued messages dropped", child.path, dropped)
        if isinstance(child.runnable, Supervisor):
            child.runnable.close()

    def _node(self, child: Child) -> Node:
        below = child.runnable.snapshot() if isinstance(child.runnable, Supervisor) else None
        return Node(
            name=child.spec.name,
            kind=below.kind if below else _kind(child),
            state=child.state,
            restarts=child.restarts,
            last_error=child.last_error,
            since=child.since,
            mailbox=child.mailbox.depth if child.mailbox else 0,
            oldest=child.mailbox.oldest if child.mailbox else 0.0,
            stalled=child.mailbox.stalled if child.mailbox else 0.0,
            busy=child.context.busy if child.context and not below else 0.0,
            children=below.children if below else (),
        )


def _mailbox(supervisor: str, spec: ChildSpec) -> Mailbox[Any]:
    if isinstance(spec.mailbox, Mailbox):
        return spec.mailbox
    return Mailbox(f"{supervisor}/{spec.name}", capacity=spec.mailbox)


def _kind(child: Child) -> str:
    if child.runnable is not None:
        return type(child.runnable).__name__
    return child.spec.start.__name__ if isinstance(child.spec.start, type) else "Actor"
