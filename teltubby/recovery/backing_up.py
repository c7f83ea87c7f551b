"""`teltubby backup`: makes one now, or shows those that there are."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping

from anyio import to_thread

from teltubby.adapters.clock import utc_now
from teltubby.backup.catalogue import Entry, catalogue
from teltubby.backup.contents import NOT_THERE, require_whole
from teltubby.backup.making import Backups, Made
from teltubby.backup.names import MANIFEST
from teltubby.config import Config
from teltubby.recovery.stores import opened
from teltubby.trees.backing_up import backup_store

Write = Callable[[str], None]


async def back_up(config: Config, write: Write, *, as_json: bool) -> None:
    """Make a backup and say what is in it. Raises ConfigurationError for half a restore, what `Backups.make` does."""
    await to_thread.run_sync(require_whole, config)
    async with opened(backup_store(config)) as store:
        made = await Backups(config, host=socket.gethostname(), clock=utc_now).make(store)
        where = store.location(made.manifest.name.folder + MANIFEST).removesuffix(MANIFEST)
    if as_json:
        write(json.dumps(_as_dict(made, where), ensure_ascii=False, indent=2))
        return
    manifest = made.manifest
    write(f"The backup {manifest.name} is made and verified: {manifest.stored_size:,} bytes in {where}")
    for file in manifest.files:
        write(f"  {file.content:<16} {file.size:>16,} bytes")
    for content, why in manifest.left_out.items():
        if why != NOT_THERE:
            write(f"  {content:<16} left out: {why}")
    if manifest.sealed_with is None:
        write("It is in the clear. With BACKUP_KEY (`openssl rand -base64 32`) it has sessions and settings, too.")
    else:
        write(f"It is sealed with the key {manifest.sealed_with}: without BACKUP_KEY nobody can open it, nor can you.")
    for name in made.removed:
        write(f"The backup {name} is removed: newer ones are kept.")


async def show(config: Config, write: Write, *, as_json: bool) -> None:
    """Every backup in the store, the newest first. Raises what the store does."""
    from teltubby.backup.making import backup_key

    async with opened(backup_store(config)) as store:
        entries = await catalogue(store, backup_key(config))
    if as_json:
        write(json.dumps([_entry(entry) for entry in entries], ensure_ascii=False, indent=2))
        return
    for entry in entries:
        seal = "" if entry.manifest is None or entry.manifest.sealed_with is None else ", sealed"
        why = f" ({entry.why})" if entry.why else ""
        write(f"{entry.name}  {entry.state}{seal}  {entry.size:,} bytes{why}")
    if not entries:
        write("There is no backup: `teltubby backup` makes one, BACKUP_INTERVAL_HOURS has them made.")


def _as_dict(made: Made, where: str) -> Mapping[str, object]:
    manifest = made.manifest
    return {
        "name": str(manifest.name),
        "location": where,
        "sealed_with": manifest.sealed_with,
        "stored_bytes": manifest.stored_size,
        "files": {file.content.value: file.size for file in manifest.files},
        "left_out": {content.value: why for content, why in manifest.left_out.items()},
        "removed": [str(name) for name in made.removed],
    }


def _entry(entry: Entry) -> Mapping[str, object]:
    manifest = entry.manifest
    return {
        "name": str(entry.name),
        "state": entry.state.value,
        "bot": entry.bot,
        "why": entry.why,
        "bytes": entry.size,
        "sealed_with": None if manifest is None else manifest.sealed_with,
        "files": [] if manifest is None else [file.content.value for file in manifest.files],
    }
