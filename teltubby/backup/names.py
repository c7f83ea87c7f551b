"""What backups are called: `<host>/<role>/<YYYYMMDD-HHMMSS>`, in UTC. Those of one host and role are a series."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from teltubby.config import Role

PREFIX = "teltubby-backups/"
"""Beside the archive's own prefix: what /purge deletes and the quota counts is not in here."""

MANIFEST, CLAIM = "manifest.json", "begun.json"

_STAMP = "%Y%m%d-%H%M%S"
_NAME = re.compile(rf"([A-Za-z0-9_-][A-Za-z0-9._-]{{0,62}})/({'|'.join(Role)})/(\d{{8}}-\d{{6}})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class BackupName:
    """One backup."""

    host: str
    role: Role
    made_at: datetime

    def __str__(self) -> str:
        return f"{self.host}/{self.role}/{self.made_at.strftime(_STAMP)}"

    @property
    def folder(self) -> str:
        """What all of its keys begin with."""
        return f"{PREFIX}{self}/"

    @classmethod
    def new(cls, host: str, role: Role, now: datetime) -> BackupName:
        """A backup that is made now, on this machine."""
        plain = re.sub(r"[^A-Za-z0-9._-]", "-", host)[:63]
        if not plain or plain[0] == ".":
            plain = f"-{plain[1:]}"
        return cls(plain, role, now.astimezone(UTC).replace(microsecond=0))

    @classmethod
    def read(cls, text: str) -> BackupName | None:
        """The name that `text` is; None when it is none."""
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        try:
            made_at = datetime.strptime(match[3], _STAMP).replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(match[1], Role(match[2]), made_at)

    @classmethod
    def of_key(cls, key: str) -> BackupName | None:
        """The backup that an object belongs to; None when it is no backup's."""
        return cls.read(key.removeprefix(PREFIX).rpartition("/")[0]) if key.startswith(PREFIX) else None


def series(name: BackupName) -> str:
    """What the keys of all backups of this host and role begin with."""
    return f"{PREFIX}{name.host}/{name.role}/"
