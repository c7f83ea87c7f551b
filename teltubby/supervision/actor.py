"""Actors: private state, one message at a time (or, in a pool, several)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from teltubby.supervision.context import Context

M = TypeVar("M")


class Runnable(ABC):
    """One incarnation of a child: made by its spec's `start`, lived through once by its supervisor."""

    async def setup(self) -> None:  # noqa: B027 - a hook that most need not fill
        """Comes first, local and fast: no network. If it raises, it has cleaned up and `teardown` is not called."""

    @abstractmethod
    async def run(self, context: Context[Any]) -> None:
        """The life between setup and teardown; must call `context.started()` and end when asked to stop."""

    async def teardown(self) -> None:  # noqa: B027 - a hook that most need not fill
        """Comes last, also after a crash or a cancellation; shielded from it, but for 5 s at most."""


class Actor(Runnable, Generic[M]):
    """Base of the actors: write `handle`, and `setup` and `teardown` where there is something to hold."""

    @abstractmethod
    async def handle(self, message: M, /) -> object:
        """Handles one message; what it returns is the answer, if it was asked.

        Raise Refused for a negative answer. Every other exception is a crash: the asker gets it, the message
        is dropped, and the supervisor decides about this actor.
        """

    async def run(self, context: Context[M]) -> None:
        """Handles the mail until asked to stop. Pollers and consumers override it: see `Context.serve`."""
        context.started()
        await context.serve(self.handle)


class Pool(Actor[M]):
    """An actor that handles up to `width` messages at once, begun in the order of their arrival.

    A crash of one handler is a crash of the incarnation: the other handlers are cancelled and their askers
    get ActorCrashed. A stop waits for the handlers that run.
    """

    width: int = 4

    async def run(self, context: Context[M]) -> None:
        context.started()
        await context.serve(self.handle, width=self.width)
