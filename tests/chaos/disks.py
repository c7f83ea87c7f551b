"""Two small file systems, for the spool and for the database, that can be filled where this machine lets us mount."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOMY = "1g"
SLACK_BYTES = 32 << 10
"""What is still free on a full one: less than a database or a part needs."""


class Disks:
    """`spool` and `database` below `home`; where nothing can be mounted they are folders that are never full."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._mounted: list[Path] = []
        for name in ("spool", "database"):
            place = self.place(name)
            place.mkdir(parents=True)
            if os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", f"size={ROOMY}", "tmpfs", str(place)):
                self._mounted.append(place)

    @property
    def can_fill(self) -> bool:
        return len(self._mounted) == 2

    def place(self, name: str) -> Path:
        """Where it is."""
        return self._home / f"disk-{name}"

    def fill(self, name: str) -> None:
        """Leave no room; what is there stays."""
        there = os.statvfs(self.place(name))
        used = (there.f_blocks - there.f_bfree) * there.f_frsize
        self._resize(name, str(used + SLACK_BYTES))

    def free(self, name: str) -> None:
        """Give it room again."""
        self._resize(name, ROOMY)

    def close(self) -> None:
        """Unmount them; safe to call twice."""
        while self._mounted:
            subprocess.run(["umount", "--lazy", str(self._mounted.pop())], check=True)

    def _resize(self, name: str, size: str) -> None:
        if self.can_fill and not _mount("-o", f"remount,size={size}", str(self.place(name))):
            raise OSError(f"{self.place(name)} cannot be made {size} large")


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
