"""Packed files as objects of a store: written in parts and read back, with one part in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from anyio import move_on_after, to_thread

from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.base import ObjectStore
from teltubby.backup.errors import BackupDamaged
from teltubby.backup.manifest import BackedUp, Content, Manifest
from teltubby.backup.packing import Packer, Unpacker, WronglyPacked
from teltubby.errors import FileGone, TeltubbyError
from teltubby.messages.transfer import PartReceipt

READ_BYTES = 4 << 20
ABORT_SECONDS = 5.0


async def store_packed(store: ObjectStore, key: str, packer: Packer) -> tuple[int, str]:
    """Write everything that the packer gives; bytes and SHA-256 of the object. Raises what the store does."""
    whole, size = hashlib.sha256(), 0

    def take() -> tuple[bytes, str]:
        part = packer.take(store.part_size)
        whole.update(part)
        return part, hashlib.sha256(part).hexdigest()

    part, sha256 = await to_thread.run_sync(take)
    if packer.ended:
        await store.put(key, part, content_type=_KIND, sha256=sha256)
        return len(part), sha256
    upload_id = await store.begin(key, content_type=_KIND)
    try:
        receipts: list[PartReceipt] = []
        while part:
            size += len(part)
            receipts.append(await store.put_part(key, upload_id, len(receipts) + 1, part, sha256=sha256))
            part, sha256 = await to_thread.run_sync(take)
        await store.complete(key, upload_id, receipts)
    except BaseException:
        with move_on_after(ABORT_SECONDS, shield=True):
            await _dropped(store, key, upload_id)
        raise
    return size, whole.hexdigest()


async def unpacked(
    store: ObjectStore, manifest: Manifest, file: BackedUp, key: BackupKey | None, into: BinaryIO | None = None
) -> None:
    """Read a file of a backup back, into a file or only to see that it is right.

    Raises BackupDamaged when it is not what the manifest says to the last byte, and what the store does.
    """
    place, at = manifest.key_of(file), 0
    damaged = BackupDamaged(f"{file.content} in the backup {manifest.name} is not what was written: it is damaged")
    unsealing = None
    if manifest.sealed_with is not None:
        if key is None or key.name != manifest.sealed_with:
            raise AssertionError("a sealed backup is opened with its key")
        unsealing = key.unsealing(place)
    unpacker = Unpacker(unsealing, most=file.size, write=_nowhere if into is None else into.write)
    try:
        while at < file.stored_size:
            chunk = await store.read(place, at, min(READ_BYTES, file.stored_size - at))
            if not chunk:
                raise damaged
            await to_thread.run_sync(unpacker.feed, chunk)
            at += len(chunk)
        await to_thread.run_sync(unpacker.finish)
        info = await store.head(place)
    except (WronglyPacked, FileGone) as error:
        raise damaged from error
    is_so = (unpacker.size, unpacker.sha256, unpacker.stored_sha256) == (file.size, file.sha256, file.stored_sha256)
    if not is_so or info is None or info.size != file.stored_size:
        raise damaged


async def backed_up(
    store: ObjectStore, manifest: Manifest, content: Content, path: Path, key: BackupKey | None, *, schema: int | None
) -> BackedUp:
    """Pack a file that does not change into the backup, and read it back. Raises BackupDamaged, what the store does."""
    blank = BackedUp(content=content, size=0, sha256="", stored_size=0, stored_sha256="", schema=schema)
    place = manifest.key_of(blank)
    with await to_thread.run_sync(lambda: path.open("rb")) as source:
        packer = Packer(source, None if key is None else key.sealing(place))
        stored_size, stored_sha256 = await store_packed(store, place, packer)
    file = BackedUp(
        content=content,
        size=packer.size,
        sha256=packer.sha256,
        stored_size=stored_size,
        stored_sha256=stored_sha256,
        schema=schema,
    )
    await unpacked(store, manifest, file, key)
    return file


async def _dropped(store: ObjectStore, key: str, upload_id: str) -> None:
    try:
        await store.abort(key, upload_id)
    except TeltubbyError:
        return  # what stays behind is swept with the unfinished backup


def _nowhere(content: bytes) -> None:
    """It is only looked at."""


_KIND = "application/octet-stream"
