"""`teltubby prune`: what could go, or goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anyio import to_thread

from teltubby.adapters.clock import utc_now
from teltubby.adapters.sqlite_prune import Pruned, prune_ledger
from teltubby.backup.catalogue import catalogue, remove
from teltubby.backup.making import backup_key, keep_rule
from teltubby.config import Config, Role
from teltubby.errors import SpoolFull
from teltubby.recovery.leftovers import Leftover, dead_uploads, spools_of, useless_backups, useless_spools
from teltubby.recovery.stores import opened
from teltubby.trees import parts
from teltubby.trees.backing_up import backup_store

R = TypeVar("R")
Write = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What went, or would go. `before`, `trail_before`: the limits of the history and of the audit trail; None where it
    is kept for ever, or is not here.
    """

    really: bool
    before: datetime | None
    rows: int
    trail_before: datetime | None
    lines: int
    spools: Sequence[Leftover]
    uploads: Sequence[Leftover]
    backups: Sequence[Leftover]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        listed = {"spools": self.spools, "uploads": self.uploads, "backups": self.backups}
        return {
            "removed": self.really,
            "history": {"before": None if self.before is None else self.before.isoformat(), "rows": self.rows},
            "audit": {
                "before": None if self.trail_before is None else self.trail_before.isoformat(),
                "lines": self.lines,
            },
            **{
                kind: [{"name": each.name, "bytes": each.size, "why": each.why} for each in leftovers]
                for kind, leftovers in listed.items()
            },
        }


async def prune(config: Config, write: Write, *, really: bool, as_json: bool) -> None:
    """Look, remove with `really`, and say what. Raises what the ledger and the stores do, and SpoolFull."""
    found = await _pruned(config, really=really)
    if as_json:
        write(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        return
    if found.before is not None:
        write(f"{found.rows} rows of the history are older than {found.before:%Y-%m-%d}")
    if found.trail_before is not None:
        write(f"{found.lines} lines of the audit trail are older than {found.trail_before:%Y-%m-%d}")
    for kind, leftovers in (("spool", found.spools), ("upload", found.uploads), ("backup", found.backups)):
        for each in leftovers:
            write(f"{kind} {each.name} ({each.size:,} bytes): {each.why}")
    if not (found.rows or found.lines or found.spools or found.uploads or found.backups):
        write("There is nothing that nobody needs.")
    else:
        write("It is removed." if really else "Nothing is removed: --yes does that.")


async def _pruned(config: Config, *, really: bool) -> Pruning:
    now = utc_now()
    before = _limit(now, config.queue.history_retention_days)
    trail_before = _limit(now, config.queue.audit_retention_days)
    ledger: Pruned | None = None
    folder = config.storage.spool_dir / "large"
    names = await _looked_through(folder, lambda: spools_of(folder))
    if config.role is not Role.WORKER:
        ledger = await to_thread.run_sync(
            partial(
                prune_ledger,
                config.ingest.sqlite_path,
                before=before,
                trail_before=trail_before,
                really=really,
                clock=utc_now,
            )
        )
    keep = timedelta(hours=config.storage.spool_keep_hours)
    open_jobs = None if ledger is None else ledger.open_jobs
    spools = await _looked_through(
        folder, lambda: list(useless_spools(folder, names, open_jobs, keep_seconds=keep.total_seconds(), really=really))
    )
    async with opened(parts.store(config)) as store:
        uploads = await dead_uploads(store, now=now, keep=keep, really=really)
    backups: list[Leftover] = []
    async with opened(backup_store(config)) as store:
        entries = await catalogue(store, backup_key(config))
        for entry, why in await useless_backups(store, entries, keep_rule(config), now=now):
            backups.append(Leftover(name=str(entry.name), size=entry.size, why=why))
            if really:
                await remove(store, entry)
    return Pruning(
        really=really,
        before=None if ledger is None else before,
        rows=0 if ledger is None else ledger.rows,
        trail_before=None if ledger is None else trail_before,
        lines=0 if ledger is None else ledger.lines,
        spools=spools,
        uploads=uploads,
        backups=backups,
    )


def _limit(now: datetime, days: int) -> datetime | None:
    return now - timedelta(days=days) if days else None


async def _looked_through(folder: Path, look: Callable[[], R]) -> R:
    try:
        return await to_thread.run_sync(look)
    except OSError as error:
        raise SpoolFull(f"the spool {folder} cannot be looked through: {error.strerror}") from error
