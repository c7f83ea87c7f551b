"""Which law each series of a soak is under."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.soak.gauges import Sample
from tests.soak.verdict import Bounded, Finding, Floor, Law, Level, Proportional, Series

MIB = 1 << 20
KIB = 1 << 10
HEAP = Floor(slack=2.5 * MIB, since=1 / 2)
"""Of what is handed out and not given back; 50 kB of each job would be 7 MiB in the second half of an hour."""
MEMORY = Floor(slack=8 * MIB, since=1 / 3)
"""Resident; so much an allocator gives back at some moment, and takes again bit by bit."""
OFTEN = 0.8
"""The share of all samples without which nothing can be said of a series."""
FEW = Level(slack=4)
DATABASE = Proportional(share=0.3, slack=256 * KIB)
LOG = Bounded(most=16 * MIB)
"""SQLite empties the log at about 4 MB, unless somebody reads at that moment."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A series by its name in the samples, its law, and the x that it is held against."""

    series: str
    law: Law
    x: Callable[[Sample], float]


def _at(sample: Sample) -> float:
    return sample.at


def _messages(sample: Sample) -> float:
    return sample.messages


def _changes(sample: Sample) -> float:
    return sample.changes


LAWS: Sequence[Judged] = (
    *(Judged(f"{role} heap", HEAP, _at) for role in ("bot", "worker")),
    *(Judged(f"{role} memory", MEMORY, _at) for role in ("bot", "worker")),
    *(Judged(f"{role} {of}", FEW, _at) for role in ("bot", "worker") for of in ("descriptors", "threads", "tasks")),
    Judged("ledger bytes", DATABASE, _messages),
    Judged("collector bytes", DATABASE, _changes),
    Judged("ledger log", LOG, _at),
    Judged("collector log", LOG, _at),
    Judged("spool", Level(slack=24 * MIB), _at),
    Judged("queues", Level(slack=10), _at),
)


def judged(samples: Sequence[Sample]) -> list[Finding]:
    """What each law says; nothing good of a series that was missing in too many samples."""
    found = []
    for each in LAWS:
        known = points(samples, each)
        found.append(each.law.judge(each.series, known if len(known) >= OFTEN * len(samples) else ()))
    return found


def points(samples: Sequence[Sample], judged: Judged) -> Series:
    """The series; moments in which it could not be measured are left out."""
    return [(judged.x(sample), sample.values[judged.series]) for sample in samples if judged.series in sample.values]


BY_NAME: Mapping[str, Judged] = {each.series: each for each in LAWS}
