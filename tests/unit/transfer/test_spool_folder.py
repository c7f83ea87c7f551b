"""The folder of spools: a name for every job, one holder at a time, room for what was promised, and no leftovers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio import to_thread
from hypothesis import example, given

from teltubby.errors import SpoolBusy, SpoolFull
from teltubby.messages.transfer import PART_BYTES
from teltubby.transfer.journal import SpooledFile
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder, spool_name
from tests.unit.archive.samples import ANY_TEXT
from tests.unit.transfer.spools import KEEP_SECONDS, PART, begun, folder, part, put, spooled, verify

pytestmark = pytest.mark.anyio

BLOCK = 4096
"""Bytes of a part where room is counted: file systems count it so."""


async def keep(place: Path, job_id: str = "job", *, parts: int = 1, **fields: Any) -> Path:
    """Leave a spool with some parts; its journal."""
    file = spooled(job_id=job_id, **fields)

    def leave() -> None:
        disk = folder(place, part_bytes=file.part_bytes).acquire(file)
        put(disk, *range(parts))
        disk.close(keep=True)

    await to_thread.run_sync(leave)
    return place / f"{spool_name(job_id)}.journal"


def opened(spools: SpoolFolder, job_id: str = "job", *, size: int = 6 * PART - 5) -> Spool:
    return spools.open(job_id, document_id=0, size=size, key="key-0")


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def grow_old(*paths: Path, seconds: float) -> None:
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2)


@given(ANY_TEXT, ANY_TEXT)
@example("~" + "0" * 64, "..")
@example("a" * 100, "a" * 101)
@example("", ".")
def test_every_job_has_a_name_of_its_own(job_id: str, other: str) -> None:
    name = spool_name(job_id)
    assert 0 < len((name + ".journal").encode()) <= 120
    assert not set(name) & set("/\\\0\n ") and name.isascii()
    assert (name == spool_name(other)) == (job_id == other)


@pytest.mark.parametrize(
    "job_id", ["..", "a/b", "/etc/passwd", "\0", "\ud83d", "", "ü", "x" * 300, "a.data", "a.journal"]
)
async def test_any_job_id_has_a_spool(tmp_path: Path, job_id: str) -> None:
    place = tmp_path / "spool"
    async with opened(folder(place), job_id) as spool:
        await spool.write(0, part(spooled(), 0))
    assert names(tmp_path) == ["spool"] and len(names(place)) == 2
    async with opened(folder(place), job_id) as spool:
        assert set(spool.present) == {0}
        await spool.finish()
    assert names(place) == []


async def test_a_second_attempt_has_to_wait(tmp_path: Path) -> None:
    spools = folder(tmp_path)
    async with opened(spools) as spool:
        await spool.write(0, part(spooled(), 0))
        for again in (spools, folder(tmp_path)):
            with pytest.raises(SpoolBusy, match=r"job\.data"):
                async with opened(again):
                    pass
        async with opened(spools, "other"):
            pass
        assert await spool.read(0, PART) == part(spooled(), 0)
    async with opened(spools) as spool:
        assert set(spool.present) == {0}


async def test_a_spool_that_is_removed_while_somebody_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last holder leaves between our opening and our locking the file: a lock on what is gone protects nothing."""
    await keep(tmp_path)
    real_flock = fcntl.flock
    removals = iter([tmp_path / "job.journal", tmp_path / "job.data"])

    def late_flock(descriptor: int, operation: int) -> None:
        for path in removals:
            path.unlink()
        real_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late_flock)
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == set()
        with pytest.raises(SpoolBusy):
            async with opened(folder(tmp_path)):
                pass
        await spool.write(1, part(spooled(), 1))
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == {1}


