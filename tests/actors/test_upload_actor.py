"""UploadActor: the bytes that arrive are the bytes of the source, whole or not at all, and nothing is left behind."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby import flavour
from teltubby.actors.upload import FirstCopy, UploadActor
from teltubby.errors import (
    ContentMismatch,
    DatabaseUnavailable,
    ObjectExists,
    SpoolClosed,
    StoreRefused,
    StoreUnavailable,
    TeltubbyError,
    UploadVanished,
)
from teltubby.messages.transfer import ByteSource, DropObject, StoreArtifact, Stored, StoreFile, UploadMessage
from teltubby.supervision import ActorCrashed, ChildSpec, Mailbox, Ref, Supervisor
from teltubby.transfer.spool import FileSource, Spool
from tests.actors.stage import noise, restarts, running, sha256
from tests.twins import MemoryStore
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

KEY = "teltubby/2026/11/anna/1/film.mp4"
PART = 16
MULTIPART = 40
"""From so many bytes on a file goes up in parts."""


@dataclass
class BytesSource:
    """A finished source in memory; `claims` is the size that it says it has."""

    body: bytes
    claims: int | None = None
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.body) if self.claims is None else self.claims

    async def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.body[offset : offset + length]


async def unknown(digest: str) -> str | None:
    del digest
    return None


@dataclass
class Uploads:
    """The actor in a tree, with its store."""

    tree: Supervisor
    store: MemoryStore
    ref: Ref[UploadMessage]

    async def store_file(self, source: ByteSource, *, key: str = KEY, told: list[int] | None = None) -> Stored:
        stored = (lambda _: None) if told is None else told.append
        request = StoreFile(key=key, source=source, content_type="video/mp4", stored=stored)
        return await self.ref.ask(request, within=math.inf)


@asynccontextmanager
async def uploads(
    store: MemoryStore | None = None, *, first_copy: FirstCopy = unknown, width: int = 4
) -> AsyncIterator[Uploads]:
    store = MemoryStore(part_size=PART) if store is None else store
    mailbox = Mailbox[UploadMessage]("upload")

    def start() -> UploadActor:
        return UploadActor(store, width=width, multipart_bytes=MULTIPART, first_copy=first_copy)

    async with running(ChildSpec("upload", start, mailbox=mailbox)) as tree:
        yield Uploads(tree, store, mailbox.ref)


def knows(*bodies: bytes, key: str) -> FirstCopy:
    """A ledger that has these contents under `key`."""
    digests = {sha256(body) for body in bodies}

    async def first_copy(digest: str) -> str | None:
        return key if digest in digests else None

    return first_copy


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


async def test_parts_go_up_while_the_source_grows(tmp_path: Path) -> None:
    body = noise(6 * PART)
    async with uploads() as up, Spool(tmp_path / "x.part", len(body)) as spool, anyio.create_task_group() as tasks:
        tasks.start_soon(up.store_file, spool)
        for number in range(6):
            await anyio.sleep(10)
            assert up.store.script.count("put_part") == number
            assert KEY not in up.store.objects
            await spool.append(body[number * PART : (number + 1) * PART])
        await until(lambda: up.store.objects == {KEY: body})


async def test_at_most_width_files_at_once() -> None:
    async with uploads(width=2) as up:
        gate = up.store.script.hold("put")
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(partial(up.store_file, BytesSource(b"x"), key=f"{KEY}{number}"))
            await anyio.sleep(10)
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
@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), StoreRefused("no"), UploadVanished("forgotten")], ids=lambda e: type(e).__name__
)
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


async def test_a_source_that_breaks_aborts_the_upload(tmp_path: Path) -> None:
    async with uploads() as up, Spool(tmp_path / "x.part", 5 * PART) as spool, anyio.create_task_group() as tasks:
        tasks.start_soon(fails_with, SpoolClosed, up, spool)
        await spool.append(noise(2 * PART))
        await until(lambda: up.store.script.count("put_part") == 2)
        spool.fail(SpoolClosed("given up"))
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


async def test_a_stop_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    store = MemoryStore(part_size=PART)
    async with Spool(tmp_path / "x.part", 5 * PART) as spool:
        with pytest.raises(ExceptionGroup):  # the asker hears of it
            async with anyio.create_task_group() as tasks, uploads(store) as up:
                tasks.start_soon(up.store_file, spool)
                await spool.append(noise(2 * PART))
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
