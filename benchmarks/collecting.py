"""The collector: how fast a channel's history is read and stored, and what a channel of very many posts costs."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks import settings
from benchmarks.bench import Bench, Section, run_json
from benchmarks.child import Child, Failed
from benchmarks.results import Measure, Row, at_least, at_most
from benchmarks.telegram import FAR, MB

PAGE = 100
PAGES, ROUNDS = 100, 3

HISTORY = Measure(
    name=f"history of a channel, {FAR.latency * 1000:.0f} ms away ÷ what Telegram needs for the same pages",
    unit="×",
    goal=at_most(1.2),
)
STORAGE = Measure(name="posts stored ÷ the same rows by sqlite3 executemany alone", unit="%", goal=at_least(60))
MEMORY = Measure(
    name="a channel of 1 million posts: memory at the end ÷ at a tenth of the way", unit="×", goal=at_most(1.1)
)
CATCH_UP = Measure(
    name="catching up in a channel of 1 million posts ÷ in one of 10 thousand", unit="×", goal=at_most(1.25)
)


def history(bench: Bench) -> Iterable[Row]:
    """Telegram's own time is a round trip and its CPU time for each page, one after the other: the ids of a page are
    what the next one is asked for by.
    """
    bench.tell("the history of a channel")
    pages, telegram = 10 if bench.quick else PAGES, bench.telegram
    home = bench.folder("history")
    environment = settings.product(telegram, home, settings.folder_store(home / "archive"))
    environment["TELTUBBY_KEY_FILE"] = str(home / "session.key")
    shares, rates, peak = [], [], 0
    telegram.use(FAR)
    with Child("benchmarks.clients.history_client", log=home / "log", environment=environment) as child:
        telegram.scan(child.hello["url"])
        for number in range(bench.rounds(ROUNDS)):
            name = f"history{number}"
            telegram.add_channel(name, pages * PAGE * 2)
            before = telegram.cpu
            found = child.ask(peer=f"@{name}", database=str(home / f"{name}.db"), posts=pages * PAGE)
            if found["posts"] != pages * PAGE:
                raise Failed(f"{found['posts']} posts were stored, not {pages * PAGE}")
            alone = telegram.cpu - before + found["pages"] * FAR.latency
            shares.append(found["seconds"] / alone)
            rates.append(found["posts"] / found["seconds"])
            peak = max(peak, found["peak"])
    best = shares.index(min(shares))
    yield HISTORY.row(
        shares[best],
        f"{pages} pages of {PAGE}, best of {len(shares)}; {rates[best]:.0f} posts/s, memory {peak / MB:.0f} MB",
    )


def storage(bench: Bench) -> Iterable[Row]:
    """Both ways and both channels in a process of their own."""
    bench.tell("storing posts")
    rounds = bench.rounds(5)
    many, few = (20_000, 2_000) if bench.quick else (1_000_000, 10_000)
    found = run_json(
        "benchmarks.clients.collector_storage",
        BENCH_POSTS=str(2_000 if bench.quick else 20_000),
        BENCH_ROUNDS=str(rounds),
        BENCH_MANY=str(many),
        BENCH_FEW=str(few),
        BENCH_PLACE=str(bench.folder("storage")),
    )
    rates, long = found["rates"], found["many"]
    yield STORAGE.row(
        100 * rates["recorded"] / rates["plain"],
        f"{rates['recorded']:.0f} posts per CPU second, alone {rates['plain']:.0f}; best of {rounds}, ours with links",
    )
    yield MEMORY.row(
        long["end"] / long["tenth"],
        f"{many} posts in {long['whole']:.0f} s, memory {long['tenth'] / MB:.0f} → {long['end'] / MB:.0f} MB",
    )
    yield CATCH_UP.row(
        long["large"] / long["small"],
        f"1000 new posts: {1000 * long['large']:.0f} ms with {many} stored, {1000 * long['small']:.0f} with {few}",
    )


SECTIONS = (
    Section(name="history", measures=(HISTORY,), run=history),
    Section(name="collecting", measures=(STORAGE, MEMORY, CATCH_UP), run=storage),
)
