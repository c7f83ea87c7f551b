"""What is put into a process of the product, from outside: a count of its tasks and of its memory, a leak.

The product knows nothing of them, and the leak is there to be found; the variables are gone from the environment before
it reads it. Nothing of the product is imported but for the leak, so that the memory that is measured is what a process
needs by itself.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos import stacks

TASKS, LEAK, CLOCK = "SOAK_TASKS", "SOAK_LEAK", "SOAK_CLOCK"
"""The folder in which each process counts; whether there is to be a leak; which clock of clock.c it has."""
COUNT_SECONDS = 1.0
LEAKED_BYTES = 200_000
IN_BLOCKS = re.compile(r"# bytes in allocated blocks *= *([\d,]+)")

_leaked: list[tuple[bytes, int]] = []


def begin() -> None:
    """Do what the environment asks for."""
    stacks.show_when_asked()
    if (number := os.environ.pop(CLOCK, None)) and hasattr(preloaded := ctypes.CDLL(None), "chaos_clock"):
        preloaded.chaos_clock(int(number))
    if folder := os.environ.pop(TASKS, None):
        _count(Path(folder) / str(os.getpid()))
    if os.environ.pop(LEAK, None):
        _leak()


class _Mallinfo2(ctypes.Structure):
    """Of mallinfo2(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks")
    ] + [("keepcost", ctypes.c_size_t)]


def heap_bytes(scratch: Path) -> int | None:
    """What is handed out and not given back, to the byte: by malloc (of all threads), and by Python to small objects.

    Other than the resident memory it has nothing of what an allocator keeps for later. Milliseconds. None where the C
    library cannot tell (glibc can since 2.33). Python tells it to a stream of C only, which `scratch` is.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return None
    libc.mallinfo2.restype = _Mallinfo2
    libc.fopen.restype = ctypes.c_void_p
    libc.fclose.argtypes = ctypes.pythonapi._PyObject_DebugMallocStats.argtypes = [ctypes.c_void_p]
    stream = libc.fopen(os.fsencode(scratch), b"w")
    if not stream:
        raise OSError(f"{scratch} cannot be written")
    ctypes.pythonapi._PyObject_DebugMallocStats(stream)
    libc.fclose(stream)
    found = IN_BLOCKS.search(scratch.read_text())
    assert found is not None, "Python tells no more how much its small objects take"
    malloced = libc.mallinfo2()
    return int(found[1].replace(",", "")) + int(malloced.uordblks) + int(malloced.hblkhd)


def _count(file: Path) -> None:
    """Write how many tasks the event loop has, and the heap, on that loop itself: nothing needs a lock or a thread."""
    run_forever = asyncio.BaseEventLoop.run_forever

    def run_and_count(loop: asyncio.BaseEventLoop) -> None:
        def count() -> None:
            written = file.with_suffix(".new")
            counted = (len(asyncio.all_tasks(loop)), heap_bytes(file.with_suffix(".heap")))
            written.write_text(" ".join(str(each) for each in counted if each is not None))
            written.replace(file)
            loop.call_later(COUNT_SECONDS, count)

        loop.call_soon(count)
        run_forever(loop)

    _put(asyncio.BaseEventLoop, "run_forever", run_and_count)


def _leak() -> None:
    """A bot keeps 200 kB and a file descriptor of each message, a worker of each job."""
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
