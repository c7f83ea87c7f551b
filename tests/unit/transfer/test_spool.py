"""The spool: filled in any order, read while it grows, closed without harm while it is used, kept until it is done."""

from __future__ import annotations

import errno
import os
import random
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from teltubby.errors import SpoolClosed, SpoolFull, TelegramUnavailable, TeltubbyError
from teltubby.messages.transfer import PartFile, UploadLog
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder
from tests.unit.transfer.spools import PART, begun, content, folder, part, receipt, spooled

pytestmark = pytest.mark.anyio

WITHIN = 20.0
FILE = spooled()
EVERY = range(FILE.parts)


def opened(spools: SpoolFolder) -> Spool:
    """The spool of FILE."""
    return spools.open(FILE.job_id, document_id=FILE.document_id, size=FILE.size, key=FILE.key)


async def fill(spool: Spool, *indexes: int) -> None:
    for index in indexes:
        await spool.write(index, part(FILE, index))


def failing(number: int) -> Callable[..., int]:
    """A system call that fails."""

    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


async def test_it_is_what_the_engine_and_the_uploader_were_promised(tmp_path: Path) -> None:
    async with opened(folder(tmp_path)) as spool:
        file: PartFile = spool
        log: UploadLog = spool.uploads
        assert (file.size, file.prefix, list(file.present), log.begun) == (FILE.size, 0, [], None)


async def test_what_was_written_in_any_order_is_read_at_any_offset(tmp_path: Path) -> None:
    async with opened(folder(tmp_path / "deep" / "down")) as spool:
        await fill(spool, 5, 1, 0, 4)
        assert (spool.prefix, set(spool.present)) == (2 * PART, {0, 1, 4, 5})
        await fill(spool, 3, 2)
        assert (spool.prefix, set(spool.present)) == (FILE.size, set(EVERY))
        for offset, length in ((0, FILE.size), (0, 1), (FILE.size - 1, 1), (60, 100), (300, 9000), (FILE.size, 10)):
            assert await spool.read(offset, length) == content(FILE)[offset : offset + length]


async def test_parts_arrive_from_many_tasks(tmp_path: Path) -> None:
    file = spooled(size=200 * PART + 1)
    order = iter(random.Random(1).sample(range(file.parts), file.parts))
    read: list[bytes] = []

    async with folder(tmp_path).open("job", document_id=0, size=file.size, key=file.key) as spool:

        async def writer() -> None:
            for index in order:
                await spool.write(index, part(file, index))

        async def reader() -> None:
            for offset in range(0, file.size, 1000):
                read.append(await spool.read(offset, 1000))

        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reader)
                for _ in range(16):
                    tasks.start_soon(writer)
        assert b"".join(read) == content(file)


async def test_the_files_are_private_and_gone_when_it_is_done(tmp_path: Path) -> None:
    async with opened(folder(tmp_path)) as spool:
        await fill(spool, 0)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {"job.data": 0o600, "job.journal": 0o600}
        await spool.finish()
    assert list(tmp_path.iterdir()) == []


async def test_the_next_attempt_goes_on_where_the_last_one_stood(tmp_path: Path) -> None:
    with pytest.raises(TelegramUnavailable):
        async with opened(folder(tmp_path)) as spool:
            assert spool.resumed_bytes == 0
            await fill(spool, 0, 1, 5)
            raise TelegramUnavailable("away")
    async with opened(folder(tmp_path)) as spool:
        assert (spool.prefix, set(spool.present)) == (2 * PART, {0, 1, 5})
        assert spool.resumed_bytes == 3 * PART - 5
        assert await spool.read(0, spool.prefix) == content(FILE)[: 2 * PART]
        await fill(spool, 2, 3, 4)
        assert await spool.read(0, FILE.size) == content(FILE)
        assert spool.resumed_bytes == 3 * PART - 5


