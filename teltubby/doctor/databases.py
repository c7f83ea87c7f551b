"""The ledger and the embedded queue: SQLite files that the running process may have open."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from anyio import to_thread

from teltubby.adapters import embedded_store
from teltubby.adapters.sqlite_inspection import DatabaseFacts, inspect_database
from teltubby.adapters.sqlite_schema import SCHEMA_VERSION
from teltubby.config import Config, QueueBackend, Role
from teltubby.doctor.findings import Findings
from teltubby.doctor.troubles import Trouble
from teltubby.doctor.words import size
from teltubby.errors import DatabaseUnavailable
from teltubby.trees.parts import bot_id

CHECK_SECONDS = 8.0
"""SQLite's quick check takes some 10 s per GB; a larger file is left to /db_maint."""

TIGHT_BYTES, FULL_BYTES = 1 << 30, 32 << 20
"""Free bytes of the disk below which it is time to act, and below which the file may fail to grow at any moment."""


async def look_at_databases(config: Config, findings: Findings) -> None:
    """Those that this role opens."""
    if config.role is not Role.WORKER:
        facts = await _database(findings, "ledger", config.ingest.sqlite_path, SCHEMA_VERSION)
        if facts is not None and facts.owner not in (None, bot_id(config)):
            found = f"{config.ingest.sqlite_path} belongs to the bot {facts.owner}, the token to {bot_id(config)}"
            findings.trouble("ledger's bot", Trouble.DATABASE_OF_ANOTHER_BOT, found)
        _quota(config, findings, facts)
    if config.queue.backend is QueueBackend.EMBEDDED:
        await _database(findings, "embedded queue", config.queue.embedded_path, embedded_store.SCHEMA_VERSION)


async def _database(findings: Findings, subject: str, path: Path, newest: int) -> DatabaseFacts | None:
    try:
        facts = await to_thread.run_sync(
            partial(inspect_database, path, check_seconds=CHECK_SECONDS), abandon_on_cancel=True
        )
        free = await to_thread.run_sync(partial(_free_beside, path), abandon_on_cancel=True)
    except (DatabaseUnavailable, OSError) as error:
        findings.trouble(subject, Trouble.DATABASE_UNUSABLE, error)
        return None
    if facts is None:
        findings.well(subject, f"{path} is not there yet, and will be made at the first start")
    elif facts.version > newest:
        found = f"{path} has schema {facts.version}, this teltubby knows {newest}"
        findings.trouble(subject, Trouble.DATABASE_TOO_NEW, found)
    elif facts.damage is not None:
        findings.trouble(subject, Trouble.DATABASE_DAMAGED, f"{path}: {facts.damage}")
    else:
        check = "sound" if facts.checked else f"too large to be checked in {CHECK_SECONDS:g} s: /db_maint does"
        migrated = "" if facts.version == newest else f", schema {facts.version} will be migrated at the start"
        findings.well(subject, f"{path}: {size(facts.size)}, {check}{migrated}")
    _disk(findings, f"{subject}'s disk", path, free)
    return facts


def _disk(findings: Findings, subject: str, path: Path, free: int) -> None:
    found = f"{size(free)} free beside {path}"
    if free < FULL_BYTES:
        findings.trouble(subject, Trouble.DISK_FULL, found)
    elif free < TIGHT_BYTES:
        findings.trouble(subject, Trouble.DISK_TIGHT, found)
    else:
        findings.well(subject, found)


def _free_beside(path: Path) -> int:
    """Free bytes where the file is or will be. Raises OSError where it cannot be made."""
    folder = path.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        why = "may not be written by this user" if folder.is_dir() else "is not there: make it"
        raise OSError(f"the folder {folder} {why}")
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _quota(config: Config, findings: Findings, facts: DatabaseFacts | None) -> None:
    quota = config.s3.bucket_quota_bytes
    if not quota or facts is None or facts.used_bytes is None:
        return
    found = f"{size(facts.used_bytes)} of {size(quota)} by the ledger's count"
    if facts.used_bytes >= quota:
        findings.trouble("quota", Trouble.QUOTA_USED_UP, found)
    elif facts.used_bytes * 100 >= quota * config.s3.quota_alert_threshold_pct:
        findings.trouble("quota", Trouble.QUOTA_TIGHT, found)
    else:
        findings.well("quota", found)
