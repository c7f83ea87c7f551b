"""Deliberate bugs, put into a process of the product from outside: the proof that the chaos tests find such.

Each replaces one function of the product in the process that has forked itself for it (see seedbed.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from teltubby.actors import job_flow, outbox, receiving, upload, ways
from teltubby.adapters import sqlite_file
from teltubby.messages.media import RawUpdate
from teltubby.messages.transfer import DropObject
from teltubby.transfer.spool_lock import DATA

WINDOW_SECONDS = 0.7
"""For which what was acknowledged is not durable."""


def acknowledge_updates_early() -> None:
    """Updates are confirmed to Telegram before they are in the inbox."""
    fetch = receiving.Receiving._fetch

    async def confirmed_first(self: Any, offset: int) -> Sequence[RawUpdate]:
        updates = list(await fetch(self, offset))
        if updates:
            updates += await self._gateway.updates(offset=updates[-1].update_id + 1, wait=0.0)
            await anyio.sleep(WINDOW_SECONDS)
        return updates

    _put(receiving.Receiving, "_fetch", confirmed_first)


def acknowledge_jobs_early() -> None:
    """A job's message is acknowledged before the job is done."""
    perform = job_flow.JobFlow._perform

    async def acknowledged_first(self: Any, hand: Any) -> None:
        await self._ack(hand)
        await perform(self, hand)

    _put(job_flow.JobFlow, "_perform", acknowledged_first)


def skip_fsync() -> None:
    """The data of a spool are never synced, although its journal says so."""
    for name in ("fsync", "fdatasync"):
        sync: Callable[[int], None] = getattr(os, name)

        def synced(descriptor: int, sync: Callable[[int], None] = sync) -> None:
            if Path(f"/proc/self/fd/{descriptor}").readlink().suffix != DATA:
                sync(descriptor)

        setattr(os, name, synced)


def never_sync_the_database() -> None:
    """SQLite leaves it to the kernel when what was committed is on the disk."""
    open_file = sqlite_file.SqliteFile.open

    def opened(*arguments: Any, **fields: Any) -> sqlite_file.SqliteFile:
        file = open_file(*arguments, **fields)
        file.db.conn.execute("PRAGMA synchronous=OFF")
        return file

    _put(sqlite_file.SqliteFile, "open", staticmethod(opened))


def drop_the_outbox() -> None:
    """Jobs count as published before the broker has confirmed any."""
    publish_all = outbox.Outbox._publish_all

    async def marked_first(self: Any, jobs: Sequence[Any], confirmed: list[Any], failures: list[Exception]) -> None:
        await self._mark(jobs)
        await publish_all(self, jobs, confirmed, failures)

    _put(outbox.Outbox, "_publish_all", marked_first)


def ignore_the_identity() -> None:
    """Whatever stands where a file was is taken for it."""

    def proved(*args: object, **fields: object) -> None:
        del args, fields

    _put(ways, "prove", proved)


def never_drop_a_copy() -> None:
    """The second of two copies that went up side by side stays in the store."""
    handle = upload.UploadActor.handle

    async def handled(self: Any, message: Any, /) -> object:
        return None if isinstance(message, DropObject) else await handle(self, message)

    _put(upload.UploadActor, "handle", handled)


def _put(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{owner} has no {name} any more: this bug cannot be planted"
    setattr(owner, name, value)


PLANTS: Mapping[str, Callable[[], None]] = {
    "acknowledge updates early": acknowledge_updates_early,
    "acknowledge jobs early": acknowledge_jobs_early,
    "skip fsync": skip_fsync,
    "never sync the database": never_sync_the_database,
    "drop the outbox": drop_the_outbox,
    "ignore the identity check": ignore_the_identity,
    "never drop a copy": never_drop_a_copy,
}
