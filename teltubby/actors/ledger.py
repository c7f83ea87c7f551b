"""LedgerActor: the only owner of the SQLite file, and so the only writer of anything that must not be forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

import anyio

from teltubby.actors.ledger_access import LedgerAccess, in_thread
from teltubby.actors.ledger_alerts import answer_about_alerts
from teltubby.actors.ledger_archive import answer_about_archive
from teltubby.actors.ledger_doubts import answer_about_doubts
from teltubby.actors.ledger_jobs import answer_about_jobs
from teltubby.actors.ledger_sessions import answer_about_sessions
from teltubby.actors.ledger_trail import answer_about_the_trail
from teltubby.adapters.clock import utc_now
from teltubby.adapters.dependencies import Dependency
from teltubby.adapters.sqlite_ledger import Clock, SqliteLedger
from teltubby.errors import ConfigurationError
from teltubby.messages.alerts import AlertsMessage
from teltubby.messages.ledger import (
    Acknowledged,
    ArtifactStored,
    CloseUpdates,
    ExtendSubmission,
    FindAlbum,
    FindContent,
    FindFile,
    FindSubmission,
    LedgerMessage,
    OpenGroups,
    RecordUpdates,
    SaveArtifact,
    SettleFile,
    Submit,
    UnstoredArtifacts,
)
from teltubby.messages.ledger_archive import ArchiveMessage
from teltubby.messages.ledger_doubts import DoubtsMessage
from teltubby.messages.ledger_jobs import JobsMessage
from teltubby.messages.ledger_sessions import SessionsMessage
from teltubby.messages.trail import TrailMessage
from teltubby.supervision import Actor


class LedgerActor(Actor[LedgerMessage]):
    """Answers the ledger's requests one after the other, in a thread, so that the loop never waits for a disk.

    A database that cannot be used now is a state: every request is refused with DatabaseUnavailable until it can
    again. Only at the start it is fatal, as is a file that a newer teltubby wrote, or
    that belongs to another bot than `bot_id` (ConfigurationError).
    """

    def __init__(
        self,
        path: Path,
        *,
        bot_id: int | None = None,
        clock: Clock = utc_now,
        busy_timeout: float = 5.0,
        dependency: Dependency | None = None,
    ) -> None:
        self._path = path
        self._bot_id = bot_id
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._dependency = dependency

    async def setup(self) -> None:
        self._limiter = anyio.CapacityLimiter(1)
        await in_thread(self._limiter, self._make_folder)
        ledger = await in_thread(self._limiter, self._open)
        self._access = LedgerAccess(ledger, self._limiter, dependency=self._dependency)

    async def teardown(self) -> None:
        await in_thread(self._limiter, self._access.ledger.close)

    async def handle(self, message: LedgerMessage, /) -> object:
        if isinstance(message, JobsMessage):
            return await answer_about_jobs(self._access, message)
        if isinstance(message, ArchiveMessage):
            return await answer_about_archive(self._access, message)
        if isinstance(message, SessionsMessage):
            return await answer_about_sessions(self._access, message)
        if isinstance(message, AlertsMessage):
            return await answer_about_alerts(self._access, message)
        if isinstance(message, TrailMessage):
            return await answer_about_the_trail(self._access, message)
        if isinstance(message, DoubtsMessage):
            return await answer_about_doubts(self._access, message)
        access, ledger = self._access, self._access.ledger
        match message:
            case RecordUpdates():
                return await access.write(ledger.inbox.record, message.updates)
            case OpenGroups():
                return await access.read(ledger.inbox.open_groups)
            case CloseUpdates():
                settle = ledger.inbox.discard if message.unwelcome else ledger.inbox.close
                return await access.write(settle, message.update_ids)
            case FindFile():
                return await access.read(ledger.files.find, message.file_unique_id)
            case FindContent():
                return await access.read(ledger.files.find_content, message.sha256)
            case SettleFile():
                return await access.write(ledger.files.settle, message)
            case FindSubmission():
                return await access.read(ledger.submissions.find, message.chat_id, message.message_id)
            case FindAlbum():
                return await access.read(ledger.submissions.find_album, message.chat_id, message.media_group_id)
            case Submit():
                return await access.write(ledger.submissions.submit, message)
            case ExtendSubmission():
                return await access.write(ledger.submissions.extend, message)
            case SaveArtifact():
                return await access.write(
                    ledger.submissions.save_artifact, message.chat_id, message.message_id, message.artifact_json
                )
            case ArtifactStored():
                return await access.write(
                    ledger.submissions.artifact_stored, message.chat_id, message.message_id, message.artifact_json
                )
            case UnstoredArtifacts():
                return await access.read(ledger.submissions.unstored, message.limit)
            case Acknowledged():
                return await access.write(
                    ledger.submissions.acknowledged,
                    message.chat_id,
                    message.message_id,
                    message.ack_message_id,
                    message.members,
                )
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
