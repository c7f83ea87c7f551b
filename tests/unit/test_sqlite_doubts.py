"""Doubtful keys in the ledger: when one becomes so, when it is looked at, and what may be deleted there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.archive.doubts import REMEMBERED
from teltubby.archive.keys import preview_key
from teltubby.messages.jobs import Job, JobCommand, JobEvent, JobState
from teltubby.messages.ledger import ExtendSubmission, SettleFile, Submit
from teltubby.messages.ledger_doubts import Doubt, Verdict
from teltubby.messages.media import ItemStatus
from tests.unit.ledger_samples import (
    ID,
    SIZE,
    Clock,
    a_job,
    accepted,
    apply,
    cancelled,
    completed,
    failed,
    ledger_with,
    order,
)
from tests.unit.ledger_samples import started as begun
from tests.unit.submissions import CHAT, base_path, handed_in, key

KEY = a_job().target.key
ELSEWHERE = base_path(20) + "b.jpg"
LEFT_OUT = base_path(20) + "c.jpg"


class Hands(Clock):
    """A clock that is moved by hand."""

    def __call__(self) -> datetime:
        return self.now

    def goes_on(self, **time: float) -> None:
        self.now += timedelta(**time)


def due(ledger: SqliteLedger) -> list[tuple[str, Doubt]]:
    return [(doubtful.key, doubtful.why) for doubtful in ledger.doubts.due(10)]


def trail(ledger: SqliteLedger) -> list[str]:
    rows = ledger.file.read("SELECT detail FROM commands WHERE kind = 'decision' AND command = 'leftover'")
    return [row["detail"] for row in rows]


def claimed(ledger: SqliteLedger, doubtful: str, *, named: bool = False, size: int | None = SIZE) -> Verdict:
    """What becomes of an object of this size there, of which an artifact in the store may speak."""
    return ledger.doubts.claim(doubtful, named=named, size=size)


def stored(ledger: SqliteLedger) -> None:
    """The store has the newest artifact of the submission."""
    ledger.submissions.artifact_stored(CHAT, 20, None)


def doubting(one: Submit, *doubtful: str, text: str | None = None) -> Submit:
    return replace(one, doubtful=doubtful, artifact_json=text or one.artifact_json)


def job_now(ledger: SqliteLedger) -> Job:
    view = ledger.jobs.find(ID)
    assert view is not None
    return view.job


def claimed_and_looked_after(ledger: SqliteLedger, clock: Hands) -> None:
    """The job was cancelled, what it had stored is deleted, and every look at its key is over."""
    apply(ledger, begun())
    accepted(order(ledger, JobCommand.CANCEL))
    assert claimed(ledger, KEY) is Verdict.DELETE
    for _ in range(3):
        clock.goes_on(hours=1)
        ledger.doubts.looked(KEY, counts=True)


def test_it_is_looked_at_after_a_minute_ten_minutes_and_an_hour_and_then_let_go() -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        accepted(order(ledger, JobCommand.CANCEL))
        for minutes in (1, 9, 50):
            clock.goes_on(minutes=minutes, seconds=-1)
            assert due(ledger) == []
            clock.goes_on(seconds=1)
            assert due(ledger) == [(KEY, Doubt.CANCELLED)]
            ledger.doubts.looked(KEY, counts=True)
        assert ledger.file.read("SELECT * FROM doubtful_keys") == []


def test_a_look_that_failed_is_made_up_for_and_others_come_first() -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        accepted(order(ledger, JobCommand.CANCEL))
        for _ in range(20):
            clock.goes_on(minutes=10)
            assert due(ledger)
            ledger.doubts.looked(KEY, counts=False)
            assert not due(ledger)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((begun(), failed()), Doubt.FAILED),
        ((begun(), replace(completed(), duplicate_of="teltubby/first")), Doubt.DUPLICATE),
        ((begun(), cancelled()), None),
        ((begun(), completed()), None),
    ],
)
def test_the_end_of_a_job_makes_its_key_doubtful(events: tuple[JobEvent, ...], why: Doubt | None) -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        apply(ledger, *events)
        clock.goes_on(hours=1)
        assert due(ledger) == ([] if why is None else [(KEY, why)])


def test_a_worker_that_stops_late_has_the_key_looked_at_anew() -> None:
    """Its message came again when the one that had stored the file was dead, however long after the order."""
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        apply(ledger, begun())
        accepted(order(ledger, JobCommand.CANCEL))
        clock.goes_on(days=2)
        for _ in range(3):
            ledger.doubts.looked(KEY, counts=True)
        apply(ledger, cancelled())
        clock.goes_on(minutes=1)
        assert due(ledger) == [(KEY, Doubt.CANCELLED)]


def test_a_job_whose_file_is_a_copy_leaves_its_key_in_doubt() -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        first = SettleFile(sha256="a" * 64, s3_key="teltubby/first", size_bytes=3, mime=None, file_unique_id="f")
        ledger.files.settle(first)
        apply(ledger, begun(), completed())
        copy = SettleFile(sha256="a" * 64, s3_key=KEY, size_bytes=3, mime=None, file_unique_id="u", job_id=ID)
        assert ledger.files.settle(copy).s3_key == "teltubby/first"
        clock.goes_on(minutes=1)
        assert due(ledger) == [(KEY, Doubt.DUPLICATE)]
        assert claimed(ledger, KEY) is Verdict.NAMED, "its artifact does not say yet that it is a copy"


def test_keys_that_a_submission_does_not_name_are_doubtful_once_it_is_recorded() -> None:
    clock = Hands()
    with ledger_with(clock=clock) as ledger:
        one = handed_in(20, "a.jpg", status=ItemStatus.DUPLICATE)
        for _ in range(2):  # repeated after a crash
            ledger.submissions.submit(doubting(one, ELSEWHERE))
        more = ExtendSubmission(
            chat_id=CHAT,
            message_id=20,
            artifact_json=one.artifact_json,
            jobs=(),
            member_message_ids=(21,),
            doubtful=("teltubby/late",),
            left_out=(LEFT_OUT,),
        )
        ledger.submissions.extend(more)
        clock.goes_on(minutes=1)
        assert {doubtful for doubtful, _ in due(ledger)} == {ELSEWHERE, "teltubby/late", LEFT_OUT}
        assert claimed(ledger, ELSEWHERE) is Verdict.LATER, "the store's artifact may be older, and name it"
        stored(ledger)
        assert claimed(ledger, ELSEWHERE) is Verdict.DELETE
        assert claimed(ledger, LEFT_OUT) is Verdict.KEPT
        assert [line.split(" ", 2)[:2] for line in trail(ledger)] == [[ELSEWHERE, "is"], [LEFT_OUT, "stays,"]]
        assert LEFT_OUT not in {doubtful for doubtful, _ in due(ledger)}


def test_what_anything_names_is_never_claimed() -> None:
    clock = Hands()
    named = key(20)
    with ledger_with(clock=clock) as ledger:
        ledger.submissions.submit(doubting(handed_in(20, "a.jpg"), named, "teltubby/file"))
        copy = SettleFile(sha256="c" * 64, s3_key="teltubby/file", size_bytes=3, mime=None, file_unique_id="f")
        ledger.files.settle(copy)
        stored(ledger)
        assert claimed(ledger, named) is Verdict.NAMED, "an item names it"
        assert claimed(ledger, "teltubby/file") is Verdict.NAMED, "it is the first copy of its content"
        assert claimed(ledger, "teltubby/unknown") is Verdict.NAMED, "nobody doubts it"
        ledger.files.forget(7)
        assert claimed(ledger, named) is Verdict.NAMED, "a purge forgets no artifact"
        assert trail(ledger) == []


def test_a_preview_that_is_named_protects_its_file() -> None:
    preview = preview_key(ELSEWHERE)
    assert preview is not None
    with ledger_with() as ledger:
        one = handed_in(20, "a.jpg")
        text = one.artifact_json.replace('"items"', f'"odd": "{preview}", "items"')
        assert preview in text
        ledger.submissions.submit(doubting(one, ELSEWHERE, text=text))
        stored(ledger)
        assert claimed(ledger, ELSEWHERE) is Verdict.NAMED


@pytest.mark.parametrize("command", [JobCommand.RETRY, None])
def test_a_job_that_is_queued_again_names_its_key(command: JobCommand | None) -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        apply(ledger, begun(), failed())
        if command is None:  # the broker brought its message again by itself
            apply(ledger, begun(2))
        else:
            accepted(order(ledger, command))
        clock.goes_on(hours=1)
        assert claimed(ledger, KEY) is Verdict.NAMED
        assert job_now(ledger).target.key == KEY


def test_a_job_is_queued_again_under_another_key_while_its_leftover_is_deleted() -> None:
    """A deletion whose answer was lost may take effect after the file was stored anew."""
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        apply(ledger, begun())
        accepted(order(ledger, JobCommand.CANCEL))
        assert claimed(ledger, KEY) is claimed(ledger, KEY) is Verdict.DELETE
        assert len(trail(ledger)) == 1
        view = accepted(order(ledger, JobCommand.RETRY))
        assert view.job.target.key == "teltubby/x--r1.mp4"
        assert [job.target.key for job in ledger.outbox.pending(5)] == ["teltubby/x--r1.mp4"]
        accepted(order(ledger, JobCommand.CANCEL))
        assert claimed(ledger, "teltubby/x--r1.mp4") is Verdict.DELETE
        assert accepted(order(ledger, JobCommand.RETRY)).job.target.key == "teltubby/x--r2.mp4"


def test_the_completion_of_what_was_deleted_is_void_and_its_object_is_looked_for_again() -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        claimed_and_looked_after(ledger, clock)
        assert due(ledger) == []
        view = ledger.reports.apply(completed())
        assert view is not None and view.void and view.state is JobState.CANCELLED
        history = ledger.history.read(ID)
        assert history is not None
        assert [(run.success, run.error) for run in history.attempts] == [(False, "cancelled")]
        clock.goes_on(minutes=1)
        assert due(ledger) == [(KEY, Doubt.LATE)]
        assert claimed(ledger, KEY) is Verdict.DELETE, "it was stored after it had been deleted"


def test_that_something_was_deleted_is_remembered_for_a_month() -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        claimed_and_looked_after(ledger, clock)
        clock.goes_on(seconds=REMEMBERED.total_seconds() - 1)
        assert due(ledger) == [] and accepted(order(ledger, JobCommand.RETRY)).job.target.key != KEY
        clock.goes_on(seconds=1)
        ledger.doubts.looked(KEY, counts=True)
        assert ledger.file.read("SELECT * FROM doubtful_keys") == []


def test_a_completion_that_comes_first_wins() -> None:
    with ledger_with(a_job()) as ledger:
        apply(ledger, begun())
        accepted(order(ledger, JobCommand.CANCEL))
        assert apply(ledger, completed()).state is JobState.COMPLETED
        assert claimed(ledger, KEY) is Verdict.NAMED


@pytest.mark.parametrize("since", ["failed", "queued", "cancelled"])
def test_what_lies_where_a_job_ever_failed_is_never_claimed(since: str) -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        apply(ledger, begun(), failed())
        if since != "failed":
            accepted(order(ledger, JobCommand.RETRY))
        if since == "cancelled":
            accepted(order(ledger, JobCommand.CANCEL))
        expected = Verdict.NAMED if since == "queued" else Verdict.KEPT
        assert claimed(ledger, KEY) is expected
        assert len(trail(ledger)) == (since != "queued")
        assert apply(ledger, completed()).state is JobState.COMPLETED, "a late report wins"


@pytest.mark.parametrize(
    ("announced", "named", "size", "verdict"),
    [
        (SIZE, False, SIZE, Verdict.DELETE),
        (SIZE, False, None, Verdict.DELETE),
        (SIZE, False, SIZE - 1, Verdict.KEPT),
        (SIZE, True, SIZE, Verdict.KEPT),
        (None, False, SIZE, Verdict.DELETE),
    ],
)
def test_what_may_not_be_a_leftover_stays(
    announced: int | None, named: bool, size: int | None, verdict: Verdict
) -> None:
    with ledger_with(a_job(size=announced), clock=Hands()) as ledger:
        accepted(order(ledger, JobCommand.CANCEL))
        assert claimed(ledger, KEY, named=named, size=size) is verdict
        assert len(trail(ledger)) == 1
        doubts = ledger.file.read("SELECT claimed_at FROM doubtful_keys")
        assert [row["claimed_at"] is not None for row in doubts] == ([True] if verdict is Verdict.DELETE else [])


def test_what_stays_where_something_was_deleted_is_remembered_as_claimed() -> None:
    clock = Hands()
    with ledger_with(a_job(), clock=clock) as ledger:
        claimed_and_looked_after(ledger, clock)
        apply(ledger, cancelled())
        assert claimed(ledger, KEY, size=1) is Verdict.KEPT
        assert due(ledger) == [] and accepted(order(ledger, JobCommand.RETRY)).job.target.key != KEY
