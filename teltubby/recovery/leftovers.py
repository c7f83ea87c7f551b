"""What lies about and is nobody's any more: spools without a job, uploads that nobody completes, backups of no use."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from teltubby.adapters.base import ObjectStore
from teltubby.archive.keys import PREFIX
from teltubby.backup.catalogue import Entry, State, dead, superfluous
from teltubby.backup.names import series
from teltubby.backup.rotation import KeepRule
from teltubby.errors import SpoolBusy
from teltubby.transfer.journal import UnusableJournal
from teltubby.transfer.spool_lock import DATA, JOURNAL, HeldSpool

UPLOAD_DEAD_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One of them: what it is called, its bytes, and why nobody needs it."""

    name: str
    size: int
    why: str


def spools_of(folder: Path) -> Sequence[str]:
    """The names of the spools that lie there. Blocking; raises OSError."""
    if not folder.is_dir():
        return ()
    return sorted({path.stem for path in folder.iterdir() if path.suffix in (DATA, JOURNAL)})


def useless_spools(
    folder: Path, names: Sequence[str], open_jobs: Collection[str] | None, *, keep_seconds: float, really: bool
) -> Iterator[Leftover]:
    """Of these spools those of jobs that are over or unknown, where `open_jobs` are known here; else the old ones.

    The jobs have to be looked up after the names: a spool that comes meanwhile is of a job that comes meanwhile. What
    somebody holds is left alone. Blocking; raises OSError.
    """
    for name in names:
        with suppress(SpoolBusy, FileNotFoundError):
            held = HeldSpool.hold(folder, name, create=False)
            try:
                why = _useless(held, open_jobs, keep_seconds)
                if why is not None:
                    yield Leftover(name=name, size=held.data_path.stat().st_blocks * 512, why=why)
                    if really:
                        held.remove()
            finally:
                held.close()


def _useless(held: HeldSpool, open_jobs: Collection[str] | None, keep_seconds: float) -> str | None:
    try:
        history = held.history(None)
    except UnusableJournal as error:
        return str(error)
    if history.done:
        return "its job is done"
    if open_jobs is not None and history.file.job_id not in open_jobs:
        return "no job that is open needs it"
    age = time.time() - held.journal_path.stat().st_mtime
    return f"nobody came back for it in {age / 3600:.0f} h" if age > keep_seconds else None


async def dead_uploads(store: ObjectStore, *, now: datetime, keep: timedelta, really: bool) -> Sequence[Leftover]:
    """Uploads into the archive that were begun longer ago than a day, and than a spool is kept to go on from.

    Beside a completed object none is touched: some stores take its parts for those of an upload. Raises what the store
    does.
    """
    found: list[Leftover] = []
    for upload in [each async for each in store.unfinished(PREFIX)]:
        age = timedelta(0) if upload.begun_at is None else now - upload.begun_at
        if age <= max(UPLOAD_DEAD_AFTER, keep) or await store.head(upload.key) is not None:
            continue
        found.append(Leftover(name=upload.key, size=0, why=f"begun {upload.begun_at:%Y-%m-%d}, and never completed"))
        if really:
            await store.abort(upload.key, upload.upload_id)
    return found


async def useless_backups(
    store: ObjectStore, entries: Sequence[Entry], rule: KeepRule, *, now: datetime
) -> Sequence[tuple[Entry, str]]:
    """Backups that newer ones outlived, unfinished ones that nobody makes any more, damaged ones with a good newer one.

    Raises what the store does.
    """
    found = [(entry, "newer ones are kept") for entry in superfluous(entries, rule, now=now)]
    for entry in entries:
        if await dead(store, entry, place=None, now=now):
            found.append((entry, entry.why))
        elif entry.state is State.DAMAGED and _has_newer(entry, entries):
            found.append((entry, f"damaged: {entry.why}"))
    return found


def _has_newer(entry: Entry, entries: Sequence[Entry]) -> bool:
    return any(
        other.state is State.COMPLETE
        and series(other.name) == series(entry.name)
        and (entry.manifest is None or other.bot == entry.bot)
        and other.name.made_at > entry.name.made_at
        for other in entries
    )
