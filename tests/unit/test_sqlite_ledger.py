"""The ledger's database: inbox, files and submissions, and how it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.errors import MalformedMessage
from teltubby.messages.jobs import FileInfo, Job, JobMetadata, JobState, Target, TelegramContext
from teltubby.messages.ledger import SettleFile, Submit, UnknownSubmission
from teltubby.messages.media import MediaKind, RawUpdate

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
A, B, C = (f"{letter}0000000-0000-4000-8000-000000000000" for letter in "abc")


class Clock:
    """Wall time that moves when told."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def opened(path: Path, clock: Clock | None = None) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger.open(path, clock=clock or Clock(), busy_timeout=0.05)
    with closing(ledger):
        yield ledger


@contextmanager
def scratch() -> Iterator[SqliteLedger]:
    with TemporaryDirectory() as folder, opened(Path(folder) / "ledger.db") as ledger:
        yield ledger


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path, clock: Clock) -> Iterator[SqliteLedger]:
    with opened(path, clock) as ledger:
        yield ledger


def update(update_id: int, *, message_id: int | None = None, album: str | None = None, chat_id: int = 7) -> RawUpdate:
    message_id = update_id if message_id is None else message_id
    payload = f'{{"update_id": {update_id}}}'
    return RawUpdate(update_id=update_id, payload=payload, chat_id=chat_id, message_id=message_id, media_group_id=album)


def job(job_id: str, message_id: int = 11, chat_id: int = 7) -> Job:
    return Job(
        job_id=job_id,
        user_id=7,
        chat_id=chat_id,
        message_id=message_id,
        file_info=FileInfo(file_id="f", file_unique_id="u", file_size=10**9, file_type=MediaKind.VIDEO),
        telegram_context=TelegramContext(caption="Привет"),
        job_metadata=JobMetadata(created_at=NOON),
        target=Target(key=f"teltubby/{job_id}.mp4"),
    )


def submit(*jobs: Job, message_id: int = 11, members: tuple[int, ...] = (11,), artifact: str = "{}") -> Submit:
    return Submit(
        chat_id=7,
        message_id=message_id,
        media_group_id=None if len(members) == 1 else "album",
        base_path="teltubby/2026/11/anna/11/",
        artifact_json=artifact,
        jobs=jobs,
        member_message_ids=members,
    )


def settle(sha256: str, key: str, unique: str) -> SettleFile:
    return SettleFile(sha256=sha256, s3_key=key, size_bytes=3, mime="image/jpeg", file_unique_id=unique)


# -- inbox -------------------------------------------------------------------------------------------------------


def test_updates_are_recorded_once(ledger: SqliteLedger) -> None:
    assert ledger.inbox.record([update(5), update(6)]) == 2
    assert ledger.inbox.record([update(6), update(7)]) == 1
    assert ledger.inbox.record([]) == 0
    assert [group.update_ids for group in ledger.inbox.open_groups()] == [(5,), (6,), (7,)]


def test_an_update_whose_id_was_another_ones_is_recorded(ledger: SqliteLedger, clock: Clock) -> None:
    """As after a quiet week, for which Telegram chooses ids anew."""
    ledger.inbox.record([update(5), update(6), update(7)])
    ledger.inbox.close([5])
    ledger.inbox.discard([7])
    clock.now += timedelta(days=200)
    new = [replace(update(number, message_id=900 + number), payload=f'{{"new": {number}}}') for number in (5, 6, 7)]
    assert ledger.inbox.record(new) == 2, "but not in the place of one that is open"
    assert [group.payloads for group in ledger.inbox.open_groups()] == [
        (new[0].payload,),
        (update(6).payload,),
        (new[2].payload,),
    ]
    assert ledger.inbox.open_groups()[0].newest_received_at == clock.now
    assert ledger.inbox.record([new[0], new[2]]) == 0
    ledger.inbox.close([5, 7])
    assert ledger.inbox.record([new[0], new[2]]) == 0, "and Telegram may bring it again, too"
    assert ledger.inbox.record([replace(new[0], chat_id=8, payload="{}")]) == 1


