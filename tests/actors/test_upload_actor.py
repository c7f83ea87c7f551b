"""UploadActor: the bytes that arrive are the bytes of the source, whole or not at all, and nothing is left behind."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby import flavour
from teltubby.actors.upload import UploadActor
from teltubby.adapters.base import ObjectInfo
from teltubby.errors import (
    ContentMismatch,
    DatabaseUnavailable,
    ObjectExists,
    Permanent,
    SpoolClosed,
    StoreRefused,
    StoreUnavailable,
    TeltubbyError,
    UploadVanished,
)
from teltubby.messages.transfer import ByteSource, DropObject, StoreArtifact, Stored, StoreFile
from teltubby.supervision import ActorCrashed
from teltubby.transfer.spool import FileSource
from teltubby.transfer.upload import BEGINNINGS, MAX_PARTS
from tests.actors.stage import noise, restarts, sha256
from tests.actors.uploads import (
    KEY,
    MULTIPART,
    PART,
    BytesSource,
    GrowingSource,
    NotingStore,
    Uploads,
    knows,
    sleep_a_while,
    unknown,
    uploads,
)
from tests.twins import MemoryStore
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


# -- what arrives


@pytest.mark.parametrize(
    "size", [0, 1, PART, MULTIPART - 1, MULTIPART, MULTIPART + 1, 3 * PART, 3 * PART + 1, 4 * PART - 1, 10 * PART]
)
async def test_the_bytes_arrive_whole(size: int) -> None:
    body, told = noise(size), list[int]()
    async with uploads() as up:
        stored = await up.store_file(BytesSource(body), told=told)
        assert stored == Stored(key=KEY, size_bytes=size, sha256=sha256(body))
        assert up.store.objects == {KEY: body}
        assert up.store.content_types[KEY] == "video/mp4"
        assert up.store.uploads == {}
        assert told == sorted(told) and told[-1] == size, "the count of bytes that are up grows to the whole"
        assert (up.store.script.count("begin") == 1) == (size >= MULTIPART), "in parts from the threshold on"
        assert up.store.script.count("put_part") == (-(-size // PART) if size >= MULTIPART else 0)


@given(size=st.integers(min_value=0, max_value=200), part=st.integers(min_value=1, max_value=50))
def test_any_size_in_any_parts(size: int, part: int) -> None:
    body = noise(size, seed=part)

    async def store() -> None:
        memory = MemoryStore(part_size=part)
        actor = UploadActor(memory, width=1, multipart_bytes=MULTIPART, first_copy=unknown)
        request = StoreFile(key=KEY, source=BytesSource(body), content_type="a/b", stored=lambda _: None)
        assert await actor.handle(request) == Stored(key=KEY, size_bytes=size, sha256=sha256(body))
        assert memory.objects == {KEY: body}
        await actor.teardown()

    anyio.run(store, backend_options=flavour.backend_options("asyncio"))


async def test_parts_go_up_while_the_source_grows() -> None:
    body = noise(6 * PART)
    source = GrowingSource(body)
    async with uploads() as up, anyio.create_task_group() as tasks:
        tasks.start_soon(up.store_file, source)
        for number in range(6):
            await sleep_a_while()
            assert up.store.script.count("put_part") == number
            assert KEY not in up.store.objects
            source.grow((number + 1) * PART)
        await until(lambda: up.store.objects == {KEY: body})


@pytest.mark.parametrize("parallel", [1, 2, 3])
async def test_so_many_parts_go_up_at_once_and_no_more_are_read(parallel: int) -> None:
    body = noise(8 * PART)
    source = BytesSource(body)
    async with uploads(parallel=parallel) as up:
        gate = up.store.script.hold("put_part")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(up.store_file, source)
            await sleep_a_while()
            assert up.store.busy == parallel
            assert len(source.reads) == parallel, "no more parts are in memory"
            gate.set()
        assert up.store.objects == {KEY: body}
        assert up.store.busiest == parallel


async def test_an_empty_file_is_stored_whole_whatever_the_threshold() -> None:
    async with uploads(multipart=0) as up:
        assert (await up.store_file(BytesSource(b""))).size_bytes == 0
        await up.store_file(BytesSource(b"x"), key=f"{KEY}2")
        assert up.store.objects == {KEY: b"", f"{KEY}2": b"x"}
        assert up.store.script.count("put") == 1


async def test_a_file_of_too_many_parts_is_refused_with_the_setting_to_change() -> None:
    async with uploads(NotingStore(part_size=1)) as up:
        with pytest.raises(Permanent, match="S3_MULTIPART_PART_SIZE_MB"):
            await up.store_file(BytesSource(b"", claims=MAX_PARTS + 1))
        assert up.store.script.count("begin") == 0


async def test_at_most_width_files_at_once() -> None:
    async with uploads(width=2) as up:
        gate = up.store.script.hold("put")
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(partial(up.store_file, BytesSource(b"x"), key=f"{KEY}{number}"))
            await sleep_a_while()
            assert up.store.script.count("put") == 2
            gate.set()
        assert len(up.store.objects) == 5


# -- duplicates


@pytest.mark.parametrize("size", [MULTIPART - 1, MULTIPART + 1])
async def test_known_content_is_not_stored_again(size: int) -> None:
    body = noise(size)
    async with uploads(first_copy=knows(body, key="teltubby/first.mp4")) as up:
        stored = await up.store_file(BytesSource(body))
        assert stored == Stored(key=KEY, size_bytes=size, sha256=sha256(body), duplicate_of="teltubby/first.mp4")
        assert up.store.objects == {}
        assert up.store.uploads == {}, "the upload was aborted"


@pytest.mark.parametrize("size", [MULTIPART - 1, MULTIPART + 1])
async def test_a_file_is_no_duplicate_of_itself(size: int) -> None:
    body = noise(size)
    async with uploads(first_copy=knows(body, key=KEY)) as up:
        up.store.objects[KEY] = body
        assert (await up.store_file(BytesSource(body))).duplicate_of is None
        assert up.store.objects == {KEY: body}


@pytest.mark.parametrize("size", [MULTIPART - 1, MULTIPART + 1])
async def test_the_same_file_under_the_key_is_adopted(size: int) -> None:
    """An earlier run stored it and was cut off before it could tell."""
    body = noise(size)
    async with uploads() as up:
        up.store.objects[KEY] = body
        told: list[int] = []
        stored = await up.store_file(BytesSource(body), told=told)
        assert stored == Stored(key=KEY, size_bytes=size, sha256=sha256(body))
        assert up.store.objects == {KEY: body}
        assert up.store.uploads == {}
        assert told[-1] == size


@pytest.mark.parametrize("size", [MULTIPART - 1, MULTIPART + 1])
@pytest.mark.parametrize("other", ["shorter", "same size"])
async def test_another_file_under_the_key_is_never_replaced(size: int, other: str) -> None:
    body = noise(size)
    taken = noise(size - 1 if other == "shorter" else size, seed=99)
    async with uploads() as up:
        up.store.objects[KEY] = taken
        with pytest.raises(ObjectExists):
            await up.store_file(BytesSource(body))
        assert up.store.objects == {KEY: taken}
        assert up.store.uploads == {}
        assert (up.store.script.count("read") == 0) == (other == "shorter"), "a size that differs says enough"
        assert restarts(up.tree) == {}


@pytest.mark.parametrize("size", [MULTIPART - 1, MULTIPART + 1])
@pytest.mark.parametrize(
    "trouble",
    [DatabaseUnavailable("locked"), TimeoutError(), ActorCrashed("bot/ledger", "ended before it answered")],
    ids=lambda error: type(error).__name__,
)
async def test_no_word_of_duplicates_is_no_reason_to_fail(size: int, trouble: Exception) -> None:
    """design.md, 6: "No answer → complete, and the ledger settles it later"."""
    body = noise(size)

    async def first_copy(digest: str) -> str | None:
        raise trouble

    async with uploads(first_copy=first_copy) as up:
        assert await up.store_file(BytesSource(body)) == Stored(key=KEY, size_bytes=size, sha256=sha256(body))
        assert up.store.objects == {KEY: body}
        assert restarts(up.tree) == {}


# -- failures


@pytest.mark.parametrize("method", ["begin", "put_part", "complete"])
@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreRefused("no")], ids=lambda e: type(e).__name__)
async def test_a_failure_aborts_the_upload_and_the_next_try_works(method: str, error: TeltubbyError) -> None:
    body = noise(5 * PART)
    async with uploads() as up:
        up.store.script.fail(method, error)
        with pytest.raises(type(error)):
            await up.store_file(BytesSource(body))
        assert up.store.uploads == {} and up.store.objects == {}
        await up.store_file(BytesSource(body))
        assert up.store.objects == {KEY: body}
        assert restarts(up.tree) == {}


@pytest.mark.parametrize("method", ["put_part", "complete"])
async def test_an_upload_that_the_store_forgets_is_begun_anew(method: str) -> None:
    body, told = noise(5 * PART), list[int]()
    async with uploads() as up:
        up.store.script.fail(method, UploadVanished("forgotten"))
        assert await up.store_file(BytesSource(body), told=told) == Stored(
            key=KEY, size_bytes=len(body), sha256=sha256(body)
        )
        assert up.store.objects == {KEY: body} and up.store.uploads == {}
        assert up.store.script.count("begin") == 2
        assert told.count(0) == 2 and told[-1] == len(body), "what is lost is no longer counted as up"


async def test_a_store_that_forgets_every_upload_is_in_trouble() -> None:
    async with uploads() as up:
        up.store.script.break_down("complete", UploadVanished("forgotten"))
        with pytest.raises(UploadVanished):
            await up.store_file(BytesSource(noise(5 * PART)))
        assert up.store.script.count("begin") == BEGINNINGS
        assert up.store.uploads == {} and up.store.objects == {}


async def test_an_abort_that_fails_hides_nothing() -> None:
    async with uploads() as up:
        up.store.script.fail("put_part", StoreUnavailable("away"))
        up.store.script.fail("abort", StoreUnavailable("away too"))
        with pytest.raises(StoreUnavailable, match=r"^away$"):
            await up.store_file(BytesSource(noise(5 * PART)))
        assert restarts(up.tree) == {}


async def test_an_abort_that_hangs_holds_nobody_up() -> None:
    async with uploads() as up:
        up.store.script.fail("put_part", StoreUnavailable("away"))
        up.store.script.hold("abort")
        with anyio.fail_after(30), pytest.raises(StoreUnavailable):
            await up.store_file(BytesSource(noise(5 * PART)))


async def test_a_source_that_breaks_aborts_the_upload() -> None:
    source = GrowingSource(noise(5 * PART), there=2 * PART)
    async with uploads() as up, anyio.create_task_group() as tasks:
        tasks.start_soon(fails_with, SpoolClosed, up, source)
        await until(lambda: up.store.script.count("put_part") == 2)
        source.fail(SpoolClosed("given up"))
        await until(lambda: up.store.uploads == {})
        assert up.store.objects == {}


async def fails_with(kind: type[Exception], up: Uploads, source: ByteSource) -> None:
    with pytest.raises(kind):
        await up.store_file(source)


@pytest.mark.parametrize("size", [MULTIPART - 1, MULTIPART + 1])
async def test_a_source_shorter_than_it_says_is_not_stored(size: int) -> None:
    async with uploads() as up:
        with pytest.raises(ContentMismatch):
            await up.store_file(BytesSource(noise(size - 1), claims=size))
        assert up.store.objects == {} and up.store.uploads == {}


@pytest.mark.parametrize("size", [MULTIPART - 1, MULTIPART + 1])
async def test_a_spooled_file_that_is_gone_is_a_refusal_and_no_crash(tmp_path: Path, size: int) -> None:
    """Whoever asked for the upload died, and removed the file on the way."""
    async with uploads() as up:
        with pytest.raises(TeltubbyError):
            await up.store_file(FileSource(tmp_path / "gone", size))
        assert up.store.objects == {} and up.store.uploads == {}
        assert restarts(up.tree) == {}


async def test_a_wrong_size_from_the_store_is_no_success_and_can_be_repeated() -> None:
    body = noise(5 * PART)
    async with uploads() as up:
        up.store.complete_says = 3 * PART
        with pytest.raises(ContentMismatch):
            await up.store_file(BytesSource(body))
        assert KEY not in up.store.objects, "what is known to be wrong does not stay in the archive"
        await up.store_file(BytesSource(body))
        assert up.store.objects == {KEY: body}


class LyingStore(NotingStore):
    """Says that it has stored a whole body, and keeps the first `keeps` bytes of it, or nothing at all."""

    def __init__(self, keeps: int | None) -> None:
        super().__init__()
        self._keeps = keeps

    async def head(self, key: str) -> ObjectInfo | None:
        info = await super().head(key)
        if info is None or self._keeps is None:
            return None
        return ObjectInfo(key=key, size=min(info.size, self._keeps))


@pytest.mark.parametrize(("keeps", "kind"), [(None, StoreUnavailable), (7, ContentMismatch)])
async def test_a_whole_body_counts_when_the_store_reports_its_size(keeps: int | None, kind: type[Exception]) -> None:
    async with uploads(LyingStore(keeps)) as up:
        with pytest.raises(kind):
            await up.store_file(BytesSource(b"8 bytes!"))
        assert (KEY in up.store.objects) == (keeps is None), "what is known to be wrong does not stay"


async def test_a_stop_in_the_middle_leaves_nothing() -> None:
    store = NotingStore()
    with pytest.raises(ExceptionGroup):  # the asker hears of it
        async with anyio.create_task_group() as tasks, uploads(store) as up:
            tasks.start_soon(up.store_file, GrowingSource(noise(5 * PART), there=2 * PART))
            await until(lambda: store.script.count("put_part") == 2)
    assert store.uploads == {} and store.objects == {}
    assert not store.is_open


# -- the store comes and goes


async def test_a_store_that_is_away_at_first_is_opened_later() -> None:
    async with uploads() as up:
        up.store.script.fail("open", StoreUnavailable("away"), StoreRefused("no such bucket"))
        for kind in (StoreUnavailable, StoreRefused):
            with pytest.raises(kind):
                await up.store_file(BytesSource(b"x"))
        await up.store_file(BytesSource(b"x"))
        await up.store_file(BytesSource(b"x"), key=f"{KEY}2")
        assert up.store.script.count("open") == 3, "opened once, when it could be"
        assert restarts(up.tree) == {}


async def test_many_first_requests_open_it_once() -> None:
    async with uploads() as up:
        up.store.script.slow("open", 5)
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(partial(up.store_file, BytesSource(b"x"), key=f"{KEY}{number}"))
        assert up.store.script.count("open") == 1


# -- artifacts and drops


def artifact(message_id: int, status: str) -> bytes:
    """As much of one as tells whose it is."""
    items = [{"file_unique_id": "u1", "status": status}]
    telegram = {"chat_id": "7", "message_id": str(message_id), "items": items}
    return json.dumps({"message_timestamp_utc": "2026-11-20T12:00:00Z", "telegram": telegram}).encode()


async def test_an_artifact_replaces_its_older_state() -> None:
    async with uploads() as up:
        for body in (artifact(1, "queued"), artifact(1, "stored")):
            await up.ref.ask(StoreArtifact(key="a/message.json", beside="a/message-2.json", body=body), within=10)
        assert up.store.objects == {"a/message.json": artifact(1, "stored")}
        assert up.store.content_types["a/message.json"] == "application/json"


@pytest.mark.parametrize("taken", [artifact(2, "stored"), b"{}", b"no artifact"])
async def test_an_artifact_never_replaces_that_of_another_submission(taken: bytes) -> None:
    """A new bot begins its message ids anew, and its archive may be that of the bot before it."""
    async with uploads() as up:
        up.store.objects["a/message.json"] = taken
        for body in (artifact(1, "queued"), artifact(1, "stored")):
            await up.ref.ask(StoreArtifact(key="a/message.json", beside="a/message-2.json", body=body), within=10)
        assert up.store.objects == {"a/message.json": taken, "a/message-2.json": artifact(1, "stored")}


async def test_a_dropped_object_is_gone_and_may_be_dropped_again() -> None:
    async with uploads() as up:
        up.store.objects[KEY] = b"copy"
        for _ in range(2):
            await up.ref.ask(DropObject(key=KEY), within=10)
        assert up.store.objects == {}
