"""How a twin's calls are watched, noted, and made to fail, wait or take long."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import anyio.lowlevel

Watcher = Callable[[str], Awaitable[None]]
"""Told of every call before and after its effect, as `"send before"` and `"send after"`; may never return."""


async def nobody_watches(moment: str) -> None:
    del moment


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was made: when (by the loop's clock), what, and on what."""

    at: float
    method: str
    subject: object = None


class Script:
    """What a twin's next calls meet. Every call is noted, whether it went well or not."""

    def __init__(self, watch: Watcher = nobody_watches) -> None:
        self.calls: list[Call] = []
        self.watch = watch
        self._errors: defaultdict[str, deque[Exception | None]] = defaultdict(deque)
        self._lasting: dict[str, Exception] = {}
        self._held: dict[str, anyio.Event] = {}
        self._delays: dict[str, float] = {}

    def fail(self, method: str, *errors: Exception | None, skip: int = 0) -> None:
        """After `skip` calls that go well, the next ones fail, each with one of these, before they have any effect.

        None among them is a call that goes well.
        """
        self._errors[method].extend([*[None] * skip, *errors])

    def break_down(self, method: str, error: Exception) -> None:
        """All calls fail until `repair`."""
        self._lasting[method] = error

    def repair(self, method: str) -> None:
        del self._lasting[method]

    def hold(self, method: str) -> anyio.Event:
        """Calls wait until this is set."""
        self._held[method] = anyio.Event()
        return self._held[method]

    def slow(self, method: str, seconds: float) -> None:
        """Calls take this long."""
        self._delays[method] = seconds

    def times(self, method: str) -> list[float]:
        """When it was called."""
        return [call.at for call in self.calls if call.method == method]

    def count(self, method: str) -> int:
        """How often it was called."""
        return len(self.times(method))

    def asked(self, method: str) -> list[object]:
        """On what it was called."""
        return [call.subject for call in self.calls if call.method == method]

    async def begin(self, method: str, subject: object = None) -> None:
        """A call begins: what was ordered for it happens."""
        self.calls.append(Call(anyio.current_time(), method, subject))
        await anyio.lowlevel.checkpoint()
        await self.watch(f"{method} before")
        if (seconds := self._delays.get(method)) is not None:
            await anyio.sleep(seconds)
        if (gate := self._held.get(method)) is not None:
            await gate.wait()
        if self._errors[method] and (error := self._errors[method].popleft()) is not None:
            raise error
        if method in self._lasting:
            raise self._lasting[method]

    async def end(self, method: str) -> None:
        """It has had its effect."""
        await self.watch(f"{method} after")
