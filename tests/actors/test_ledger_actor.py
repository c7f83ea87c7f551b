"""LedgerActor in a tree: it answers from a thread, refuses while its database cannot be used, and forgets nothing."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import anyio
import pytest
from anyio import to_thread

from teltubby.actors.ledger import LedgerActor
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.messages import alerts, ledger_archive, ledger_doubts, ledger_jobs, ledger_sessions, trail
from teltubby.messages import ledger as ledger_messages
from teltubby.messages.jobs import (
    FileInfo,
    Job,
    JobCommand,
    JobMetadata,
    JobStarted,
    JobState,
    Target,
    TelegramContext,
)
from teltubby.messages.ledger import (
    Acknowledged,
    ArtifactStored,
    CloseUpdates,
    FindContent,
    FindFile,
    FindSubmission,
    LedgerMessage,
    OpenGroups,
    RecordUpdates,
    SaveArtifact,
    SettleFile,
    Submit,
    UnknownSubmission,
    UnstoredArtifacts,
)
from teltubby.messages.ledger_archive import Overview, ReadOverview
from teltubby.messages.ledger_jobs import (
    ApplyEvent,
    CommandJob,
    FindJob,
    ListJobs,
    MarkPublished,
    PendingOutbox,
    PruneHistory,
    QuietJobs,
    ReadHistory,
    ReadPace,
    SetNotice,
)
from teltubby.messages.media import MediaKind, RawUpdate
from teltubby.messages.trail import PruneTrail, RecordTrail, TrailEntry, TrailKind
from teltubby.supervision import ChildSpec, Context, IntensityExceeded, Mailbox, Ref, Request, Supervisor

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WITHIN = 20.0
JOB = Job(
    job_id="3f2a9c1e-0000-4000-8000-000000000001",
    user_id=7,
    chat_id=7,
    message_id=11,
    file_info=FileInfo(file_id="f", file_unique_id="u", file_size=10**9, file_type=MediaKind.VIDEO),
    telegram_context=TelegramContext(),
    job_metadata=JobMetadata(created_at=NOON),
    target=Target(key="teltubby/x.mp4"),
)
SUBMIT = Submit(
    chat_id=7,
    message_id=11,
    media_group_id=None,
    base_path="teltubby/2026/11/anna/11/",
    artifact_json="{}",
    jobs=(JOB,),
    member_message_ids=(11,),
)


def record(*update_ids: int) -> RecordUpdates:
    updates = [RawUpdate(update_id=i, payload="{}", chat_id=7, message_id=i) for i in update_ids]
    return RecordUpdates(updates=tuple(updates))


def tree_over(path: Path) -> tuple[Supervisor, Ref[LedgerMessage]]:
    mailbox = Mailbox[LedgerMessage]("ledger")
    spec = ChildSpec("ledger", lambda: LedgerActor(path, busy_timeout=0.05), mailbox=mailbox)
    return Supervisor("bot", [spec]), mailbox.ref


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[Supervisor, Ref[LedgerMessage]]]:
    tree, ref = tree_over(path)
    context = Context[object]("bot")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        with anyio.fail_after(WITHIN):
            await context.ready.wait()
            yield tree, ref
            context.stop()


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Another program is in the middle of a write."""

    def lock() -> sqlite3.Connection:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        return other

    other = await to_thread.run_sync(lock)
    try:
        yield
    finally:
        await to_thread.run_sync(other.close)


