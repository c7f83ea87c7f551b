"""Virtual time for actors: the clock jumps, threads run inline, and the wall clock follows.

A real thread would be overtaken by a clock that jumps whenever the loop is idle; run inline it takes no time at all,
so that files, SQLite and the embedded broker are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio.testing

from teltubby import flavour
from tests.supervision.virtual_time import VirtualTimeLoop

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

BEGINNING = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""What the wall clock shows when the virtual clock stands at 0."""


def backend_in_virtual_time(name: str) -> tuple[str, dict[str, Any]]:
    """The backend as anyio's pytest plugin takes it, on a clock that jumps."""
    if name == "asyncio":
        return "asyncio", {**flavour.backend_options("asyncio"), "loop_factory": VirtualTimeLoop}
    return "trio", {**flavour.backend_options("trio"), "clock": trio.testing.MockClock(autojump_threshold=0)}


def wall_clock() -> datetime:
    """The wall clock that runs with the virtual one."""
    return BEGINNING + timedelta(seconds=anyio.current_time())


def seconds_clock() -> float:
    """The same in seconds since the epoch."""
    return wall_clock().timestamp()


class WallClock(datetime):
    """Stands in for `datetime` where a module asks it for the time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # it need not be a WallClock
        return wall_clock().astimezone(tz)


async def run_inline(
    work: Callable[[Unpack[Ts]], R],
    *args: *Ts,
    abandon_on_cancel: bool = False,
    limiter: anyio.CapacityLimiter | None = None,
) -> R:
    """`to_thread.run_sync` without the thread: others run before and after the work, and it cannot be cut off."""
    del abandon_on_cancel
    await anyio.lowlevel.checkpoint()
    with anyio.CancelScope(shield=True):
        async with nullcontext() if limiter is None else limiter:
            await anyio.lowlevel.checkpoint()
            result = work(*args)
            await anyio.lowlevel.checkpoint()
    return result


def use_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads run inline, and the modules that ask for the date get that of the virtual clock."""
    monkeypatch.setattr(anyio.to_thread, "run_sync", run_inline)


async def until(condition: Callable[[], object], *, within: float = 3600.0, every: float = 0.01) -> None:
    """Return when it holds, looking `every` so many seconds, and seldomer as time passes."""
    began = anyio.current_time()
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(max(every, (anyio.current_time() - began) / 100))
