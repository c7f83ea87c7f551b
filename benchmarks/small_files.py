"""Small files, which the bot archives by itself: how many in a second, beside stock aiogram handlers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks import settings
from benchmarks.bench import Bench, Section
from benchmarks.child import ROOT
from benchmarks.product import wait_for
from benchmarks.results import Measure, Row, at_least
from benchmarks.telegram import NEAR, Line, Telegram
from tests.acceptance.nursery import run_command
from tests.acceptance.product import Product

FILES = 200
BYTES = 100_000
LINE = Line(name="50 ms", latency=0.05)
BURST = 0.2
"""Of the files, so many come before the clock starts: caches, connections and lazy imports are not what is measured."""

RATIO = Measure(
    name="small files per second ÷ stock aiogram handlers, one after another, 50 ms", unit="×", goal=at_least(3)
)
NEAR_RATIO = Measure(name="small files per second ÷ stock aiogram handlers, 0 ms", unit="×")


def small_files(bench: Bench) -> Iterable[Row]:
    """Over a line of 50 ms, which is what a bot is from Telegram; then without any."""
    for measure, line in ((RATIO, LINE), (NEAR_RATIO, NEAR)):
        count = 20 if bench.quick else FILES
        place = f"small-{line.latency:g}"
        bench.tell(f"small files: teltubby, {line.name}")
        ours = _rate_of_ours(bench, f"{place}-teltubby", line, count)
        bench.tell(f"small files: aiogram, {line.name}")
        theirs = _rate_of_aiogram(bench, f"{place}-aiogram", line, count)
        note = f"{ours:.1f} and {theirs:.1f} files/s of {BYTES // 1000} KB, {count} files, into a folder"
        yield measure.row(ours / theirs, note)


def _rate_of_ours(bench: Bench, name: str, line: Line, count: int) -> float:
    home = bench.folder(name)
    archive = home / "archive"
    archive.mkdir()
    with Telegram(home / "telegram.log") as telegram:
        environment: Mapping[str, str] = settings.product(telegram, home, settings.folder_store(archive))
        product = Product(run_command, "run", environment, home, 1)
        try:
            product.wait_ready()
            return _rate(telegram, line, archive, count)
        finally:
            product.signal(signal.SIGTERM)
            product.wait()


def _rate_of_aiogram(bench: Bench, name: str, line: Line, count: int) -> float:
    home = bench.folder(name)
    archive = home / "archive"
    archive.mkdir()
    with Telegram(home / "telegram.log") as telegram, (home / "log").open("wb") as log:
        arguments = (telegram.hello["bot_api_url"], telegram.hello["bot_token"], str(archive))
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.clients.aiogram_archiver", *arguments], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            return _rate(telegram, line, archive, count)
        finally:
            process.kill()
            process.wait()


def _rate(telegram: Telegram, line: Line, archive: Path, count: int) -> float:
    """Files per second, from the first of a burst that is handed in at once to the last one's artifact."""
    telegram.flood_control(enabled=False)
    warm = max(2, int(count * BURST))
    telegram.use(line)
    _hand_in(telegram, warm)
    _wait_until(archive, warm)
    began = time.perf_counter()
    _hand_in(telegram, count)
    _wait_until(archive, warm + count)
    return count / (time.perf_counter() - began)


def _hand_in(telegram: Telegram, count: int) -> None:
    for _ in range(count):
        telegram.send(BYTES)


def _wait_until(archive: Path, count: int) -> None:
    def all_there() -> bool | None:
        return len(list(archive.glob("teltubby/*/*/*/*/message.json"))) >= count or None

    wait_for(all_there, f"the archive of {count} small files")


SECTIONS = (Section(name="small", measures=(RATIO,), run=small_files),)