async def test_every_request_about_submissions_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db") as (_, ledger):
        assert await ledger.ask(record(1, 2), within=WITHIN) == 2
        (one, two) = await ledger.ask(OpenGroups(), within=WITHIN)
        assert (one.update_ids, two.update_ids) == ((1,), (2,))
        submission = await ledger.ask(SUBMIT, within=WITHIN)
        assert await ledger.ask(FindSubmission(chat_id=7, message_id=11), within=WITHIN) == submission
        assert await ledger.ask(UnstoredArtifacts(limit=5), within=WITHIN) == (submission,)
        await ledger.ask(SaveArtifact(chat_id=7, message_id=11, artifact_json='{"v": 2}'), within=WITHIN)
        await ledger.ask(ArtifactStored(chat_id=7, message_id=11), within=WITHIN)
        await ledger.ask(Acknowledged(chat_id=7, message_id=11, ack_message_id=12), within=WITHIN)
        await ledger.ask(CloseUpdates(update_ids=(1, 2)), within=WITHIN)
        copy = SettleFile(sha256="a" * 64, s3_key="k", size_bytes=3, mime=None, file_unique_id="u")
        first = await ledger.ask(copy, within=WITHIN)
        assert await ledger.ask(FindFile(file_unique_id="u"), within=WITHIN) == first
        assert await ledger.ask(FindContent(sha256="a" * 64), within=WITHIN) == first
        overview = await ledger.ask(ReadOverview(), within=WITHIN)
        assert overview.waiting_since is not None and overview.waiting_since <= datetime.now(UTC)
        assert overview == Overview(
            waiting_since=overview.waiting_since,
            jobs=dict.fromkeys(JobState, 0) | {JobState.PENDING: 1},
            open_updates=0,
            unpublished=1,
            files=1,
            bytes=3,
            unstored_artifacts=0,
        )


async def test_every_request_about_jobs_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db") as (_, ledger):
        await ledger.ask(SUBMIT, within=WITHIN)
        assert await ledger.ask(PendingOutbox(limit=5), within=WITHIN) == (JOB,)
        await ledger.ask(MarkPublished(published=((JOB.job_id, 0),)), within=WITHIN)
        assert await ledger.ask(PendingOutbox(limit=5), within=WITHIN) == ()
        await ledger.ask(SetNotice(job_id=JOB.job_id, message_id=13), within=WITHIN)
        assert (await ledger.ask(ReadPace(), within=WITHIN)).jobs_ahead == 1
        started = JobStarted(job_id=JOB.job_id, worker="w", attempt=1, at=NOON)
        view = await ledger.ask(ApplyEvent(event=started), within=WITHIN)
        assert view is not None and view.changed
        found = await ledger.ask(FindJob(job_id="3f2a"), within=WITHIN)
        assert found is not None and (found.state, found.notice_message_id) == (JobState.PROCESSING, 13)
        states, later = (JobState.PROCESSING,), NOON.replace(year=2100)
        assert await ledger.ask(ListJobs(states=states, limit=5, user_id=7), within=WITHIN) == (found,)
        assert await ledger.ask(ListJobs(states=states, limit=5, user_id=8), within=WITHIN) == ()
        assert await ledger.ask(ListJobs(states=states, limit=5, offset=1), within=WITHIN) == ()
        assert await ledger.ask(QuietJobs(before=later, limit=5), within=WITHIN) == (found,)
        cancel = CommandJob(job_id=JOB.job_id, command=JobCommand.CANCEL, user_id=7)
        answer = await ledger.ask(cancel, within=WITHIN)
        assert answer.accepted and answer.view is not None and answer.view.state is JobState.CANCELLED
        history = await ledger.ask(ReadHistory(job_id="3f2a"), within=WITHIN)
        assert history is not None and len(history.transitions) == 3
        assert await ledger.ask(PruneHistory(before=later), within=WITHIN) == 6
        assert await ledger.ask(FindJob(job_id="3f2a"), within=WITHIN) is None
        line = TrailEntry(at=later, kind=TrailKind.DECISION, command="test")
        await ledger.ask(RecordTrail(entries=(line,)), within=WITHIN)
        assert await ledger.ask(PruneTrail(before=later), within=WITHIN) == 1, "the command, which is older"


async def test_the_union_names_every_request() -> None:
    declared = {
        value
        for module in (ledger_messages, ledger_jobs, ledger_archive, ledger_doubts, ledger_sessions, alerts, trail)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Request)
    }
    assert declared - {Request} == set(get_args(LedgerMessage))


async def test_a_locked_database_is_a_refusal_and_no_crash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "l.db"
    caplog.set_level("INFO")
    async with running(path) as (tree, ledger):
        async with locked(path):
            for _ in range(5):
                with pytest.raises(DatabaseUnavailable, match="is locked by another process"):
                    await ledger.ask(record(1), within=WITHIN)
            ledger.tell(record(2))
            assert await ledger.ask(OpenGroups(), within=WITHIN) == ()
        assert await ledger.ask(record(1), within=WITHIN) == 1
        assert tree.snapshot().children[0].restarts == 0
    logged = [entry.message for entry in caplog.records if entry.name == "teltubby.actors.ledger_access"]
    assert sum("requests are refused" in line for line in logged) == 1, "once, not with every request"
    assert logged[-1] == "the database can be used again"


