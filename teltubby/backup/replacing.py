"""Putting fetched files in the place of others: told from a whole installation until the last one is there. Blocking.

A file is fetched beside its place, as a draft. As long as a draft lies about, a restore is under way or was cut off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path

from teltubby.adapters.folder_files import SQLITE_SIDES, sync_folder
from teltubby.backup.manifest import BackedUp

DRAFT = ".restoring"


def draft_of(target: Path) -> Path:
    """Where what comes into the place of `target` is fetched to."""
    return target.with_name(target.name + DRAFT)


def cut_off(targets: Iterable[Path]) -> Sequence[Path]:
    """Drafts that lie beside these files: what is in their places may be half of a backup."""
    return tuple(draft for target in targets if (draft := draft_of(target.resolve())).exists())


def is_back(file: BackedUp, target: Path) -> bool:
    """Whether this very file is in its place already, and nobody wrote to it since. Raises OSError."""
    log = target.with_name(target.name + SQLITE_SIDES[0])
    if not target.is_file() or target.stat().st_size != file.size or (log.exists() and log.stat().st_size):
        return False
    with target.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def replace_all(files: Mapping[BackedUp, Path], now: datetime, kept: list[Path]) -> None:
    """Each draft takes its place, durably; what was there is moved aside, and its new name added to `kept`.

    Raises OSError: some are in their places then, and of the others there are drafts.
    """
    for file, target in files.items():
        aside = _free(target.with_name(f"{target.name}.before-{now.strftime('%Y%m%d-%H%M%S')}"))
        if target.exists():
            _move_aside(target, aside)
            kept.append(aside)
        if file.content.is_database:
            for suffix in SQLITE_SIDES:
                side = target.with_name(target.name + suffix)
                if side.exists():  # replayed into another file than its own, a log destroys it
                    side.replace(aside.with_name(aside.name + suffix))
        draft_of(target).replace(target)
        sync_folder(target.parent)


def _move_aside(target: Path, aside: Path) -> None:
    try:
        aside.hardlink_to(target)  # the name itself is there all the time
    except OSError:  # a file system whose files have one name each
        target.rename(aside)


def _free(name: Path) -> Path:
    """This name, or one like it that nothing has."""
    names = (name if not number else name.with_name(f"{name.name}-{number}") for number in count())
    return next(name for name in names if not name.exists())
