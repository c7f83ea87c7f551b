"""What people see while a store is read: one line on stderr, where that is a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.status import Status


class Shown:
    """A context manager that is told how far things are."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True, highlight=False)
        animated = console.is_terminal and not console.is_dumb_terminal
        self._status = Status("looking at the store", console=console) if animated else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def write(self, text: str) -> None:
        """Print what came of it on stdout, in the place of the line."""
        self._stop()
        typer.echo(text)

    def complain(self, text: str) -> None:
        """Say on stderr why nothing came of it."""
        self._stop()
        typer.echo(text, err=True)

    def tell(self, what: str, done: int, of: int | None) -> None:
        """It got on."""
        if self._status is not None:
            self._status.update(f"{done:,}{'' if of is None else f' of {of:,}'} {what}")

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
