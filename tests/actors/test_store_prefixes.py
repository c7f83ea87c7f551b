"""Work on everything under a prefix, through the UploadActor; and by how much artifacts make the store grow."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from teltubby.actors.store_prefixes import BATCH, DELETIONS_AT_ONCE
from teltubby.actors.upload import UploadActor
from teltubby.errors import StoreUnavailable
from teltubby.messages.transfer import MeasurePrefix, PrefixSize, PurgePrefix, StoreArtifact, UploadMessage
from teltubby.supervision import ChildSpec, Mailbox, Ref
from tests.actors.stage import restarts, running
from tests.twins import MemoryStore

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

MANY = 2 * BATCH + 7


async def unknown(sha256: str) -> str | None:
    del sha256
    return None


@asynccontextmanager
async def uploading(store: MemoryStore) -> AsyncIterator[Ref[UploadMessage]]:
    mail = Mailbox[UploadMessage]("upload")
    start = ChildSpec(
        "upload", lambda: UploadActor(store, width=2, multipart_bytes=16, first_copy=unknown), mailbox=mail
    )
    async with running(start) as tree:
        yield mail.ref
        assert restarts(tree) == {}


def filled(count: int) -> MemoryStore:
    store = MemoryStore()
    store.objects = {f"teltubby/{number:05d}": bytes(number % 3) for number in range(count)}
    store.objects["other/x"] = b"xxxx"
    return store


def size_of(store: MemoryStore) -> PrefixSize:
    ours = [body for key, body in store.objects.items() if key.startswith("teltubby/")]
    return PrefixSize(used_bytes=sum(map(len, ours)), objects=len(ours))


@pytest.mark.parametrize("count", [0, 1, MANY])
async def test_a_prefix_is_measured_and_purged_and_nothing_else(count: int) -> None:
    store = filled(count)
    size = size_of(store)
    async with uploading(store) as upload:
        assert await upload.ask(MeasurePrefix(prefix="teltubby/"), within=math.inf) == size
        assert await upload.ask(PurgePrefix(prefix="teltubby/"), within=math.inf) == size
        assert store.objects == {"other/x": b"xxxx"}
        assert store.script.count("delete") == count


async def test_a_purge_that_is_cut_off_is_told_and_may_be_repeated() -> None:
    store = filled(100)
    async with uploading(store) as upload:
        store.script.fail("delete", StoreUnavailable("away"), skip=10)
        with pytest.raises(StoreUnavailable):
            await upload.ask(PurgePrefix(prefix="teltubby/"), within=math.inf)
        left = size_of(store).objects
        assert 100 - 10 - DELETIONS_AT_ONCE <= left <= 90
        assert (await upload.ask(PurgePrefix(prefix="teltubby/"), within=math.inf)).objects == left
        assert list(store.objects) == ["other/x"]


async def test_a_store_that_is_away_cannot_be_measured_now() -> None:
    store = filled(3)
    async with uploading(store) as upload:
        store.script.fail("list", StoreUnavailable("away"))
        with pytest.raises(StoreUnavailable):
            await upload.ask(MeasurePrefix(prefix="teltubby/"), within=math.inf)


def artifact(files: list[str], *, message: str = "5", notes: str = "") -> bytes:
    items = [{"file_unique_id": file} for file in files]
    telegram = {"chat_id": "1", "message_id": message, "items": items}
    return json.dumps({"message_timestamp_utc": "x", "notes": notes, "telegram": telegram}).encode()


async def test_the_growth_of_the_store_is_told_with_each_artifact() -> None:
    store = MemoryStore()
    told = PrefixSize(used_bytes=0, objects=0)
    async with uploading(store) as upload:
        for body in (
            artifact(["a"]),
            artifact(["a", "b"], notes="it grew"),
            artifact(["a", "b"]),
            artifact(["z"], message="6", notes="of another bot"),
            artifact(["z"], message="6"),
        ):
            request = StoreArtifact(key="teltubby/m.json", beside="teltubby/beside.json", body=body)
            grown = await upload.ask(request, within=100)
            told = PrefixSize(used_bytes=told.used_bytes + grown.used_bytes, objects=told.objects + grown.objects)
            assert told == size_of(store)
        assert store.objects["teltubby/m.json"] == artifact(["a", "b"]), "an album's artifact grows in its place"
        assert store.objects["teltubby/beside.json"] == artifact(["z"], message="6")
