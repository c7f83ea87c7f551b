"""The outbox: what is published, in which order, and what is not published twice."""

from __future__ import annotations

from dataclasses import replace

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import JobCommand, Priority
from tests.unit.ledger_samples import (
    ID,
    a_job,
    accepted,
    apply,
    completed,
    failed,
    ledger_with,
    numbered,
    order,
    started,
)


def pending(ledger: SqliteLedger, limit: int = 10) -> list[tuple[str, int]]:
    return [(job.job_id, job.job_metadata.ticket) for job in ledger.outbox.pending(limit)]


def test_urgent_jobs_go_first_then_high_ones_and_of_each_the_oldest() -> None:
    wanted = [Priority.NORMAL, Priority.URGENT, Priority.HIGH, Priority.NORMAL, Priority.URGENT]
    jobs = [a_job(numbered(n), n + 1, priority=priority) for n, priority in enumerate(wanted)]
    with ledger_with(*jobs) as ledger:
        assert pending(ledger) == [(numbered(n), 0) for n in (1, 4, 2, 0, 3)]
        assert pending(ledger, limit=2) == [(numbered(n), 0) for n in (1, 4)]


def test_files_of_channels_can_be_left_where_they_are() -> None:
    """However many they are, and whatever came first, the others are found behind them."""
    jobs = [a_job(numbered(n), n + 1) for n in range(6)]
    chats = [-1001234567890, 7, -1001234567890, -1001234567890, -5, 8]
    with ledger_with(*(replace(job, chat_id=chat) for job, chat in zip(jobs, chats, strict=True))) as ledger:
        assert [job.chat_id for job in ledger.outbox.pending(2, with_channels=False)] == [7, -5]
        assert [job.chat_id for job in ledger.outbox.pending(10, with_channels=False)] == [7, -5, 8]
        assert [job.chat_id for job in ledger.outbox.pending(10)] == [7, -5, 8, *[chats[0]] * 3], "curators' first"
        accepted(order(ledger, JobCommand.PRIORITISE, numbered(2), priority=Priority.HIGH))
        assert [job.job_id for job in ledger.outbox.pending(2)] == [numbered(2), numbered(1)]


def test_what_the_broker_confirmed_is_not_published_again() -> None:
    with ledger_with(*(a_job(numbered(n), n + 1) for n in range(4))) as ledger:
        ledger.outbox.mark_published([(numbered(2), 0), (numbered(0), 0), (numbered(9), 0)])
        assert pending(ledger) == [(numbered(1), 0), (numbered(3), 0)]
        found = ledger.jobs.find(numbered(2))
        assert found is not None and found.published
        ledger.outbox.mark_published([])
        assert ledger.overview().unpublished == 2


def test_the_first_confirmation_counts() -> None:
    with ledger_with(a_job()) as ledger:
        ledger.outbox.mark_published([(ID, 0)])
        (first,) = ledger.file.read("SELECT published_at FROM outbox")
        ledger.outbox.mark_published([(ID, 0)])
        assert [tuple(row) for row in ledger.file.read("SELECT published_at FROM outbox")] == [tuple(first)]


def test_a_confirmation_of_an_older_message_leaves_the_newer_one_to_publish() -> None:
    with ledger_with(a_job()) as ledger:
        accepted(order(ledger, JobCommand.PRIORITISE, priority=Priority.HIGH))
        ledger.outbox.mark_published([(ID, 0)])
        assert pending(ledger) == [(ID, 1)]
        ledger.outbox.mark_published([(ID, 1)])
        assert pending(ledger) == []


def test_a_command_posts_a_job_behind_those_that_wait() -> None:
    with ledger_with(*(a_job(numbered(n), n + 1) for n in range(2))) as ledger:
        accepted(order(ledger, JobCommand.REVIVE, numbered(0), user_id=None))
        assert pending(ledger) == [(numbered(1), 0), (numbered(0), 1)]


def test_a_cancelled_job_is_not_published() -> None:
    with ledger_with(a_job()) as ledger:
        accepted(order(ledger, JobCommand.CANCEL))
        assert pending(ledger) == []
        ledger.outbox.mark_published([(ID, 0)])
        accepted(order(ledger, JobCommand.RETRY))
        assert pending(ledger) == [(ID, 1)]


def test_a_job_that_ended_meanwhile_is_not_published() -> None:
    with ledger_with(a_job()) as ledger:
        apply(ledger, started(), failed())
        accepted(order(ledger, JobCommand.RETRY))
        apply(ledger, completed(1))  # the attempt that was told to have failed was taken over by a second worker
        assert pending(ledger) == []
