"""JobRun: one attempt at one large file ends in the whole file and its report, or in nothing at all."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from teltubby.actors.effort import Effort
from teltubby.errors import (
    BrokerUnavailable,
    ContentMismatch,
    FileGone,
    FloodWait,
    IdentityMismatch,
    JobStopped,
    ObjectExists,
    Permanent,
    SessionNotReady,
    SpoolFull,
    StoreUnavailable,
    TeltubbyError,
)
from teltubby.messages.jobs import JobCompleted, JobEvent, JobProgress, JobStarted
from teltubby.messages.media import Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.transfer.pacing import Limits
from tests.actors.stage import MIB, large_job, noise, restarts, sha256
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

ONE_BY_ONE = Limits(connections=1, window=1, parts_in_flight=1)
BODY = noise(5 * MIB + 12_345)


@dataclass
class Reports:
    """Where a run's events go."""

    events: list[JobEvent] = field(default_factory=list)
    error: Exception | None = None

    async def emit(self, event: JobEvent) -> None:
        await anyio.lowlevel.checkpoint()
        if self.error is not None and isinstance(event, JobProgress):
            raise self.error
        self.events.append(event)

    @property
    def progress(self) -> list[JobProgress]:
        return [event for event in self.events if isinstance(event, JobProgress)]


async def signed_in(wing: WorkerWing) -> None:
    await wing.ready()


async def assert_nothing_left(wing: WorkerWing) -> None:
    await until(lambda: not wing.store.uploads)
    assert wing.store.objects == {}
    assert wing.spooled() == []
    assert restarts(wing.tree) == {}


@pytest.mark.parametrize("size", [0, 1, MIB, 2 * MIB - 1, 2 * MIB, 5 * MIB + 12_345])
async def test_the_file_is_stored_whole_and_reported(tmp_path: Path, size: int) -> None:
    job, body, reports = large_job(size=size), BODY[:size], Reports()
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        wing.hand_in(job, body)
        completed = await wing.run.perform(job, 2, reports.emit)
        assert wing.store.objects == {job.target.key: body}
        assert wing.store.content_types[job.target.key] == "video/mp4"
        assert wing.spooled() == []
    (started, *_) = reports.events
    assert isinstance(started, JobStarted) and (started.attempt, started.worker) == (2, "host:1")
    assert not any(isinstance(event, JobCompleted) for event in reports.events), "whoever settles publishes it"
    assert completed == JobCompleted(
        job_id=job.job_id,
        worker="host:1",
        attempt=2,
        at=completed.at,
        key=job.target.key,
        size_bytes=size,
        sha256=sha256(body),
        route=Route.MTPROTO_BOT,
        seconds=completed.seconds,
        via=FileRoute.BOT,
        routes=(RouteTry(route=FileRoute.BOT),),
        stages=completed.stages,
    )


async def test_a_size_that_telegram_did_not_announce_is_no_mismatch(tmp_path: Path) -> None:
    job = large_job(size=None)
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY)
        assert (await wing.run.perform(job, 1, Reports().emit)).size_bytes == len(BODY)


async def test_known_content_is_reported_as_a_duplicate(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))

    async def first_copy(digest: str) -> str | None:
        return "teltubby/first.mp4" if digest == sha256(BODY) else None

    async with worker_wing(tmp_path / "spool", first_copy=first_copy) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY)
        completed = await wing.run.perform(job, 1, Reports().emit)
        assert (completed.key, completed.duplicate_of) == (job.target.key, "teltubby/first.mp4")
        await assert_nothing_left(wing)


class Lie(NamedTuple):
    """What is found in place of what was handed in."""

    document_id: int | None = None
    size: int | None = None
    unique_id: str | None = None


