"""What commands end with, and how what went wrong is said on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from teltubby.errors import ConfigurationError, TeltubbyError
from teltubby.interrupts import EX_INTERRUPTED, forget_interrupt

__all__ = ["EX_CONFIG", "EX_FAILED", "EX_INTERRUPTED", "exit_codes"]

EX_FAILED = 1
EX_CONFIG = 78


@contextmanager
def exit_codes() -> Iterator[None]:
    """Around a whole command: its errors become a sentence and an exit code."""
    try:
        yield
    except ConfigurationError as error:
        for mistake in error.mistakes:
            typer.echo(TeltubbyError.scrub(mistake), err=True)
        raise typer.Exit(EX_CONFIG) from None
    except TeltubbyError as error:
        sentence = str(error)
        typer.echo(f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}.", err=True)
        raise typer.Exit(EX_FAILED) from None
    except KeyboardInterrupt:
        forget_interrupt()
        raise typer.Exit(EX_INTERRUPTED) from None
