"""When a spool is made durable, what that holds up, and what becomes of it when the disk or the folder fails."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from teltubby.errors import SpoolClosed, SpoolFull
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_file import SYNC_BYTES, SYNC_SECONDS
from teltubby.transfer.spool_folder import SpoolFolder
from tests.unit.transfer.spools import PART, ByHand, begun, folder, part, receipt, spooled

pytestmark = pytest.mark.anyio

WITHIN = 20.0
FILE = spooled()
MIB = 1 << 20


def opened(spools: SpoolFolder) -> Spool:
    return spools.open(FILE.job_id, document_id=FILE.document_id, size=FILE.size, key=FILE.key)


async def fill(spool: Spool, *indexes: int) -> None:
    for index in indexes:
        await spool.write(index, part(FILE, index))


class Reboots:
    """A machine whose boots we count; after the next one only what was synced is trusted."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        return f"boot {self.count}"


class Hands:
    """The clock and the checkpoints of one spool, in our hands."""

    def __init__(self) -> None:
        self.now = 0.0
        self.background = ByHand()

    def folder(self, place: Path, boot: Callable[[], str | None] = lambda: "a boot", **options: int) -> SpoolFolder:
        return folder(place, boot, clock=lambda: self.now, background=lambda: self.background, **options)

    @property
    def due(self) -> int:
        """How many checkpoints wait to be run."""
        return len(self.background.waiting)


async def present_after(place: Path, reboots: Reboots) -> set[int]:
    """The parts that the next boot finds."""
    reboots.count += 1
    async with opened(folder(place, reboots)) as spool:
        return set(spool.present)


async def test_a_checkpoint_is_due_after_a_second(tmp_path: Path) -> None:
    hands = Hands()
    async with opened(hands.folder(tmp_path)) as spool:
        await fill(spool, 0)
        hands.now = SYNC_SECONDS - 0.1
        await fill(spool, 1)
        assert hands.due == 0
        hands.now = SYNC_SECONDS
        await fill(spool, 2)
        assert hands.due == 1
        hands.now = 5.0
        await fill(spool, 3)
        assert hands.due == 1, "one at a time"
        await to_thread.run_sync(hands.background.run)
        hands.now = 5.5
        await fill(spool, 4)
        assert hands.due == 0
        hands.now = 6.0
        await fill(spool, 5)
        assert hands.due == 1


