"""What goes wrong with backups."""

from __future__ import annotations

from teltubby.errors import Permanent, TeltubbyError


class BackupImpossible(TeltubbyError):
    """A backup cannot be made, or not be brought back, as things are; the text says what to do."""


class BackupDamaged(Permanent):
    """The backup is not what was written: nothing of it is used."""
