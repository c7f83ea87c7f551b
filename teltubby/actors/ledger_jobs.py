"""What the ledger answers about jobs: outbox, reports, commands, history."""

from __future__ import annotations

from functools import partial
from typing import assert_never

from teltubby.actors.ledger_access import LedgerAccess
from teltubby.messages.ledger_jobs import (
    ApplyEvent,
    CommandJob,
    FindJob,
    JobsMessage,
    ListJobs,
    MarkPublished,
    NoteStages,
    PendingOutbox,
    PruneHistory,
    QuietJobs,
    ReadHistory,
    ReadPace,
    SetNotice,
)


async def answer_about_jobs(access: LedgerAccess, message: JobsMessage) -> object:
    """The answer to one request, of the type that the request names. Raises DatabaseUnavailable."""
    ledger = access.ledger
    match message:
        case PendingOutbox():
            return await access.read(ledger.outbox.pending, message.limit, message.with_channels)
        case MarkPublished():
            return await access.write(ledger.outbox.mark_published, message.published)
        case ApplyEvent():
            return await access.write(ledger.reports.apply, message.event)
        case NoteStages():
            return await access.write(ledger.reports.note, message)
        case SetNotice():
            return await access.write(ledger.jobs.set_notice, message.job_id, message.message_id)
        case FindJob():
            return await access.read(ledger.jobs.find, message.job_id)
        case ListJobs():
            listed = partial(ledger.jobs.list, offset=message.offset, user_id=message.user_id, in_turn=message.in_turn)
            return await access.read(listed, message.states, message.limit)
        case CommandJob():
            return await access.write(ledger.commands.obey, message)
        case QuietJobs():
            return await access.read(ledger.jobs.quiet, message.before, message.limit)
        case ReadHistory():
            return await access.read(ledger.history.read, message.job_id)
        case ReadPace():
            return await access.read(ledger.history.pace, message.priority, message.job_id)
        case PruneHistory():
            return await access.write(ledger.history.prune, message.before)
        case _:
            assert_never(message)
