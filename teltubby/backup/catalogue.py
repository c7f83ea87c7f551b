"""Which backups a store has: complete ones, and what is left of others; and how they go."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.base import ObjectStore
from teltubby.backup.errors import BackupDamaged
from teltubby.backup.manifest import MOST_BYTES, Manifest
from teltubby.backup.names import CLAIM, MANIFEST, PREFIX, BackupName, series
from teltubby.backup.rotation import KeepRule, kept, of_the_past
from teltubby.errors import FileGone

_LOG = logging.getLogger(__name__)

DEAD_AFTER = timedelta(days=1)
"""A backup that another place began so long ago and did not finish is not being made any more."""


class State(StrEnum):
    """What a backup is good for."""

    COMPLETE = "complete"
    UNFINISHED = "unfinished"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One backup: `why` says what is wrong with it; `objects` are its keys and their sizes in bytes."""

    name: BackupName
    state: State
    objects: Mapping[str, int]
    manifest: Manifest | None = None
    why: str = ""

    @property
    def size(self) -> int:
        return sum(self.objects.values())

    @property
    def bot(self) -> int | None:
        """Whose installation it is of, if that is known."""
        return None if self.manifest is None else self.manifest.bot


async def catalogue(store: ObjectStore, key: BackupKey | None, *, prefix: str = PREFIX) -> Sequence[Entry]:
    """Every backup under the prefix, the newest first. Contents are not read: `verified` by whoever wants to use one.

    Raises StoreUnavailable, StoreRefused.
    """
    found: dict[BackupName, dict[str, int]] = defaultdict(dict)
    async for info in store.list(prefix):
        if (name := BackupName.of_key(info.key)) is not None:
            found[name][info.key] = info.size
    entries = [await _entry(store, name, objects, key) for name, objects in found.items()]
    return sorted(entries, key=lambda entry: (entry.name.made_at, entry.name), reverse=True)


async def _entry(store: ObjectStore, name: BackupName, objects: Mapping[str, int], key: BackupKey | None) -> Entry:
    if name.folder + MANIFEST not in objects:
        return Entry(name=name, state=State.UNFINISHED, objects=objects, why="it was not finished")
    try:
        manifest = await manifest_of(store, name, key)
    except BackupDamaged as error:
        return Entry(name=name, state=State.DAMAGED, objects=objects, why=str(error))
    for file in manifest.files:
        if objects.get(manifest.key_of(file)) != file.stored_size:
            why = f"{file.content} is not there, or has another size than was written"
            return Entry(name=name, state=State.DAMAGED, objects=objects, manifest=manifest, why=why)
    return Entry(name=name, state=State.COMPLETE, objects=objects, manifest=manifest)


async def manifest_of(store: ObjectStore, name: BackupName, key: BackupKey | None) -> Manifest:
    """Raises BackupDamaged, and what the store does."""
    try:
        body = await store.read(name.folder + MANIFEST, 0, MOST_BYTES)
    except FileGone as error:
        raise BackupDamaged(f"the backup {name} has no manifest: it was not finished") from error
    return Manifest.read(body, name, key)


async def remove(store: ObjectStore, entry: Entry) -> None:
    """Remove a backup, the manifest first: what is left when this is cut off is unfinished. Raises what the store does.

    Uploads that were begun go before objects: some stores take the parts of the one for those of the other.
    """
    for upload in [each async for each in store.unfinished(entry.name.folder)]:
        if upload.key not in entry.objects:
            await store.abort(upload.key, upload.upload_id)
    order = (entry.name.folder + MANIFEST, *sorted(entry.objects))
    for key in order:
        if key in entry.objects and key != entry.name.folder + CLAIM:
            await store.delete(key)
    await store.delete(entry.name.folder + CLAIM)


def superfluous(entries: Sequence[Entry], rule: KeepRule, *, now: datetime) -> Sequence[Entry]:
    """Complete backups that the rule does not keep, each bot's and series judged by itself; none from the future."""

    def whose(entry: Entry) -> tuple[str, int]:
        return series(entry.name), entry.bot or 0

    gone: list[Entry] = []
    for _, group in groupby(sorted((each for each in entries if each.state is State.COMPLETE), key=whose), key=whose):
        together = list(group)
        past = of_the_past([entry.name.made_at for entry in together], now)
        gone += [entry for entry in together if entry.name.made_at in past - kept(past, rule)]
    return gone


async def rotate(
    store: ObjectStore, key: BackupKey | None, rule: KeepRule, name: BackupName, *, now: datetime
) -> Sequence[BackupName]:
    """Remove what the rule does not keep of the series of `name`, which was just made, and stays in any case.

    Two installations that have a name in common lose nothing by each other. Returns the names of what went. Raises what
    the store does.
    """
    entries = await catalogue(store, key, prefix=series(name))
    gone = [entry for entry in superfluous(entries, rule, now=now) if entry.name != name]
    for entry in gone:
        _LOG.info("the backup %s is removed: newer ones are kept", entry.name)
        await remove(store, entry)
    return [entry.name for entry in gone]


async def dead(store: ObjectStore, entry: Entry, *, place: str | None, now: datetime) -> bool:
    """Whether an unfinished backup is not being made any more: by age, or because we hold the lock of its `place`."""
    if entry.state is not State.UNFINISHED:
        return False
    if now - entry.name.made_at > DEAD_AFTER:
        return True
    if entry.name.folder + CLAIM not in entry.objects:
        return True  # a removal that was cut off
    try:
        claim = json.loads(await store.read(entry.name.folder + CLAIM, 0, MOST_BYTES))
        return place is not None and claim["place"] == place
    except (FileGone, ValueError, KeyError, TypeError, RecursionError):
        return False