async def test_an_unknown_submission_is_a_refusal(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db") as (tree, ledger):
        with pytest.raises(UnknownSubmission):
            await ledger.ask(Acknowledged(chat_id=7, message_id=11, ack_message_id=12), within=WITHIN)
        assert tree.snapshot().children[0].restarts == 0


async def test_a_bug_crashes_and_the_next_incarnation_knows_everything(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db") as (tree, ledger):
        await ledger.ask(SUBMIT, within=WITHIN)
        clash = Submit(
            chat_id=7,
            message_id=20,
            media_group_id=None,
            base_path="b",
            artifact_json="{}",
            jobs=(JOB,),
            member_message_ids=(20,),
        )
        with pytest.raises(sqlite3.IntegrityError):
            await ledger.ask(clash, within=WITHIN)
        submission = await ledger.ask(FindSubmission(chat_id=7, message_id=11), within=WITHIN)
        assert submission is not None and submission.jobs == (JOB.job_id,)
        assert tree.snapshot().children[0].restarts == 1


async def test_requests_are_handled_one_after_the_other(tmp_path: Path) -> None:
    new: list[int] = []

    async with running(tmp_path / "l.db") as (_, ledger):

        async def ask() -> None:
            new.append(await ledger.ask(record(1, 2, 3), within=WITHIN))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)
    assert sorted(new) == [0] * 9 + [3]


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    path = tmp_path / "l.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 900")
    return path


async def test_a_database_of_a_newer_program_stops_the_tree(newer: Path) -> None:
    tree, _ = tree_over(newer)
    with anyio.fail_after(WITHIN), pytest.raises((ConfigurationError, IntensityExceeded)) as caught:
        await tree.run(Context[object]("bot"))
    causes = [caught.value, caught.value.__cause__]
    assert any(isinstance(cause, ConfigurationError) for cause in causes)


async def test_a_database_belongs_to_one_bot(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    for owner in (1, 1):
        ledger = LedgerActor(path, bot_id=owner)
        await ledger.setup()
        await ledger.teardown()
    with pytest.raises(ConfigurationError, match="belongs to bot 1, but TELEGRAM_BOT_TOKEN is that of bot 2"):
        await LedgerActor(path, bot_id=2).setup()


CHILD = """
import sys
from pathlib import Path
import anyio
from teltubby.actors.ledger import LedgerActor
from teltubby.messages.ledger import LedgerMessage, RecordUpdates
from teltubby.messages.media import RawUpdate
from teltubby.supervision import ChildSpec, Context, Mailbox, Supervisor

async def main():
    mailbox = Mailbox("ledger")
    tree = Supervisor("bot", [ChildSpec("ledger", lambda: LedgerActor(Path(sys.argv[1])), mailbox=mailbox)])
    context = Context("bot")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        for number in range(1, 10**6):
            update = RawUpdate(update_id=number, payload="{}", chat_id=7, message_id=number)
            await mailbox.ref.ask(RecordUpdates(updates=(update,)), within=30)
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()

anyio.run(main)
"""


@pytest.fixture
def killed_after(tmp_path: Path) -> list[int]:
    """The updates whose recording was answered before the process was killed."""
    command = [sys.executable, "-c", CHILD, str(tmp_path / "l.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        answered = [int(child.stdout.readline()) for _ in range(25)]
        child.send_signal(signal.SIGKILL)
        answered += [int(line) for line in child.stdout]
    assert child.returncode == -signal.SIGKILL
    return answered


async def test_what_was_answered_survives_kill_9(tmp_path: Path, killed_after: list[int]) -> None:
    async with running(tmp_path / "l.db") as (_, ledger):
        groups = await ledger.ask(OpenGroups(), within=WITHIN)
        assert {group.update_ids[0] for group in groups} >= set(killed_after)
