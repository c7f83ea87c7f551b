"""`kill -9` at random moments of a job: what is fetched and uploaded again?"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.bench import Bench, Section
from benchmarks.child import Failed
from benchmarks.product import House, Rabbit, wait_for
from benchmarks.results import Measure, Row, at_most
from benchmarks.store import S3Sink
from benchmarks.telegram import MB, MIB, Film, Line
from teltubby.config.telegram import MtprotoSettings
from teltubby.transfer.journal import History, UnusableJournal, read_journal
from teltubby.transfer.spool_file import current_boot

KILLS, JOB_MIB = 20, 512
SEED = 3
LONGEST_SECONDS = 1.6
"""A worker lives up to so long after its first part: all of them together about as long as the job takes."""

LINE = Line(name="20 ms, 25 MB/s shared by all connections", latency=0.02, shared=25 * MB)
STILL_SECONDS = 0.25
"""For the simulated Telegram to answer what it was asked before the worker was stopped."""

REPEATED = Measure(
    name="repeated bytes after 20 kills at random moments of a 512 MiB job",
    unit="of the bytes in flight at the kills",
    goal=at_most(1),
)


@dataclass(kw_only=True)
class Tally:
    """Parts that were on their way at each kill: asked for, or sent to the store, and in no journal yet."""

    downloads: list[int] = field(default_factory=list)
    uploads: list[int] = field(default_factory=list)


def kills(bench: Bench) -> Iterable[Row]:
    """One job, many workers."""
    count = 3 if bench.quick else KILLS
    with (
        Rabbit(bench.folder("rabbitmq-kills")) as rabbit,
        S3Sink(bench.place / "sink-kills.log") as sink,
        House(bench.telegram, rabbit, sink, bench.folder("kills")) as house,
    ):
        house.start("bot")
        bench.telegram.use(LINE)
        bench.telegram.forget()
        film = bench.telegram.send(bench.size(JOB_MIB, quick=128))
        tally, rng = Tally(), random.Random(SEED)
        for number in range(1, count + 1):
            bench.tell(f"kill -9, {number} of {count}")
            _live_and_die(house, film, rng.uniform(0, LONGEST_SECONDS), tally)
        bench.tell("the last worker ends the job")
        house.start("worker")
        key = house.finish(film)
        repeated, came = bench.telegram.served(film).repeated / MIB, sink.came(key)
    most = MtprotoSettings().megabytes_in_flight
    allowed = sum(min(parts, most) for parts in tally.downloads)
    yield REPEATED.row(
        repeated / allowed if allowed else repeated,
        f"{repeated:.0f} MiB of {allowed} MiB in flight at {count} kills (at most {max(tally.downloads)} at once, "
        f"{most} allowed); {LINE.name}; the object is right byte for byte",
    )
    yield Measure(name="parts uploaded again after these kills", unit="parts of 16 MiB").row(
        came.parts - came.different, f"{sum(tally.uploads)} were on their way, {came.different} are the object"
    )


def _live_and_die(house: House, film: Film, seconds: float, tally: Tally) -> None:
    """A worker that is killed so long after it fetched something for the first time."""
    before = house.telegram.served(film).count
    worker = house.start("worker", ready=False)
    wait_for(lambda: house.telegram.served(film).count > before or None, "a part for a new worker", within=60)
    time.sleep(seconds)
    worker.signal(signal.SIGSTOP)
    time.sleep(STILL_SECONDS)
    history = _journal(house, film)
    asked = house.telegram.served(film).offsets
    kept = {index * MIB for index in history.present}
    tally.downloads.append(len(asked - kept))
    stored = 0 if history.upload is None else len(history.upload.receipts)
    tally.uploads.append(max(0, _uploaded(house, history) - stored))
    worker.kill()


def _journal(house: House, film: Film) -> History:
    """What the spool's journal says, read without disturbing it."""
    for path in (house.home / "spool" / "large").glob("*.journal"):
        try:
            history = read_journal(path.read_bytes(), boot_id=current_boot())
        except UnusableJournal:
            continue
        if history.file.document_id == film.document_id:
            return history
    raise Failed("a killed worker left no journal of its job")


def _uploaded(house: House, history: History) -> int:
    """How many parts of the object the store has seen."""
    assert isinstance(house.store, S3Sink)
    return house.store.came(history.file.key).different


SECTIONS = (Section(name="kills", measures=(REPEATED,), run=kills),)
