"""Backups, where they are switched on: of what the process owns, made beside its work."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import timedelta

from teltubby.actors.readiness import LOOK_SECONDS, Outlook
from teltubby.adapters.base import ObjectStore
from teltubby.adapters.clock import utc_now
from teltubby.config import Config
from teltubby.supervision import Backoff, ChildSpec
from teltubby.trees import parts

SELDOM = Backoff(first=60.0, cap=3600.0)
"""A backup that fails reads every database anew: it is not tried again at once."""


def backup_store(config: Config) -> Callable[[], ObjectStore]:
    """Makes the store that backups are kept in: the archive's, or a folder of their own."""
    folder = config.backup.folder
    if folder is None:
        return parts.store(config)
    from teltubby.adapters.folder_store import FolderStore

    return lambda: FolderStore(folder, part_size=config.s3.part_size)


def backup_children(config: Config, outlook: Outlook) -> Sequence[ChildSpec]:
    """The actor that makes them; nobody where BACKUP_INTERVAL_HOURS is 0."""
    hours = config.backup.interval_hours
    if hours == 0:
        return ()
    from teltubby.actors.backup import BackupActor
    from teltubby.actors.backup_record import BackupRecord
    from teltubby.backup.making import Backups

    store = backup_store(config)
    record = BackupRecord(outlook, every=timedelta(hours=hours), clock=utc_now)
    outlook.looks.append((record.look, LOOK_SECONDS))

    def make() -> BackupActor:
        return BackupActor(
            Backups(config, host=socket.gethostname(), clock=utc_now),
            store,
            record=record,
            backoff=SELDOM,
            rng=parts.RNG,
        )

    return (ChildSpec("backup", make, backoff=SELDOM),)
