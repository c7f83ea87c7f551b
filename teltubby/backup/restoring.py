"""Bringing a backup back: everything is fetched and verified beside its place before anything is replaced."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread

from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.base import ObjectStore
from teltubby.adapters.sqlite_backup import damage, kept_from_others
from teltubby.backup.catalogue import Entry, State
from teltubby.backup.errors import BackupDamaged, BackupImpossible
from teltubby.backup.manifest import BackedUp, Content, Manifest
from teltubby.backup.objects import unpacked
from teltubby.backup.replacing import cut_off, draft_of, is_back, replace_all
from teltubby.backup.rotation import of_the_past
from teltubby.config import Role
from teltubby.errors import DatabaseUnavailable

SPARE_BYTES = 16 << 20
_SESSIONS = (Content.USER_SESSION, Content.BOT_SESSION, Content.SAID_SESSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What is where now, and where what was there before is kept."""

    files: Mapping[Content, Path]
    kept: Sequence[Path]


def chosen(
    entries: Sequence[Entry], wanted: str | None, *, role: Role, host: str, bot: int | None, now: datetime
) -> Entry:
    """The backup with this name; without one the newest complete one of this role and bot, of this host if it has any.

    One from the future, made by a clock that went wrong, is chosen only where there is no other. Raises
    BackupImpossible, BackupDamaged.
    """
    if wanted is not None:
        found = next((entry for entry in entries if str(entry.name) == wanted), None)
        if found is None:
            raise BackupImpossible(f"there is no backup {wanted}: `teltubby backup --list` shows those that there are")
        if found.state is not State.COMPLETE:
            raise BackupDamaged(f"the backup {wanted} is {found.state}: {found.why}")
        return found
    of_role = [
        entry
        for entry in entries
        if entry.state is State.COMPLETE and entry.name.role is role and (bot is None or entry.bot in (None, bot))
    ]
    candidates = [entry for entry in of_role if entry.name.host == host] or of_role
    if not candidates:
        raise BackupImpossible(f"there is no complete backup of a {role}: `teltubby backup --list` shows what there is")
    if len({entry.name.host for entry in candidates}) > 1:
        names = ", ".join(sorted({str(entry.name) for entry in candidates})[-5:])
        raise BackupImpossible(f"there are backups of several hosts, and none of {host}: name one of them ({names}, …)")
    if len({entry.bot for entry in candidates} - {None}) > 1:
        names = ", ".join(sorted({str(entry.name) for entry in candidates})[-5:])
        raise BackupImpossible(f"there are backups of several bots: name one, or set TELEGRAM_BOT_TOKEN ({names}, …)")
    past = of_the_past([entry.name.made_at for entry in candidates], now)
    return max(candidates, key=lambda entry: (entry.name.made_at in past, entry.name.made_at))


async def restore(
    store: ObjectStore,
    manifest: Manifest,
    key: BackupKey | None,
    targets: Mapping[Content, Path],
    *,
    force: bool,
    now: datetime,
) -> Restored:
    """Put those files of a backup that have a target there, mode 0600; what is there gives way only with `force`.

    Old files are kept beside the new ones, under names with `.before-` in them. Each file is replaced in one step, and
    durably; when this is cut off between two of them, drafts tell so, and asked again it does the rest: what is back
    already is left alone. Raises BackupImpossible (nothing was changed, unless it says `half done`), BackupDamaged, and
    what the store does.
    """
    _require_key(manifest, key)
    wanted = {file: targets[file.content].absolute() for file in manifest.files if file.content in targets}
    if not wanted:
        raise BackupImpossible(f"the backup {manifest.name} has nothing of what is wanted")
    with ExitStack() as held:
        try:
            await to_thread.run_sync(_hold, wanted, held)
            files = await to_thread.run_sync(_prepare, wanted, force)
            was_cut_off = await to_thread.run_sync(cut_off, wanted.values())
            try:
                for file, target in files.items():
                    await _fetch(store, manifest, file, key, draft_of(target))
                await to_thread.run_sync(_require_nothing_there, files, force)
            except BaseException:
                if not was_cut_off:  # else some may be in their places: that goes on being seen
                    with CancelScope(shield=True):
                        await to_thread.run_sync(_drop_drafts, wanted.values())
                raise
        except OSError as error:
            raise BackupImpossible(f"{error.filename or 'a file'} cannot be written: {error.strerror}") from error
        kept: list[Path] = []
        with CancelScope(shield=True):
            try:
                await to_thread.run_sync(replace_all, files, now, kept)
                await to_thread.run_sync(_drop_drafts, wanted.values())
            except OSError as error:
                raise BackupImpossible(
                    f"the restore is half done, and no process starts with that: {error.filename or 'a file'} cannot "
                    f"be replaced: {error.strerror}. The same command does the rest"
                ) from error
    return Restored(files={file.content: target for file, target in wanted.items()}, kept=kept)


