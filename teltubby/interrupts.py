"""SIGTERM and SIGINT from a command's first moment to its last, also while no event loop runs that takes them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EX_INTERRUPTED = 130


def forget_interrupt() -> None:
    """To be called when a KeyboardInterrupt was caught, for the exit code to be ours.

    CPython remembers one that passed through `exec` of a text, which is how dataclasses are made, and would end itself
    by SIGINT; another `exec` makes it forget (Python/pythonrun.c, unhandled_keyboard_interrupt).
    """
    exec("")


@contextmanager
def until_signalled() -> Iterator[None]:
    """SIGTERM does what Ctrl-C does: KeyboardInterrupt, or what the event loop that runs makes of it.

    SIGINT is taken again where it was ignored: a shell starts background jobs of a script that way.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.raise_signal(signal.SIGINT)

    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