@pytest.mark.parametrize(
    "lie",
    [Lie(document_id=4), Lie(size=len(BODY) + 1), Lie(size=len(BODY) - 1), Lie(unique_id="AQADuwgAAj0d4FE-")],
    ids=["another document", "larger", "smaller", "a photo's id"],
)
async def test_another_file_than_was_handed_in_is_not_fetched(tmp_path: Path, lie: Lie) -> None:
    job = large_job(size=len(BODY), unique_id=lie.unique_id)
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        remote = wing.hand_in(job, BODY, size=lie.size, document_id=lie.document_id)
        with pytest.raises(IdentityMismatch):
            await wing.run.perform(job, 1, Reports().emit)
        assert remote.script.count("read") == 0
        await assert_nothing_left(wing)


async def test_a_file_over_the_limit_is_refused_for_good(tmp_path: Path) -> None:
    job = large_job()
    async with worker_wing(tmp_path / "spool", max_bytes=len(BODY) - 1) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY)
        with pytest.raises(Permanent, match="MAX_FILE_GB"):
            await wing.run.perform(job, 1, Reports().emit)
        await assert_nothing_left(wing)
    async with worker_wing(tmp_path / "spool", max_bytes=len(BODY)) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY)
        await wing.run.perform(job, 1, Reports().emit)


async def test_a_message_that_is_gone_is_told(tmp_path: Path) -> None:
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        with pytest.raises(FileGone):
            await wing.run.perform(large_job(), 1, Reports().emit)
        await assert_nothing_left(wing)


async def test_a_spool_without_room_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = os.statvfs(tmp_path)
    full = os.statvfs_result((*disk[:3], (len(BODY) - 1) // disk.f_frsize, (len(BODY) - 1) // disk.f_frsize, *disk[5:]))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        remote = wing.hand_in(job, BODY)
        with pytest.raises(SpoolFull):
            await wing.run.perform(job, 1, Reports().emit)
        assert remote.script.count("read") == 0
        await assert_nothing_left(wing)


@pytest.mark.parametrize(
    "error",
    [FloodWait(70), SpoolFull("full"), FileGone("gone"), SessionNotReady("revoked")],
    ids=lambda e: type(e).__name__,
)
async def test_the_next_attempt_fetches_only_what_a_failing_one_did_not(tmp_path: Path, error: TeltubbyError) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        remote = wing.hand_in(job, BODY)
        remote.script.fail("read", error, skip=3)
        with pytest.raises(type(error), match=str(error)):
            await wing.run.perform(job, 1, Reports().emit)
        assert wing.store.objects == {}
        await anyio.sleep(80)  # a flood wait is over by then
        assert (await wing.run.perform(job, 2, Reports().emit)).sha256 == sha256(BODY)
        offsets = [offset for offset in remote.script.asked("read") if offset != 3 * MIB]
        assert offsets == [0, MIB, 2 * MIB, 4 * MIB, 5 * MIB]
        assert wing.store.objects == {job.target.key: BODY}
        assert wing.spooled() == []


async def test_a_file_shorter_than_announced_is_never_stored(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY[: 3 * MIB], size=len(BODY))
        with pytest.raises(ContentMismatch, match="0 bytes came at offset"):
            await wing.run.perform(job, 1, Reports().emit)
        assert wing.store.script.count("put_part") >= 1, "the upload had begun"
        assert wing.store.objects == {}
        await wing.run.bury(job)
        await assert_nothing_left(wing)


async def test_a_buried_job_leaves_nothing_and_burying_it_again_is_no_harm(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY).script.fail("read", FileGone("gone"), skip=4)
        with pytest.raises(FileGone):
            await wing.run.perform(job, 1, Reports().emit)
        assert wing.spooled() != []
        await wing.run.bury(job)
        await assert_nothing_left(wing)
        await wing.run.bury(job)
        await wing.run.bury(large_job(2))


@pytest.mark.parametrize("method", ["open", "begin", "put_part", "complete"])
async def test_a_failing_upload_ends_the_download(tmp_path: Path, method: str) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", concurrency=1, limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        remote = wing.hand_in(job, BODY)
        remote.script.slow("read", 1)
        wing.store.script.fail(method, StoreUnavailable("away"))
        with pytest.raises(StoreUnavailable):
            await wing.run.perform(job, 1, Reports().emit)
        assert wing.store.objects == {}
        await anyio.sleep(60)
        fetched = remote.script.count("read")
        if method != "complete":
            assert fetched < 6, "what nobody will store is not fetched to its end"
        await wing.run.perform(job, 2, Reports().emit)
        assert wing.store.objects == {job.target.key: BODY}, "the one download slot is free again"
        assert len(set(remote.script.asked("read"))) == 6
        assert not wing.store.uploads and wing.spooled() == []


async def test_the_download_left_over_from_a_failed_run_does_not_write_into_the_next(tmp_path: Path) -> None:
    """The DownloadActor may still hold a part of the first run when the second one's spool is open."""
    first, second = large_job(1, size=len(BODY)), large_job(2, size=len(BODY))
    other = noise(len(BODY), seed=2)
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        slow = wing.hand_in(first, BODY)
        gate = slow.script.hold("read")
        wing.store.script.fail("begin", StoreUnavailable("away"))
        with pytest.raises(StoreUnavailable):
            await wing.run.perform(first, 1, Reports().emit)
        remote = wing.hand_in(second, other)
        remote.script.slow("read", 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wing.run.perform, second, 1, Reports().emit)
            await until(lambda: remote.script.count("read") == 2)
            gate.set()
        assert wing.store.objects == {second.target.key: other}
        assert restarts(wing.tree) == {}


async def test_another_file_under_the_key_is_a_failure_for_good(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY)
        wing.store.objects[job.target.key] = b"taken"
        with pytest.raises(ObjectExists):
            await wing.run.perform(job, 1, Reports().emit)
        await wing.run.bury(job)
        assert wing.store.objects == {job.target.key: b"taken"}
        assert wing.spooled() == []


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5, 3.5])
async def test_a_cancelled_run_leaves_what_the_next_one_goes_on_with(tmp_path: Path, seconds: float) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", concurrency=1, limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        remote = wing.hand_in(job, BODY)
        remote.script.slow("read", 1)
        wing.store.script.slow("put_part", 0.3)
        with anyio.move_on_after(seconds) as scope:
            await wing.run.perform(job, 1, Reports().emit)
        assert scope.cancelled_caught
        assert wing.store.objects == {}
        remote.script.slow("read", 0)
        await wing.run.perform(job, 2, Reports().emit)
        assert wing.store.objects == {job.target.key: BODY}
        assert len(remote.script.asked("read")) <= 7, "only the part in flight was fetched twice"
        assert not wing.store.uploads and wing.spooled() == []


