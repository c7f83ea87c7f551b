"""`teltubby reindex`: the ledger's files, submissions and usage, from what the store holds."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from teltubby.adapters.clock import utc_now
from teltubby.adapters.sqlite_backup import copy_database
from teltubby.adapters.sqlite_catalogue import Catalogue, Total
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_reindex import Rebuilt, rebuild
from teltubby.backup.contents import require_whole
from teltubby.config import Config
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.fixity.check import remove
from teltubby.fixity.reading import Pace, Reader, opened
from teltubby.fixity.survey import InTurn, Survey, Told
from teltubby.trees.parts import bot_id

Write = Callable[[str], None]

BUSY_SECONDS = 2.0
MOST_TOLD = 1000
"""Objects that could not be read as artifacts and are named; all are counted."""


class LedgerInUse(DatabaseUnavailable):
    """Another process has the ledger open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindexed:
    """What came of it. `skipped` are objects under an artifact's name that are none, with the reason."""

    dry_run: bool
    ledger: str
    store: str
    total: Total
    artifacts: int
    skipped_count: int
    skipped: tuple[tuple[str, str], ...]
    rebuilt: Rebuilt

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "dry_run": self.dry_run,
            "ledger": self.ledger,
            "store": self.store,
            "objects": self.total.objects,
            "bytes": self.total.size_bytes,
            "artifacts": self.artifacts,
            **asdict(self.rebuilt),
            "skipped_count": self.skipped_count,
            "skipped": [{"key": key, "reason": reason} for key, reason in self.skipped],
        }

    def in_words(self) -> str:
        """For people."""
        made = self.rebuilt
        lines = [
            f"{self.store}: {self.total.objects} objects, {self.total.size_bytes} bytes, {self.artifacts} artifacts",
            f"submissions: {made.submissions_new} new, {made.submissions_changed} changed,"
            f" {made.submissions_same} known, {made.submissions_ahead} newer in the ledger",
            f"files: {made.files_new} new, {made.files_moved} moved, {made.files_known} known,"
            f" {made.files_forgotten} forgotten",
            *(
                f"{count} {what}"
                for count, what in (
                    (made.submissions_waiting, "submissions wait in the inbox, and are done anew: not taken"),
                    (made.submissions_twice, "artifacts tell of a submission that another one tells of: not taken"),
                    (made.missing, "objects are named by artifacts and are not there as they should be: not taken"),
                    (made.disputed, "objects have another SHA-256 by each artifact: not taken"),
                    (made.lost_jobs, "files were queued and the ledger has no job for them: hand them in again"),
                    (self.skipped_count, "objects have an artifact's name and are none: skipped"),
                )
                if count
            ),
            *(f"  {key}: {reason}" for key, reason in self.skipped),
            f"Nothing was changed: a dry run. The ledger is {self.ledger}."
            if self.dry_run
            else f"{self.ledger} is rebuilt.",
        ]
        return "\n".join(lines)


async def reindexed(config: Config, write: Write, *, as_json: bool, dry_run: bool, told: Told) -> None:
    """Rebuild the ledger, or look what would come of it, and say so. Nothing is changed when it fails halfway.

    Raises LedgerInUse, WrongBucket, ConfigurationError (another bot's ledger), and what the store raises.
    """
    await to_thread.run_sync(require_whole, config)
    path = config.ingest.sqlite_path
    in_turn = InTurn()
    catalogue_path = path.with_name(f"{path.name}.{f'dry-run-{os.getpid()}' if dry_run else 'reindex'}")
    async with _ledger(config, in_turn, dry_run=dry_run) as ledger, opened(config) as store:
        try:
            reader = Reader(store, Pace(None))
            await in_turn(partial(remove, catalogue_path))
            catalogue = await in_turn(partial(Catalogue.open, catalogue_path))
            try:
                began = utc_now()
                await Survey(reader, catalogue, in_turn=in_turn, keep_text=True, told=told).run()
                total = await in_turn(catalogue.total)
                unread = await in_turn(partial(catalogue.count, "unread"))
                rows = await in_turn(
                    partial(catalogue.file.read, "SELECT key, reason FROM unread ORDER BY key LIMIT ?", MOST_TOLD)
                )
                artifacts = await in_turn(partial(catalogue.count, "artifacts"))
            finally:
                with anyio.CancelScope(shield=True):
                    await in_turn(catalogue.close)
            told("artifacts read, the ledger is written", artifacts, artifacts)
            with anyio.CancelScope(shield=True):  # what is written is told, too
                result = await in_turn(partial(rebuild, ledger, catalogue_path, total, began))
        finally:
            with anyio.CancelScope(shield=True):
                await in_turn(partial(remove, catalogue_path))
    done = Reindexed(
        dry_run=dry_run,
        ledger=str(path),
        store=reader.bucket,
        total=total,
        artifacts=artifacts,
        skipped_count=unread,
        skipped=tuple((row["key"], row["reason"]) for row in rows),
        rebuilt=result,
    )
    write(json.dumps(done.as_dict(), ensure_ascii=False, indent=2) if as_json else done.in_words())


@asynccontextmanager
async def _ledger(config: Config, in_turn: InTurn, *, dry_run: bool) -> AsyncIterator[SqliteLedger]:
    """The ledger for this process alone, or for a dry run a copy of it, beside the process that owns it."""
    path = config.ingest.sqlite_path
    copy = path.with_name(f"{path.name}.copy-{os.getpid()}")
    try:
        ledger = await to_thread.run_sync(partial(_open, path, copy, bot_id(config), dry_run=dry_run))
        try:
            yield ledger
        finally:
            with anyio.CancelScope(shield=True):
                await in_turn(ledger.close)
    finally:
        if dry_run:
            with anyio.CancelScope(shield=True):
                await in_turn(partial(remove, copy))


def _remove_left(path: Path) -> None:
    """What dry runs left that were killed. Raises OSError."""
    for left in (*path.parent.glob(f"{path.name}.copy-*"), *path.parent.glob(f"{path.name}.dry-run-*")):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            remove(left)


def _open(path: Path, copy: Path, bot: int, *, dry_run: bool) -> SqliteLedger:
    """Raises LedgerInUse, DatabaseUnavailable, ConfigurationError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        mistake = f"SQLITE_PATH is '{path}', but its folder cannot be made: {error.strerror}."
        raise ConfigurationError((mistake,)) from error
    if dry_run:
        _remove_left(path)
        remove(copy)
        if path.exists():
            copy_database(path, copy)
    try:
        ledger = SqliteLedger.open(copy if dry_run else path, busy_timeout=BUSY_SECONDS, exclusive=True)
    except DatabaseUnavailable as error:
        if not error.says("is locked"):
            raise
        raise LedgerInUse(
            f"the ledger {path} is in use: stop the bot (`teltubby run`, `teltubby bot`), and whoever looks into the"
            " file, and run reindex again; `--dry-run` works beside them"
        ) from error
    if (owner := ledger.claim(bot)) != bot:
        ledger.close()
        raise ConfigurationError((f"SQLITE_PATH is '{path}', which belongs to bot {owner}, not to bot {bot}.",))
    return ledger
