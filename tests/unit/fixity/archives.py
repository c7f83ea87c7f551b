"""Archives as the bot leaves them, made by its own ledger, keys and artifacts without a Telegram."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.archive.artifact import build, dumps
from teltubby.archive.keys import plan_layout
from teltubby.archive.settlement import DuplicateItem, FailedItem, StoredItem, settle
from teltubby.config import Config, Role, load
from teltubby.messages.ledger import SettleFile, Submit
from teltubby.messages.media import DedupReason, IncomingMessage, ItemOutcome, ItemStatus, Route
from teltubby.messages.media import MediaKind as Kind
from tests.unit.archive.samples import MOMENT, media, message
from tests.unit.ledger_samples import a_job, numbered

BOT = 7
CHAT = 42
BIG = 10**6
"""The content of which `Bench.big` says how much it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file as a curator sends it: what is in it, Telegram's id of it, and what becomes of it when it is new.

    `fate`: "now" (small), "job" (large, and done), "queued", "failed", "skipped".
    """

    content: int
    unique: int
    fate: str = "now"


class Bench:
    """A folder store and a ledger in `home`, filled by `hand_in`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "archive"
        self.folder.mkdir(parents=True)
        self.ledger_path = home / "ledger.db"
        self.now = MOMENT
        self._message = 0
        self.keys: list[str] = []
        self._big = 0

    @property
    def settings(self) -> dict[str, str]:
        """Of `teltubby run` here."""
        return {
            "TELEGRAM_BOT_TOKEN": f"{BOT}:{'t' * 35}",
            "TELEGRAM_WHITELIST_IDS": str(CHAT),
            "STORAGE_FOLDER": str(self.folder),
            "SQLITE_PATH": str(self.ledger_path),
            "SPOOL_DIR": str(self.home / "spool"),
            "EMBEDDED_QUEUE_PATH": str(self.home / "queue.db"),
        }

    @property
    def config(self) -> Config:
        """The same, read."""
        return load(Role.BOX, self.settings, env_file=None)

    def ledger(self, **options: Any) -> closing[SqliteLedger]:
        """The ledger, to be closed."""
        return closing(SqliteLedger.open(self.ledger_path, clock=lambda: self.now, **options))

    def hand_in(self, files: Sequence[Sent], *, caption: str | None = None, group: str | None = None) -> str:
        """A message or an album, as the bot archives it; returns the artifact's key."""
        with self.ledger() as ledger:
            ledger.claim(BOT)
            return self._archived(ledger, files, caption, group)

    def hand_in_many(self, submissions: Sequence[tuple[Sequence[Sent], str | None]]) -> None:
        """One after the other."""
        with self.ledger() as ledger:
            ledger.claim(BOT)
            for number, (files, caption) in enumerate(submissions):
                self._archived(ledger, files, caption, f"g{number}" if len(files) > 1 else None)

    def counted(self) -> None:
        """What QuotaKeeper does: the store is listed."""
        stored = [path for path in self.folder.rglob("*") if path.is_file()]
        with self.ledger() as ledger:
            ledger.room.listed(sum(path.stat().st_size for path in stored), len(stored), self.now)

    def big(self, size: int) -> None:
        """Hand in a file of this many bytes."""
        self._big = size
        self.hand_in([Sent(content=BIG, unique=BIG)])

    def put(self, key: str, body: bytes) -> None:
        """An object, past everything."""
        (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / key).write_bytes(body)

    def _archived(self, ledger: SqliteLedger, files: Sequence[Sent], caption: str | None, group: str | None) -> str:
        self.now += timedelta(seconds=61)
        messages = [self._message_of(file, caption if not number else None, group) for number, file in enumerate(files)]
        layout = plan_layout(messages)
        outcomes = [
            self._outcome(ledger, file, sent, key, ordinal)
            for ordinal, (file, sent, key) in enumerate(zip(files, messages, layout.keys, strict=True), 1)
        ]
        artifact = build(
            messages,
            outcomes,
            bucket="archive",
            base_path=layout.base_path,
            archived_at=self.now,
            bot_api_max_file_size_bytes=50_000_000,
        )
        first = messages[0].message_id
        jobs = [(file, outcome) for file, outcome in zip(files, outcomes, strict=True) if outcome.job_id is not None]
        ledger.submissions.submit(
            Submit(
                chat_id=CHAT,
                message_id=first,
                media_group_id=group,
                base_path=layout.base_path,
                artifact_json=dumps(artifact).decode(),
                jobs=tuple(a_job(str(outcome.job_id), outcome.message.message_id) for _, outcome in jobs),
                member_message_ids=tuple(sent.message_id for sent in messages),
            )
        )
        for file, outcome in jobs:
            artifact = self._ended(ledger, artifact, file, outcome)
        text = dumps(artifact).decode()
        ledger.submissions.save_artifact(CHAT, first, text)
        ledger.submissions.artifact_stored(CHAT, first, text)
        self.put(layout.artifact_key, text.encode())
        return layout.artifact_key

    def _message_of(self, file: Sent, caption: str | None, group: str | None) -> IncomingMessage:
        self._message += 1
        about = media(Kind.DOCUMENT, file_unique_id=f"unique-{file.unique}", file_name=f"{file.content}.bin")
        return message(self._message, chat_id=CHAT, date=self.now, caption=caption, media_group_id=group, media=about)

    def _outcome(self, ledger: SqliteLedger, file: Sent, sent: IncomingMessage, key: str, ordinal: int) -> ItemOutcome:
        """As actors/items.py decides it."""
        outcome = ItemOutcome(ordinal=ordinal, message=sent, status=ItemStatus.SKIPPED, reason="nobody wants it")
        known = ledger.files.find(f"unique-{file.unique}")
        if known is not None:
            return replace(
                outcome,
                status=ItemStatus.DUPLICATE,
                reason=None,
                s3_key=known.s3_key,
                duplicate_of=known.s3_key,
                sha256=known.sha256,
                size_bytes=known.size_bytes,
                dedup_reason=DedupReason.FILE_UNIQUE_ID,
            )
        if file.fate == "skipped":
            return outcome
        if file.fate != "now":
            job_id = numbered(sent.message_id)
            return replace(outcome, status=ItemStatus.QUEUED, reason=None, s3_key=key, job_id=job_id, size_bytes=9)
        first, sha256, size = self._stored(ledger, file, key)
        status = ItemStatus.STORED if first == key else ItemStatus.DUPLICATE
        return replace(
            outcome,
            status=status,
            reason=None,
            s3_key=first,
            duplicate_of=None if first == key else first,
            sha256=sha256,
            size_bytes=size,
            dedup_reason=None if first == key else DedupReason.SHA256,
            route=Route.BOT_API,
        )

    def _ended(self, ledger: SqliteLedger, artifact: Any, file: Sent, outcome: ItemOutcome) -> Any:
        """As a job's end is settled in the artifact (actors/queue_bot.py)."""
        job_id, key = str(outcome.job_id), str(outcome.s3_key)
        if file.fate == "failed":
            return settle(artifact, job_id, FailedItem(reason="gone at Telegram"))
        if file.fate == "queued":
            return artifact
        first, sha256, size = self._stored(ledger, file, key)
        if first == key:
            return settle(
                artifact, job_id, StoredItem(s3_key=key, size_bytes=size, sha256=sha256, route=Route.MTPROTO_BOT)
            )
        duplicate = DuplicateItem(duplicate_of=first, size_bytes=size, sha256=sha256, route=Route.MTPROTO_BOT)
        return settle(artifact, job_id, duplicate)

    def _stored(self, ledger: SqliteLedger, file: Sent, key: str) -> tuple[str, str, int]:
        body = content(file.content) if file.content != BIG else bytes(self._big)
        sha256 = hashlib.sha256(body).hexdigest()
        settled = ledger.files.settle(
            SettleFile(
                sha256=sha256,
                s3_key=key,
                size_bytes=len(body),
                mime=None,
                file_unique_id=f"unique-{file.unique}",
            )
        )
        if settled.s3_key == key:
            self.put(key, body)
            self.keys.append(key)
        return settled.s3_key, sha256, len(body)