def test_an_album_is_one_group_in_the_order_of_its_messages(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.inbox.record(
        [update(1, message_id=12, album="g"), update(2, message_id=50), update(3, album="g", chat_id=8)]
    )
    clock.now += timedelta(seconds=2)
    ledger.inbox.record([update(4, message_id=11, album="g")])
    album, single, elsewhere = ledger.inbox.open_groups()
    assert (album.update_ids, album.media_group_id) == ((4, 1), "g")
    assert album.payloads == ('{"update_id": 4}', '{"update_id": 1}')
    assert album.newest_received_at == NOON + timedelta(seconds=2)
    assert (single.update_ids, single.newest_received_at, single.media_group_id) == ((2,), NOON, None)
    assert elsewhere.update_ids == (3,)


def test_updates_without_a_message_stand_alone(ledger: SqliteLedger) -> None:
    ledger.inbox.record([RawUpdate(update_id=1, payload="{}"), RawUpdate(update_id=2, payload="{}")])
    assert [group.update_ids for group in ledger.inbox.open_groups()] == [(1,), (2,)]


def test_the_oldest_open_update_says_since_when_something_waits(ledger: SqliteLedger, clock: Clock) -> None:
    assert ledger.overview().open_since is None
    came = clock.now
    ledger.inbox.record([update(1)])
    clock.now += timedelta(minutes=5)
    ledger.inbox.record([update(2)])
    assert ledger.overview().open_since == came
    ledger.inbox.close([1])
    assert ledger.overview().open_since == clock.now
    ledger.inbox.close([2])
    assert ledger.overview().open_since is None


def test_closed_updates_leave_the_inbox_and_their_rows_later(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.inbox.record([update(1), update(2), update(3)])
    ledger.inbox.close([1, 3, 99])
    assert [group.update_ids for group in ledger.inbox.open_groups()] == [(2,)]
    clock.now += timedelta(days=2)
    assert ledger.history.prune(clock.now) == 1
    assert ledger.inbox.record([update(1), update(3)]) == 1, "the newest row stays"


def test_of_unwelcome_updates_nothing_stays_but_the_newest_id(ledger: SqliteLedger) -> None:
    ledger.inbox.record([update(1)])
    ledger.inbox.close([1])
    for number in range(2, 50):  # each is the newest when it is dealt with
        ledger.inbox.record([update(number)])
        ledger.inbox.discard([number])
        assert ledger.inbox.record([update(number)]) == 0, "Telegram brings the last one again"
    assert ledger.inbox.open_groups() == ()
    kept = ledger.file.read("SELECT update_id, payload <> '' AS is_whole FROM inbox ORDER BY update_id")
    assert [tuple(row) for row in kept] == [(1, 1), (49, 0)]
    ledger.inbox.record([update(number) for number in range(50, 60)])
    for numbers in ([53, 54], [51], [59], [50]):
        ledger.inbox.discard(numbers)
    assert [group.update_ids for group in ledger.inbox.open_groups()] == [(52,), (55,), (56,), (57,), (58,)]
    kept = ledger.file.read("SELECT update_id FROM inbox WHERE payload = ''")
    assert [row["update_id"] for row in kept] == [59]


# -- files -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_first_copy_of_a_content_wins_for_ever(copies: list[tuple[str, int, int]]) -> None:
    first: dict[str, str] = {}
    known_as: dict[str, str] = {}
    with scratch() as ledger:
        for content, place, name in copies:
            sha256, key, unique = content * 64, f"key-{place}", f"unique-{name}"
            key_of_first = first.setdefault(sha256, key)
            known_as[unique] = sha256
            for _ in range(2):
                assert ledger.files.settle(settle(sha256, key, unique)).s3_key == key_of_first
        for unique, sha256 in known_as.items():
            found = ledger.files.find(unique)
            assert found is not None and (found.sha256, found.s3_key) == (sha256, first[sha256])
            assert found == ledger.files.find_content(sha256)
        assert (ledger.overview().files, ledger.overview().bytes) == (len(first), 3 * len(first))


def test_what_is_not_archived_is_not_found(ledger: SqliteLedger) -> None:
    assert ledger.files.find("AgAD") is None
    assert ledger.files.find_content("0" * 64) is None


# -- submissions -------------------------------------------------------------------------------------------------


def test_a_submission_its_jobs_and_their_outbox_are_recorded_together(ledger: SqliteLedger) -> None:
    submission = ledger.submissions.submit(submit(job(A), job(B, 12), members=(11, 12, 13)))
    assert submission.jobs == (A, B)
    assert (submission.artifact_stored, submission.ack_message_id) == (False, None)
    assert ledger.submissions.find(7, 13) == submission, "a member of the album leads to it"
    assert ledger.submissions.find(7, 14) is None and ledger.submissions.find(8, 11) is None
    assert ledger.outbox.pending(10) == (job(A), job(B, 12))


def test_a_submission_is_all_or_nothing(ledger: SqliteLedger) -> None:
    ledger.submissions.submit(submit(job(A)))
    with pytest.raises(sqlite3.IntegrityError):
        ledger.submissions.submit(submit(job(C, 20), job(A, 20), message_id=20, members=(20,)))
    assert ledger.submissions.find(7, 20) is None
    assert ledger.jobs.find(C) is None
    assert len(ledger.outbox.pending(10)) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["one", "two"]), min_size=1, max_size=5))