async def test_leaving_by_cancellation_keeps_what_is_there(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with opened(folder(tmp_path)) as spool:
            await fill(spool, 0)
            scope.cancel()
            await spool.read(PART, 10)
    assert scope.cancelled_caught
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == {0}


async def test_a_spool_into_which_nothing_came_is_not_kept(tmp_path: Path) -> None:
    async with opened(folder(tmp_path)):
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


async def test_a_file_without_bytes(tmp_path: Path) -> None:
    async with folder(tmp_path).open("job", document_id=1, size=0, key="k") as spool:
        assert (spool.size, spool.prefix, list(spool.present)) == (0, 0, [])
        assert await spool.read(0, 100) == b""
        with pytest.raises(ValueError, match="part 0"):
            await spool.write(0, b"")
        await spool.finish()
    assert list(tmp_path.iterdir()) == []


async def test_the_largest_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With gaps, so that it takes no room."""
    monkeypatch.setattr(SpoolFolder, "_make_room", lambda *_: None)
    size, mib = 4_194_304_000, 1 << 20
    spools = SpoolFolder(tmp_path, keep_seconds=10.0)
    async with spools.open("job", document_id=1, size=size, key="k") as spool:
        await spool.write(3999, b"z" * mib)
        await spool.write(0, b"a" * mib)
        assert spool.prefix == mib
    async with spools.open("job", document_id=1, size=size, key="k") as spool:
        assert (set(spool.present), spool.resumed_bytes) == ({0, 3999}, 2 * mib)
        assert (tmp_path / "job.data").stat().st_size == size
        assert await spool.read(0, mib) == b"a" * mib


@pytest.mark.parametrize(
    ("index", "length"), [(-1, PART), (6, PART), (0, PART - 1), (0, PART + 1), (5, PART), (0, 0)], ids=str
)
async def test_what_is_no_part_of_the_file_is_refused(tmp_path: Path, index: int, length: int) -> None:
    async with opened(folder(tmp_path)) as spool:
        with pytest.raises(ValueError, match=f"part {index} of {length} bytes"):
            await spool.write(index, bytes(length))
        assert list(spool.present) == []


async def test_a_part_that_comes_twice_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was too late must not touch what others may be reading."""
    entered, go_on = threading.Event(), threading.Event()
    real_pwrite, written = os.pwrite, list[bytes]()

    def slow_pwrite(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        if len(data) == PART:
            written.append(bytes(data))
            entered.set()
            assert go_on.wait(WITHIN)
        return real_pwrite(descriptor, data, offset)

    async with opened(folder(tmp_path)) as spool:
        monkeypatch.setattr(os, "pwrite", slow_pwrite)
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(spool.write, 0, part(FILE, 0))
                await to_thread.run_sync(entered.wait, WITHIN)
                tasks.start_soon(spool.write, 0, b"x" * PART)
                tasks.start_soon(spool.write, 0, b"y" * PART)
                await anyio.wait_all_tasks_blocked()
                go_on.set()
            await spool.write(0, b"z" * PART)
        assert written == [part(FILE, 0)]
        assert await spool.read(0, PART) == part(FILE, 0)


async def test_a_part_is_not_copied_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    received = bytearray(b"head" + part(FILE, 0))
    real_pwrite, owners = os.pwrite, list[object]()

    def watched_pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        owners.append(data.obj)
        return real_pwrite(descriptor, data, offset)

    async with opened(folder(tmp_path)) as spool:
        monkeypatch.setattr(os, "pwrite", watched_pwrite)
        await spool.write(0, memoryview(received)[4:])
        assert owners[0] is received
        assert await spool.read(0, PART) == part(FILE, 0)


async def test_readers_wait_for_their_bytes_and_no_longer(tmp_path: Path) -> None:
    read: dict[int, bytes] = {}

    async with opened(folder(tmp_path)) as spool:

        async def reader(offset: int) -> None:
            read[offset] = await spool.read(offset, 10)

        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                for offset in (0, PART - 5, PART, 3 * PART):
                    tasks.start_soon(reader, offset)
                await anyio.wait_all_tasks_blocked()
                await fill(spool, 1, 3)
                await anyio.wait_all_tasks_blocked()
                assert read == {}
                await fill(spool, 0)
                while len(read) < 3:
                    await anyio.lowlevel.checkpoint()
                assert sorted(read) == [0, PART - 5, PART]
                await fill(spool, 2)
    assert read == {offset: content(FILE)[offset : offset + 10] for offset in (0, PART - 5, PART, 3 * PART)}


async def hears(kind: type[Exception], spool: Spool) -> None:
    with pytest.raises(kind):
        await spool.read(FILE.size - 10, 10)


async def test_readers_hear_why_there_will_be_no_more(tmp_path: Path) -> None:
    async with opened(folder(tmp_path)) as spool:
        await fill(spool, 0)
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hears, TelegramUnavailable, spool)
                tasks.start_soon(hears, TelegramUnavailable, spool)
                await anyio.wait_all_tasks_blocked()
                spool.fail(TelegramUnavailable("away"))
                spool.fail(SpoolFull("later"))
        with pytest.raises(TelegramUnavailable, match="away"):
            await fill(spool, 1)
        with pytest.raises(TelegramUnavailable, match="away"):
            await spool.read(0, 10)
        assert set(spool.present) == {0}
        await spool.uploads.begin(begun())
        await spool.uploads.add(receipt(1))
    async with opened(folder(tmp_path)) as spool:
        assert spool.uploads.begun == begun(receipts=1), "a part that is up is up, whatever became of the rest"
        await spool.finish()


async def test_whoever_waits_for_a_failure_hears_the_first(tmp_path: Path) -> None:
    heard: list[Exception] = []

    async def listener(spool: Spool) -> None:
        heard.append(await spool.wait_failed())

    trouble = TelegramUnavailable("away")
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks, opened(folder(tmp_path)) as spool:
            tasks.start_soon(listener, spool)
            await anyio.wait_all_tasks_blocked()
            assert heard == []
            spool.fail(trouble)
            spool.fail(SpoolFull("later"))
        assert (heard, await spool.wait_failed()) == ([trouble], trouble)
        async with opened(folder(tmp_path)) as spool:
            pass
        assert isinstance(await spool.wait_failed(), SpoolClosed)


async def test_closing_tells_waiting_readers_and_later_users(tmp_path: Path) -> None:
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks, opened(folder(tmp_path)) as spool:
            tasks.start_soon(hears, SpoolClosed, spool)
            await anyio.wait_all_tasks_blocked()
        for use in (fill(spool, 0), spool.read(0, 1), spool.finish(), spool.uploads.begin(begun())):
            with pytest.raises(SpoolClosed):
                await use


async def test_a_write_under_way_keeps_its_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed under a running write, the number of the descriptor could be another file's by the time it writes."""
    entered, go_on = threading.Event(), threading.Event()
    real_pwrite = os.pwrite

    def slow_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        entered.set()
        assert go_on.wait(WITHIN)
        return real_pwrite(descriptor, data, offset)

    other = tmp_path / "other"
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks, opened(folder(tmp_path)) as spool:
            monkeypatch.setattr(os, "pwrite", slow_pwrite)
            tasks.start_soon(fill, spool, 0)
            await to_thread.run_sync(entered.wait, WITHIN)
            tasks.start_soon(open_soon, other, go_on)
    assert other.read_bytes() == b"", "nobody wrote into a file that took the descriptor's number"
    async with opened(folder(tmp_path)) as spool:
        assert await spool.read(0, PART) == part(FILE, 0), "what was on its way arrived"


async def open_soon(path: Path, go_on: threading.Event) -> None:
    """Take whatever descriptor is free, while the spool is being closed; then let its write go on."""
    await anyio.wait_all_tasks_blocked()
    handle = await anyio.open_file(path, "wb")
    go_on.set()
    await anyio.wait_all_tasks_blocked()
    await handle.aclose()


async def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_pwrite = os.pwrite
    async with opened(folder(tmp_path)) as spool:
        monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real_pwrite(fd, bytes(data[:3]), offset))
        await fill(spool, *EVERY)
        assert await spool.read(0, FILE.size) == content(FILE)
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == set(EVERY)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS])
async def test_a_disk_that_takes_no_more_is_told_as_spool_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async with opened(folder(tmp_path)) as spool:
        with monkeypatch.context() as trouble:
            trouble.setattr(os, "pwrite", failing(number))
            with pytest.raises(SpoolFull, match=str(tmp_path)):
                await fill(spool, 0)
        assert (spool.prefix, list(spool.present)) == (0, [])
        await fill(spool, 0)
        assert await spool.read(0, PART) == part(FILE, 0)