async def test_a_run_cancelled_with_its_last_part_leaves_nothing_or_all(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY).script.slow("read", 1)
        wing.store.script.slow("put_part", 0.3)
        with anyio.move_on_after(6.2) as scope:
            await wing.run.perform(job, 1, Reports().emit)
        assert scope.cancelled_caught
        assert wing.store.objects in ({}, {job.target.key: BODY})
        assert (await wing.run.perform(job, 2, Reports().emit)).sha256 == sha256(BODY)
        assert not wing.store.uploads and wing.spooled() == []


async def test_two_runs_of_the_same_job_at_once_store_the_right_bytes(tmp_path: Path) -> None:
    """The outbox is published at least once, so the queue can hold a job twice, and a worker can take both."""
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", concurrency=2) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY).script.slow("read", 1)
        wing.store.script.slow("put_part", 2.2)

        async def perform(delay: float, attempt: int) -> None:
            await anyio.sleep(delay)
            try:
                await wing.run.perform(job, attempt, Reports().emit)
            except TeltubbyError:
                return  # one of them may be refused

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(perform, 0, 1)
            tasks.start_soon(perform, 3.5, 1)
        assert wing.store.objects == {job.target.key: BODY}
        assert wing.spooled() == []


# -- progress


async def test_progress_comes_every_second_and_only_grows(tmp_path: Path) -> None:
    job, reports = large_job(size=len(BODY)), Reports()
    async with worker_wing(tmp_path / "spool", limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY).script.slow("read", 2)
        wing.store.script.slow("put_part", 1)
        completed = await wing.run.perform(job, 1, reports.emit)
    assert 12 <= len(reports.progress) <= 16
    assert completed.seconds == pytest.approx(13.5, abs=1.5)
    for before, after in zip(reports.progress, reports.progress[1:], strict=False):
        assert before.downloaded_bytes <= after.downloaded_bytes
        assert before.uploaded_bytes <= after.uploaded_bytes
    assert all(event.total_bytes == len(BODY) for event in reports.progress)
    assert all(event.uploaded_bytes <= event.downloaded_bytes <= len(BODY) for event in reports.progress)