def test_submitting_again_changes_nothing(artifacts: list[str]) -> None:
    with scratch() as ledger:
        first = ledger.submissions.submit(submit(job(A), artifact=artifacts[0]))
        for number, artifact in enumerate(artifacts[1:]):
            assert (
                ledger.submissions.submit(submit(job(f"{number:08}-0000-4000-8000-000000000000"), artifact=artifact))
                == first
            )
        assert ledger.overview().jobs[JobState.PENDING] == 1
        assert ledger.overview().unpublished == 1


def test_a_late_part_of_an_album_does_not_take_members_from_the_first(ledger: SqliteLedger) -> None:
    first = ledger.submissions.submit(submit(message_id=11, members=(11, 12)))
    late = ledger.submissions.submit(submit(message_id=10, members=(10, 11, 12)))
    assert ledger.submissions.find(7, 12) == first
    assert ledger.submissions.find(7, 10) == late


def test_an_artifact_is_unstored_until_the_store_has_its_current_text(ledger: SqliteLedger) -> None:
    ledger.submissions.submit(submit(artifact="v1"))
    assert [known.artifact_json for known in ledger.submissions.unstored(5)] == ["v1"]
    ledger.submissions.artifact_stored(7, 11, None)
    assert ledger.submissions.unstored(5) == ()
    ledger.submissions.save_artifact(7, 11, "v2")
    ledger.submissions.artifact_stored(7, 11, "v1")
    assert [known.artifact_json for known in ledger.submissions.unstored(5)] == ["v2"], "v1 came late"
    ledger.submissions.artifact_stored(7, 11, "v2")
    assert ledger.overview().unstored_artifacts == 0


def test_an_acknowledgement_belongs_to_a_submission(ledger: SqliteLedger) -> None:
    ledger.submissions.submit(submit())
    ledger.submissions.acknowledged(7, 11, 12)
    found = ledger.submissions.find(7, 11)
    assert found is not None and found.ack_message_id == 12
    with pytest.raises(UnknownSubmission, match="message 99 of chat 7"):
        ledger.submissions.acknowledged(7, 99, 12)
    with pytest.raises(UnknownSubmission):
        ledger.submissions.save_artifact(7, 99, "{}")


def test_a_job_that_nobody_could_read_again_is_refused_at_once(ledger: SqliteLedger) -> None:
    with pytest.raises(MalformedMessage, match="job_id"):
        ledger.submissions.submit(submit(job("not a uuid")))
    assert ledger.submissions.find(7, 11) is None
