"""Downloads beside other clients, over three lines, and over a bad one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.bench import FAST, KURIGRAM, OTHERS, Bench, Section, run_json
from benchmarks.results import Measure, Row, at_least
from benchmarks.samples import Contestant, Sample, compete, download
from benchmarks.settings import folder_store
from benchmarks.telegram import FAR, MB, NEAR, SHARED, Film, Line

ISSUE_MIB = 256
SHARED_MIB = 1024
WARM_UP_BYTES = 8 << 20
ROUNDS = 3
FLOODS, CUTS = 0.01, 0.01

_FAR = "download, 256 MiB, 50 ms round trip, 40 MB/s per connection"
_NEAR = "the same at 0 ms, unlimited"

TIMES_MEDIA = Measure(name=f"{_FAR}: ÷ Telethon download_media", unit="×", goal=at_least(4))
TIMES_ITER = Measure(name=f"{_FAR}: ÷ Telethon iter_download at 512 KiB", unit="×", goal=at_least(2))
TIMES_OTHERS = Measure(name=f"{_FAR}: ÷ the fastest other client", unit="×", goal=at_least(1))
NEAR_TIMES = Measure(name=f"{_NEAR}: ÷ Telethon download_media", unit="×", goal=at_least(1.5))
NEAR_SHARE = Measure(name=f"{_NEAR}: of what the decrypting CPU allows", unit="%", goal=at_least(80))
SHARED_SHARE = Measure(
    name="link of 80 MB/s shared by all connections, 100 ms", unit="% of the link", goal=at_least(90)
)
DISTURBED = Measure(
    name="1 % of requests answered with FLOOD_WAIT 1 to 3, 1 % of sockets cut",
    unit="% of the undisturbed rate",
    goal=at_least(70),
)


def primitives(bench: Bench) -> Iterable[Row]:
    """Rates of the cipher, the digest and a socket, for the others to reckon with."""
    bench.tell("primitives")
    found = run_json("benchmarks.primitives", BENCH_SECONDS="0.3" if bench.quick else "1.5")
    aes, sha, socket = found["aes_ige"], found["sha256"], found["socket"]
    bench.facts |= {"aes": aes, "sha": sha, "receive": socket["receive"], "send": socket["send"]}
    bench.facts["allowed"] = 1 / (1 / aes + 1 / sha)
    yield Measure(name="AES-256-IGE decryption (cryptg) per CPU second", unit="MB").row(aes)
    yield Measure(name="SHA-256 (hashlib) per CPU second", unit="MB").row(sha)
    yield Measure(name="both in turns on one core: what the decrypting CPU allows", unit="MB/s").row(
        bench.facts["allowed"], "MTProto needs each once for every byte"
    )
    yield Measure(name="socket copy over loopback", unit="MB/s").row(socket["rate"])
    yield Measure(name="CPU of a socket copy, receiving", unit="s/GiB").row(socket["receive"])
    yield Measure(name="CPU of a socket copy, sending", unit="s/GiB").row(socket["send"])


def side_by_side(bench: Bench) -> Iterable[Row]:
    """The same file through every client in turn."""
    bench.telegram.use(NEAR)
    film, small = bench.telegram.send(bench.size(ISSUE_MIB, quick=16)), bench.telegram.send(WARM_UP_BYTES)
    names = [name for name in OTHERS if not bench.quick or name not in (KURIGRAM, FAST)]
    with bench.others(names) as others, bench.ours("downloads", folder_store(bench.folder("archive"))) as ours:
        everybody = [*others, ours]
        compete(bench.telegram, everybody, NEAR, small, bench.place, rounds=1, tell=lambda text: None)
        far = _rates(bench, everybody, film, FAR)
        yield from far.values()
        rates = {name: row.value or 0.0 for name, row in far.items()}
        mine = rates.pop(ours.name)
        yield TIMES_MEDIA.row(mine / rates["Telethon download_media"])
        yield TIMES_ITER.row(mine / rates["Telethon iter_download"])
        fastest = max(rates, key=rates.__getitem__)
        missing = "" if FAST in rates or bench.quick else f"; {FAST} is not installed (scripts/install-venv.sh bench)"
        yield TIMES_OTHERS.row(mine / rates[fastest], f"that is {fastest}{missing}")
        near = _rates(bench, everybody, film, NEAR)
        yield from near.values()
        yield NEAR_TIMES.row(ours.rate / (near["Telethon download_media"].value or 0.0))
        yield from _against_the_cpu(bench, ours)


def _rates(bench: Bench, everybody: Sequence[Contestant], film: Film, line: Line) -> Mapping[str, Row]:
    compete(bench.telegram, everybody, line, film, bench.place, rounds=bench.rounds(ROUNDS), tell=bench.tell)
    return {
        one.name: Measure(name=f"{line.name}: {one.name}", unit="MB/s").row(one.rate, one.note) for one in everybody
    }


def _against_the_cpu(bench: Bench, ours: Contestant) -> Iterable[Row]:
    allowed, server = bench.facts["allowed"], ours.rate / ours.server_share
    note = f"{ours.rate:.0f} of {allowed:.0f} MB/s; the simulator on the other core could serve {server:.0f}"
    yield NEAR_SHARE.row(100 * ours.rate / allowed, note)
    per_second = ours.rate / ours.cpu_share
    yield Measure(name="0 ms, unlimited: teltubby per CPU second of its own", unit="MB").row(
        per_second, f"{100 * per_second / allowed:.0f} % of what AES-IGE and SHA-256 alone would allow"
    )
    yield Measure(name="0 ms, unlimited: the simulator per CPU second of its own", unit="MB").row(server)


def shared(bench: Bench) -> Iterable[Row]:
    """A link that all connections share, and the same with one request in fifty going wrong, in turns."""
    telegram = bench.telegram
    telegram.use(NEAR)
    film, small = telegram.send(bench.size(SHARED_MIB, quick=32)), telegram.send(WARM_UP_BYTES)
    with bench.ours("shared", folder_store(bench.folder("shared-archive"))) as ours:
        compete(telegram, [ours], NEAR, small, bench.place, rounds=1, tell=lambda text: None)
        calm: list[Sample] = []
        rough: list[Sample] = []
        for number in range(1, bench.rounds(ROUNDS) + 1):
            bench.tell(f"{SHARED.name}: undisturbed and disturbed, round {number}")
            telegram.use(SHARED)
            calm.append(download(telegram, ours, film, bench.place))
            telegram.disturb(floods=FLOODS, cuts=CUTS, seed=number)
            rough.append(download(telegram, ours, film, bench.place))
        calm_rate, rough_rate = (statistics.median(sample.rate for sample in samples) for samples in (calm, rough))
        link, size = (SHARED.shared or 0.0) / MB, film.size >> 20
        ours.samples = calm
        yield SHARED_SHARE.row(100 * calm_rate / link, f"{size} MiB, from the first request on; {ours.note}")
        note = f"{rough_rate:.1f} of {calm_rate:.1f} MB/s, {size} MiB over {SHARED.name}, medians of {len(rough)}"
        yield DISTURBED.row(100 * rough_rate / calm_rate, f"{note}; every SHA-256 right")


SECTIONS = (
    Section(name="primitives", measures=(), run=primitives),
    Section(
        name="downloads",
        measures=(TIMES_MEDIA, TIMES_ITER, TIMES_OTHERS, NEAR_TIMES, NEAR_SHARE),
        run=side_by_side,
    ),
    Section(name="shared", measures=(SHARED_SHARE, DISTURBED), run=shared),
)
