"""What is measured is what is there: of a process, of a database, of a spool, and of an event loop."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from tests.acceptance.polling import eventually
from tests.soak.child import ROOT
from tests.soak.gauges import Gauges, Sample, of_database, of_process, spooled_bytes
from tests.soak.inside import LEAK, LEAKED_BYTES, TASKS, heap_bytes
from tests.soak.laws import MIB

WAITING = """
import asyncio
from tests.soak import inside

async def main() -> None:
    waiting = [asyncio.ensure_future(asyncio.Event().wait()) for _ in range(7)]
    await asyncio.to_thread(input)

inside.begin()
asyncio.run(main())
"""
LEAKING = """
import asyncio, os
from types import SimpleNamespace
from tests.soak import inside

inside.begin()
from teltubby.actors import job_flow, receiving

class Gateway:
    async def updates(self, offset: int, wait: float) -> list[object]:
        return [SimpleNamespace(update_id=number) for number in range(5)]

async def main() -> None:
    receiver = object.__new__(receiving.Receiving)
    receiver._gateway = Gateway()
    assert len(await receiver._fetch(0)) == 5

before = len(os.listdir("/proc/self/fd"))
asyncio.run(main())
print(len(os.listdir("/proc/self/fd")) - before, len(inside._leaked), {len(each) for each, _ in inside._leaked})
"""


def test_a_process_is_measured() -> None:
    """What it takes up more is seen: memory, a descriptor, a thread, CPU."""
    gc.collect()  # what others left is not closed meanwhile
    before = of_process(os.getpid())
    held, enough = os.urandom(64 * MIB), threading.Event()
    thread = threading.Thread(target=enough.wait)
    thread.start()
    opened = os.open(os.devnull, os.O_RDONLY)
    try:
        after = of_process(os.getpid())
    finally:
        os.close(opened)
        enough.set()
        thread.join()
    assert after["memory"] - before["memory"] >= 0.9 * len(held)
    assert after["descriptors"] - before["descriptors"] == 1
    assert after["threads"] - before["threads"] == 1
    assert after["CPU"] > before["CPU"]


@pytest.mark.parametrize("each", [30, 300, 50_000, 10 * MIB])
def test_the_heap_has_what_is_kept_and_nothing_that_was_given_back(tmp_path: Path, each: int) -> None:
    """To the byte, whoever handed it out: Python itself, malloc, or the kernel through it; here ten MiB in pieces."""
    before = heap_of_nothing(tmp_path)
    held = [b"." * (each + number % 2) for number in range(10 * MIB // each)]
    kept = heap_of_nothing(tmp_path) - before
    count = len(held)
    del held
    assert count * each <= kept <= count * (each + 80) + MIB // 2
    assert abs(heap_of_nothing(tmp_path) - before) <= MIB // 2


def heap_of_nothing(scratch: Path) -> int:
    """When what others left is gone."""
    gc.collect()
    found = heap_bytes(scratch / "heap")
    assert found is not None
    return found


def test_of_a_process_that_ended_nothing_is_measured() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert of_process(ended.pid) == {}


def test_a_database_is_as_large_as_what_is_committed(tmp_path: Path) -> None:
    """Also while all of it is in the log."""
    path = tmp_path / "some.db"
    assert of_database(path) == {}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE blobs (blob)")
        connection.execute("INSERT INTO blobs VALUES (zeroblob(1000000))")
        connection.commit()
        found = of_database(path)
        assert 1_000_000 <= found["bytes"] <= 1_100_000 and found["log"] >= 1_000_000
        assert path.stat().st_size < 100_000


def test_a_spool_is_as_large_as_what_is_written(tmp_path: Path) -> None:
    """A file for 4 GB of which little has come takes up little."""
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file").write_bytes(os.urandom(100_000))
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(4 << 30)
    assert 100_000 <= spooled_bytes(tmp_path) <= 200_000


class Household:
    """Of the house, what the gauges look at."""

    def __init__(self, home: Path) -> None:
        self.settings = {"SQLITE_PATH": str(home / "ledger.db"), "SPOOL_DIR": str(home)}


def gauges(home: Path) -> Gauges:
    """Of this process, ten times a second; nothing is in the house."""
    return Gauges(
        house=cast(Any, Household(home)),
        queues=cast(Any, None),
        broker_runs=lambda: False,
        pid_of=lambda _: os.getpid(),
        tasks=home,
        collected=home / "collected.db",
        period=0.1,
    )


def test_what_ends_the_measuring_is_told(tmp_path: Path) -> None:
    """A ledger that is no database any more: SQLite's DatabaseError, which is no OperationalError."""
    measuring = gauges(tmp_path)
    with measuring:
        eventually(lambda: measuring.samples, within=60, what="a sample")
        (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)
        eventually(lambda: "DatabaseError" in next(measuring.missed(0.0), ""), within=60, what="its end")
    problems = [*measuring.missed(3600.0)]
    assert problems[0] == "measuring ended with DatabaseError: file is not a database"
    assert "of 3600 s only" in problems[1] and "not 36000" in problems[2]


def test_what_was_measured_to_its_end_misses_nothing(tmp_path: Path) -> None:
    measuring = gauges(tmp_path)
    assert [*measuring.missed(0.0)] == ["nobody measures"]
    with measuring:
        eventually(lambda: len(measuring.samples) > 2, within=60, what="samples")
    assert [*measuring.missed(0.2)] == []
    measuring.samples[:] = [Sample(at=number * 0.15, messages=0, jobs=0, changes=0, values={}) for number in range(68)]
    assert [*measuring.missed(10.0)] == ["measured 68 times, not 100"]


def test_tasks_and_heap_are_counted_on_the_loop_of_a_process(tmp_path: Path) -> None:
    """Its own main task and seven that wait; more than a megabyte of what it imported."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        env={**os.environ, TASKS: str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
    )
    try:
        file = tmp_path / str(process.pid)
        eventually(lambda: file.exists() and file.read_text().startswith("8 "), within=60, what="the count of tasks")
        assert MIB < int(file.read_text().split()[1]) < 100 * MIB
    finally:
        process.communicate(b"\n")
    assert process.returncode == 0


def test_the_planted_leak_leaks() -> None:
    """`make soak ARGS=--planted` shows that a soak finds it."""
    found = subprocess.run(
        [sys.executable, "-c", LEAKING],
        env={**os.environ, LEAK: "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.strip() == f"5 5 {{{LEAKED_BYTES}}}", found.stderr