async def test_a_journal_that_takes_no_more_is_no_harm_to_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part is written, its line is not: it has to come again, and the torn line is in nobody's way."""
    real_pwrite, room = os.pwrite, PART + 7

    def filling_up(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real_pwrite(descriptor, bytes(data[:room]), offset)
        room -= written
        return written

    async with opened(folder(tmp_path)) as spool:
        await fill(spool, 0)
        with monkeypatch.context() as trouble:
            trouble.setattr(os, "pwrite", filling_up)
            with pytest.raises(SpoolFull):
                await fill(spool, 1)
        assert set(spool.present) == {0}
        await fill(spool, 2)
    async with opened(folder(tmp_path)) as spool:
        assert set(spool.present) == {0, 2}


async def test_a_disk_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(folder(tmp_path)) as spool:
        await fill(spool, 0)
        monkeypatch.setattr(os, "pread", failing(errno.EIO))
        with pytest.raises(TeltubbyError, match=r"job\.data"):
            await spool.read(0, 1)


async def test_a_file_that_somebody_cut_short_is_an_error_of_ours(tmp_path: Path) -> None:
    async with opened(folder(tmp_path)) as spool:
        await fill(spool, 0)
        os.truncate(tmp_path / "job.data", 10)
        with pytest.raises(SpoolClosed, match=r"job\.data"):
            await spool.read(0, PART)


async def test_an_upload_is_remembered(tmp_path: Path) -> None:
    async with opened(folder(tmp_path)) as spool:
        await spool.uploads.begin(begun("first"))
        await spool.uploads.add(receipt(1))
        await spool.uploads.begin(begun("second"))
        async with anyio.create_task_group() as tasks:
            for number in (1, 2, 3):
                tasks.start_soon(spool.uploads.add, receipt(number))
                await anyio.wait_all_tasks_blocked()
        assert spool.uploads.begun == begun("second", receipts=3)
        with pytest.raises(ValueError, match="part 5"):
            await spool.uploads.add(receipt(5))
    async with opened(folder(tmp_path)) as spool:
        assert spool.uploads.begun == begun("second", receipts=3)
        await spool.uploads.forget()
        assert list(filter(None, [spool.uploads.begun])) == []
        with pytest.raises(ValueError, match="no upload"):
            await spool.uploads.add(receipt(1))
        await fill(spool, 0)
    async with opened(folder(tmp_path)) as spool:
        assert (spool.uploads.begun, set(spool.present)) == (None, {0})
        await spool.uploads.begin(begun("third", receipts=2))
    async with opened(folder(tmp_path)) as spool:
        assert spool.uploads.begun == begun("third", receipts=2)
