"""What outlives the bot's process in its tests: Telegram, the store's objects, the files on this machine."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.actors.stage import sha256
from tests.twins import Telegram

_BUSY = (
    "SELECT EXISTS (SELECT 1 FROM inbox WHERE done_at IS NULL)"
    " OR EXISTS (SELECT 1 FROM outbox WHERE published_at IS NULL)"
)


@dataclass
class World:
    """What outlives the process: Telegram, the store's objects, the files on this machine."""

    folder: Path
    telegram: Telegram = field(default_factory=Telegram)
    objects: dict[str, bytes] = field(default_factory=dict)

    def facts(self, question: str, file: str = "ledger.db") -> list[sqlite3.Row]:
        """Rows of the ledger's file, or of the queue's."""
        with closing(sqlite3.connect(self.folder / file)) as database:
            database.row_factory = sqlite3.Row
            return database.execute(question).fetchall()

    def write(self, statement: str, *values: str | int) -> None:
        """Change the ledger's file, while no process has it open."""
        with closing(sqlite3.connect(self.folder / "ledger.db")) as database, database:
            database.execute(statement, values)

    def at_rest(self) -> bool:
        """Whether everything that was handed in is dealt with, and every job is in the queue."""
        with closing(sqlite3.connect(self.folder / "ledger.db")) as database:  # one for all: opening is what costs
            (busy,) = database.execute(_BUSY).fetchone()
            seen = set() if busy else {number for (number,) in database.execute("SELECT update_id FROM inbox")}
        return not busy and all(update.update_id in seen for update in self.telegram.waiting)

    def artifacts(self) -> dict[str, Any]:
        """The artifacts in the store, by key."""
        return {key: json.loads(body) for key, body in self.objects.items() if key.endswith("/message.json")}

    def artifact(self) -> Any:
        """The only one."""
        (found,) = self.artifacts().values()
        return found

    def files(self) -> list[bytes]:
        """The contents in the store, artifacts not counted, by key."""
        return [body for key, body in sorted(self.objects.items()) if not key.endswith("/message.json")]


def spooled(world: World) -> list[Path]:
    folder = world.folder / "spool"
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def assert_true(world: World) -> None:
    """Every artifact says what is in the store, and every object is spoken of."""
    spoken_of = set(world.artifacts())
    for key, artifact in world.artifacts().items():
        items = artifact["telegram"]["items"]
        archived = [item for item in items if item["status"] in ("stored", "duplicate")]
        assert not [item for item in items if "preview_key" in item and item["status"] != "stored"]
        assert artifact["keys"] == [item["s3_key"] for item in archived]
        assert artifact["files_count"] == len(archived)
        for item in archived:
            assert sha256(world.objects[item["s3_key"]]) == item["sha256"]
            assert len(world.objects[item["s3_key"]]) == item["size_bytes"]
            if item["status"] == "stored":
                assert (
                    item["s3_key"].startswith(artifact["base_path"]) and key == artifact["base_path"] + "message.json"
                )
                spoken_of.add(item["s3_key"])
                spoken_of.update([item["preview_key"]] if "preview_key" in item else [])
        stored = sum(item["size_bytes"] for item in items if item["status"] == "stored")
        assert artifact["total_bytes_uploaded"] == stored
    assert spoken_of == set(world.objects)
    assert spooled(world) == []
