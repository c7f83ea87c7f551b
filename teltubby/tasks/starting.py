"""How a command of the collector begins as a module: signals are heeded before the first library is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from teltubby.interrupts import EX_INTERRUPTED, forget_interrupt, until_signalled

if TYPE_CHECKING:
    import typer


def start(make: Callable[[], typer.Typer]) -> None:
    """Make the command, which imports what it needs, and run it."""
    try:
        with until_signalled():
            make()()
    except KeyboardInterrupt:
        forget_interrupt()
        sys.exit(EX_INTERRUPTED)
