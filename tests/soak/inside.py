"""What is put into a process of the product, from outside: a count of its tasks, a word on where they stand, a leak.

The product knows nothing of them, and the leak is there to be found; the variables are gone from the environment before
it reads it. Nothing of the product is imported but for the leak, so that the memory that is measured is what a process
needs by itself.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos import stacks

TASKS, LEAK, CLOCK = "SOAK_TASKS", "SOAK_LEAK", "SOAK_CLOCK"
"""The folder in which each process counts its tasks; whether there is to be a leak; which clock of clock.c it has."""
COUNT_SECONDS = 1.0
LEAKED_BYTES = 50_000

_leaked: list[tuple[bytes, int]] = []


def begin() -> None:
    """Do what the environment asks for."""
    stacks.show_when_asked()
    if (number := os.environ.pop(CLOCK, None)) and hasattr(preloaded := ctypes.CDLL(None), "chaos_clock"):
        preloaded.chaos_clock(int(number))
    if folder := os.environ.pop(TASKS, None):
        _count_tasks(Path(folder) / str(os.getpid()))
    if os.environ.pop(LEAK, None):
        _leak()


def _count_tasks(file: Path) -> None:
    """Write how many tasks the event loop has, on that loop itself, so that nothing needs a lock or a thread."""
    run_forever = asyncio.BaseEventLoop.run_forever

    def run_and_count(loop: asyncio.BaseEventLoop) -> None:
        def count() -> None:
            written = file.with_suffix(".new")
            written.write_text(str(len(asyncio.all_tasks(loop))))
            written.replace(file)
            loop.call_later(COUNT_SECONDS, count)

        loop.call_soon(count)
        run_forever(loop)

    _put(asyncio.BaseEventLoop, "run_forever", run_and_count)


def _leak() -> None:
    """A bot keeps 50 kB and a file descriptor of each message, a worker of each job."""
    from teltubby.actors import job_flow, receiving
    from teltubby.messages.media import RawUpdate

    fetch, perform = receiving.Receiving._fetch, job_flow.JobFlow._perform

    async def fetched(self: Any, offset: int) -> Sequence[RawUpdate]:
        updates = await fetch(self, offset)
        for _ in updates:
            _lose()
        return updates

    async def performed(self: Any, hand: Any) -> None:
        _lose()
        await perform(self, hand)

    _put(receiving.Receiving, "_fetch", fetched)
    _put(job_flow.JobFlow, "_perform", performed)


def _lose() -> None:
    _leaked.append((os.urandom(LEAKED_BYTES), os.open(os.devnull, os.O_RDONLY)))


def _put(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, value)
