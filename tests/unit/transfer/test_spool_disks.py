"""Spools on real disks that are too small, or that nobody can write."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio import to_thread

from teltubby.errors import SpoolFull
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder
from tests.small_disks import mount, small_disk
from tests.unit.transfer.spools import part, spooled

__all__ = ["small_disk"]

pytestmark = pytest.mark.anyio

MIB = 1 << 20


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nobody can write, root included, with a spool in it."""
    place = tmp_path / "spool"
    place.mkdir()
    mount("--bind", str(place), str(place))
    try:
        (place / "job.data").write_bytes(b"x")
        mount("-o", "remount,ro,bind", str(place))
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def opened(spools: SpoolFolder, job_id: str, mib: int) -> Spool:
    return spools.open(job_id, document_id=0, size=mib * MIB, key="k")


async def test_a_disk_that_somebody_else_fills(small_disk: Path) -> None:
    """The room was there when the file was begun. What had come stays, and the rest finds room later."""
    spools = SpoolFolder(small_disk, keep_seconds=100.0)
    file = spooled(size=6 * MIB, part_bytes=MIB)
    hog = small_disk / "hog"
    async with opened(spools, "job", 6) as spool:
        await spool.write(0, part(file, 0))
        await to_thread.run_sync(hog.write_bytes, bytes(5 * MIB))
        await spool.write(1, part(file, 1))
        with pytest.raises(SpoolFull, match=f"{small_disk} is full: No space left on device"):
            for index in (2, 3):
                await spool.write(index, part(file, index))
        written = set(spool.present)
    with pytest.raises(SpoolFull, match="bytes free"):
        async with opened(spools, "job", 6):
            pass
    await to_thread.run_sync(hog.unlink)
    async with opened(spools, "job", 6) as spool:
        assert set(spool.present) == written
        for index in set(range(6)) - written:
            await spool.write(index, part(file, index))
        for index in range(6):
            assert await spool.read(index * MIB, MIB) == part(file, index)
        await spool.finish()


async def test_kept_spools_make_room(small_disk: Path) -> None:
    spools = SpoolFolder(small_disk, keep_seconds=100.0)
    async with opened(spools, "kept", 6) as spool:
        for index in range(5):
            await spool.write(index, bytes(MIB))
    async with opened(spools, "job", 6) as spool:
        for index in range(6):
            await spool.write(index, bytes(MIB))
        with pytest.raises(SpoolFull, match="bytes free"):
            async with opened(spools, "kept", 6):
                pass
        await spool.finish()
    async with opened(spools, "kept", 6) as spool:
        assert set(spool.present) == set()


async def test_a_folder_that_cannot_be_written(read_only: Path) -> None:
    spools = SpoolFolder(read_only, keep_seconds=0.0)
    for job_id in ("job", "other"):
        with pytest.raises(SpoolFull, match=f"{read_only} cannot be written: Read-only file system"):
            async with opened(spools, job_id, 1):
                pass
        await spools.discard(job_id)
    assert await to_thread.run_sync(spools.sweep) == 0
    assert [path.name for path in read_only.iterdir()] == ["job.data"]