def _require_key(manifest: Manifest, key: BackupKey | None) -> None:
    if manifest.sealed_with is None:
        return
    if key is None:
        raise BackupImpossible(f"the backup {manifest.name} is sealed: set BACKUP_KEY to the key that it was made with")
    if key.name != manifest.sealed_with:
        raise BackupImpossible(
            f"the backup {manifest.name} is sealed with the key {manifest.sealed_with}, but BACKUP_KEY is the key "
            f"{key.name}: set the one that it was made with"
        )


def _hold(wanted: Mapping[BackedUp, Path], held: ExitStack) -> None:
    """Nobody uses what is there. Raises BackupImpossible, OSError."""
    for file, target in wanted.items():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not held.enter_context(_unused(file.content, target)):
            raise BackupImpossible(f"a teltubby that runs uses {target}: stop it first")


def _prepare(wanted: Mapping[BackedUp, Path], force: bool) -> Mapping[BackedUp, Path]:
    """What is not back yet, and where it comes to: a name that leads elsewhere goes on leading there.

    Nothing is lost, and there is room. Raises BackupImpossible, OSError.
    """
    files = {file: target.resolve() for file, target in wanted.items() if not is_back(file, target.resolve())}
    _require_nothing_there(files, force)
    needed: dict[int, int] = {}
    for file, target in files.items():
        device = target.parent.stat().st_dev
        needed[device] = needed.get(device, SPARE_BYTES) + file.size
        free = shutil.disk_usage(target.parent).free
        if free < needed[device]:
            raise BackupImpossible(f"{needed[device]} bytes are needed in {target.parent}, which has {free}")
    return files


def _require_nothing_there(files: Mapping[BackedUp, Path], force: bool) -> None:
    there = [str(target) for target in files.values() if target.exists()]
    if there and not force:
        raise BackupImpossible(
            f"there is something already, which is not overwritten: {', '.join(there)}. --force puts the backup in its "
            "place, and keeps the old files beside it"
        )


@contextmanager
def _unused(content: Content, target: Path) -> Iterator[bool]:
    """Whether no process uses the file; it stays so inside."""
    if content.is_database:
        with kept_from_others(target) as free:
            yield free
    elif content in _SESSIONS:
        with target.with_name(target.name + ".lock").open("wb") as handle:  # as SessionVault locks it
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
    else:
        yield True


async def _fetch(store: ObjectStore, manifest: Manifest, file: BackedUp, key: BackupKey | None, draft: Path) -> None:
    def begun() -> int:
        draft.unlink(missing_ok=True)  # of a run that was killed
        return os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    with os.fdopen(await to_thread.run_sync(begun), "wb") as into:
        await unpacked(store, manifest, file, key, into)
        await to_thread.run_sync(_flush, into)
    if file.content.is_database:
        try:
            fault = await to_thread.run_sync(damage, draft)
        except DatabaseUnavailable as error:
            fault = str(error)
        if fault is not None:
            raise BackupDamaged(f"{file.content} in the backup {manifest.name} is damaged: {fault}")


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _drop_drafts(targets: Iterable[Path]) -> None:
    for target in targets:
        draft_of(target.resolve()).unlink(missing_ok=True)
