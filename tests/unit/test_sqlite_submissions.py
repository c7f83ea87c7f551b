"""Albums that grow after they were recorded: all of it or nothing, and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import Submission, UnknownSubmission
from tests.unit.ledger_samples import Clock, a_job, ledger_with, numbered
from tests.unit.submissions import CHAT, artifact, extended, handed_in, outcomes

ALBUM = handed_in(11, "one.jpg", "two.jpg", caption="an album")
WHOLE = artifact(outcomes(11, "one.jpg", "two.jpg", "three.jpg", caption="an album"))


def found(ledger: SqliteLedger, message_id: int) -> Submission:
    submission = ledger.submissions.find(CHAT, message_id)
    assert submission is not None
    return submission


def outbox(ledger: SqliteLedger) -> list[str]:
    return [row["job_id"] for row in ledger.file.read("SELECT job_id FROM outbox ORDER BY rowid")]


def test_an_album_takes_more_members_jobs_and_a_new_text_together() -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(replace(ALBUM, jobs=(a_job(numbered(1), 11),)))
        ledger.submissions.artifact_stored(CHAT, 11, None)
        ledger.submissions.acknowledged(CHAT, 11, 500, ())
        more = extended(ALBUM, 13, 14, jobs=(a_job(numbered(2), 13),), text=WHOLE)
        answer = ledger.submissions.extend(more)
        assert (answer.artifact_json, answer.artifact_stored, answer.ack_message_id) == (WHOLE, False, 500)
        assert answer.jobs == (numbered(1), numbered(2)) == tuple(outbox(ledger))
        assert found(ledger, 13) == found(ledger, 14) == found(ledger, 11) == answer
        assert [hit.message_id for hit in ledger.search.find("three", 5, 0)] == [11]


def test_what_was_extended_already_stays_as_it_is_now() -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(ALBUM)
        more = extended(ALBUM, 13, jobs=(a_job(numbered(2), 13),), text=WHOLE)
        ledger.submissions.extend(more)
        ledger.submissions.save_artifact(CHAT, 11, "the job is done")
        assert ledger.submissions.extend(more).artifact_json == "the job is done"
        assert outbox(ledger) == [numbered(2)]


def test_an_extension_is_all_or_nothing() -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(ALBUM)
        before = found(ledger, 11)
        twice = a_job(numbered(2), 13)
        with pytest.raises(sqlite3.IntegrityError):
            ledger.submissions.extend(extended(ALBUM, 13, jobs=(twice, twice), text=WHOLE))
        assert found(ledger, 11) == before
        assert ledger.submissions.find(CHAT, 13) is None
        assert ledger.overview().jobs[JobState.PENDING] == 0
        assert ledger.search.find("three", 5, 0) == ()


@pytest.mark.parametrize("message_id", [12, 99])
def test_only_the_first_message_of_a_submission_is_extended(message_id: int) -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(ALBUM)
        with pytest.raises(UnknownSubmission, match=f"message {message_id} of chat {CHAT}"):
            ledger.submissions.extend(replace(extended(ALBUM, 13), message_id=message_id))
        assert ledger.submissions.find(CHAT, 13) is None


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(10, 16), min_size=1, max_size=3, unique=True), max_size=6))
def test_every_member_belongs_to_one_submission_and_has_one_job(parts: Sequence[Sequence[int]]) -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(ALBUM)
        ledger.submissions.submit(replace(ALBUM, message_id=16, member_message_ids=(16,)))
        for part in parts:
            jobs = tuple(a_job(numbered(member), member) for member in part)
            for _ in range(2):
                ledger.submissions.extend(extended(ALBUM, *part, jobs=jobs))
        members = {11, 12} | {member for part in parts for member in part} - {16}
        assert {one for one in range(10, 16) if ledger.submissions.find(CHAT, one) is not None} == members
        assert {found(ledger, member).message_id for member in members} == {11}
        assert found(ledger, 16).message_id == 16, "it was another's before"
        assert sorted(outbox(ledger)) == sorted({numbered(member) for part in parts for member in part})


def test_an_album_is_found_by_its_id_the_newest_of_several() -> None:
    with ledger_with(clock=Clock()) as ledger:
        assert ledger.submissions.find_album(CHAT, "album") is None
        older = ledger.submissions.submit(ALBUM)
        assert ledger.submissions.find_album(CHAT, "album") == older
        newer = ledger.submissions.submit(handed_in(5, "a", "b"))
        ledger.submissions.submit(handed_in(20, "a"))
        assert ledger.submissions.find_album(CHAT, "album") == newer
        assert ledger.submissions.find_album(CHAT, "another") is None
        assert ledger.submissions.find_album(CHAT + 1, "album") is None
