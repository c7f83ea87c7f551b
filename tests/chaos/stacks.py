"""What a process is doing, for one that should have come to rest long ago: its tasks and threads, into its log."""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # nothing of it is needed in a process of the product
    from tests.acceptance.product import Product

ASKED = signal.SIGUSR1
WRITTEN_SECONDS = 1.0


def show_when_asked() -> None:
    """In a process of the product: write every task's place at the signal, then every thread's.

    The threads are written by the C library's handler, which does so in a process that hangs, too.
    """
    signal.signal(ASKED, _show_tasks)
    faulthandler.register(ASKED, all_threads=True, chain=True)


def ask(*products: Product) -> None:
    """Have them written, and return once they are most likely in the logs."""
    for product in products:
        if product.running:
            product.signal(ASKED)
    time.sleep(WRITTEN_SECONDS)


def _show_tasks(number: int, frame: FrameType | None) -> None:
    del number, frame
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        tasks = set()  # between two turns of the loop, or there is none
    for task in tasks:
        sys.stderr.write(f"task {task.get_name()}\n{''.join(_places(task.get_coro()))}")
    sys.stderr.flush()


def _places(coroutine: Any) -> Iterator[str]:
    """Where it waits, from the outermost to what it waits for in the end."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            yield f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}\n"
        following = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
        if following is None:
            yield f"  {coroutine!r}\n"
        coroutine = following
