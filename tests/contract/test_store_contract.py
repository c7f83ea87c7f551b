"""What every object store promises: the folder, and S3 against a real server."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from teltubby.adapters.base import ObjectInfo, ObjectStore
from teltubby.errors import FileGone, ObjectExists, Permanent, UploadVanished
from teltubby.messages.transfer import PartReceipt
from tests.contract.stores import MIB, PART, StoreWorld, begin, digest, put, put_parts

pytestmark = pytest.mark.anyio

BODIES = [b"a" * PART, b"b" * PART, b"the end"]
WHOLE = b"".join(BODIES)


async def test_what_was_put_is_there(world: StoreWorld) -> None:
    async with world.store() as store:
        assert await store.head("a/b.json") is None
        await put(store, "a/b.json", b"{}")
        assert await store.head("a/b.json") == ObjectInfo(key="a/b.json", size=2)
        assert await store.get("a/b.json") == b"{}"
        assert store.location("a/b.json").endswith("/a/b.json")
        await store.check()
    assert world.read("a/b.json") == b"{}"


async def test_a_missing_object_cannot_be_got(world: StoreWorld) -> None:
    async with world.store() as store:
        with pytest.raises(FileGone):
            await store.get("nothing/here")


async def test_an_object_is_read_piece_by_piece(world: StoreWorld) -> None:
    async with world.store() as store:
        await store.complete("k", *await begin(store, "k", BODIES))
        assert await store.read("k", 0, 3) == b"aaa"
        assert await store.read("k", PART - 1, 2) == b"ab"
        assert await store.read("k", 2 * PART, 100) == b"the end"
        assert await store.read("k", len(WHOLE), 100) == b""
        assert await store.read("k", len(WHOLE) + 100, 100) == b""
        await put(store, "empty", b"")
        assert await store.read("empty", 0, 100) == b""
        with pytest.raises(FileGone):
            await store.read("nothing", 0, 100)


async def test_the_first_content_stays(world: StoreWorld) -> None:
    async with world.store() as store:
        await put(store, "k", b"first")
        with pytest.raises(ObjectExists):
            await put(store, "k", b"second")
    assert world.read("k") == b"first"


async def test_replace_is_asked_for(world: StoreWorld) -> None:
    async with world.store() as store:
        await put(store, "a/k", b"first", replace=True)
        await put(store, "a/k", b"second", replace=True)
    assert world.read("a/k") == b"second"


async def test_of_puts_at_once_one_wins(world: StoreWorld) -> None:
    bodies = [bytes([n]) * 1000 for n in range(5)]
    async with world.store() as store:
        wins: list[bytes] = []

        async def race(body: bytes) -> None:
            try:
                await put(store, "race", body)
            except ObjectExists:
                return
            wins.append(body)

        async with anyio.create_task_group() as group:
            for body in bodies:
                group.start_soon(race, body)
    assert [world.read("race")] == wins


async def test_an_empty_object_is_an_object(world: StoreWorld) -> None:
    async with world.store() as store:
        await put(store, "empty", b"")
        assert await store.head("empty") == ObjectInfo(key="empty", size=0)
        assert await store.get("empty") == b""


async def test_a_deleted_object_is_gone(world: StoreWorld) -> None:
    async with world.store() as store:
        await put(store, "a/k", b"x")
        await store.delete("a/k")
        await store.delete("a/k")
        await store.delete("never/was")
        assert await store.head("a/k") is None
        await put(store, "a/k", b"y")
    assert world.read("a/k") == b"y"


ODD_KEYS = [
    "with space/and+plus%25&=?#;:@!$'()*,~",
    "Привет/日本語/😀.jpg",
    'back\\slash/"quotes"/<tag>|^`{}',
    "dots/..hidden/...",
    "control/\x01\x7f",
    "trailing dot./space ",
    "x" * 255,
    "/".join(["y" * 100] * 9),
]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
async def test_odd_keys(world: StoreWorld, key: str) -> None:
    async with world.store() as store:
        await put(store, key, b"odd")
        with pytest.raises(ObjectExists):
            await put(store, key, b"again")
        assert await store.head(key) == ObjectInfo(key=key, size=3)
        assert await store.get(key) == b"odd"
        if key.isprintable():  # XML, and with it S3's listing, cannot carry all others
            assert [info.key async for info in store.list("")] == [key]
        upload_id, parts = await begin(store, f"{key[:-5]}.mp4", [b"film"])
        assert (await store.complete(f"{key[:-5]}.mp4", upload_id, parts)).size == 4
        await store.delete(key)
        assert await store.head(key) is None


BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "a//b",
    "a/",
    "../x",
    "a/../../x",
    "a/..",
    "./a",
    "a/.",
    "nul\0",
    "z" * 256,
    "y/" * 600 + "y",
]


@pytest.mark.parametrize("key", BAD_KEYS, ids=range(len(BAD_KEYS)))
async def test_no_key_leads_elsewhere(world: StoreWorld, key: str) -> None:
    async with world.store() as store:
        with pytest.raises(ValueError, match="not an object key"):
            await put(store, key, b"x")
        with pytest.raises(ValueError, match="not an object key"):
            await put(store, key, b"x", replace=True)
        with pytest.raises(ValueError, match="not an object key"):
            await store.begin(key, content_type="text/plain")
        with pytest.raises(ValueError, match="not an object key"):
            await store.get(key)
        with pytest.raises(ValueError, match="not an object key"):
            await store.read(key, 0, 1)
        with pytest.raises(ValueError, match="not an object key"):
            await store.head(key)
        with pytest.raises(ValueError, match="not an object key"):
            await store.delete(key)


async def test_parts_make_the_whole(world: StoreWorld) -> None:
    async with world.store() as store:
        assert store.part_size == PART
        upload_id, parts = await begin(store, "big/file.mp4", BODIES)
        assert [(part.number, part.size, part.sha256) for part in parts] == [
            (1, PART, digest(BODIES[0])),
            (2, PART, digest(BODIES[1])),
            (3, 7, digest(BODIES[2])),
        ]
        assert await store.head("big/file.mp4") is None
        assert await store.complete("big/file.mp4", upload_id, parts) == ObjectInfo(key="big/file.mp4", size=len(WHOLE))
        assert [upload async for upload in store.unfinished("")] == []
    assert digest(world.read("big/file.mp4") or b"") == digest(WHOLE)


async def test_parts_may_come_in_any_order_at_once_and_again(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id = await store.begin("k", content_type="video/mp4")
        receipts: dict[int, PartReceipt] = {}
        await store.put_part("k", upload_id, 2, b"?" * MIB, sha256=digest(b"?" * MIB))

        async def send(number: int) -> None:
            body = BODIES[number - 1]
            receipts[number] = await store.put_part("k", upload_id, number, body, sha256=digest(body))

        async with anyio.create_task_group() as group:
            for number in (3, 1, 2):
                group.start_soon(send, number)
        await store.complete("k", upload_id, list(receipts.values()))
    assert world.read("k") == WHOLE


async def test_a_last_part_may_become_shorter(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id, (first, _) = await begin(store, "k", [BODIES[0], b"too long"])
        last = await store.put_part("k", upload_id, 2, b"short", sha256=digest(b"short"))
        assert (await store.complete("k", upload_id, [first, last])).size == PART + 5
    assert world.read("k") == BODIES[0] + b"short"


async def test_one_empty_part_makes_an_empty_object(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id, parts = await begin(store, "k", [b""])
        assert await store.complete("k", upload_id, parts) == ObjectInfo(key="k", size=0)


async def test_an_upload_without_parts_is_none(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id = await store.begin("k", content_type="video/mp4")
        with pytest.raises(Permanent):
            await store.complete("k", upload_id, [])
        assert await store.head("k") is None


async def test_completing_never_replaces(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id, parts = await begin(store, "k", [b"the later one"])
        await put(store, "k", b"was there first")
        with pytest.raises(ObjectExists):
            await store.complete("k", upload_id, parts)
        assert world.read("k") == b"was there first"
        await store.abort("k", upload_id)
    assert world.read("k") == b"was there first"


async def test_completing_again_is_answered_the_same(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id, parts = await begin(store, "k", BODIES)
        first = await store.complete("k", upload_id, parts)
    async with world.store() as restarted:
        assert await restarted.complete("k", upload_id, parts) == first
        await restarted.abort("k", upload_id)
    assert world.read("k") == WHOLE


async def test_an_aborted_upload_has_vanished(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id, parts = await begin(store, "k", [b"x"])
        await store.abort("k", upload_id)
        await store.abort("k", upload_id)
        with pytest.raises(UploadVanished):
            await put_parts(store, "k", upload_id, [b"y"])
        with pytest.raises(UploadVanished):
            await store.complete("k", upload_id, parts)
        assert await store.head("k") is None
        assert [upload async for upload in store.unfinished("")] == []


@pytest.mark.parametrize("upload_id", ["nonsense", "../../x", "0" * 32])
async def test_an_unknown_upload_has_vanished(world: StoreWorld, upload_id: str) -> None:
    async with world.store() as store:
        with pytest.raises(UploadVanished):
            await put_parts(store, "k", upload_id, [b"y"])
        await store.abort("k", upload_id)


async def test_another_instance_goes_on(world: StoreWorld) -> None:
    async with world.store() as store:
        upload_id, begun = await begin(store, "k", BODIES[:2])
    async with world.store() as restarted:
        assert [(upload.key, upload.upload_id) async for upload in restarted.unfinished("k")] == [("k", upload_id)]
        last = await restarted.put_part("k", upload_id, 3, BODIES[2], sha256=digest(BODIES[2]))
        await restarted.complete("k", upload_id, [*begun, last])
    assert world.read("k") == WHOLE


async def test_of_completes_at_once_one_wins(world: StoreWorld) -> None:
    async with world.store() as store, world.store() as other:
        uploads = [(adapter, *await begin(adapter, "k", [body])) for adapter, body in ((store, b"1"), (other, b"2"))]
        wins: list[str] = []

        async def race(adapter: ObjectStore, upload_id: str, parts: Sequence[PartReceipt]) -> None:
            try:
                await adapter.complete("k", upload_id, parts)
            except ObjectExists:
                return
            wins.append(parts[0].sha256)

        async with anyio.create_task_group() as group:
            for upload in uploads:
                group.start_soon(race, *upload)
    assert [digest(world.read("k") or b"")] == wins


async def test_the_list_is_in_key_order(world: StoreWorld) -> None:
    keys = ["a-b", "a/b", "a/b-c", "a/b/c", "a/ba", "a0", "b/é", "b/z"]
    keys.remove("a/b")  # in a folder, a name is a file or a folder
    async with world.store() as store:
        for key in reversed(keys):
            await put(store, key, key.encode())
        await store.begin("a/unfinished", content_type="text/plain")
        assert [info.key async for info in store.list("")] == sorted(keys, key=str.encode)
        assert [info.key async for info in store.list("a/b")] == ["a/b-c", "a/b/c", "a/ba"]
        assert [info async for info in store.list("a/b/")] == [ObjectInfo(key="a/b/c", size=5)]
        assert [info async for info in store.list("none")] == []


async def test_unfinished_uploads_are_found(world: StoreWorld) -> None:
    async with world.store() as store:
        begun = {(key, await store.begin(key, content_type="video/mp4")) for key in ("u/1", "u/2", "u/2", "u/3", "v")}
        found = [upload async for upload in store.unfinished("u/")]
        assert {(upload.key, upload.upload_id) for upload in found} == {pair for pair in begun if pair[0] != "v"}
        assert len(found) == 4
        assert all(upload.begun_at is not None and upload.begun_at.tzinfo for upload in found)
        for upload in found:
            await store.abort(upload.key, upload.upload_id)
        assert [upload.key async for upload in store.unfinished("")] == ["v"]


async def test_opening_and_closing_twice_is_fine(world: StoreWorld) -> None:
    async with world.store() as store:
        await store.open()
        await put(store, "k", b"x")
        await store.aclose()
        await store.aclose()
        await store.open()
        assert await store.get("k") == b"x"
