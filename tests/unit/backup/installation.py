"""What a process owns, as tests of backups have it: real databases, some of them in use, and sessions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.backup.making import Backups
from teltubby.backup.manifest import Content
from teltubby.config import Config, Role, load
from tests.script import Watcher, nobody_watches
from tests.twins import MemoryStore

KEY = "a-key-for-backups-of-at-least-32-characters"
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
SECRETS = ("123:bot-token-to-be-kept", "0123456789abcdef", "the session of a person")


class Installation:
    """A box under `root`; its ledger is open, as in a process that runs. The clock goes on by a second per backup."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = NOON
        self.settings = {
            "TELEGRAM_BOT_TOKEN": SECRETS[0],
            "TELEGRAM_WHITELIST_IDS": "1",
            "MTPROTO_API_ID": "1",
            "MTPROTO_API_HASH": SECRETS[1],
            "STORAGE_FOLDER": str(root / "archive"),
            "SPOOL_DIR": str(root / "spool"),
            "SQLITE_PATH": str(root / "ledger.db"),
            "EMBEDDED_QUEUE_PATH": str(root / "queue.db"),
            "MTPROTO_DATABASE_PATH": str(root / "collector.db"),
            "MTPROTO_SESSION_PATH": str(root / "user.session"),
            "MTPROTO_BOT_SESSION_PATH": str(root / "bot.session"),
            "BACKUP_KEY": KEY,
        }
        self.ledger = SqliteLedger.open(root / "ledger.db")
        self.ledger.claim(123)
        (root / "user.session").write_text(SECRETS[2])

    def close(self) -> None:
        self.ledger.close()

    def config(self, **settings: str) -> Config:
        return load(Role.BOX, self.settings | settings, None, checks=())

    def backups(self, **settings: str) -> Backups:
        """What makes them; each begins a second after the one before it."""

        def clock() -> datetime:
            self.now += timedelta(seconds=1)
            return self.now

        return Backups(self.config(**settings), host="box", clock=clock)

    @property
    def key(self) -> BackupKey:
        return BackupKey(KEY)

    def spooled(self) -> list[str]:
        """Copies that lie in the spool."""
        return [path.name for path in (self.root / "spool").rglob("*") if path.is_file() and path.name != "lock"]

    def into(self, folder: str) -> dict[Content, Path]:
        """Targets for everything."""
        return {content: self.root / folder / content for content in Content}


def memory(watch: Watcher = nobody_watches) -> MemoryStore:
    """An open store, with parts so small that a ledger has several."""
    store = MemoryStore(part_size=2048, watch=watch)
    store.is_open = True
    return store


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What a database says."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.execute(query))
