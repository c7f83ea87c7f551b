"""Settings of backups: where to, how often, with which key, and how many are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from teltubby.config.group import NOT_NEGATIVE, PATH, POSITIVE, Count, Group, Positive
from teltubby.config.variable import Variable, matching


class BackupSettings(Group):
    """Backups of databases, sessions and settings."""

    interval_hours: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Variable(
            "BACKUP_INTERVAL_HOURS",
            "a number of hours, 0 or more",
            "Hours between two backups that a running process makes of what it owns; 0: none.",
        ),
    ] = 0
    folder: Annotated[
        Path | None,
        Variable(
            "BACKUP_FOLDER",
            PATH,
            "A folder for backups, which must exist. Unset: the archive's store, under teltubby-backups/.",
        ),
    ] = None
    key: Annotated[
        Annotated[SecretStr, matching(r"\S{32,}")] | None,
        Variable(
            "BACKUP_KEY",
            "at least 32 characters without spaces, as `openssl rand -base64 32` prints",
            "Encrypts backups; keep it elsewhere. Unset: sessions and settings are left out of them.",
            secret=True,
        ),
    ] = None
    keep: Annotated[
        Positive, Variable("BACKUP_KEEP", POSITIVE, "So many of the newest backups are kept in any case.")
    ] = 7
    keep_daily: Annotated[
        Count, Variable("BACKUP_KEEP_DAILY", NOT_NEGATIVE, "Of so many days the last backup is kept, too.")
    ] = 14
    keep_weekly: Annotated[
        Count, Variable("BACKUP_KEEP_WEEKLY", NOT_NEGATIVE, "Of so many weeks the last backup is kept, too.")
    ] = 8