@pytest.mark.parametrize("size", [None, len(BODY)])
async def test_the_pulse_beats_before_anything_is_found(tmp_path: Path, size: int | None) -> None:
    """The bot tells by it that a worker runs the job, however long Telegram takes to find the file."""
    job, reports = large_job(size=size), Reports()
    async with worker_wing(tmp_path / "spool", limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY)
        wing.session.script.slow("locate", 20)
        await wing.run.perform(job, 3, reports.emit)
    early = reports.progress[:19]
    assert all(event.downloaded_bytes == event.uploaded_bytes == 0 for event in early)
    assert {(event.total_bytes, event.attempt, event.seconds_left) for event in early} == {(size or 0, 3, None)}
    assert len(early) == 19 and isinstance(reports.events[0], JobStarted)


async def test_an_attempt_says_what_it_fetched_by_itself(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        remote = wing.hand_in(job, BODY)
        remote.script.slow("read", 1)
        remote.script.fail("read", FloodWait(70), skip=3)
        first, second = Effort(), Effort()
        await anyio.sleep(100)  # for its turn, which is no part of the attempt
        with pytest.raises(FloodWait):
            await wing.run.perform(job, 1, Reports().emit, first)
        assert (first.transferred_bytes, first.route) == (3 * MIB, Route.MTPROTO_BOT)
        assert 3 <= first.seconds <= 6
        await anyio.sleep(80)
        await wing.run.perform(job, 2, Reports().emit, second)
        assert second.transferred_bytes == len(BODY) - 3 * MIB


async def test_an_attempt_that_found_nothing_says_so(tmp_path: Path) -> None:
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        effort = Effort()
        with pytest.raises(FileGone):
            await wing.run.perform(large_job(), 1, Reports().emit, effort)
        assert (effort.transferred_bytes, effort.route) == (0, None)


async def test_an_attempt_that_is_to_stop_before_it_begins_does_not(tmp_path: Path) -> None:
    reports, effort = Reports(), Effort()
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        effort.stop()
        with pytest.raises(JobStopped):
            await wing.run.perform(large_job(), 1, reports.emit, effort)
        assert reports.events == [] and wing.session.script.count("locate") == 0


async def test_the_rate_never_exceeds_what_the_line_gave(tmp_path: Path) -> None:
    """Half a part per second down, and the upload keeps up: no second can have seen several parts."""
    job, reports = large_job(size=len(BODY)), Reports()
    async with worker_wing(tmp_path / "spool", limits=ONE_BY_ONE) as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY).script.slow("read", 2)
        wing.store.script.slow("put_part", 1.5)
        wing.store.script.slow("complete", 3)
        await wing.run.perform(job, 1, reports.emit)
    assert any(event.bytes_per_second > 0 for event in reports.progress)
    assert max(event.bytes_per_second for event in reports.progress) <= MIB


async def test_progress_that_does_not_get_through_does_no_harm(tmp_path: Path) -> None:
    job, reports = large_job(size=len(BODY)), Reports(error=BrokerUnavailable("away"))
    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        wing.hand_in(job, BODY).script.slow("read", 2)
        assert (await wing.run.perform(job, 1, reports.emit)).sha256 == sha256(BODY)


async def test_a_start_that_cannot_be_told_begins_nothing(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))

    async def emit(event: JobEvent) -> None:
        raise BrokerUnavailable("away")

    async with worker_wing(tmp_path / "spool") as wing:
        await signed_in(wing)
        remote = wing.hand_in(job, BODY)
        with pytest.raises(BrokerUnavailable):
            await wing.run.perform(job, 1, emit)
        assert remote.script.count("read") == 0
