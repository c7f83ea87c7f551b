"""What the specifications ask for: how soon, how fast beside the Bot API's way, and with how much memory and CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.bench import Bench, Section
from benchmarks.child import cpu_seconds, peak_rss
from benchmarks.product import House, Rabbit
from benchmarks.results import Measure, Row, at_least, at_most
from benchmarks.starting import QUEUED, STARTED, TURN, idle, waiting
from benchmarks.store import S3Sink
from benchmarks.telegram import FAR, GIB, MB, MIB, NEAR, Line, Telegram
from tests.acceptance.product import Product

BOT_API, MTPROTO = "the Bot API", "MTProto"
SMALL_MIB, SMALL_FILES = 19, 24
"""Just what the Bot API still serves."""
LARGE_FILES = 2
"""Of as many bytes together."""
ROUNDS = 3
WIDTHS = (1, 4)
WIDE_MIB, WIDE_FILES = 64, 8

LINK = Line(name="50 ms, 80 MB/s shared by all connections", latency=0.05, shared=80 * MB)
BESIDE = Measure(
    name=f"large files by MTProto ÷ files of {SMALL_MIB} MiB by the Bot API, bytes archived per second, the same link",
    unit="×",
    goal=at_least(0.9),
)
PEAK = Measure(name="peak RSS of a worker with WORKER_CONCURRENCY=4", unit="MiB", goal=at_most(512))
CPU = Measure(name="CPU seconds per GiB of a worker with WORKER_CONCURRENCY=4 ÷ with 1", unit="×", goal=at_most(1.25))


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What archiving so many bytes took: seconds by the clock, CPU seconds of the process and of Telegram."""

    size: int
    seconds: float
    cpu: float
    server_cpu: float

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.size / MB / self.seconds


def criteria(bench: Bench) -> Iterable[Row]:
    """In a house of its own, with a Telegram of its own: what one section leaves behind is not for others to count."""
    with (
        Telegram(bench.place / "telegram-criteria.log") as telegram,
        Rabbit(bench.folder("rabbitmq-criteria")) as rabbit,
        S3Sink(bench.place / "sink-criteria.log") as sink,
    ):
        with House(telegram, rabbit, sink, bench.folder("criteria")) as house:
            bot, worker = house.start("bot"), house.start("worker")
            telegram.flood_control(enabled=False)  # curators hand in more slowly
            yield from idle(bench, house)
            telegram.flood_control(enabled=True)
            yield from waiting(bench, house)
            telegram.flood_control(enabled=False)
            yield from routes(bench, house, bot, worker)
            worker.stop()
            bot.stop()
        yield from widths(bench, telegram, rabbit, sink)


def routes(bench: Bench, house: House, bot: Product, worker: Product) -> Iterable[Row]:
    """As many bytes on either way, in turns."""
    small, large = SMALL_MIB * MIB, SMALL_MIB * MIB * SMALL_FILES // LARGE_FILES
    ways = ((BOT_API, bot, [small] * SMALL_FILES), (MTPROTO, worker, [large] * LARGE_FILES))
    if bench.quick:
        ways = ((BOT_API, bot, [small] * 2), (MTPROTO, worker, [2 * small]))
    for line in (LINK, NEAR):
        house.telegram.use(line)
        found: dict[str, list[Spent]] = {BOT_API: [], MTPROTO: []}
        for number in range(1, bench.rounds(ROUNDS) + 1):
            for name, process, sizes in ways:
                bench.tell(f"{line.name}: {name}, round {number}")
                found[name].append(_archive(house, process, sizes))
        rates = {name: statistics.median(spent.rate for spent in spents) for name, spents in found.items()}
        measure = BESIDE if line is LINK else Measure(name=f"large files ÷ small ones, {line.name}", unit="×")
        told = " and ".join(f"{rates[name]:.1f} MB/s of {len(sizes)} by {name}" for name, _, sizes in ways)
        yield measure.row(rates[MTPROTO] / rates[BOT_API], f"files handed in at once: {told}; S3 sink, {line.name}")
        for name, spents in found.items():
            yield Measure(name=f"{line.name}: archived by {name}", unit="MB/s").row(rates[name], _busy(spents))


def widths(bench: Bench, telegram: Telegram, rabbit: Rabbit, sink: S3Sink) -> Iterable[Row]:
    """The same files at once, by a worker that takes one job at a time, and by one that takes four."""
    size, count = bench.size(WIDE_MIB, quick=24), 4 if bench.quick else WIDE_FILES
    peaks, spents = dict[int, tuple[int, int]](), dict[int, list[Spent]]()
    telegram.use(FAR)
    for width in WIDTHS:
        home = bench.folder(f"criteria-{width}")
        with House(telegram, rabbit, sink, home, WORKER_CONCURRENCY=str(width)) as house:
            bot, worker = house.start("bot"), house.start("worker")
            rest = peak_rss(worker.pid)
            spents[width] = []
            for number in range(1, bench.rounds(ROUNDS) + 1):
                bench.tell(f"WORKER_CONCURRENCY={width}, round {number}")
                spents[width].append(_archive(house, worker, [size] * count))
            peaks[width] = rest, peak_rss(worker.pid)
            worker.stop()
            bot.stop()
    what = f"{count} files of {size >> 20} MiB handed in at once"
    (low, one), (high, many) = (peaks[width] for width in WIDTHS)
    told = f"with 1: {one / MIB:.0f} MiB; before the first file {high / MIB:.0f} and {low / MIB:.0f} MiB"
    yield PEAK.row(many / MIB, f"VmHWM, {what}, {FAR.name}; {told}")
    few_cost, many_cost = (statistics.median(each.cpu / each.size * GIB for each in spents[width]) for width in WIDTHS)
    yield CPU.row(many_cost / few_cost, f"{many_cost:.2f} and {few_cost:.2f} s/GiB, medians of {len(spents[1])}")
    for width in WIDTHS:
        rate = statistics.median(each.rate for each in spents[width])
        yield Measure(name=f"WORKER_CONCURRENCY={width}: {what}", unit="MB/s").row(rate, _busy(spents[width]))


def _archive(house: House, process: Product, sizes: Sequence[int]) -> Spent:
    """From the first of them handed in to the last one's artifact; each is compared byte for byte afterwards."""
    began, cpu, server_cpu = time.perf_counter(), cpu_seconds(process.pid), house.telegram.cpu
    films = [house.telegram.send(size) for size in sizes]
    keys = [house.wait_archived(film) for film in films]
    spent = Spent(
        size=sum(sizes),
        seconds=time.perf_counter() - began,
        cpu=cpu_seconds(process.pid) - cpu,
        server_cpu=house.telegram.cpu - server_cpu,
    )
    for key, film in zip(keys, films, strict=True):
        house.store.check(key, film)
    return spent


def _busy(spents: Sequence[Spent]) -> str:
    """How long, and who was busy."""
    seconds = statistics.median(each.seconds for each in spents)
    own = statistics.median(each.cpu / each.seconds for each in spents)
    server = statistics.median(each.server_cpu / each.seconds for each in spents)
    return f"{seconds:.1f} s, median of {len(spents)}; cores busy: the process {own:.2f}, simulator {server:.2f}"


SECTIONS = (
    Section(
        name="criteria", measures=(STARTED, QUEUED, TURN, BESIDE, PEAK, CPU), run=criteria, block="the specifications"
    ),
)