@pytest.mark.parametrize(
    "other",
    [
        SpooledFile(job_id="job", document_id=1, size=379, key="key-0", part_bytes=PART),
        SpooledFile(job_id="job", document_id=0, size=379, key="key-1", part_bytes=PART),
        SpooledFile(job_id="job", document_id=0, size=380, key="key-0", part_bytes=PART),
        SpooledFile(job_id="job", document_id=0, size=379, key="key-0", part_bytes=PART * 2),
        SpooledFile(job_id="job", document_id=0, size=379, key="key-0", part_bytes=PART_BYTES),
    ],
    ids=["document", "key", "size", "parts", "one part"],
)
async def test_the_spool_of_another_file_is_never_used(
    tmp_path: Path, other: SpooledFile, caplog: pytest.LogCaptureFixture
) -> None:
    await keep(tmp_path, parts=3)
    spools = folder(tmp_path, part_bytes=other.part_bytes)
    async with spools.open("job", document_id=other.document_id, size=other.size, key=other.key) as spool:
        assert (set(spool.present), spool.prefix) == (set(), 0)
        assert (tmp_path / "job.data").read_bytes() == bytes(other.size)
    assert "job job is begun anew: it has another" in caplog.text


async def test_a_hash_that_two_jobs_share_is_not_enough(tmp_path: Path) -> None:
    """On a file system that does not tell upper case from lower, say."""
    (await keep(tmp_path, "JOB")).rename(tmp_path / "job.journal")
    (tmp_path / "JOB.data").rename(tmp_path / "job.data")
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == set()


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[5] ^= 1
    path.write_bytes(body)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 1)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("job.journal", flip),
        ("job.journal", empty),
        ("job.journal", Path.unlink),
        ("job.data", empty),
        ("job.data", cut),
        ("job.data", lengthen),
        ("job.data", Path.unlink),
    ],
)
async def test_what_is_damaged_is_begun_anew_and_swept(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    place = tmp_path / "spool"
    await keep(place, parts=3)
    damage(place / file)
    await to_thread.run_sync(shutil.copytree, place, tmp_path / "swept")
    async with opened(folder(place)) as spool:
        assert set(spool.present) == set()
    assert await to_thread.run_sync(folder(tmp_path / "swept").sweep) == 1
    assert names(tmp_path / "swept") == []


async def test_a_torn_tail_costs_only_itself(tmp_path: Path) -> None:
    journal = await keep(tmp_path, parts=3)
    lines = journal.read_bytes().splitlines(keepends=True)
    third = next(number for number, text in enumerate(lines) if b'"part": 2' in text)
    journal.write_bytes(b"".join([*lines[:third], lines[third][:-3]]))
    for expected in ({0, 1}, {0, 1, 4}):
        async with opened(folder(tmp_path)) as spool:
            assert set(spool.present) == expected
            await spool.write(4, part(spooled(), 4))


async def test_a_journal_without_end_is_read_to_a_limit(tmp_path: Path) -> None:
    journal = await keep(tmp_path, parts=3)
    os.truncate(journal, 4 << 30)
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == {0, 1, 2}
        assert journal.stat().st_size < 1000


async def test_sweeping_removes_what_nobody_goes_on_with(tmp_path: Path) -> None:
    spools = folder(tmp_path)
    await keep(tmp_path, "kept")
    grow_old(await keep(tmp_path, "almost-old"), seconds=KEEP_SECONDS - 10)
    grow_old(await keep(tmp_path, "old"), seconds=KEEP_SECONDS + 10)
    empty(await keep(tmp_path, "unreadable"))
    (await keep(tmp_path, "data-only")).unlink()
    await keep(tmp_path, "journal-only")
    (tmp_path / "journal-only.data").unlink()
    (tmp_path / "a-b-c.part").write_bytes(b"of a version without journals")
    (tmp_path / "notes.txt").write_bytes(b"not ours")
    (tmp_path / "folder.data").mkdir()
    async with opened(spools, "held") as spool:
        await spool.write(0, part(spooled(), 0))
        grow_old(tmp_path / "held.journal", seconds=10 * KEEP_SECONDS)
        assert await to_thread.run_sync(spools.sweep) == 5
        assert await spool.read(0, PART) == part(spooled(), 0)
    assert names(tmp_path) == sorted(
        ["folder.data", "notes.txt"]
        + [f"{job}.{suffix}" for job in ("almost-old", "held", "kept") for suffix in ("data", "journal")]
    )
    assert await to_thread.run_sync(spools.sweep) == 0


async def test_sweeping_removes_what_is_finished(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    async with opened(folder(place)) as spool:
        await spool.write(0, part(spooled(), 0))
        await spool.finish()
        await to_thread.run_sync(shutil.copytree, place, tmp_path / "killed")
    assert await to_thread.run_sync(folder(tmp_path / "killed").sweep) == 1
    assert names(tmp_path / "killed") == []


async def test_sweeping_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert await to_thread.run_sync(folder(tmp_path / "new").sweep) == 0
    assert (tmp_path / "new").is_dir()
    (tmp_path / "file").write_bytes(b"")
    assert await to_thread.run_sync(folder(tmp_path / "file").sweep) == 0
    assert await to_thread.run_sync(folder(tmp_path / "file" / "below").sweep) == 0


async def test_the_spool_of_a_dead_job_is_discarded(tmp_path: Path) -> None:
    spools = folder(tmp_path)
    await keep(tmp_path, "dead")
    await keep(tmp_path, "headless")
    (tmp_path / "headless.data").unlink()
    await keep(tmp_path, "alive")
    for job_id in ("dead", "headless", "unheard-of"):
        assert await spools.discard(job_id) is None
    assert names(tmp_path) == ["alive.data", "alive.journal"]
    async with opened(spools, "alive") as spool:
        await spools.discard("alive")
        assert set(spool.present) == {0}
    assert names(tmp_path) == ["alive.data", "alive.journal"]
    await folder(tmp_path / "nowhere").discard("dead")
    assert not (tmp_path / "nowhere").exists()


async def test_whoever_discards_a_spool_hears_of_its_upload(tmp_path: Path) -> None:
    """Somebody has to abort it, or it costs for ever."""
    spools = folder(tmp_path)
    async with opened(spools) as spool:
        await spool.uploads.begin(begun(receipts=2))
        assert await spools.discard("job") is None
    assert await spools.discard("job") == begun(receipts=2)
    assert await spools.discard("job") is None
    assert names(tmp_path) == []


class Room:
    """A disk with so many bytes free, whatever is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
        self.free = 1 << 40
        self.spools = folder(place, part_bytes=BLOCK)
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=self.free // 512, f_frsize=512))

    def open(self, job_id: str, blocks: int) -> Spool:
        return self.spools.open(job_id, document_id=0, size=blocks * BLOCK, key="key-0")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Room:
    return Room(monkeypatch, tmp_path)


async def keep_blocks(place: Path, job_id: str, blocks: int, *, age: float) -> None:
    await keep(place, job_id, parts=blocks, size=10 * BLOCK, part_bytes=BLOCK)
    grow_old(place / f"{job_id}.data", seconds=age)


async def test_a_file_that_does_not_fit_is_refused_with_numbers(tmp_path: Path, room: Room) -> None:
    room.free = 10 * BLOCK - 512
    with pytest.raises(SpoolFull, match=f"{tmp_path} has {room.free} bytes free, 0 of .* needs {10 * BLOCK}"):
        async with room.open("job", 10):
            pass
    assert names(tmp_path) == [], "what could not be begun is not kept"
    room.free += 512
    async with room.open("job", 10) as spool:
        assert spool.size == 10 * BLOCK


async def test_room_that_was_promised_to_open_spools_is_taken(tmp_path: Path, room: Room) -> None:
    room.free = 30 * BLOCK
    async with room.open("first", 20) as first:
        with pytest.raises(SpoolFull, match=f"{20 * BLOCK} of them for other files"):
            async with room.open("second", 11):
                pass
        async with room.open("second", 10), anyio.create_task_group() as tasks:
            for index in range(8):
                tasks.start_soon(first.write, index, bytes(BLOCK))
        room.free = 22 * BLOCK  # as the disk would tell after that
        async with room.open("third", 10):
            pass
        with pytest.raises(SpoolFull, match=f"{12 * BLOCK} of them for other files"):
            async with room.open("third", 11):
                pass


async def test_of_two_that_come_at_once_one_has_to_wait(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither may look for room while the other has seen some and not yet taken it."""
    room.free = 30 * BLOCK
    both_look, told = threading.Barrier(2), os.statvfs

    def slow_statvfs(path: Path) -> object:
        with contextlib.suppress(threading.BrokenBarrierError):
            both_look.wait(0.2)
        return told(path)

    monkeypatch.setattr(os, "statvfs", slow_statvfs)
    refused: list[str] = []

    async def attempt(job_id: str) -> None:
        try:
            async with room.open(job_id, 20):
                await anyio.wait_all_tasks_blocked()
                while not refused:
                    await anyio.lowlevel.checkpoint()
        except SpoolFull:
            refused.append(job_id)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for job_id in ("a", "b"):
                tasks.start_soon(attempt, job_id)
    assert len(refused) == 1


async def test_what_an_earlier_attempt_left_needs_no_room_again(tmp_path: Path, room: Room) -> None:
    await keep_blocks(tmp_path, "job", 7, age=0)
    room.free = 3 * BLOCK
    async with room.open("job", 10) as spool:
        assert len(spool.present) == 7
    room.free = 2 * BLOCK
    with pytest.raises(SpoolFull):
        async with room.open("job", 10):
            pass
    room.free = 3 * BLOCK
    async with room.open("job", 10) as spool:
        assert len(spool.present) == 7, "it waits where it stood"


async def test_kept_spools_give_way_the_oldest_first_and_no_more_than_needed(
    tmp_path: Path, room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    for job_id, age in (("newest", 10), ("oldest", 30), ("middle", 20)):
        await keep_blocks(tmp_path, job_id, 4, age=age)
    async with room.open("held", 10) as held:
        for index in range(4, 10):
            await held.write(index, bytes(BLOCK))
        grow_old(tmp_path / "held.data", seconds=99)
        room.free = 4 * BLOCK
        async with room.open("job", 6):
            left = {path.stem for path in tmp_path.iterdir()}
    assert left == {"job", "held", "newest"}
    assert "oldest gives way" in caplog.text


async def test_nothing_gives_way_when_that_would_not_be_enough(tmp_path: Path, room: Room) -> None:
    (tmp_path / "folder.data").mkdir()
    for job_id in ("a", "b"):
        await keep_blocks(tmp_path, job_id, 4, age=10)
    room.free = 2 * BLOCK
    with pytest.raises(SpoolFull):
        async with room.open("job", 11):
            pass
    assert names(tmp_path) == ["a.data", "a.journal", "b.data", "b.journal", "folder.data"]


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolFull, match=f"{tmp_path}/file/spool cannot be written: Not a directory"):
        async with opened(folder(tmp_path / "file" / "spool")):
            pass


async def test_names_that_are_taken_by_something_else_are_told(tmp_path: Path) -> None:
    (tmp_path / "job.data").mkdir()
    with pytest.raises(SpoolFull, match="Is a directory"):
        async with opened(folder(tmp_path)):
            pass


async def test_what_a_sweep_keeps_is_right(tmp_path: Path) -> None:
    """A sweep looks at everything and changes nothing that is good."""
    await keep(tmp_path, parts=4)
    assert await to_thread.run_sync(folder(tmp_path, boot=lambda: "another boot").sweep) == 0

    def look() -> set[int]:
        disk = folder(tmp_path).acquire(spooled())
        present = verify(disk)
        disk.close(keep=True)
        return present

    assert await to_thread.run_sync(look) == {0, 1, 2, 3}