def content(number: int) -> bytes:
    return f"content {number} ".encode() * (number % 7 + 1)


TABLES = {
    "files": "SELECT sha256, s3_key, size_bytes, mime, created_at FROM files ORDER BY sha256",
    "tg_map": "SELECT * FROM tg_map ORDER BY file_unique_id",
    "messages": "SELECT message_id, chat_id, media_group_id, created_at, submission_message_id, base_path,"
    " artifact_json, artifact_stored, purged_keys FROM messages ORDER BY chat_id, message_id",
    "texts": "SELECT chat_id, message_id, caption, names, chats FROM archive_text ORDER BY id",
    "room": "SELECT used_bytes, objects FROM room",
    "owner": "SELECT * FROM owner",
}
"""What a bucket tells of the ledger."""


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the ledger knows of the archive."""
    with closing(SqliteLedger.open(path)) as ledger:
        return {name: [tuple(row) for row in ledger.file.read(sql)] for name, sql in TABLES.items()}


def everything(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of the ledger but when the store was listed."""
    with closing(SqliteLedger.open(path)) as ledger:
        names = [row["name"] for row in ledger.file.read("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: [tuple(row) for row in ledger.file.read(f"SELECT * FROM {name}")] for name in names}
    return {name: rows for name, rows in found.items() if name != "room" and not name.startswith("archive_text_fts")}
