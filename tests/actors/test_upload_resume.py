"""An upload that was cut off goes on where it stood; one that nobody will go on with does not stay in the store."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from teltubby.actors.upload import UploadActor
from teltubby.errors import (
    ContentMismatch,
    IdentityMismatch,
    ObjectExists,
    Permanent,
    SpoolClosed,
    SpoolFull,
    StoreRefused,
    StoreUnavailable,
    TelegramUnavailable,
    TeltubbyError,
    Transient,
    UploadVanished,
)
from teltubby.messages.transfer import AbortUpload, ByteSource, Stored, StoreFile, UploadLog
from teltubby.transfer.spool_folder import SpoolFolder
from teltubby.transfer.upload import BEGINNINGS
from tests.actors.stage import noise, restarts, sha256
from tests.actors.uploads import (
    KEY,
    PART,
    BytesSource,
    GrowingSource,
    NotingStore,
    Uploads,
    knows,
    parts_of,
    sleep_a_while,
    unknown,
    uploads,
)
from tests.upload_log import MemoryLog
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

PARALLEL = 2
BODY = noise(5 * PART + 3)
STORED = Stored(key=KEY, size_bytes=len(BODY), sha256=sha256(BODY))


async def cut_off(up: Uploads, log: MemoryLog, *, after: int) -> None:
    """An upload of which `after` parts went up before the source broke."""
    source = GrowingSource(BODY, there=min(after * PART, len(BODY)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fails, up, source, log)
        await until(lambda: log.begun is not None and log.noted == after)
        source.fail(TelegramUnavailable("no more"))
    assert up.store.numbers() == list(range(1, after + 1))


async def fails(up: Uploads, source: ByteSource, log: UploadLog, kind: type[TeltubbyError] = Transient) -> None:
    with pytest.raises(kind):
        await up.store_file(source, log=log)


def began(store: NotingStore) -> int:
    return store.script.count("begin")


def noted(log: MemoryLog, parts: int) -> bool:
    return log.noted == parts


# -- where it stood


@pytest.mark.parametrize("after", range(len(parts_of(len(BODY)))))
async def test_only_what_is_missing_goes_up(after: int) -> None:
    log, told = MemoryLog(), list[int]()
    async with uploads() as up:
        await cut_off(up, log, after=after)
        assert len(up.store.uploads) == 1, "it waits in the store"
        source = BytesSource(BODY)
        assert await up.store_file(source, log=log, told=told) == STORED
        assert up.store.numbers() == parts_of(len(BODY))[after:]
        assert up.store.objects == {KEY: BODY} and up.store.uploads == {}
        assert began(up.store) == 1
        assert told[0] == after * PART, "what is up already counts from the start"
        assert told == sorted(told) and told[-1] == len(BODY)
        assert source.reads == [(at, min(PART, len(BODY) - at)) for at in range(0, len(BODY), PART)], "once each"
        assert restarts(up.tree) == {}


@pytest.mark.parametrize("method", ["unfinished", "begin", "put_part", "complete"])
@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreRefused("no room")], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("after", [0, 3])
async def test_a_store_in_trouble_costs_the_parts_in_flight(method: str, error: TeltubbyError, after: int) -> None:
    log = MemoryLog()
    async with uploads(parallel=PARALLEL) as up:
        up.store.script.fail(method, error, skip=after if method == "put_part" else 0)
        with pytest.raises(type(error)):
            await up.store_file(BytesSource(BODY), log=log)
        noted, sent = log.noted, up.store.numbers()
        assert len(sent) - noted <= PARALLEL
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
        assert up.store.numbers() == parts_of(len(BODY))[noted:]
        assert up.store.objects == {KEY: BODY} and up.store.uploads == {}


async def test_receipts_are_noted_in_order_and_nothing_runs_far_ahead_of_them() -> None:
    """A part that hangs holds up what comes behind: all of that would have to be sent again after a kill."""
    log, store = MemoryLog(), NotingStore()
    store.held[2] = anyio.Event()
    async with uploads(store, parallel=3) as up, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: up.store_file(BytesSource(BODY), log=log))
        await sleep_a_while()
        assert log.noted == 1
        assert store.numbers() == [1, 2, 3, 4] and store.busy == 1
        store.held[2].set()
        await until(lambda: store.objects == {KEY: BODY})
        assert log.noted == len(parts_of(len(BODY)))


async def test_a_stop_leaves_the_upload_for_the_next_run() -> None:
    store, log = NotingStore(), MemoryLog()
    with pytest.raises(ExceptionGroup):  # the asker hears of it
        async with anyio.create_task_group() as tasks, uploads(store) as up:
            tasks.start_soon(lambda: up.store_file(GrowingSource(BODY, there=2 * PART), log=log))
            await until(lambda: log.noted == 2)
    assert store.numbers() == [1, 2] and len(store.uploads) == 1
    async with uploads(store) as up:
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
    assert store.numbers() == parts_of(len(BODY))[2:]


async def test_the_log_of_a_spool_outlives_it(tmp_path: Path) -> None:
    spools = SpoolFolder(tmp_path, keep_seconds=1e9, part_bytes=PART)
    parts = [BODY[at : at + PART] for at in range(0, len(BODY), PART)]
    async with uploads() as up, anyio.create_task_group() as tasks:
        async with spools.open("job", document_id=1, size=len(BODY), key=KEY) as spool:
            for index in range(3):
                await spool.write(index, parts[index])
            tasks.start_soon(fails, up, spool, spool.uploads)
            await until(lambda: spool.uploads.begun is not None and len(spool.uploads.begun.receipts) == 3)
        assert up.store.numbers() == [1, 2, 3]
        async with spools.open("job", document_id=1, size=len(BODY), key=KEY) as again:
            for index in range(3, len(parts)):
                await again.write(index, parts[index])
            assert await up.store_file(again, log=again.uploads) == STORED
        assert up.store.numbers() == parts_of(len(BODY))[3:]
        assert up.store.objects == {KEY: BODY} and up.store.uploads == {}


async def test_a_begun_upload_goes_on_in_parts_though_the_threshold_was_raised() -> None:
    log = MemoryLog()
    store = NotingStore()
    async with uploads(store) as up:
        await cut_off(up, log, after=2)
    async with uploads(store, multipart=1000) as up:
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
    assert store.numbers() == parts_of(len(BODY))[2:]
    assert store.uploads == {}


async def test_what_no_log_knows_under_the_key_is_dropped_and_nothing_else() -> None:
    log = MemoryLog()
    async with uploads() as up:
        await cut_off(up, log, after=2)
        await up.store.begin(KEY, content_type="video/mp4")
        other = await up.store.begin(f"{KEY}.part", content_type="video/mp4")
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
        assert up.store.numbers() == parts_of(len(BODY))[2:]
        assert list(up.store.uploads) == [other]


# -- what cannot be gone on with


async def test_parts_of_other_bytes_are_not_built_on() -> None:
    log = MemoryLog()
    async with uploads() as up:
        await cut_off(up, log, after=3)
        body = BODY[:PART] + bytes(PART) + BODY[2 * PART :]
        stored = await up.store_file(BytesSource(body), log=log)
        assert stored == Stored(key=KEY, size_bytes=len(body), sha256=sha256(body))
        assert up.store.numbers() == parts_of(len(body))
        assert up.store.objects == {KEY: body} and up.store.uploads == {}, "the old one was aborted"


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("change", ["key", "part size", "file size"])
async def test_the_log_of_another_upload_is_of_no_use(change: str, after: int) -> None:
    body = BODY[: max(after - 1, 1) * PART] if change == "file size" else BODY
    log = MemoryLog()
    async with uploads() as up:
        await cut_off(up, log, after=after)
        assert log.begun is not None
        begun = log.begun
        if change == "part size":
            log = MemoryLog(replace(begun, part_size=8))
        elif change == "key":
            other = await up.store.begin("other", content_type="video/mp4")
            log = MemoryLog(replace(begun, key="other", upload_id=other))
        await up.store_file(BytesSource(body), log=log)
        assert up.store.numbers() == parts_of(len(body))
        assert up.store.objects == {KEY: body} and up.store.uploads == {}
        assert (log.begun is not None and log.begun.upload_id == begun.upload_id) == (
            change == "file size" and not after
        )


@pytest.mark.parametrize("after", [0, 3, len(parts_of(len(BODY))) - 1])
async def test_an_expired_upload_is_begun_anew(after: int) -> None:
    """MinIO drops them after 24 hours."""
    log, told = MemoryLog(), list[int]()
    async with uploads() as up:
        await cut_off(up, log, after=after)
        up.store.uploads.clear()
        assert await up.store_file(BytesSource(BODY), log=log, told=told) == STORED
        assert up.store.objects == {KEY: BODY} and up.store.uploads == {}
        assert began(up.store) == 2 and up.store.script.count("complete") == 1
        assert told[-1] == len(BODY)


async def test_an_upload_may_expire_while_it_goes_on() -> None:
    log, source = MemoryLog(), GrowingSource(BODY, there=3 * PART)
    async with uploads() as up, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: up.store_file(source, log=log))
        for there in range(3, 3 + BEGINNINGS - 1):
            await until(partial(noted, log, there))
            up.store.uploads.clear()
            source.grow((there + 1) * PART)
        source.grow(len(BODY))
        await until(lambda: up.store.objects == {KEY: BODY})
    assert began(up.store) == BEGINNINGS


async def test_a_store_that_keeps_forgetting_is_left_in_peace() -> None:
    log = MemoryLog()
    async with uploads() as up:
        up.store.script.break_down("complete", UploadVanished("forgotten"))
        await fails(up, BytesSource(BODY), log, UploadVanished)
        assert began(up.store) == BEGINNINGS
        assert log.begun is None and up.store.uploads == {}


# -- the end of it


async def test_a_lost_answer_is_found_by_reading_the_object() -> None:
    log = MemoryLog()
    async with uploads() as up:
        up.store.lost_answer = StoreUnavailable("timed out")
        await fails(up, BytesSource(BODY), log, StoreUnavailable)
        assert up.store.objects == {KEY: BODY}
        assert up.store.numbers() == parts_of(len(BODY))
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
        assert up.store.numbers() == [], "nothing goes up again"
        assert up.store.script.count("read") > 0 and up.store.uploads == {}


@pytest.mark.parametrize("taken", [noise(len(BODY), seed=9), BODY[:-1]], ids=["same size", "shorter"])
async def test_another_object_is_not_taken_for_the_lost_answer(taken: bytes) -> None:
    log = MemoryLog()
    async with uploads() as up:
        up.store.lost_answer = StoreUnavailable("timed out")
        await fails(up, BytesSource(BODY), log, StoreUnavailable)
        up.store.objects[KEY] = taken
        await fails(up, BytesSource(BODY), log, ObjectExists)
        assert up.store.objects == {KEY: taken} and log.begun is None


async def test_a_run_that_is_repeated_after_success_sends_nothing() -> None:
    log = MemoryLog()
    async with uploads() as up:
        for sent in (parts_of(len(BODY)), []):
            assert await up.store_file(BytesSource(BODY), log=log) == STORED
            assert up.store.numbers() == sent
        assert up.store.uploads == {}


async def test_a_duplicate_is_aborted_and_known_again_without_a_byte_going_up() -> None:
    log = MemoryLog()
    async with uploads(first_copy=knows(BODY, key="teltubby/first.mp4")) as up:
        await cut_off(up, log, after=3)
        for sent in (parts_of(len(BODY))[3:], []):
            assert await up.store_file(BytesSource(BODY), log=log) == replace(STORED, duplicate_of="teltubby/first.mp4")
            assert up.store.numbers() == sent
            assert up.store.uploads == {} and up.store.objects == {}


async def test_what_an_earlier_run_stored_is_no_duplicate_of_a_later_copy() -> None:
    """Pointing elsewhere would leave the object to nobody: reported as stored, the ledger settles it."""
    log, known = MemoryLog(), dict[str, str]()

    async def first_copy(digest: str) -> str | None:
        return known.get(digest)

    async with uploads(first_copy=first_copy) as up:
        up.store.lost_answer = StoreUnavailable("timed out")
        await fails(up, BytesSource(BODY), log, StoreUnavailable)
        known[sha256(BODY)] = "teltubby/later.mp4"
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
        assert up.store.objects == {KEY: BODY}


async def test_a_wrong_size_from_the_store_is_repeated_from_the_start() -> None:
    log = MemoryLog()
    async with uploads() as up:
        up.store.complete_says = 3 * PART
        await fails(up, BytesSource(BODY), log, ContentMismatch)
        assert up.store.objects == {}
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
        assert up.store.objects == {KEY: BODY}


# -- who ends it


@pytest.mark.parametrize(
    "error",
    [IdentityMismatch("another file"), Permanent("too large"), ObjectExists("taken")],
    ids=lambda e: type(e).__name__,
)
async def test_what_can_never_succeed_is_aborted(error: Permanent) -> None:
    log, source = MemoryLog(), GrowingSource(BODY, there=2 * PART)
    async with uploads() as up, anyio.create_task_group() as tasks:
        tasks.start_soon(fails, up, source, log, type(error))
        await until(lambda: log.noted == 2)
        source.fail(error)
        await until(lambda: up.store.uploads == {} and log.begun is None)
    assert up.store.objects == {}


async def test_a_log_that_cannot_be_written_ends_the_run_but_not_the_upload() -> None:
    log = MemoryLog()
    async with uploads() as up:
        log.script.fail("log add", SpoolFull("no room"), skip=2)
        await fails(up, BytesSource(BODY), log, SpoolFull)
        up.store.numbers()
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
        assert up.store.numbers() == parts_of(len(BODY))[2:]


@pytest.mark.parametrize("call", ["log begin", "log add"])
async def test_a_cut_under_the_hands_of_the_log_loses_nothing(call: str) -> None:
    """What the store has is in the log, or is not in the store."""
    log, store = MemoryLog(), NotingStore()
    actor = UploadActor(store, width=1, multipart_bytes=1, first_copy=unknown)
    request = StoreFile(key=KEY, source=BytesSource(BODY), content_type="a/b", stored=lambda _: None, log=log)
    gate = log.script.hold(call)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(actor.handle, request)
        await until(lambda: log.script.count(call) == 1)
        tasks.cancel_scope.cancel()
        gate.set()
    assert log.noted == sum(len(upload.parts) for upload in store.uploads.values())
    assert (log.noted > 0) == (call == "log add")
    assert list(store.uploads) == ([] if log.begun is None else [log.begun.upload_id])


async def test_an_upload_that_could_not_be_noted_is_not_left_behind() -> None:
    log = MemoryLog()
    async with uploads() as up:
        log.script.fail("log begin", SpoolFull("no room"))
        await fails(up, BytesSource(BODY), log, SpoolFull)
        assert up.store.uploads == {}


async def test_a_log_that_cannot_forget_hides_nothing() -> None:
    log = MemoryLog()
    async with uploads() as up:
        log.script.fail("log forget", SpoolClosed("closed"))
        up.store.script.fail("complete", ObjectExists("taken"))
        await fails(up, BytesSource(BODY), log, ObjectExists)
        assert up.store.uploads == {}
        assert restarts(up.tree) == {}


async def test_a_dead_job_s_upload_is_aborted() -> None:
    log = MemoryLog()
    async with uploads() as up:
        await cut_off(up, log, after=2)
        assert log.begun is not None
        for _ in range(2):
            await up.ref.ask(AbortUpload(key=KEY, upload_id=log.begun.upload_id), within=10)
            assert up.store.uploads == {}


async def test_an_upload_that_is_aborted_while_it_runs_is_not_begun_anew() -> None:
    log = MemoryLog()
    async with uploads() as up, anyio.create_task_group() as tasks:
        tasks.start_soon(fails, up, GrowingSource(BODY, there=2 * PART), log)
        await until(lambda: log.noted == 2)
        assert log.begun is not None
        await up.ref.ask(AbortUpload(key=KEY, upload_id=log.begun.upload_id), within=10)
        await sleep_a_while()
        assert up.store.uploads == {} and began(up.store) == 1
        assert restarts(up.tree) == {}


async def test_a_newer_request_for_the_same_key_ends_the_older() -> None:
    """The asker of the older is gone; it would only be in the way."""
    log = MemoryLog()
    async with uploads() as up, anyio.create_task_group() as tasks:
        tasks.start_soon(fails, up, GrowingSource(BODY, there=2 * PART), log)
        await until(lambda: log.noted == 2)
        assert await up.store_file(BytesSource(BODY), log=log) == STORED
        assert up.store.numbers() == parts_of(len(BODY)), "and each part went up once"
        assert up.store.objects == {KEY: BODY} and up.store.uploads == {}
