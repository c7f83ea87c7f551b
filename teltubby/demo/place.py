"""Where a demonstration keeps its things: the archive, the databases, the product's log."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from teltubby.demo.errors import DemoFailed

ROOM = 800_000_000
"""Bytes that have to be free: while the largest file is on its way it lies in the spool and in the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One folder and what is in it; `kept` tells whether it is still there after the demonstration."""

    root: Path
    kept: bool

    @property
    def archive(self) -> Path:
        """The object store."""
        return self.root / "archive"

    @property
    def spool(self) -> Path:
        """Files on their way."""
        return self.root / "spool"

    @property
    def ledger(self) -> Path:
        """The bot's database."""
        return self.root / "teltubby.db"

    @property
    def queue(self) -> Path:
        """The embedded queue's database."""
        return self.root / "queue.db"

    @property
    def session(self) -> Path:
        """The MTProto session of the bot."""
        return self.root / "mtproto-bot.session"

    @property
    def public_key(self) -> Path:
        """The simulated Telegram's RSA key."""
        return self.root / "public-key.pem"

    @property
    def log(self) -> Path:
        """What the product wrote to stdout and stderr."""
        return self.root / "teltubby.log"


@contextmanager
def prepared(out: Path | None) -> Iterator[Place]:
    """The folder `out`, made if it is missing and kept; without it a temporary one that is removed.

    Raises DemoFailed when `out` is not an empty folder that can be written, or when there is no room.
    """
    if out is not None:
        root = out.absolute()
        _claim(root)
        yield _furnished(Place(root=root, kept=True))
        return
    with tempfile.TemporaryDirectory(prefix="teltubby-demo-") as folder:
        yield _furnished(Place(root=Path(folder), kept=False))


def _claim(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = any(root.iterdir())
    except OSError as error:
        raise DemoFailed(f"--out {root} cannot be used: {error.strerror}.") from error
    if taken:
        raise DemoFailed(f"--out {root} is not empty (an earlier demo?): name a new folder, or empty this one.")


def _furnished(place: Place) -> Place:
    free = shutil.disk_usage(place.root).free
    if free < ROOM:
        raise DemoFailed(
            f"{place.root} has {free // 1_000_000} MB free, and the demo needs {ROOM // 1_000_000} MB: "
            "name a folder on another disk with --out."
        )
    try:
        place.archive.mkdir()
    except OSError as error:
        raise DemoFailed(f"{place.root} cannot be written: {error.strerror}.") from error
    return place
