"""Downloads that are compared: one client after the other, round after round, each checked byte for byte."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.child import Child, Failed
from benchmarks.telegram import MB, Film, Line, Telegram

SLOW_SECONDS = 20.0
SLOW_ROUNDS = 2
"""Whoever takes longer than that takes part in so many rounds only."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One download: seconds by the clock, CPU seconds of the client and of the simulated Telegram, bytes."""

    seconds: float
    cpu: float
    server_cpu: float
    size: int

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.size / MB / self.seconds


@dataclass(kw_only=True)
class Contestant:
    """A client process, and what it did."""

    name: str
    child: Child
    samples: list[Sample] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median in MB/s."""
        return statistics.median(sample.rate for sample in self.samples)

    @property
    def cpu_share(self) -> float:
        """Cores that it kept busy, in the median."""
        return statistics.median(sample.cpu / sample.seconds for sample in self.samples)

    @property
    def server_share(self) -> float:
        """Cores that the simulated Telegram kept busy meanwhile, in the median."""
        return statistics.median(sample.server_cpu / sample.seconds for sample in self.samples)

    @property
    def note(self) -> str:
        """How often, and who was busy."""
        return (
            f"median of {len(self.samples)}; cores busy: client {self.cpu_share:.2f}, simulator {self.server_share:.2f}"
        )


def download(telegram: Telegram, contestant: Contestant, film: Film, place: Path) -> Sample:
    """One download into `place`, which is removed again. Raises Failed when what came is not what was sent."""
    into = place / "download.mp4"  # Telethon adds the extension where there is none
    before = telegram.cpu
    spent = contestant.child.ask(**film.request, into=str(into))
    used = telegram.cpu - before
    try:
        digest = spent.get("sha256") or _digest(into)
    finally:
        into.unlink(missing_ok=True)
    if digest != film.sha256():
        raise Failed(f"{contestant.name} did not fetch what was sent: SHA-256 {digest}")
    return Sample(seconds=spent["seconds"], cpu=spent["cpu"], server_cpu=used, size=film.size)


def compete(
    telegram: Telegram,
    contestants: Sequence[Contestant],
    line: Line,
    film: Film,
    place: Path,
    *,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    """Round after round over one line; `samples` hold what came of this call alone."""
    telegram.use(line)
    for contestant in contestants:
        contestant.samples = []
    for number in range(1, rounds + 1):
        for contestant in contestants:
            slow = contestant.samples and contestant.samples[0].seconds > SLOW_SECONDS
            if slow and number > SLOW_ROUNDS:
                continue
            tell(f"{line.name}: {contestant.name}, round {number} of {rounds}")
            contestant.samples.append(download(telegram, contestant, film, place))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
