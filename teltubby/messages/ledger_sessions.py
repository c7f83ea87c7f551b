"""What the ledger keeps of sessions: copies in the relay, who tried to sign in, what is shown, announced trouble.

See `messages.ledger` for what all share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from teltubby.messages.jobs import JobState
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionState
from teltubby.supervision import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCopy:
    """A copy in the relay channel, or (`message_id` None) one that was begun and whose id was never learned.

    `after_id` is the highest id of the channel that was known when it was begun. `job_state` is None for a job that the
    ledger does not know any more.
    """

    job_id: str
    chat_id: int
    message_id: int | None
    after_id: int
    made_at: datetime
    job_state: JobState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRelayCopy(Request[None]):
    """A copy of this job's message is about to be made; recorded before Telegram is asked."""

    job_id: str
    chat_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRelayCopy(Request[None]):
    """The copy that was begun has this id."""

    job_id: str
    chat_id: int
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRelayCopies(Request[tuple[RelayCopy, ...]]):
    """Every copy that was not forgotten, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRelayCopy(Request[None]):
    """The copy is gone from the channel (`message_id` None: the one that was begun and never came to be)."""

    job_id: str
    chat_id: int
    message_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCommand(Request[None]):
    """One line of the audit trail that is about no job; `detail` never holds a secret."""

    user_id: int
    command: str
    accepted: bool
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountCommands(Request[int]):
    """How often such a command was given (by `user_id`, or by anybody) since then, and accepted."""

    command: str
    since: datetime
    user_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTrouble:
    """The trouble of a session that the admins were told of; in the state READY, that it is over since then."""

    state: SessionState
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FindTrouble(Request[KnownTrouble | None]):
    """What the admins were told last of this session's trouble; None: there was none."""

    place: str
    account: AccountKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTrouble(Request[None]):
    """The admins were told; `trouble` None: that is forgotten."""

    place: str
    account: AccountKind
    trouble: KnownTrouble | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPicture(Request[None]):
    """This message shows a QR code to sign in with, until it is forgotten."""

    chat_id: int
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPicture(Request[None]):
    """It is gone, or cannot be taken away."""

    chat_id: int
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPictures(Request[tuple[tuple[int, int], ...]]):
    """Every picture that was not forgotten: chat id, message id."""


SessionsMessage = (
    BeginRelayCopy
    | NoteRelayCopy
    | ListRelayCopies
    | ForgetRelayCopy
    | RecordCommand
    | CountCommands
    | FindTrouble
    | SetTrouble
    | KeepPicture
    | ForgetPicture
    | ListPictures
)
