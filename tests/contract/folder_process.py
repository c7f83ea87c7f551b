"""A process of its own that uses a folder store, to be killed, starved of room, or run as somebody else.

Usage: `python folder_process.py MODE FOLDER`, in the project's root.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path

import anyio

from teltubby.adapters.folder_store import FolderStore
from teltubby.errors import StoreRefused, StoreUnavailable
from tests.contract.stores import MIB, PART, begin, digest, put, put_parts

ROOM = 4 * MIB
"""Of the file system, or of a single file, in the modes that starve."""

NOBODY = 65534


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def write_until_killed(store: FolderStore) -> None:
    """Objects of 2 MiB, one after another; each is told of once it is stored."""
    await store.open()
    for number in range(10_000):
        await put(store, f"objects/{number}", bytes([number % 256]) * (2 * MIB))
        say(number)


async def upload_until_killed(store: FolderStore) -> None:
    """Parts of one upload; each is told of once it is stored."""
    await store.open()
    upload_id = await store.begin("film.mp4", content_type="video/mp4")
    say(upload_id)
    for number in range(1, 10_000):
        body = bytes([number % 256]) * PART
        say(asdict(await store.put_part("film.mp4", upload_id, number, body, sha256=digest(body))))


async def starve(store: FolderStore) -> None:
    """More than there is room for; then less again."""
    await store.open()
    await put(store, "first", b"1" * MIB)
    upload_id, parts = await begin(store, "film.mp4", [b"2" * MIB])
    big = await store.begin("k", content_type="video/mp4")
    for attempt in (lambda: put(store, "second", b"3" * ROOM * 2), lambda: put_parts(store, "k", big, [b"4" * PART])):
        try:
            await attempt()
        except StoreUnavailable as exc:
            assert "no room" in str(exc), exc
        else:
            raise AssertionError("there was room for more than there is")
    await store.abort("k", big)
    assert [(info.key, info.size) async for info in store.list("")] == [("first", MIB)]
    await store.delete("first")
    assert (await store.complete("film.mp4", upload_id, parts)).size == MIB
    await put(store, "second", b"5" * MIB)
    say([info.key async for info in store.list("")])


async def be_refused(store: FolderStore) -> None:
    """As somebody who may not write there; root may write anywhere."""
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    refused = 0
    for attempt in (
        store.open,
        store.check,
        lambda: put(store, "k", b"x"),
        lambda: store.begin("k", content_type="text/plain"),
    ):
        try:
            await attempt()
        except StoreRefused as exc:
            assert str(store.location("k")).removesuffix("/k") in str(exc), exc
            refused += 1
    say(refused)


async def main(mode: str, folder: Path) -> None:
    store = FolderStore(folder, part_size=PART)
    match mode:
        case "write":
            await write_until_killed(store)
        case "upload":
            await upload_until_killed(store)
        case "starve":
            await starve(store)
        case "starve-file":
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
            await starve(store)
        case "refused":
            await be_refused(store)
        case _:
            raise ValueError(mode)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]))
