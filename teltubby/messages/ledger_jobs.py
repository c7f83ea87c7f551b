"""What the ledger is asked about jobs: outbox, reports, commands, history. See `messages.ledger` for what all share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from teltubby.messages.history import JobHistory, QueuePace
from teltubby.messages.jobs import Job, JobCommand, JobEvent, JobState, Priority
from teltubby.messages.stages import Stages
from teltubby.supervision import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job and where it stands. `previous` is its state before the event just applied, `changed` whether it moved.

    `job` is what its newest message says (or will say, before it is `published`), `due_at` when a job that waits for
    its next attempt comes again. `waited` tells what it had waited for, where the event just applied began an attempt;
    `void`: that event told of a file that is deleted by now. Of a job that is not completed, it counts as if the
    attempt had been stopped.
    """

    job: Job
    state: JobState
    previous: JobState
    changed: bool
    attempt: int
    last_error: str | None
    notice_message_id: int | None
    created_at: datetime
    updated_at: datetime
    submission_chat_id: int
    submission_message_id: int
    worker: str | None = None
    due_at: datetime | None = None
    published: bool = True
    waited: Stages = field(default_factory=dict)
    void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What came of a command: `accepted` says whether it was done.

    `view` is None when no job, or more than one, has that id; `view.previous` is the state before.
    """

    view: JobView | None
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOutbox(Request[tuple[Job, ...]]):
    """Jobs that the broker has not confirmed yet: urgent, high, normal, and of each the oldest first.

    Those of channels' own posts can be left out.
    """

    limit: int
    with_channels: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkPublished(Request[None]):
    """The broker confirmed these messages: job id and ticket of each. A job with a newer ticket stays unpublished."""

    published: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyEvent(Request[JobView | None]):
    """A worker reported; answers where the job stands now, or None when there is no such job."""

    event: JobEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteStages(Request[None]):
    """What the time of this worker's attempt went by with, besides what is known of it; of an unknown one: nothing."""

    job_id: str
    attempt: int
    worker: str
    stages: Stages


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNotice(Request[None]):
    """The message in the curator's chat that shows this job's progress."""

    job_id: str
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindJob(Request[JobView | None]):
    """The job with this id, or the only one whose id begins so (at least 4 characters)."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandJob(Request[CommandAnswer]):
    """Do to a job (whole id, or at least 4 characters of its beginning) what a curator or the reconciler wants.

    CANCEL takes it out of the outbox. RETRY, PRIORITISE and REVIVE give it a new ticket and an outbox entry (RETRY with
    all its tries again), which makes older messages void; PRIORITISE of a PROCESSING job is refused. `user_id` is None
    for the reconciler; every command is written to the audit trail, refused ones and those of unknown ids too.
    With `ticket`, only if that is still the job's newest.
    """

    job_id: str
    command: JobCommand
    user_id: int | None
    reason: str | None = None
    priority: Priority | None = None
    ticket: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietJobs(Request[tuple[JobView, ...]]):
    """Open jobs that are published and of which nothing durable was heard since `before`: the `limit` oldest.

    Those that are PROCESSING come first, so that no long queue hides them.
    A RETRYING job is quiet only when `before` is past its due time too.
    """

    before: datetime
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHistory(Request[JobHistory | None]):
    """Everything that is recorded of a job, None when there is no such job; ids as in FindJob."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs(Request[tuple[JobView, ...]]):
    """Jobs in any of `states` (with `user_id`: of that curator), newest first: `limit` of them from `offset`.

    `in_turn`: instead, as they are dealt with: what runs, then what waits as the queues give it out.
    """

    states: tuple[JobState, ...]
    limit: int
    offset: int = 0
    user_id: int | None = None
    in_turn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPace(Request[QueuePace]):
    """What waits before a job of this priority that is queued now, and how fast jobs went lately.

    With `job_id`: before that job, which is in the queue already, of those that came before it.
    """

    priority: Priority = Priority.NORMAL
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneHistory(Request[int]):
    """Forget jobs that ended before `before` (COMPLETED, FAILED, CANCELLED), their attempts and transitions, and
    inbox entries done before it; never files, artifacts or submissions. Answers how many rows.
    """

    before: datetime


JobsMessage = (
    PendingOutbox
    | MarkPublished
    | ApplyEvent
    | NoteStages
    | SetNotice
    | FindJob
    | ListJobs
    | CommandJob
    | QuietJobs
    | ReadHistory
    | ReadPace
    | PruneHistory
)
