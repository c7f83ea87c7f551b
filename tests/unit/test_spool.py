"""The spool: read while it grows, closed without harm while it is used, and gone afterwards; with real files."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from teltubby.errors import SpoolClosed, SpoolFull, TelegramUnavailable, TeltubbyError
from teltubby.transfer.spool import FileSource, Spool, sweep
from tests.guards import no_blocking

pytestmark = pytest.mark.anyio

WITHIN = 20.0


def body(size: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(size))


async def test_what_was_appended_is_read_at_any_offset(tmp_path: Path) -> None:
    async with Spool(tmp_path / "deep" / "x.part", 1000) as spool:
        assert (spool.size, spool.prefix) == (1000, 0)
        for start in range(0, 1000, 300):
            await spool.append(body(1000)[start : start + 300])
        assert spool.prefix == 1000
        for offset, length in ((0, 1000), (0, 1), (999, 1), (500, 300), (900, 5000), (1000, 10)):
            assert await spool.read(offset, length) == body(1000)[offset : offset + length]


async def test_the_file_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    async with Spool(path, 10) as spool:
        await spool.append(b"12345")
        assert spool.path == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


async def test_what_an_earlier_run_left_is_not_taken_for_content(tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"old old old old old")
    async with Spool(tmp_path / "x.part", 4) as spool:
        await spool.append(b"new!")
        assert await spool.read(0, 100) == b"new!"


async def test_readers_wait_for_their_bytes_and_no_longer(tmp_path: Path) -> None:
    read: dict[int, bytes] = {}

    async with Spool(tmp_path / "x.part", 40) as spool:

        async def reader(offset: int) -> None:
            read[offset] = await spool.read(offset, 10)

        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                for offset in (30, 20, 10, 0):
                    tasks.start_soon(reader, offset)
                await anyio.wait_all_tasks_blocked()
                assert read == {}
                await spool.append(body(40)[:25])
                while len(read) < 2:
                    await anyio.lowlevel.checkpoint()
                assert sorted(read) == [0, 10]
                await spool.append(body(40)[25:])
    assert read == {offset: body(40)[offset : offset + 10] for offset in (0, 10, 20, 30)}


async def test_readers_hear_why_there_will_be_no_more(tmp_path: Path) -> None:
    async with Spool(tmp_path / "x.part", 100) as spool:
        await spool.append(b"x" * 50)
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hears, TelegramUnavailable, spool)
                tasks.start_soon(hears, TelegramUnavailable, spool)
                await anyio.wait_all_tasks_blocked()
                spool.fail(TelegramUnavailable("away"))
                spool.fail(SpoolFull("later"))
        with pytest.raises(TelegramUnavailable, match="away"):
            await spool.append(b"more")
        with pytest.raises(TelegramUnavailable, match="away"):
            await spool.read(50, 10)


async def hears(kind: type[Exception], spool: Spool) -> None:
    with pytest.raises(kind):
        await spool.read(90, 10)


async def test_closing_tells_waiting_readers_and_later_writers(tmp_path: Path) -> None:
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks, Spool(tmp_path / "x.part", 100) as spool:
            tasks.start_soon(hears, SpoolClosed, spool)
            await anyio.wait_all_tasks_blocked()
        with pytest.raises(SpoolClosed):
            await spool.append(b"x")
        with pytest.raises(SpoolClosed):
            await spool.read(0, 1)


async def test_a_write_under_way_keeps_its_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed under a running write, the number of the descriptor could be another file's by the time it writes."""
    entered, go_on = threading.Event(), threading.Event()
    real_pwrite = os.pwrite

    def slow_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        entered.set()
        assert go_on.wait(WITHIN)
        return real_pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", slow_pwrite)
    other = tmp_path / "other"
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks, Spool(tmp_path / "x.part", 100) as spool:
            tasks.start_soon(spool.append, b"of the spool")
            await to_thread.run_sync(entered.wait, WITHIN)
            tasks.start_soon(open_soon, other, go_on)
    assert other.read_bytes() == b"", "nobody wrote into a file that took the descriptor's number"
    assert not spool.path.exists()


async def open_soon(path: Path, go_on: threading.Event) -> None:
    """Take whatever descriptor is free, while the spool is being closed; then let its write go on."""
    await anyio.wait_all_tasks_blocked()
    handle = await anyio.open_file(path, "wb")
    go_on.set()
    await anyio.wait_all_tasks_blocked()
    await handle.aclose()


async def test_leaving_by_cancellation_removes_the_file(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with Spool(tmp_path / "x.part", 100) as spool:
            await spool.append(b"x")
            scope.cancel()
            await spool.read(50, 10)
    assert scope.cancelled_caught
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS])
async def test_a_disk_that_takes_no_more_is_told_as_spool_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(number, os.strerror(number))

    async with Spool(tmp_path / "x.part", 100) as spool:
        monkeypatch.setattr(os, "pwrite", failing_pwrite)
        with pytest.raises(SpoolFull, match=str(tmp_path)):
            await spool.append(b"x")
        assert spool.prefix == 0


async def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_pwrite = os.pwrite
    async with Spool(tmp_path / "x.part", 100) as spool:
        monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real_pwrite(fd, bytes(data[:3]), offset))
        await spool.append(body(100))
        assert await spool.read(0, 100) == body(100)


async def test_a_disk_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing_pread(descriptor: int, length: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with Spool(tmp_path / "x.part", 1) as spool:
        await spool.append(b"x")
        monkeypatch.setattr(os, "pread", failing_pread)
        with pytest.raises(TeltubbyError):
            await spool.read(0, 1)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolFull):
        async with Spool(tmp_path / "file" / "x.part", 1):
            pass


async def test_two_runs_of_one_file_do_not_mix(tmp_path: Path) -> None:
    """A job can be delivered twice; whatever the second does, the first must not read anything but its own bytes."""
    path = tmp_path / "x.part"
    async with Spool(path, 100) as first:
        await first.append(body(100)[:50])
        try:
            async with Spool(path, 100) as second:
                await second.append(body(100)[:10])
                await first.append(body(100)[50:])
                assert await first.read(0, 100) == body(100)
        except TeltubbyError:
            await first.append(body(100)[50:])  # refusing the second is as good
            assert await first.read(0, 100) == body(100)


async def test_a_finished_file_is_read_at_any_offset(tmp_path: Path) -> None:
    path = tmp_path / "x.small"
    await to_thread.run_sync(path.write_bytes, body(100))
    source = FileSource(path, 100)
    assert source.size == 100
    assert await source.read(0, 100) == body(100)
    assert await source.read(90, 50) == body(100)[90:]


async def test_a_finished_file_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(TeltubbyError):
        await FileSource(tmp_path / "gone", 100).read(0, 100)


def test_sweeping_removes_files_and_nothing_else(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    assert sweep(spool) == 0
    assert spool.is_dir()
    (spool / "a.part").write_bytes(b"x")
    (spool / "b.small").write_bytes(b"x")
    (spool / "folder").mkdir()
    (spool / "folder" / "kept").write_bytes(b"x")
    with no_blocking():
        assert sweep(spool) == 2
    assert [path.name for path in spool.rglob("*")] == ["folder", "kept"]
