"""LedgerActor: the only owner of the SQLite file, and so the only writer of anything that must not be forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack, assert_never

import anyio
from anyio import to_thread

from teltubby.adapters.sqlite_ledger import Clock, SqliteLedger, utc_now
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.messages.ledger import (
    Acknowledged,
    ApplyEvent,
    ArtifactStored,
    CloseUpdates,
    FindContent,
    FindFile,
    FindJob,
    FindSubmission,
    LedgerMessage,
    ListJobs,
    MarkPublished,
    NextOffset,
    OpenGroups,
    PendingOutbox,
    ReadOverview,
    RecordUpdates,
    RetainInbox,
    SaveArtifact,
    SetNotice,
    SettleFile,
    Submit,
    UnstoredArtifacts,
)
from teltubby.supervision import Actor

logger = logging.getLogger(__name__)

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class LedgerActor(Actor[LedgerMessage]):
    """Answers the ledger's requests one after the other, in a thread, so that the loop never waits for a disk.

    A database that cannot be used now is a state: every request is refused with DatabaseUnavailable until it can
    again. Only at the start it is fatal, as is a file that a newer teltubby wrote, or
    that belongs to another bot than `bot_id` (ConfigurationError).
    """

    def __init__(
        self, path: Path, *, bot_id: int | None = None, clock: Clock = utc_now, busy_timeout: float = 5.0
    ) -> None:
        self._path = path
        self._bot_id = bot_id
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._available = True

    async def setup(self) -> None:
        self._limiter = anyio.CapacityLimiter(1)
        await self._in_thread(self._make_folder)
        self._ledger = await self._in_thread(self._open)

    async def teardown(self) -> None:
        await self._in_thread(self._ledger.close)

    async def handle(self, message: LedgerMessage, /) -> object:
        ledger = self._ledger
        match message:
            case RecordUpdates():
                return await self._write(ledger.inbox.record, message.updates)
            case NextOffset():
                return await self._read(ledger.inbox.next_offset)
            case OpenGroups():
                return await self._read(ledger.inbox.open_groups)
            case CloseUpdates():
                return await self._write(ledger.inbox.close, message.update_ids)
            case RetainInbox():
                return await self._write(ledger.inbox.retain, message.before)
            case FindFile():
                return await self._read(ledger.files.find, message.file_unique_id)
            case FindContent():
                return await self._read(ledger.files.find_content, message.sha256)
            case SettleFile():
                return await self._write(ledger.files.settle, message)
            case FindSubmission():
                return await self._read(ledger.submissions.find, message.chat_id, message.message_id)
            case Submit():
                return await self._write(ledger.submissions.submit, message)
            case SaveArtifact():
                return await self._write(
                    ledger.submissions.save_artifact, message.chat_id, message.message_id, message.artifact_json
                )
            case ArtifactStored():
                return await self._write(
                    ledger.submissions.artifact_stored, message.chat_id, message.message_id, message.artifact_json
                )
            case UnstoredArtifacts():
                return await self._read(ledger.submissions.unstored, message.limit)
            case Acknowledged():
                return await self._write(
                    ledger.submissions.acknowledged, message.chat_id, message.message_id, message.ack_message_id
                )
            case PendingOutbox():
                return await self._read(ledger.jobs.pending_outbox, message.limit)
            case MarkPublished():
                return await self._write(ledger.jobs.mark_published, message.job_id)
            case ApplyEvent():
                return await self._write(ledger.jobs.apply, message.event)
            case SetNotice():
                return await self._write(ledger.jobs.set_notice, message.job_id, message.message_id)
            case FindJob():
                return await self._read(ledger.jobs.find, message.job_id)
            case ListJobs():
                return await self._read(ledger.jobs.list, message.states, message.limit)
            case ReadOverview():
                return await self._read(ledger.overview)
            case _:
                assert_never(message)

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            mistake = f"SQLITE_PATH is '{self._path}', but its folder cannot be made: {error.strerror}."
            raise ConfigurationError((mistake,)) from error

    def _open(self) -> SqliteLedger:
        ledger = SqliteLedger.open(self._path, clock=self._clock, busy_timeout=self._busy_timeout)
        owner = self._bot_id if self._bot_id is None else ledger.claim(self._bot_id)
        if owner != self._bot_id:
            ledger.close()
            mistake = (
                f"SQLITE_PATH is '{self._path}', which belongs to bot {owner}, but TELEGRAM_BOT_TOKEN is that of bot "
                f"{self._bot_id}: their message ids would be mixed up. Give this bot a database of its own."
            )
            raise ConfigurationError((mistake,))
        return ledger

    async def _read(self, work: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        """Work that changes nothing. Raises DatabaseUnavailable, and logs when that begins."""
        try:
            return await self._in_thread(work, *args)
        except DatabaseUnavailable as exc:
            if self._available:
                logger.error("%s; requests are refused until it can be used", exc)
            self._available = False
            raise

    async def _write(self, work: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        """Work that changes something: its success (a locked database can be read) is the end of the trouble."""
        answer = await self._read(work, *args)
        if not self._available:
            logger.info("the database can be used again")
            self._available = True
        return answer

    async def _in_thread(self, work: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        """Wait even when cancelled: a thread that still writes must not outlive its actor."""
        return await to_thread.run_sync(work, *args, limiter=self._limiter)
