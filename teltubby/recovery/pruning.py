"""`teltubby prune`: what could go, or goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from anyio import to_thread

from teltubby.adapters.clock import utc_now
from teltubby.adapters.sqlite_prune import Pruned, prune_ledger
from teltubby.backup.catalogue import catalogue, remove
from teltubby.backup.making import backup_key, keep_rule
from teltubby.config import Config, Role
from teltubby.errors import SpoolFull
from teltubby.recovery.leftovers import Leftover, dead_uploads, useless_backups, useless_spools
from teltubby.recovery.stores import opened
from teltubby.trees import parts
from teltubby.trees.backing_up import backup_store

Write = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What went, or would go. `before`: the history's limit; None where it is kept for ever, or is not here."""

    really: bool
    before: datetime | None
    rows: int
    spools: Sequence[Leftover]
    uploads: Sequence[Leftover]
    backups: Sequence[Leftover]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        listed = {"spools": self.spools, "uploads": self.uploads, "backups": self.backups}
        return {
            "removed": self.really,
            "history": {"before": None if self.before is None else self.before.isoformat(), "rows": self.rows},
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
    for kind, leftovers in (("spool", found.spools), ("upload", found.uploads), ("backup", found.backups)):
        for each in leftovers:
            write(f"{kind} {each.name} ({each.size:,} bytes): {each.why}")
    if not (found.rows or found.spools or found.uploads or found.backups):
        write("There is nothing that nobody needs.")
    else:
        write("It is removed." if really else "Nothing is removed: --yes does that.")


async def _pruned(config: Config, *, really: bool) -> Pruning:
    now, days = utc_now(), config.queue.history_retention_days
    before = now - timedelta(days=days) if days else None
    ledger: Pruned | None = None
    if config.role is not Role.WORKER:
        ledger = await to_thread.run_sync(
            partial(prune_ledger, config.ingest.sqlite_path, before=before, really=really, clock=utc_now)
        )
    keep = timedelta(hours=config.storage.spool_keep_hours)
    folder = config.storage.spool_dir / "large"
    open_jobs = None if ledger is None else ledger.open_jobs
    try:
        spools = await to_thread.run_sync(
            lambda: list(useless_spools(folder, open_jobs, keep_seconds=keep.total_seconds(), really=really))
        )
    except OSError as error:
        raise SpoolFull(f"the spool {folder} cannot be looked through: {error.strerror}") from error
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
        spools=spools,
        uploads=uploads,
        backups=backups,
    )
