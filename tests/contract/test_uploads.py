"""Uploads to real stores: cut off, resumed, expired, answered into the void; what is stored is looked at past us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from teltubby.actors.upload import UploadActor
from teltubby.adapters.base import ObjectStore
from teltubby.adapters.s3_store import S3Store
from teltubby.errors import ContentMismatch, StoreUnavailable, TelegramUnavailable, TeltubbyError
from teltubby.messages.transfer import AbortUpload, ByteSource, PartReceipt, Stored, StoreFile, UploadLog
from tests.actors.stage import noise
from tests.actors.uploads import BytesSource, GrowingSource, knows, unknown
from tests.contract.stores import MIB, PART, S3World, StoreWorld, digest
from tests.servers.s3_proxy import Answer, S3Proxy
from tests.servers.tcp_proxy import TcpProxy
from tests.upload_log import MemoryLog

pytestmark = pytest.mark.anyio

KEY = "teltubby/2026/11/anna/1/film.mp4"
BODY = noise(2 * PART + 7)
PARTS = [1, 2, 3]
STORED = Stored(key=KEY, size_bytes=len(BODY), sha256=digest(BODY))


@pytest.fixture
def proxy(s3_world: S3World) -> Iterator[S3Proxy]:
    """Between the adapter and the server."""
    proxy = S3Proxy(s3_world.node)
    yield proxy
    proxy.close()


@pytest.fixture
def wire(s3_world: S3World) -> Iterator[TcpProxy]:
    """A wire to the server that can be cut."""
    wire = TcpProxy(s3_world.node.port)
    yield wire
    wire.close()


class Counting:
    """Counts the parts that the store confirmed."""

    def __init__(self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self._store = store
        self._put_part = store.put_part
        self._stored: list[int] = []
        monkeypatch.setattr(store, "put_part", self._counted)

    def numbers(self) -> list[int]:
        """Their numbers since the last time, in ascending order."""
        stored, self._stored = self._stored, []
        return sorted(stored)

    async def _counted(self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str) -> PartReceipt:
        receipt = await self._put_part(key, upload_id, number, body, sha256=sha256)
        self._stored.append(number)
        return receipt


def an_actor(store: ObjectStore, known: Sequence[bytes] = ()) -> UploadActor:
    first_copy = knows(*known, key="first.mp4") if known else unknown
    return UploadActor(store, width=1, multipart_bytes=PART, first_copy=first_copy)


async def stored(actor: UploadActor, source: ByteSource, log: UploadLog | None = None) -> object:
    request = StoreFile(key=KEY, source=source, content_type="video/mp4", stored=lambda _: None, log=log)
    return await actor.handle(request)


async def cut_off(actor: UploadActor, log: MemoryLog, *, after: int) -> None:
    """An upload whose source broke after so many parts."""
    source = GrowingSource(BODY, there=min(after * PART, len(BODY)))

    async def fails() -> None:
        with pytest.raises(TelegramUnavailable):
            await stored(actor, source, log)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fails)
        while log.begun is None or log.noted < after:
            await anyio.sleep(0.01)
        source.fail(TelegramUnavailable("no more"))


@asynccontextmanager
async def unfinished(world: StoreWorld) -> AsyncIterator[list[str]]:
    """Ids of what is begun and not finished, as another adapter sees it."""
    async with world.store() as other:
        yield [found.upload_id async for found in other.unfinished("")]


@pytest.mark.parametrize("size", [0, PART - 1, PART, PART + 1, 2 * PART])
async def test_files_of_any_size_arrive(world: StoreWorld, size: int) -> None:
    body = noise(size)
    async with world.store() as store:
        answer = await stored(an_actor(store), BytesSource(body), MemoryLog())
    assert answer == Stored(key=KEY, size_bytes=size, sha256=digest(body))
    assert world.read(KEY) == body
    async with unfinished(world) as begun:
        assert begun == []


@pytest.mark.parametrize("after", range(len(PARTS)))
async def test_another_process_goes_on(world: StoreWorld, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    async with world.store() as store:
        await cut_off(an_actor(store), log, after=after)
    async with unfinished(world) as begun:
        assert log.begun is not None and begun == [log.begun.upload_id]
    async with world.store() as store:
        sent = Counting(store, monkeypatch)
        assert await stored(an_actor(store), BytesSource(BODY), log) == STORED
        assert sent.numbers() == PARTS[after:]
    assert world.read(KEY) == BODY
    async with unfinished(world) as begun:
        assert begun == []


async def test_an_expired_upload_is_begun_anew(world: StoreWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    async with world.store() as store:
        sent = Counting(store, monkeypatch)
        await cut_off(an_actor(store), log, after=2)
        assert log.begun is not None
        await store.abort(KEY, log.begun.upload_id)
        sent.numbers()
        assert await stored(an_actor(store), BytesSource(BODY), log) == STORED
        assert sent.numbers() == PARTS
    assert world.read(KEY) == BODY


async def test_after_success_it_is_answered_again_without_a_part(
    world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    async with world.store() as store:
        sent = Counting(store, monkeypatch)
        for numbers in (PARTS, []):
            assert await stored(an_actor(store), BytesSource(BODY), log) == STORED
            assert sent.numbers() == numbers
    assert world.read(KEY) == BODY


@pytest.mark.parametrize("there", [0, PART], ids=["not begun", "under way"])
async def test_two_workers_that_store_one_job_leave_one_object(world: StoreWorld, there: int) -> None:
    """The first hung, and another one took its job over: it wakes up when all is done, and stores the same parts."""
    source, log, answers = GrowingSource(BODY, there=there), MemoryLog(), list[object]()

    async def hangs() -> None:
        if not there:
            await overtaken.wait()
        answers.append(await stored(an_actor(first), source, log))

    async with world.store() as first, world.store() as second, anyio.create_task_group() as tasks:
        overtaken = anyio.Event()
        tasks.start_soon(hangs)
        while there and not log.noted:
            await anyio.sleep(0.01)
        assert await stored(an_actor(second), BytesSource(BODY), MemoryLog()) == STORED
        source.grow(len(BODY))
        overtaken.set()
    assert answers == [STORED] and world.read(KEY) == BODY
    async with unfinished(world) as begun:
        assert begun == []


async def test_a_duplicate_leaves_nothing(world: StoreWorld) -> None:
    async with world.store() as store:
        answer = await stored(an_actor(store, [BODY]), BytesSource(BODY), MemoryLog())
    assert answer == Stored(key=KEY, size_bytes=len(BODY), sha256=digest(BODY), duplicate_of="first.mp4")
    assert world.read(KEY) is None
    async with unfinished(world) as begun:
        assert begun == []


async def test_a_dead_job_s_upload_is_aborted(world: StoreWorld) -> None:
    log = MemoryLog()
    async with world.store() as store:
        actor = an_actor(store)
        await cut_off(actor, log, after=1)
        assert log.begun is not None
        for _ in range(2):
            await actor.handle(AbortUpload(key=KEY, upload_id=log.begun.upload_id))
    async with unfinished(world) as begun:
        assert begun == []


async def test_a_job_that_died_elsewhere_leaves_no_upload(world: StoreWorld) -> None:
    """Nobody here knows the upload's id; uploads of other keys stay, and so does everything where the object is."""
    async with world.store() as store:
        actor = an_actor(store)
        await cut_off(actor, MemoryLog(), after=1)
        other = await store.begin(f"{KEY}.other", content_type="video/mp4")
        await actor.handle(AbortUpload(key=KEY, upload_id=None))
        assert [left.upload_id async for left in store.unfinished(KEY)] == [other]
        await store.abort(f"{KEY}.other", other)
        await stored(actor, BytesSource(BODY), MemoryLog())
        await actor.handle(AbortUpload(key=KEY, upload_id=None))
        assert world.read(KEY) == BODY


