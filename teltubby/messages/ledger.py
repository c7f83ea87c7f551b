"""What the ledger is asked and what it answers: every durable fact of the bot wing is behind one of these requests.

Any of them can be refused with `errors.DatabaseUnavailable` (locked, read-only, full, broken): nothing was written
then, the ledger itself goes on, and the same request may be repeated. All of them are idempotent, so that work
repeated after a crash changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from teltubby.errors import Permanent
from teltubby.messages.alerts import AlertsMessage
from teltubby.messages.jobs import Job
from teltubby.messages.ledger_archive import ArchiveMessage
from teltubby.messages.ledger_doubts import DoubtsMessage
from teltubby.messages.ledger_jobs import JobsMessage
from teltubby.messages.ledger_sessions import SessionsMessage
from teltubby.messages.media import RawUpdate
from teltubby.messages.trail import TrailMessage
from teltubby.supervision import Request


class UnknownSubmission(Permanent):
    """No submission is recorded under this message."""


# -- answers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxGroup:
    """Updates that belong together and are not done: one message, or what has come of an album, by message id."""

    update_ids: tuple[int, ...]
    payloads: tuple[str, ...]
    newest_received_at: datetime
    media_group_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """Content that the archive has, and where its first copy lies; `created_at` is None where an old row has none."""

    sha256: str
    s3_key: str
    size_bytes: int
    mime: str | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message or album that was handed in; `message_id` is that of its first message, `jobs` are job ids."""

    chat_id: int
    message_id: int
    media_group_id: str | None
    base_path: str
    artifact_json: str
    artifact_stored: bool
    ack_message_id: int | None
    jobs: tuple[str, ...]
    acknowledged: tuple[int, ...] = ()
    """Members that joined late and were acknowledged by a message of their own."""
    purged_keys: tuple[str, ...] = ()
    """Keys that the artifact names and `/purge` deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUpdates(Request[int]):
    """Write updates to the inbox, durably and together; answers how many of them are new."""

    updates: tuple[RawUpdate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGroups(Request[tuple[InboxGroup, ...]]):
    """What is recorded and not done, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseUpdates(Request[None]):
    """These updates are done. What is `unwelcome` is not kept: nobody will look at it again."""

    update_ids: tuple[int, ...]
    unwelcome: bool = False


# -- files -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FindFile(Request[ArchivedFile | None]):
    """The content known under Telegram's `file_unique_id`."""

    file_unique_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindContent(Request[ArchivedFile | None]):
    """The content with this SHA-256 (hex)."""

    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleFile(Request[ArchivedFile]):
    """A file is in the store: answers the first copy of its content, whose key differs when this one is a duplicate.

    `job_id` is that of the job, done by now, that stored it under `s3_key`; that key is doubtful where it is a
    duplicate's.
    """

    sha256: str
    s3_key: str
    size_bytes: int
    mime: str | None
    file_unique_id: str
    job_id: str | None = None


# -- submissions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FindSubmission(Request[Submission | None]):
    """The submission that this message is (or belongs to, in an album)."""

    chat_id: int
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit(Request[Submission]):
    """Record a submission, its jobs and their outbox entries, all or nothing; one that is there stays as it is.

    `doubtful` are keys of its files that are archived elsewhere, `left_out` of those that are not archived: an earlier
    run may have stored something there.
    """

    chat_id: int
    message_id: int
    media_group_id: str | None
    base_path: str
    artifact_json: str
    jobs: tuple[Job, ...]
    member_message_ids: tuple[int, ...]
    doubtful: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendSubmission(Request[Submission]):
    """More messages of an album that was recorded before: its new artifact, and jobs for the new files, all or nothing.

    A member that is recorded already stays as it is, and jobs that are there are not made twice. `doubtful`
    and `left_out`: see Submit. Refused with UnknownSubmission.
    """

    chat_id: int
    message_id: int
    artifact_json: str
    jobs: tuple[Job, ...]
    member_message_ids: tuple[int, ...]
    doubtful: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FindAlbum(Request[Submission | None]):
    """The submission of this chat that holds messages of the album `media_group_id`, the newest of several."""

    chat_id: int
    media_group_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveArtifact(Request[None]):
    """The artifact has a new text, which the store does not have yet. Refused with UnknownSubmission."""

    chat_id: int
    message_id: int
    artifact_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactStored(Request[None]):
    """The store has the artifact: whatever is current, or, when `artifact_json` is given, only if it is still that."""

    chat_id: int
    message_id: int
    artifact_json: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstoredArtifacts(Request[tuple[Submission, ...]]):
    """Submissions whose current artifact is not in the store, oldest first, at most `limit`."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(Request[None]):
    """The curator was told, by this message. Refused with UnknownSubmission.

    Of the whole submission, or, when `members` are given, of these, which joined it late.
    """

    chat_id: int
    message_id: int
    ack_message_id: int
    members: tuple[int, ...] = ()


LedgerMessage = (
    RecordUpdates
    | OpenGroups
    | CloseUpdates
    | FindFile
    | FindContent
    | SettleFile
    | FindSubmission
    | Submit
    | SaveArtifact
    | ArtifactStored
    | UnstoredArtifacts
    | Acknowledged
    | ExtendSubmission
    | FindAlbum
    | JobsMessage
    | ArchiveMessage
    | SessionsMessage
    | AlertsMessage
    | TrailMessage
    | DoubtsMessage
)
