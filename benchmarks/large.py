"""A file of 4 GB beside one of 100 MiB: memory, and CPU time against what the primitives take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.bench import Bench, Section
from benchmarks.child import cpu_seconds, peak_rss
from benchmarks.product import House, Rabbit
from benchmarks.results import Measure, Row, at_most
from benchmarks.store import Folder, S3Sink, Store
from benchmarks.telegram import GIB, MB, MIB, NEAR

SMALL_MIB, LARGE_MIB = 100, 4000
"""4000 MiB are the most that Telegram keeps in a file."""

DIGESTS = 4
"""How often SHA-256 sees each byte: for MTProto's message key, Telegram's ranges, the store's part, the whole file."""

CPU = Measure(
    name="CPU seconds per GiB for the whole job ÷ sum of the primitives (AES-IGE, SHA-256, socket copies)",
    unit="×",
    goal=at_most(1.6),
)
GROWTH = Measure(name="peak RSS, 4 GB file minus 100 MB file", unit="MiB", goal=at_most(16))
PEAK = Measure(name="peak RSS, 4 GB file, absolute", unit="MiB", goal=at_most(180))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a worker needed: bytes at rest and at most, and CPU seconds, also those of the bot meanwhile."""

    rest: int
    peak: int
    worker: float
    bot: float


def large(bench: Bench) -> Iterable[Row]:
    """Each file by a fresh worker, into S3 and into a folder."""
    peaks: dict[str, tuple[int, int]] = {}
    size = bench.size(LARGE_MIB, quick=64)
    with Rabbit(bench.folder("rabbitmq")) as rabbit, S3Sink(bench.place / "sink-large.log") as sink:
        stores: tuple[Store, ...] = (sink, Folder(bench.place / "large-archive"))
        for store in stores[: 1 if bench.quick else None]:
            few = _archive(bench, rabbit, store, bench.size(SMALL_MIB, quick=32))
            many = _archive(bench, rabbit, store, size)
            peaks[store.name] = (few.peak, many.peak)
            yield from _cpu(bench, store, many, size)
    growth = {name: (many - few) / MIB for name, (few, many) in peaks.items()}
    shown = "; ".join(f"{name}: {few / MIB:.0f} and {many / MIB:.0f} MiB" for name, (few, many) in peaks.items())
    yield GROWTH.row(max(growth.values()), f"worker's VmHWM, {shown}")
    yield PEAK.row(max(many for _, many in peaks.values()) / MIB, f"{many.rest / MIB:.0f} MiB before the first file")


def _archive(bench: Bench, rabbit: Rabbit, store: Store, size: int) -> Outcome:
    bench.tell(f"the product archives {size >> 20} MiB into the {store.name}")
    bench.telegram.use(NEAR)
    home = bench.folder(f"large-{store.name.replace(' ', '-').lower()}-{size >> 20}")
    with House(bench.telegram, rabbit, store, home) as house:
        bot, worker = house.start("bot"), house.start("worker")
        rest, before = peak_rss(worker.pid), (cpu_seconds(worker.pid), cpu_seconds(bot.pid))
        film = bench.telegram.send(size)
        house.finish(film)
        after = cpu_seconds(worker.pid), cpu_seconds(bot.pid)
        outcome = Outcome(rest=rest, peak=peak_rss(worker.pid), worker=after[0] - before[0], bot=after[1] - before[1])
        worker.stop()
        bot.stop()
    return outcome


def _cpu(bench: Bench, store: Store, done: Outcome, size: int) -> Iterable[Row]:
    facts = bench.facts
    sockets = facts["receive"] + (facts["send"] if isinstance(store, S3Sink) else 0.0)
    needed = GIB / MB / facts["aes"] + DIGESTS * GIB / MB / facts["sha"] + sockets
    gibibytes = size / GIB
    taken = (done.worker + done.bot) / gibibytes
    note = (
        f"{taken:.2f} s/GiB (worker {done.worker / gibibytes:.2f}, bot {done.bot / gibibytes:.2f}) of {needed:.2f}: "
        f"AES-IGE once, SHA-256 {DIGESTS} times, sockets {sockets:.2f}"
    )
    if isinstance(store, S3Sink):
        yield CPU.row(taken / needed, f"S3 sink; {note}")
    else:
        yield Measure(name=f"CPU seconds per GiB ÷ sum of the primitives, into a {store.name}", unit="×").row(
            taken / needed, note
        )


SECTIONS = (Section(name="large", measures=(CPU, GROWTH, PEAK), run=large),)