# -- S3 only


def put_parts(proxy: S3Proxy) -> int:
    """How many parts were sent, whatever became of them."""
    return sum(line.startswith("PUT") and "partNumber" in line for line in proxy.requests)


def completes(line: str) -> bool:
    return line.startswith("POST") and "uploadId" in line


async def test_a_part_in_flight_is_all_that_a_cancel_costs(
    s3_world: S3World, wire: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    async with s3_world.store(endpoint=f"http://127.0.0.1:{wire.port}") as store:
        sent = Counting(store, monkeypatch)
        source = GrowingSource(BODY, there=PART)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stored, an_actor(store), source, log)
            while log.noted < 1:
                await anyio.sleep(0.01)
            wire.stall()
            source.grow(len(BODY))
            await anyio.sleep(0.3)
            tasks.cancel_scope.cancel()
        assert sent.numbers() == [1] and log.noted == 1
        wire.resume()
        assert await stored(an_actor(store), BytesSource(BODY), log) == STORED
        assert sent.numbers() == [2, 3]
    assert s3_world.read(KEY) == BODY


async def test_a_cut_wire_costs_the_parts_in_flight(
    s3_world: S3World, wire: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    async with s3_world.store(endpoint=f"http://127.0.0.1:{wire.port}") as store:
        sent = Counting(store, monkeypatch)
        source = GrowingSource(BODY, there=PART)

        async def fails() -> None:
            with pytest.raises(StoreUnavailable):
                await stored(an_actor(store), source, log)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails)
            while log.noted < 1:
                await anyio.sleep(0.01)
            wire.refuse()
            wire.cut()
            source.grow(len(BODY))
        assert sent.numbers() == [1]
        wire.accept()
        assert await stored(an_actor(store), BytesSource(BODY), log) == STORED
        assert sent.numbers() == [2, 3]
    assert s3_world.read(KEY) == BODY


