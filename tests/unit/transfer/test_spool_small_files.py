"""Small files in the spool: whole when they are read, and swept when a run left them behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from anyio import to_thread

from teltubby.errors import TeltubbyError
from teltubby.transfer.spool import FileSource, sweep
from tests.guards import no_blocking

pytestmark = pytest.mark.anyio

BODY = bytes(index * 7 % 251 for index in range(100))


async def test_a_finished_file_is_read_at_any_offset(tmp_path: Path) -> None:
    path = tmp_path / "x.small"
    await to_thread.run_sync(path.write_bytes, BODY)
    source = FileSource(path, 100)
    assert source.size == 100
    assert await source.read(0, 100) == BODY
    assert await source.read(90, 50) == BODY[90:]


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
