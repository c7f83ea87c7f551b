"""Disks and databases in trouble: a clear answer, nothing lost, and the process lives (or says why it cannot start)."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from teltubby.simulator.files import FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.product import Product
from tests.small_disks import mount, small_disk

MIB = 1 << 20
KEPT = "Received and kept"

__all__ = ["small_disk"]


def limit_files(product: Product, size: int) -> None:
    """Let no file of that process grow beyond so many bytes: writes fail then, as on a full disk."""
    _, hard = resource.prlimit(product.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(product.pid, resource.RLIMIT_FSIZE, (size, hard))


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write there, root included."""
    mount("--bind", str(folder), str(folder))
    try:
        mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_spool_that_cannot_be_written(box: Household) -> None:
    """What is small enough goes on; the rest waits with a clear word until there is room."""
    product, ada = box.start("run"), box.ada
    product.wait_logged("the bot session is ready")
    limit_files(product, 3 * MIB)
    photo = ada.new_file(FileKind.PHOTO, 50_000)
    document = ada.new_file(FileKind.DOCUMENT, 5 * MIB, name="a.bin")
    video = ada.new_file(FileKind.VIDEO, 21 * MIB)
    messages = [ada.send_photo(photo), ada.send_document(document), ada.send_video(video)]
    box.answer(messages[0], "Archived 1 file")
    box.answer(messages[1], KEPT)
    box.answer(messages[2], "full")
    assert product.get("/healthz")[0] == 200
    limit_files(product, resource.RLIM_INFINITY)
    box.answer(messages[1], "Archived 1 file", within=90)
    box.answer(messages[2], "archived successfully", within=90)
    for message, file in zip(messages, (photo, document, video), strict=True):
        assert sha256(box.archive, box.items(message)[0]["s3_key"]) == file.sha256()
    assert box.spooled() == [] and box.archive.unfinished() == []


@ON_ASYNCIO
def test_disk_without_room_for_a_large_file(box: Household, small_disk: Path) -> None:
    """The worker sees it before it begins, and the job is not spent, however often it has to wait."""
    box.settings["SPOOL_DIR"] = str(small_disk / "spool")
    product, ada = box.start("run", WORKER_MAX_RETRIES="1"), box.ada
    video = ada.new_file(FileKind.VIDEO, 21 * MIB)
    message = ada.send_video(video)
    box.answer(message, "bytes free")
    eventually(lambda: product.log.count("comes again in") > 3, what="more attempts than a job has")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    box.answer(message, "archived successfully", within=90)
    assert sha256(box.archive, box.items(message)[0]["s3_key"]) == video.sha256()
    box.stop()


def test_locked_database(box: Household) -> None:
    """Somebody else's transaction holds it for longer than we wait: intake pauses, and goes on."""
    product, ada = box.start("run"), box.ada
    photo = ada.new_file(FileKind.PHOTO, 50_000)
    fault = box.in_world(lambda: box.telegram.world.faults.add("getFile", delay=1.0))
    first = ada.send_photo(photo)
    eventually(lambda: fault.used, what="the download to begin")
    with closing(sqlite3.connect(box.settings["SQLITE_PATH"], isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        late = ada.new_file(FileKind.PHOTO, 60_000)
        second = ada.send_photo(late)
        product.wait_logged("locked")
        assert product.get("/healthz")[0] == 200
        connection.execute("ROLLBACK")
    for message, file in ((first, photo), (second, late)):
        box.answer(message, "Archived 1 file")
        assert sha256(box.archive, box.items(message)[0]["s3_key"]) == file.sha256()
        assert sum("Archived" in line.text for line in box.answers(message)) == 1
    product.wait_logged("the database can be used again")


@ON_TRIO
def test_read_only_database(box: Household) -> None:
    """It cannot keep its promise, so it does not start, and says why; what was sent meanwhile is not lost."""
    home = box.home / "ledger"
    home.mkdir()
    box.settings["SQLITE_PATH"] = str(home / "teltubby.db")
    box.start("run").stop()
    photo = box.ada.new_file(FileKind.PHOTO, 50_000)
    with read_only(home):
        message = box.ada.send_photo(photo)
        product = box.launch("run")
        product.alarms_expected = True
        assert product.wait(within=60) == 70
    assert "may it be written?" in product.log and str(home) in product.log
    box.start("run")
    box.answer(message, "Archived 1 file")
