"""What only the folder store has: files, modes, kills, full disks, and folders that are not there."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from teltubby.adapters.base import ObjectInfo
from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.folder_uploads import STALE_AFTER
from teltubby.errors import ContentMismatch, ObjectExists, StoreRefused, UploadVanished
from teltubby.messages.transfer import PartReceipt
from tests.contract.folder_process import ROOM
from tests.contract.stores import MIB, PART, FolderWorld, begin, digest, put, put_parts

pytestmark = pytest.mark.anyio

PROCESS = [sys.executable, "tests/contract/folder_process.py"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": "."}
BODIES = [b"a" * PART, b"b" * PART, b"the end"]


@contextmanager
def running(mode: str, folder: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a process that is killed on leaving, in the middle of whatever it does."""
    process = subprocess.Popen([*PROCESS, mode, folder], stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert process.stdout is not None
    with process:
        yield iter(process.stdout.readline, b"")
        process.kill()


def leftovers(world: FolderWorld) -> list[str]:
    return [entry.name for entry in (world.root / ".uploads").iterdir() if entry.name.startswith("put-")]


async def test_objects_are_private(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        await put(store, "a/b/k", b"x")
        upload_id, parts = await begin(store, "a/film", [b"y"])
        await store.begin("a/other", content_type="text/plain")
        await store.complete("a/film", upload_id, parts)
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in folder_world.root.rglob("*")}
    assert modes == {(True, 0o700), (False, 0o600)}
    assert not leftovers(folder_world)


async def test_names_for_people(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        assert store.bucket == "archive"
        assert store.location("a/k") == f"{folder_world.root}/a/k"


async def test_a_kill_leaves_only_whole_objects(folder_world: FolderWorld) -> None:
    with running("write", folder_world.root) as lines:
        told = [json.loads(next(lines)) for _ in range(10)]
    async with folder_world.store() as store:
        found = {info.key: info.size async for info in store.list("")}
        assert {f"objects/{number}" for number in told} <= set(found)
        assert set(found.values()) == {2 * MIB}
        assert all(folder_world.read(key) == bytes([int(key.rpartition("/")[2]) % 256]) * (2 * MIB) for key in found)


async def test_an_upload_survives_a_kill(folder_world: FolderWorld) -> None:
    with running("upload", folder_world.root) as lines:
        upload_id = json.loads(next(lines))
        parts = [PartReceipt(**json.loads(next(lines))) for _ in range(5)]
    async with folder_world.store() as store:
        assert [upload.upload_id async for upload in store.unfinished("")] == [upload_id]
        assert [info async for info in store.list("")] == []
        last = await store.put_part("film.mp4", upload_id, 6, b"last", sha256=digest(b"last"))
        await store.complete("film.mp4", upload_id, [*parts, last])
    assert folder_world.read("film.mp4") == b"".join(bytes([number]) * PART for number in range(1, 6)) + b"last"


async def test_completing_goes_on_where_a_kill_cut_it_off(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        upload_id, parts = await begin(store, "k", BODIES)
        (folder_world.root / "k").hardlink_to(folder_world.root / ".uploads" / upload_id / "data")
        assert (await store.complete("k", upload_id, parts)).size == sum(map(len, BODIES))
        assert (await store.complete("k", upload_id, parts)).size == sum(map(len, BODIES))
        assert [upload async for upload in store.unfinished("")] == []


async def test_a_completed_upload_whose_object_is_gone_has_vanished(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        upload_id, parts = await begin(store, "k", BODIES)
        await store.complete("k", upload_id, parts)
        await store.delete("k")
        with pytest.raises(UploadVanished):
            await store.complete("k", upload_id, parts)
        with pytest.raises(UploadVanished):
            await put_parts(store, "k", upload_id, [b"x"])


async def test_old_leftovers_are_swept_but_no_unfinished_upload(folder_world: FolderWorld) -> None:
    uploads = folder_world.root / ".uploads"
    async with folder_world.store() as store:
        unfinished = await store.begin("unfinished", content_type="text/plain")
        finished, parts = await begin(store, "finished", [b"x"])
        await store.complete("finished", finished, parts)
    (uploads / "put-old").write_bytes(b"half")
    (uploads / ("0" * 32)).mkdir()
    for entry in uploads.iterdir():
        past = entry.stat().st_mtime - STALE_AFTER - 60
        os.utime(entry, (past, past))
    (uploads / "put-young").write_bytes(b"half")
    async with folder_world.store() as store:
        assert {entry.name for entry in uploads.iterdir()} == {unfinished, "put-young"}
        assert [info.key async for info in store.list("")] == ["finished"]


async def test_uploads_are_no_objects(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        with pytest.raises(ValueError, match="reserved"):
            await put(store, ".uploads/x", b"x")
        with pytest.raises(ValueError, match="reserved"):
            await store.begin(".uploads/x/y", content_type="text/plain")
        assert [info async for info in store.list(".uploads/")] == []


async def test_a_name_is_a_file_or_a_folder(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        await put(store, "a/b", b"x")
        for key in ("a", "a/b/c", "a/b/c/d"):
            with pytest.raises(ObjectExists):
                await put(store, key, b"y")
            with pytest.raises(ObjectExists):
                await put(store, key, b"y", replace=True)
            with pytest.raises(ObjectExists):
                await store.complete(key, *await begin(store, key, [b"z"]))
            assert await store.head(key) is None
            await store.delete(key)
        assert [info async for info in store.list("")] == [ObjectInfo(key="a/b", size=1)]
    assert not leftovers(folder_world)


async def test_parts_have_their_place(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        upload_id = await store.begin("k", content_type="text/plain")
        with pytest.raises(ValueError, match="numbers from 1"):
            await store.put_part("k", upload_id, 0, b"x", sha256=digest(b"x"))
        with pytest.raises(ValueError, match="parts have"):
            await store.put_part("k", upload_id, 1, b"x" * (PART + 1), sha256=digest(b"x" * (PART + 1)))
        first, second, third = await put_parts(store, "k", upload_id, BODIES)
        for wrong in ([first, third], [second, third], [first, second, second], [third, first]):
            with pytest.raises(ContentMismatch):
                await store.complete("k", upload_id, wrong)
        short = await store.put_part("k", upload_id, 1, b"short", sha256=digest(b"short"))
        with pytest.raises(ContentMismatch):
            await store.complete("k", upload_id, [short, second])
        await store.put_part("k", upload_id, 1, BODIES[0], sha256=digest(BODIES[0]))
        assert await store.complete("k", upload_id, [third, first, second]) == ObjectInfo(key="k", size=2 * PART + 7)


async def test_a_file_that_lost_bytes_is_noticed(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        upload_id, parts = await begin(store, "k", BODIES)
        os.truncate(folder_world.root / ".uploads" / upload_id / "data", PART)
        with pytest.raises(ContentMismatch):
            await store.complete("k", upload_id, parts)
        assert await store.head("k") is None


async def test_another_part_size_means_a_new_upload(folder_world: FolderWorld) -> None:
    async with folder_world.store() as store:
        upload_id, _ = await begin(store, "k", BODIES)
    other = FolderStore(folder_world.root, part_size=2 * PART)
    with pytest.raises(UploadVanished):
        await put_parts(other, "k", upload_id, [b"x"])


async def test_a_missing_folder_is_never_made(folder_world: FolderWorld) -> None:
    missing = FolderStore(folder_world.root / "not" / "there", part_size=PART)
    with pytest.raises(StoreRefused, match="create or mount it"):
        await missing.open()
    async with folder_world.store() as store:
        upload_id, parts = await begin(store, "k", BODIES)
        folder_world.root.rename(folder_world.root.with_name("unmounted"))
        for request in (
            store.open,
            store.check,
            lambda: store.head("k"),
            lambda: store.get("k"),
            lambda: store.read("k", 0, 1),
            lambda: put(store, "k", b"x"),
            lambda: store.begin("k", content_type="text/plain"),
            lambda: put_parts(store, "k", upload_id, [b"x"]),
            lambda: store.complete("k", upload_id, parts),
            lambda: store.abort("k", upload_id),
            lambda: store.delete("k"),
            lambda: anext(store.list("")),
            lambda: anext(store.unfinished("")),
        ):
            with pytest.raises(StoreRefused):
                await request()
        assert not folder_world.root.exists()
        folder_world.root.with_name("unmounted").rename(folder_world.root)
        assert (await store.complete("k", upload_id, parts)).size == 2 * PART + 7


def test_a_folder_that_we_may_not_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    folder.chmod(0o555)
    for place in (tmp_path, *tmp_path.parents[:3]):  # "nobody" has to reach it, below a worker of xdist too
        if place.stat().st_mode & 0o005 != 0o005:
            place.chmod(0o755)
    done = subprocess.run([*PROCESS, "refused", folder], env=ENVIRONMENT, check=True, capture_output=True)
    folder.chmod(0o755)
    assert json.loads(done.stdout) == 4


def test_no_room_is_said_and_nothing_is_lost(folder_world: FolderWorld) -> None:
    done = subprocess.run(
        [*PROCESS, "starve-file", folder_world.root], env=ENVIRONMENT, check=True, capture_output=True
    )
    assert json.loads(done.stdout) == ["film.mp4", "second"]
    assert not leftovers(folder_world)


def test_a_full_disk_is_said_and_nothing_is_lost(folder_world: FolderWorld) -> None:
    mount = f"mount -t tmpfs -o size={ROOM} tmpfs '{folder_world.root}'"
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if subprocess.run([*namespace, "sh", "-c", mount], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk; test_no_room_is_said_and_nothing_is_lost did run")
    command = [*namespace, "sh", "-c", f'{mount} && exec "$@"', "sh", *PROCESS, "starve", str(folder_world.root)]
    done = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
    assert json.loads(done.stdout) == ["film.mp4", "second"]
