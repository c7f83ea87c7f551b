"""A whole job against its halves: does the upload run while the download does?"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from benchmarks.bench import Bench, Section
from benchmarks.child import Failed
from benchmarks.results import Measure, Row, at_most
from benchmarks.samples import Contestant
from benchmarks.settings import folder_store, s3_store
from benchmarks.store import S3Sink
from benchmarks.telegram import NEAR, SHARED, Film, Line

JOB_MIB = 256
ROUNDS = 3

RATIO = Measure(
    name="whole job (download, hash, upload, artifact) ÷ the slower of its halves", unit="×", goal=at_most(1.15)
)


def halves(bench: Bench) -> Iterable[Row]:
    """Over the shared link into S3, which the goal is about; then without a line, and into a folder."""
    with S3Sink(bench.place / "sink.log") as sink:
        value, note = _ratio(bench, "job-s3", s3_store(sink.port), SHARED)
        yield RATIO.row(value, f"{note}; S3 sink, {SHARED.name}")
        for name, store, line in (
            ("job-folder", folder_store(bench.folder("job-archive")), SHARED),
            ("job-near", s3_store(sink.port), NEAR),
        ):
            place = "a folder" if "STORAGE_FOLDER" in store else "the S3 sink"
            value, note = _ratio(bench, name, store, line)
            yield Measure(name=f"whole job ÷ the slower of its halves, into {place}, {line.name}", unit="×").row(
                value, note
            )


def _ratio(bench: Bench, name: str, store: Mapping[str, str], line: Line) -> tuple[float, str]:
    telegram = bench.telegram
    telegram.use(NEAR)
    film = telegram.send(bench.size(JOB_MIB, quick=24))
    down, up, whole = [], [], []
    with bench.ours(name, store) as ours:
        _job(ours, telegram.send(bench.size(8, quick=8)))
        telegram.use(line)
        for number in range(1, bench.rounds(ROUNDS) + 1):
            bench.tell(f"{line.name}: a job and its halves ({name}), round {number}")
            separate = ours.child.ask(do="halves", **film.request)
            _check(separate["sha256"], film)
            down.append(separate["download"])
            up.append(separate["upload"])
            whole.append(_job(ours, film))
    middle = [statistics.median(seconds) for seconds in (down, up, whole)]
    note = "download {:.2f} s, upload {:.2f} s, whole job {:.2f} s".format(*middle)
    return middle[2] / max(middle[:2]), f"{note} for {film.size >> 20} MiB, medians of {len(whole)}"


def _job(ours: Contestant, film: Film) -> float:
    done = ours.child.ask(do="job", **film.request)
    _check(done["sha256"], film)
    return float(done["seconds"])


def _check(digest: str, film: Film) -> None:
    if digest != film.sha256():
        raise Failed(f"the job stored something else than what was sent: SHA-256 {digest}")


SECTIONS = (Section(name="halves", measures=(RATIO,), run=halves),)
