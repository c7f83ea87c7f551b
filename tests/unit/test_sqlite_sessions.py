"""What the ledger keeps of sessions: copies in the relay, attempts to sign in, announced trouble."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_sessions import CountCommands, KnownTrouble, RecordCommand, RelayCopy
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionState
from tests.unit.ledger_samples import ID, NOON, Clock, a_job, apply, completed, ledger_with, numbered

CHANNEL, OTHER = -1001, -1002
NOBODY = numbered(99)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Iterator[SqliteLedger]:
    with ledger_with(a_job(), clock=clock) as ledger:
        yield ledger


# -- the relay


def test_a_copy_is_an_intention_first(ledger: SqliteLedger) -> None:
    ledger.relay.begin(ID, CHANNEL)
    begun = ledger.relay.list()[0]
    assert (begun.job_id, begun.chat_id, begun.message_id, begun.after_id) == (ID, CHANNEL, None, 0)
    ledger.relay.begin(ID, CHANNEL)
    assert len(ledger.relay.list()) == 1, "begun once more, it is the same"
    ledger.relay.note(ID, CHANNEL, 12)
    (copy,) = ledger.relay.list()
    assert (copy.message_id, copy.after_id, copy.job_state) == (12, 0, JobState.PENDING)
    ledger.relay.forget(ID, CHANNEL, None)
    assert ledger.relay.list() == (copy,), "only the intention would have been forgotten"
    ledger.relay.forget(ID, CHANNEL, 12)
    ledger.relay.forget(ID, CHANNEL, 12)
    assert ledger.relay.list() == ()


def test_a_copy_stands_as_its_job_does_and_is_as_old_as_its_intention(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.relay.begin(ID, CHANNEL)
    began = clock.now
    ledger.relay.begin(NOBODY, CHANNEL)
    clock.now += timedelta(hours=1)
    ledger.relay.note(ID, CHANNEL, 12)
    apply(ledger, completed())
    known, unknown = ledger.relay.list()
    assert known == RelayCopy(
        job_id=ID, chat_id=CHANNEL, message_id=12, after_id=0, made_at=began, job_state=JobState.COMPLETED
    )
    assert (unknown.job_id, unknown.job_state) == (NOBODY, None)


def test_the_highest_id_of_a_channel_outlives_its_copies(ledger: SqliteLedger) -> None:
    """Channels number for themselves; an id noted late does not lower it."""
    for chat_id, message_id in ((CHANNEL, 40), (OTHER, 7), (CHANNEL, 39)):
        ledger.relay.begin(ID, chat_id)
        ledger.relay.note(ID, chat_id, message_id)
        ledger.relay.forget(ID, chat_id, message_id)
    for chat_id in (CHANNEL, OTHER, -1003):
        ledger.relay.begin(ID, chat_id)
    assert [(copy.chat_id, copy.after_id) for copy in ledger.relay.list()] == [(CHANNEL, 40), (OTHER, 7), (-1003, 0)]


STEP = st.sampled_from(["begin", "note", "refused", "forget"])


@settings(max_examples=50)
@given(st.lists(st.tuples(STEP, st.integers(1, 3)), max_size=30))
def test_the_rows_are_what_was_begun_and_not_ended(steps: list[tuple[str, int]]) -> None:
    """Whatever comes in whatever order: the notes of intentions that are none change no copy."""
    expected: dict[int, list[int | None]] = {1: [], 2: [], 3: []}
    highest = 0
    with ledger_with(clock=Clock()) as ledger:
        for step, number in steps:
            copies, job_id = expected[number], numbered(number)
            match step:
                case "begin":
                    ledger.relay.begin(job_id, CHANNEL)
                    copies.extend([] if None in copies else [None])
                case "note":
                    highest += 1
                    ledger.relay.note(job_id, CHANNEL, highest)
                    expected[number] = [highest if copy is None else copy for copy in copies]
                case "refused":
                    ledger.relay.forget(job_id, CHANNEL, None)
                    expected[number] = [copy for copy in copies if copy is not None]
                case _:
                    known = [copy for copy in copies if copy is not None]
                    if known:
                        ledger.relay.forget(job_id, CHANNEL, known[0])
                        copies.remove(known[0])
        for number, copies in expected.items():
            rows = [copy.message_id for copy in ledger.relay.list() if copy.job_id == numbered(number)]
            assert sorted(rows, key=str) == sorted(copies, key=str)
        ledger.relay.begin(NOBODY, CHANNEL)
        assert ledger.relay.list()[-1].after_id == highest


# -- signing in


def test_attempts_are_counted_over_a_time_by_anybody_or_one(ledger: SqliteLedger, clock: Clock) -> None:
    since = clock.now
    for user_id, command, accepted in ((7, "mtlogin", True), (8, "mtlogin", True), (7, "mtlogin", False)):
        ledger.sign_ins.record(RecordCommand(user_id=user_id, command=command, accepted=accepted))
    ledger.sign_ins.record(RecordCommand(user_id=7, command="mtcode", accepted=True, detail="a code of 5 digits"))

    def count(command: str, user_id: int | None = None) -> int:
        return ledger.sign_ins.count(CountCommands(command=command, since=since, user_id=user_id))

    assert (count("mtlogin"), count("mtlogin", 7), count("mtlogin", 9)) == (2, 1, 0), "refused ones do not count"
    assert (count("mtcode"), count("mtpass")) == (1, 0)
    since = clock.now + timedelta(seconds=60)
    assert count("mtlogin") == 0


def test_commands_about_jobs_are_not_attempts(ledger: SqliteLedger) -> None:
    with ledger.file.write() as connection:
        connection.execute(
            "INSERT INTO commands (at, user_id, command, job_id, accepted) VALUES (?, 7, 'mtlogin', ?, 1)",
            (NOON.isoformat(), ID),
        )
    long_ago = NOON - timedelta(days=1)
    assert ledger.sign_ins.count(CountCommands(command="mtlogin", since=long_ago)) == 0


def test_announced_trouble_is_known_by_place_and_account_until_it_is_over(ledger: SqliteLedger) -> None:
    revoked = KnownTrouble(state=SessionState.REVOKED, since=NOON)
    suspended = KnownTrouble(state=SessionState.SUSPENDED, since=NOON + timedelta(hours=1))
    trouble = ledger.sign_ins.trouble
    assert trouble("box:/data", AccountKind.USER) is None
    for known in (revoked, suspended):
        ledger.sign_ins.set_trouble("box:/data", AccountKind.USER, known)
        assert trouble("box:/data", AccountKind.USER) == known
    assert trouble("box:/data", AccountKind.BOT) is trouble("other:/data", AccountKind.USER) is None
    ledger.sign_ins.set_trouble("box:/data", AccountKind.BOT, revoked)
    ledger.sign_ins.set_trouble("box:/data", AccountKind.USER, None)
    assert trouble("box:/data", AccountKind.USER) is None
    assert trouble("box:/data", AccountKind.BOT) == revoked