async def test_a_checkpoint_is_due_after_so_many_bytes(tmp_path: Path) -> None:
    hands = Hands()
    spools = hands.folder(tmp_path, part_bytes=MIB)
    async with spools.open("job", document_id=1, size=2 * SYNC_BYTES, key="k") as spool:
        for index in range(SYNC_BYTES // MIB - 1):
            await spool.write(index, bytes(MIB))
        assert hands.due == 0
        await spool.write(SYNC_BYTES // MIB, bytes(MIB))
        assert hands.due == 1
        await spool.finish()


async def test_only_what_a_checkpoint_covered_survives_a_power_cut(tmp_path: Path) -> None:
    """The files are as they were, but who knows: the journal's word does not count for more."""
    hands, reboots = Hands(), Reboots()
    place = tmp_path / "spool"
    async with opened(hands.folder(place, reboots)) as spool:
        await fill(spool, 0, 1)
        hands.now = SYNC_SECONDS
        await fill(spool, 2)
        await to_thread.run_sync(hands.background.run)
        await fill(spool, 3)
        await to_thread.run_sync(shutil.copytree, place, tmp_path / "cut")
        await to_thread.run_sync(shutil.copytree, place, tmp_path / "killed")
    async with opened(folder(tmp_path / "killed", reboots)) as spool:
        assert set(spool.present) == {0, 1, 2, 3}
    assert await present_after(tmp_path / "cut", reboots) == {0, 1, 2}
    assert await present_after(place, reboots) == {0, 1, 2, 3}, "leaving in good order is a checkpoint"


async def test_a_machine_that_does_not_tell_its_boots_apart(tmp_path: Path) -> None:
    hands, place = Hands(), tmp_path / "spool"
    async with opened(hands.folder(place, lambda: None)) as spool:
        hands.now = SYNC_SECONDS
        await fill(spool, 0)
        await to_thread.run_sync(hands.background.run)
        await fill(spool, 1)
        await to_thread.run_sync(shutil.copytree, place, tmp_path / "killed")
    async with opened(folder(tmp_path / "killed", lambda: None)) as spool:
        assert set(spool.present) == {0}


async def test_nobody_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are written and read while a checkpoint takes its time, in its own thread."""
    syncing, go_on = threading.Event(), threading.Event()
    real_fdatasync = os.fdatasync

    def slow_fdatasync(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(WITHIN)
        real_fdatasync(descriptor)

    ticks = iter(range(1000))
    async with opened(folder(tmp_path, clock=lambda: 10.0 * next(ticks))) as spool:
        monkeypatch.setattr(os, "fdatasync", slow_fdatasync)
        with anyio.fail_after(WITHIN):
            await fill(spool, 0)
            await to_thread.run_sync(syncing.wait, WITHIN)
            await fill(spool, 1, 2, 3, 4, 5)
            assert await spool.read(0, FILE.size)
            go_on.set()


async def test_a_sync_that_fails_ends_the_attempt_and_takes_back_what_it_should_have_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed sync the kernel may forget the pages, and says so only once (fsync(2))."""
    hands, real_fdatasync = Hands(), os.fdatasync
    data = tmp_path / "job.data"

    def failing_fdatasync(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), data.stat()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real_fdatasync(descriptor)

    async with opened(hands.folder(tmp_path)) as spool:
        hands.now = SYNC_SECONDS
        await fill(spool, 0)
        await spool.uploads.begin(begun())
        await to_thread.run_sync(hands.background.run)
        await fill(spool, 1)
        hands.now = 2 * SYNC_SECONDS
        await fill(spool, 2)
        with monkeypatch.context() as trouble:
            trouble.setattr(os, "fdatasync", failing_fdatasync)
            await to_thread.run_sync(hands.background.run)
        for use in (fill(spool, 3), spool.read(0, PART), spool.uploads.add(receipt(1))):
            with pytest.raises(SpoolFull, match="Input/output error"):
                await use
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == {0}
        assert spool.uploads.begun == begun()


async def test_a_journal_that_cannot_be_synced_takes_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, say: the attempt ends, but the next finds all parts, as long as the machine runs."""
    hands, real_pwrite = Hands(), os.pwrite

    def full_for_lines(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        if len(data) != PART:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_pwrite(descriptor, data, offset)

    async with opened(hands.folder(tmp_path)) as spool:
        hands.now = SYNC_SECONDS
        await fill(spool, 0)
        with monkeypatch.context() as trouble:
            trouble.setattr(os, "pwrite", full_for_lines)
            await to_thread.run_sync(hands.background.run)
        with pytest.raises(SpoolFull, match="is full"):
            await fill(spool, 1)
        assert await spool.read(0, PART) == part(FILE, 0)
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == {0}


async def test_an_attempt_whose_disk_failed_can_be_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing_fdatasync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    hands, place = Hands(), tmp_path / "spool"
    async with opened(hands.folder(place)) as spool:
        hands.now = SYNC_SECONDS
        await fill(spool, 0)
        with monkeypatch.context() as trouble:
            trouble.setattr(os, "fdatasync", failing_fdatasync)
            await to_thread.run_sync(hands.background.run)
        await spool.finish()
        await to_thread.run_sync(shutil.copytree, place, tmp_path / "killed")
    async with opened(folder(tmp_path / "killed")) as spool:
        assert set(spool.present) == set()


async def test_what_the_kernel_could_not_write_between_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens the file next is told by its first sync."""
    place, killed = tmp_path / "spool", tmp_path / "killed"
    hands = Hands()
    async with opened(hands.folder(place)) as spool:
        hands.now = SYNC_SECONDS
        await fill(spool, 3)
        await to_thread.run_sync(hands.background.run)
        await fill(spool, 0, 1)
        await to_thread.run_sync(shutil.copytree, place, killed)
    data, real_fdatasync = killed / "job.data", os.fdatasync

    def failing_fdatasync(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), data.stat()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real_fdatasync(descriptor)

    with monkeypatch.context() as trouble:
        trouble.setattr(os, "fdatasync", failing_fdatasync)
        with pytest.raises(SpoolFull, match="Input/output error"):
            async with opened(folder(killed)):
                pass
    async with opened(folder(killed)) as spool:
        assert set(spool.present) == {3}


def remove_all(place: Path) -> None:
    shutil.rmtree(place)


def remove_data(place: Path) -> None:
    (place / "job.data").unlink()


def remove_journal(place: Path) -> None:
    (place / "job.journal").unlink()


def replace_all(place: Path) -> None:
    copied = place.with_name("copied")
    shutil.copytree(place, copied)
    shutil.rmtree(place)
    copied.rename(place)


@pytest.mark.parametrize("remove", [remove_all, remove_data, remove_journal, replace_all])
async def test_files_that_vanish_are_missed_at_the_next_checkpoint(
    tmp_path: Path, remove: Callable[[Path], None]
) -> None:
    hands, place = Hands(), tmp_path / "spool"
    async with opened(hands.folder(place)) as spool:
        await fill(spool, 0)
        await to_thread.run_sync(remove, place)
        hands.now = SYNC_SECONDS
        await fill(spool, 1)
        await to_thread.run_sync(hands.background.run)
        for use in (fill(spool, 2), spool.read(0, PART), spool.uploads.begin(begun())):
            with pytest.raises(SpoolClosed, match=rf"{place}/job\.(data|journal) was removed"):
                await use


@pytest.mark.parametrize("remove", [remove_all, remove_data, remove_journal, replace_all])
async def test_files_that_vanish_are_missed_at_the_end(tmp_path: Path, remove: Callable[[Path], None]) -> None:
    place = tmp_path / "spool"
    async with opened(folder(place, clock=lambda: 0.0)) as spool:
        await fill(spool, *range(FILE.parts))
        await to_thread.run_sync(remove, place)
        with pytest.raises(SpoolClosed, match=rf"{place}/job\.(data|journal) was removed"):
            await spool.finish()


async def test_leaving_touches_nothing_that_came_in_its_place(tmp_path: Path) -> None:
    """Somebody removed the folder, and the next attempt made it anew."""
    place = tmp_path / "spool"
    async with opened(folder(place)) as old:
        await fill(old, 0)
        await old.finish()
        await to_thread.run_sync(remove_all, place)
        async with opened(folder(place)) as new:
            await fill(new, 1)
    async with opened(folder(place)) as spool:
        assert set(spool.present) == {1}


async def test_after_the_folder_vanished_the_next_attempt_begins_anew(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    async with opened(folder(place)) as spool:
        await fill(spool, 0)
        await to_thread.run_sync(remove_all, place)
    async with opened(folder(place)) as spool:
        assert (set(spool.present), spool.uploads.begun) == (set(), None)


async def test_what_is_finished_is_never_gone_on_with(tmp_path: Path) -> None:
    """Killed between the end and the removal."""
    place = tmp_path / "spool"
    async with opened(folder(place)) as spool:
        await fill(spool, 0)
        await spool.uploads.begin(begun())
        await spool.finish()
        await to_thread.run_sync(shutil.copytree, place, tmp_path / "killed")
    async with opened(folder(tmp_path / "killed")) as spool:
        assert (set(spool.present), spool.uploads.begun) == (set(), None)


async def test_a_full_disk_can_still_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = tmp_path / "spool"
    async with opened(folder(place)) as spool:
        await fill(spool, 0)
        monkeypatch.setattr(os, "pwrite", full)
        await spool.finish()
        monkeypatch.undo()
        await to_thread.run_sync(shutil.copytree, place, tmp_path / "killed")
    assert list(place.iterdir()) == []
    async with opened(folder(tmp_path / "killed")) as spool:
        assert set(spool.present) == set()
