"""Making a backup: claim the name, copy, check, pack, read back, and at last the manifest."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO

from anyio import CancelScope, to_thread

from teltubby import __version__
from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.base import ObjectStore
from teltubby.adapters.folder_files import SQLITE_SIDES, write_new
from teltubby.adapters.sqlite_backup import copy_database, damage
from teltubby.backup.catalogue import catalogue, dead, manifest_of, remove, rotate
from teltubby.backup.contents import NO_KEY, NOT_THERE, bot_of, places, settings_text
from teltubby.backup.errors import BackupDamaged, BackupImpossible
from teltubby.backup.manifest import BackedUp, Content, Manifest
from teltubby.backup.names import CLAIM, MANIFEST, BackupName, series
from teltubby.backup.objects import backed_up
from teltubby.backup.rotation import KeepRule
from teltubby.config import Config
from teltubby.errors import DatabaseUnavailable, ObjectExists, SpoolFull

_LOG = logging.getLogger(__name__)

SPARE_BYTES = 64 << 20
"""Free bytes of the spool that a copy leaves to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made, and which older backups gave way."""

    manifest: Manifest
    removed: tuple[BackupName, ...]


class Backups:
    """Makes backups of what a process owns, of this role on this host, into an open store.

    Databases are copied beside their owner, one after the other: each as it was at one moment. Copies lie in the spool
    while they are packed.
    """

    def __init__(self, config: Config, *, host: str, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._host = host
        self._clock = clock
        self._folder = (config.storage.spool_dir / "backup" / config.role.value).absolute()

    @property
    def key(self) -> BackupKey | None:
        return backup_key(self._config)

    @property
    def bot(self) -> int | None:
        """Whose installation it is."""
        return bot_of(self._config)

    @property
    def rule(self) -> KeepRule:
        return keep_rule(self._config)

    def next_name(self) -> BackupName:
        """What a backup that begins now is called."""
        return BackupName.new(self._host, self._config.role, self._clock())

    async def make(self, store: ObjectStore) -> Made:
        """Make one, and then remove those that need not be kept; what an earlier one left unfinished goes before.

        Raises BackupImpossible, BackupDamaged (it does not read back), DatabaseUnavailable, SpoolFull, and what the
        store does; what is unfinished then is left for the next one.
        """
        lock = await to_thread.run_sync(self._locked)
        try:
            place = await to_thread.run_sync(_place, lock)
            await self._clean(store, place)
            name = self.next_name()
            manifest = await self._make(store, name, place)
            removed = await rotate(store, self.key, self.rule, name, now=name.made_at)
        finally:
            lock.close()
        return Made(manifest=manifest, removed=tuple(removed))

    async def _make(self, store: ObjectStore, name: BackupName, place: str) -> Manifest:
        key = self.key
        claim = json.dumps({"place": place, "pid": os.getpid(), "teltubby": __version__}).encode()
        try:
            await _put(store, name.folder + CLAIM, claim)
        except ObjectExists as error:
            raise BackupImpossible(f"a backup {name} was begun this very second: try again") from error
        blank = Manifest(
            name=name,
            version=__version__,
            bot=self.bot,
            sealed_with=None if key is None else key.name,
            files=(),
            left_out={},
        )
        files: list[BackedUp] = []
        left_out: dict[Content, str] = {}
        for content, path in places(self._config).items():
            if key is None and not content.is_database:
                left_out[content] = NO_KEY
            elif not await to_thread.run_sync(path.exists):
                left_out[content] = NOT_THERE
            else:
                files.append(await self._file(store, blank, content, path))
        if key is None:
            left_out[Content.SETTINGS] = NO_KEY
        else:
            files.append(await self._file(store, blank, Content.SETTINGS, None))
        if not files:
            raise BackupImpossible(
                "there is nothing to back up: sessions and settings need BACKUP_KEY, and no database is there"
            )
        manifest = replace(blank, files=tuple(files), left_out=left_out)
        await _put(store, name.folder + MANIFEST, manifest.write(key))
        if await manifest_of(store, name, key) != manifest:
            raise BackupDamaged(f"the manifest of the backup {name} does not read back as it was written")
        return manifest

    async def _file(self, store: ObjectStore, blank: Manifest, content: Content, path: Path | None) -> BackedUp:
        copy = self._folder / content
        try:
            schema = await self._copied(content, path, copy)
            return await backed_up(store, blank, content, copy, self.key, schema=schema)
        except OSError as error:
            raise SpoolFull(f"{path or content} cannot be copied to {self._folder}: {error.strerror}") from error
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(partial(copy.unlink, missing_ok=True))

    async def _copied(self, content: Content, path: Path | None, copy: Path) -> int | None:
        """Write what goes into the backup to the new file `copy`; a database's schema version. Raises OSError."""
        if path is None:
            await to_thread.run_sync(write_new, copy, settings_text(self._config).encode())
        elif content.is_database:
            return await self._database(path, copy)
        else:
            await to_thread.run_sync(lambda: write_new(copy, path.read_bytes()))
        return None

    async def _database(self, path: Path, copy: Path) -> int:
        """Copy a database and check the copy: what is damaged is no backup. Returns its schema version."""
        await to_thread.run_sync(self._require_room, path)
        stopped = threading.Event()
        try:
            schema = await to_thread.run_sync(
                partial(copy_database, path, copy, going_on=lambda: not stopped.is_set()), abandon_on_cancel=True
            )
        finally:
            stopped.set()
        if schema is None:
            raise AssertionError("nobody stopped it")
        try:
            fault = await to_thread.run_sync(damage, copy, abandon_on_cancel=True)
        except DatabaseUnavailable as error:
            fault = str(error)
        if fault is not None:
            raise BackupImpossible(f"{path} is damaged, so no backup is made of it: {fault}")
        return schema

    def _require_room(self, path: Path) -> None:
        need = (
            sum(side.stat().st_size for side in (path, _beside(path, SQLITE_SIDES[0])) if side.exists()) + SPARE_BYTES
        )
        free = shutil.disk_usage(self._folder).free
        if free < need:
            raise SpoolFull(f"a copy of {path} needs {need} bytes in {self._folder}, which has {free}")

    async def _clean(self, store: ObjectStore, place: str) -> None:
        """Remove what a backup before this one left in the store, which nobody makes any more: we hold the lock."""
        for entry in await catalogue(store, self.key, prefix=series(self.next_name())):
            if await dead(store, entry, place=place, now=self._clock()):
                _LOG.warning("the backup %s was not finished; what there is of it is removed", entry.name)
                await remove(store, entry)

    def _locked(self) -> IO[bytes]:
        """One backup of a role at a time, until the file is closed; copies that one left behind are removed."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = (self._folder / _LOCK).open("a+b")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in self._folder.iterdir():
                    if left.name != _LOCK:
                        left.unlink(missing_ok=True)
            except BaseException:
                handle.close()
                raise
        except BlockingIOError as error:
            raise BackupImpossible("another backup of the same files is being made: wait for it") from error
        except OSError as error:
            raise SpoolFull(f"the folder {self._folder} cannot be used: {error.strerror}") from error
        return handle


_LOCK = "lock"
_PLACE_BYTES = 16


def _place(lock: IO[bytes]) -> str:
    """What tells this folder from all others, also on machines that look the same. Raises SpoolFull."""
    lock.seek(0)
    place = lock.read().decode("ascii", "replace")
    if len(place) != 2 * _PLACE_BYTES:
        place = secrets.token_hex(_PLACE_BYTES)
        try:
            lock.truncate(0)
            lock.write(place.encode())
            lock.flush()
        except OSError as error:
            raise SpoolFull(f"{lock.name} cannot be written: {error.strerror}") from error
    return place


def backup_key(config: Config) -> BackupKey | None:
    """The operator's key."""
    secret = config.backup.key
    return None if secret is None else BackupKey(secret.get_secret_value())


def keep_rule(config: Config) -> KeepRule:
    """How many backups stay."""
    settings = config.backup
    return KeepRule(newest=settings.keep, daily=settings.keep_daily, weekly=settings.keep_weekly)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


async def _put(store: ObjectStore, key: str, body: bytes) -> None:
    await store.put(key, body, content_type="application/json", sha256=hashlib.sha256(body).hexdigest())
