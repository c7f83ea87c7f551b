"""Ledgers that are migrated already: the real migration of a new file takes 20 ms, and a thousand tests want one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from teltubby.adapters.sqlite_ledger import SqliteLedger


def _migrated() -> bytes:
    with TemporaryDirectory() as place:
        path = Path(place, "ledger.db")
        SqliteLedger.open(path).close()
        return path.read_bytes()


_MIGRATED = _migrated()


def ledger_at(path: Path) -> Path:
    """The path, and there a ledger that nobody wrote to yet, unless something is there."""
    if not path.exists():
        path.write_bytes(_MIGRATED)
    return path
