"""What every section of the benchmark is given, and how one is described."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import settings
from benchmarks.child import ROOT, Child
from benchmarks.results import Measure, Row
from benchmarks.samples import Contestant
from benchmarks.telegram import Telegram

KURIGRAM, FAST = "kurigram", "FastTelethon"
OTHERS: Mapping[str, tuple[str, ...]] = {
    "Telethon download_media": ("benchmarks.clients.telethon_client", "download_media"),
    "Telethon iter_download": ("benchmarks.clients.telethon_client", "iter_download"),
    KURIGRAM: ("benchmarks.clients.kurigram_client",),
    FAST: ("benchmarks.clients.telethon_client", "fast"),
}
"""Clients that we did not write: the module, and which way of it."""

FAST_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
"""FastTelethon's own environment (scripts/install-venv.sh bench)."""


@dataclass(kw_only=True)
class Bench:
    """One run: its simulated Telegram, a directory of its own, and how much of everything there is to be."""

    telegram: Telegram
    place: Path
    quick: bool
    tell: Callable[[str], None]
    facts: dict[str, float] = field(default_factory=dict)
    """Rates that one section measures and another reckons with."""

    def size(self, mebibytes: int, *, quick: int) -> int:
        """Bytes: so many MiB, fewer in a quick run."""
        return (quick if self.quick else mebibytes) << 20

    def rounds(self, count: int) -> int:
        return 1 if self.quick else count

    def folder(self, name: str) -> Path:
        """A new directory."""
        path = self.place / name
        path.mkdir(parents=True)
        return path

    @contextmanager
    def ours(self, name: str, store: Mapping[str, str], **variables: str) -> Iterator[Contestant]:
        """A process with the worker's actors."""
        home = self.folder(name)
        environment = settings.product(self.telegram, home, store) | variables
        with Child("benchmarks.clients.ours", log=home / "log", environment=environment) as child:
            yield Contestant(name="teltubby", child=child)

    @contextmanager
    def others(self, names: Iterable[str]) -> Iterator[Sequence[Contestant]]:
        """Processes of other clients; FastTelethon is left out where it is not installed."""
        home = self.folder("others")
        with ExitStack() as stack:
            found = []
            for name in names:
                if name == FAST and not FAST_PYTHON.exists():
                    continue
                module, *way = OTHERS[name]
                python = str(FAST_PYTHON) if name == FAST else sys.executable
                arguments = (self.telegram.for_clients, *way)
                child = stack.enter_context(Child(module, *arguments, log=home / f"{name}.log", python=python))
                found.append(Contestant(name=name, child=child))
            yield found


@dataclass(frozen=True, kw_only=True)
class Section:
    """Rows that are measured together; `run` returns those of `measures`, and figures behind them.

    Those of a `block` have a table of their own in docs/performance.md, which can be written without all others.
    """

    name: str
    measures: tuple[Measure, ...]
    run: Callable[[Bench], Iterable[Row]]
    block: str = ""


def run_json(module: str, **variables: str) -> Mapping[str, Any]:
    """What a process that measures by itself prints."""
    done = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, check=True
    )
    return dict(json.loads(done.stdout))
