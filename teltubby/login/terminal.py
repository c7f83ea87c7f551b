"""The terminal that a person sits at: what is shown, drawn in place, and typed, in the open or without an echo.

A line is read when the terminal has it: waiting for one can be cancelled, which a thread in `input()` cannot.
"""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import anyio

from teltubby.errors import TeltubbyError

MOST_BYTES = 4096
"""What a terminal keeps of a line (termios(3), canonical mode)."""
_ECHO_FLAGS = 3
"""Where tcgetattr has the flags that ECHO is one of."""


class NothingTyped(TeltubbyError):
    """Nobody is there to type: stdin is no terminal, or it was closed."""


class Terminal:
    """stdin and stdout. `can_draw`: a picture can be replaced, and be in colours."""

    def __init__(self, source: TextIO | None = None, target: TextIO | None = None) -> None:
        self._source = source or sys.stdin
        self._target = target or sys.stdout
        self._drawn = 0

    @property
    def can_draw(self) -> bool:
        """Whether a picture can be in colours, and be replaced."""
        return self._target.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def say(self, text: str) -> None:
        """Print a line; a picture above it stays from then on."""
        self._write(f"{text}\n")
        self._drawn = 0

    def draw(self, picture: str) -> None:
        """Print a picture in the place of the one before, where that was the last thing printed and it can be done."""
        if self._drawn and self.can_draw:
            self._write(f"\x1b[{self._drawn}A\x1b[J")
        self._write(f"{picture}\n")
        self._drawn = picture.count("\n") + 1

    def erase(self) -> None:
        """Take the picture away, where it was the last thing printed and that can be done."""
        if self._drawn and self.can_draw:
            self._write(f"\x1b[{self._drawn}A\x1b[J")
        self._drawn = 0

    def require_somebody(self, what: str) -> None:
        """Raises NothingTyped where nobody could type `what`."""
        if self._source.closed or not self._source.isatty():
            raise NothingTyped(f"{what} has to be typed, but there is no terminal to type it in (docker needs -it).")

    async def ask(self, what: str) -> str:
        """A line that is typed, without its end. Raises NothingTyped."""
        self.require_somebody(what)
        self._write(f"{what}: ")
        return await self._line()

    async def ask_secret(self, what: str) -> str:
        """The same without showing it; what was typed before it was asked for is not taken. Raises NothingTyped."""
        self.require_somebody(what)
        with self._unseen():
            self._write(f"{what}: ")
            try:
                return await self._line()
            finally:
                self._write("\n")

    async def _line(self) -> str:
        await anyio.wait_readable(self._source)
        line = os.read(self._source.fileno(), MOST_BYTES).decode(errors="replace")
        if not line:
            self._write("\n")
            raise NothingTyped("Nothing was typed.")
        return line.rstrip("\r\n")

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        descriptor = self._source.fileno()
        before = termios.tcgetattr(descriptor)
        silent = termios.tcgetattr(descriptor)
        silent[_ECHO_FLAGS] &= ~termios.ECHO
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
        try:
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def _write(self, text: str) -> None:
        self._target.write(text)
        self._target.flush()
