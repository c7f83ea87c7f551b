"""Where a command writes: a file that is there whole or not at all, or stdout."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import typer

from teltubby.adapters.folder_files import sync_folder
from teltubby.errors import TeltubbyError
from teltubby.exit_codes import EX_FAILED


class NotWritten(TeltubbyError):
    """The output cannot be written; the text says where, and why."""


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file for the owner only that takes the place of `path` when all of it is on disk. Raises NotWritten.

    A device or a pipe is written itself: nothing may take its place.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with _as_it_is(path) as file:
            yield file
        return
    draft = path.with_name(f".{path.name[:200]}.{uuid4().hex[:8]}.part")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123 - with its mode
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise NotWritten(f"the file {path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _as_it_is(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def piped() -> Iterator[BinaryIO]:
    """Stdout. Whoever reads it may stop before the end, which ends the command without more words."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        _drop_what_is_buffered()
        raise
    except BrokenPipeError:
        _drop_what_is_buffered()
        raise typer.Exit(EX_FAILED) from None
    except OSError as error:
        raise NotWritten(f"the output cannot be written: {error.strerror}") from error


def _drop_what_is_buffered() -> None:
    """Python writes that when it ends, and would fail again, or wait for somebody who does not read."""
    with suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
