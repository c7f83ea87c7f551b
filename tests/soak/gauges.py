"""What is measured while a soak runs: of both processes by proc(5), of databases, spool and queues from outside."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from aio_pika.exceptions import AMQPError

from tests.acceptance.household import Household
from tests.acceptance.queues import DEAD
from tests.chaos.backing import Depths

ROLES = ("bot", "worker")
MOST_SECONDS = 60.0
"""A look takes no longer."""
UNTIL, OFTEN = 0.97, 0.8
"""The share of the time, and of the looks, without which nothing can be said."""
JOBS_ENDED = "SELECT count(*) FROM jobs WHERE state IN ('COMPLETED', 'CANCELLED', 'FAILED')"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`at` seconds since the beginning; so much was handed in, done and changed until then; `values` by series."""

    at: float
    messages: int
    jobs: int
    changes: int
    values: Mapping[str, float]


@dataclass(slots=True, kw_only=True)
class Gauges:
    """Looks every `period` seconds, in a thread of its own; a context manager."""

    house: Household
    queues: Depths
    broker_runs: Callable[[], bool]
    pid_of: Callable[[str], int]
    tasks: Path
    collected: Path
    period: float
    messages: int = 0
    changes: int = 0
    samples: list[Sample] = field(default_factory=list)
    _enough: threading.Event = field(default_factory=threading.Event)
    _looking: Future[None] | None = None

    def __enter__(self) -> Gauges:
        executor = ThreadPoolExecutor(1, thread_name_prefix="gauges")
        self._looking = executor.submit(self._look_again_and_again)
        executor.shutdown(wait=False)  # what was begun goes on
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        if self._looking is not None:
            wait([self._looking], MOST_SECONDS)

    def missed(self, seconds: float) -> Iterator[str]:
        """What keeps a soak of so many seconds from being judged: it was not measured to its end, or not often enough.

        With what ended the measuring, if anything did.
        """
        looking = self._looking
        if looking is None or not looking.done():
            yield "nobody measures" if looking is None else f"a look took more than {MOST_SECONDS:.0f} s"
        elif (error := looking.exception()) is not None:
            yield f"measuring ended with {type(error).__name__}: {error}"
        last, expected = self.samples[-1].at if self.samples else 0.0, seconds / self.period
        if last < UNTIL * seconds:
            yield f"measured for {last:.0f} s of {seconds:.0f} s only"
        if len(self.samples) < OFTEN * expected:
            yield f"measured {len(self.samples)} times, not {expected:.0f}"

    def _look_again_and_again(self) -> None:
        began = time.monotonic()
        while not self._enough.wait(self.period - (time.monotonic() - began) % self.period):
            self.samples.append(self._look(time.monotonic() - began))

    def _look(self, at: float) -> Sample:
        values: dict[str, float] = {}
        for role in ROLES:
            pid = self.pid_of(role)
            values |= {f"{role} {name}": value for name, value in of_process(pid).items()}
            if (counted := self.tasks / str(pid)).exists():
                values |= zip((f"{role} tasks", f"{role} heap"), map(int, counted.read_text().split()), strict=False)
        values["tests memory"] = of_process(os.getpid()).get("memory", 0.0)
        ledger = Path(self.house.settings["SQLITE_PATH"])
        values |= {f"ledger {name}": value for name, value in of_database(ledger).items()}
        values |= {f"collector {name}": value for name, value in of_database(self.collected).items()}
        values["spool"] = spooled_bytes(Path(self.house.settings["SPOOL_DIR"]))
        if (waiting := self._waiting()) is not None:
            values["queues"] = waiting
        return Sample(
            at=round(at, 1),
            messages=self.messages,
            jobs=_count(ledger, JOBS_ENDED),
            changes=self.changes,
            values=values,
        )

    def _waiting(self) -> int | None:
        """Messages in all queues but that of dead letters; None while nobody can tell."""
        if not self.broker_runs():
            return None
        try:
            return sum(count for queue, count in self.queues.depths().items() if queue != DEAD)
        except (
            AMQPError,
            OSError,
            RuntimeError,
            asyncio.CancelledError,
        ):  # whatever aio-pika says of a lost connection
            return None


def of_process(pid: int) -> dict[str, float]:
    """Resident memory in bytes, file descriptors, threads, CPU seconds; empty when it has ended."""
    home = Path(f"/proc/{pid}")
    try:
        resident = int((home / "statm").read_text().split()[1]) * PAGE_BYTES
        times = (home / "stat").read_text().rpartition(")")[2].split()
        return {
            "memory": float(resident),
            "descriptors": float(len(list((home / "fd").iterdir()))),
            "threads": float(times[17]),
            "CPU": (int(times[11]) + int(times[12])) / TICKS,
        }
    except (FileNotFoundError, ProcessLookupError):
        return {}


def of_database(path: Path) -> dict[str, float]:
    """`bytes` of what is committed, whether or not it is in the file yet, and the size of its write-ahead `log`."""
    pages = _count(path, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    log = path.with_name(f"{path.name}-wal")
    try:
        return {"bytes": float(pages), "log": float(log.stat().st_size)} if pages else {}
    except FileNotFoundError:
        return {"bytes": float(pages), "log": 0.0}


def spooled_bytes(folder: Path) -> float:
    """Of all files in it, as far as they are written."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_blocks * 512
        except FileNotFoundError:  # it was done with in this moment
            continue
    return float(total)


def _count(database: Path, query: str) -> int:
    """The one number that the query finds; 0 while there is no database or no table."""
    if not database.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