async def test_a_lost_answer_that_cannot_be_looked_up_is_found_by_the_next_run(
    s3_world: S3World, proxy: S3Proxy
) -> None:
    log, lost = MemoryLog(), list[str]()

    def is_lost(line: str) -> bool:
        if completes(line):
            lost.append(line)
        return completes(line)

    async with s3_world.store(endpoint=proxy.endpoint) as store:
        proxy.once(is_lost, "lose the answer")
        proxy.once(lambda line: line.startswith("HEAD") and bool(lost), Answer(status=503))
        with pytest.raises(StoreUnavailable):
            await stored(an_actor(store), BytesSource(BODY), log)
        assert s3_world.read(KEY) == BODY
        assert put_parts(proxy) == len(PARTS)
        assert await stored(an_actor(store), BytesSource(BODY), log) == STORED
        assert put_parts(proxy) == len(PARTS), "no part goes up again"


async def test_a_lost_answer_is_not_believed_where_the_object_is_another(s3_world: S3World, proxy: S3Proxy) -> None:
    log = MemoryLog()
    other = bytes(len(BODY))
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        proxy.once(completes, "lose the request")
        with pytest.raises(StoreUnavailable):
            await stored(an_actor(store), BytesSource(BODY), log)
        s3_world.client.put_object(Bucket=s3_world.bucket, Key=KEY, Body=other)
        with pytest.raises(TeltubbyError, match="taken"):
            await stored(an_actor(store), BytesSource(BODY), log)
    assert s3_world.read(KEY) == other
    async with unfinished(s3_world) as begun:
        assert begun == [] and log.begun is None


async def test_a_store_that_swallows_a_body_is_found_out(s3_world: S3World, proxy: S3Proxy) -> None:
    async with s3_world.store(endpoint=proxy.endpoint) as store:
        proxy.once(lambda line: line.startswith("PUT"), Answer(status=200))
        with pytest.raises(StoreUnavailable, match="has no such object"):
            await stored(an_actor(store), BytesSource(b"small"))
        assert await stored(an_actor(store), BytesSource(b"small"))
    assert s3_world.read(KEY) == b"small"


async def test_a_store_that_keeps_another_size_is_found_out(s3_world: S3World, proxy: S3Proxy) -> None:
    def other_object(line: str) -> bool:
        if line.startswith("PUT"):
            s3_world.client.put_object(Bucket=s3_world.bucket, Key=KEY, Body=b"of another size")
        return line.startswith("PUT")

    async with s3_world.store(endpoint=proxy.endpoint) as store:
        proxy.once(other_object, Answer(status=200))
        with pytest.raises(ContentMismatch):
            await stored(an_actor(store), BytesSource(b"small"))
        assert s3_world.read(KEY) is None, "what is known to be wrong does not stay"
        assert await stored(an_actor(store), BytesSource(b"small"))
    assert s3_world.read(KEY) == b"small"


async def test_another_part_size_begins_anew(s3_world: S3World, proxy: S3Proxy) -> None:
    log = MemoryLog()
    async with s3_world.store() as store:
        await cut_off(an_actor(store), log, after=1)
    async with s3_world.store(endpoint=proxy.endpoint, part_size=6 * MIB) as store:
        assert isinstance(store, S3Store)
        assert await stored(an_actor(store), BytesSource(BODY), log) == STORED
        assert put_parts(proxy) == 2
    assert s3_world.read(KEY) == BODY
    async with unfinished(s3_world) as begun:
        assert begun == []
