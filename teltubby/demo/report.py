"""What the demonstration found: for programs as one JSON object, for people as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from teltubby.actors.phrases import size
from teltubby.demo.checking import CheckedArtifact, CheckedObject
from teltubby.demo.left_behind import CheckedJob

SHORT_HASH = 12
WIDE_COLUMNS = 116
"""From here on a key's file name has a line for itself."""
ROUTES = {"bot_api": "Bot API", "mtproto_bot": "MTProto", "mtproto_user": "MTProto"}
GOOD, BAD = Text("✓", style="bold green"), Text("✗", style="bold red")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome; `problems` are sentences, and without any all is well. Seconds and bytes."""

    problems: tuple[str, ...]
    objects: tuple[CheckedObject, ...] = ()
    artifacts: tuple[CheckedArtifact, ...] = ()
    jobs: tuple[CheckedJob, ...] = ()
    seconds: float = 0.0
    peak_rss_bytes: int | None = None
    backend: str = "asyncio"
    folder: str | None = None
    health_url: str | None = None

    @property
    def ok(self) -> bool:
        """Whether everything is right."""
        return not self.problems

    def as_json(self) -> str:
        """One JSON object on one line; `folder` and `health_url` are null when they are gone afterwards."""
        return json.dumps(
            {
                "ok": self.ok,
                "problems": list(self.problems),
                "objects": [asdict(found) | {"ok": found.ok} for found in self.objects],
                "artifacts": [asdict(found) for found in self.artifacts],
                "jobs": [asdict(job) for job in self.jobs],
                "seconds": round(self.seconds, 3),
                "peak_rss_bytes": self.peak_rss_bytes,
                "backend": self.backend,
                "folder": self.folder,
                "health_url": self.health_url,
            },
            ensure_ascii=False,
        )


def show_report(console: Console, report: Report) -> None:
    """The table of what was archived where, and the verdict."""
    if report.objects:
        rows = _rows(report.objects, report.artifacts)
        console.print(_wide_table(rows) if console.width >= WIDE_COLUMNS else _narrow_table(rows))
    if not report.ok:
        show_problems(console, report.problems)
        return
    stored = sum(found.bytes or 0 for found in report.objects)
    duplicates = sum(1 for artifact in report.artifacts if artifact.duplicate_of)
    memory = "" if report.peak_rss_bytes is None else f" Peak memory of the product: {size(report.peak_rss_bytes)}."
    console.print(
        Text.assemble(
            ("✓ ", "bold green"),
            (f"{len(report.objects)} files, {size(stored)}, archived whole", "bold"),
            ": the SHA-256 of every stored byte is that of the source. "
            f"Duplicates that stored nothing: {duplicates}. Jobs completed: {len(report.jobs)}. Left over: nothing."
            f"{memory} {report.seconds:.0f} s on {report.backend}.",
        )
    )


def show_problems(console: Console, problems: Sequence[str]) -> None:
    """What is wrong, a line each."""
    console.print(Text(f"✗ {'1 problem' if len(problems) == 1 else f'{len(problems)} problems'}:", style="bold red"))
    for problem in problems:
        console.print(Text(f"  - {problem}"), soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A line of the table; empty where there is nothing to say."""

    kind: str
    folder: str
    name: str
    bytes: str
    route: str
    seconds: str
    sha256: str
    good: bool


def _rows(objects: Sequence[CheckedObject], artifacts: Sequence[CheckedArtifact]) -> Iterator[_Row]:
    """The files of every submission in the order in which they were handed in; a duplicate with where the first is."""
    by_key = {found.key: found for found in objects}
    for artifact in artifacts:
        for number, key in enumerate(artifact.keys):
            folder, name = key.rsplit("/", 1)
            found = by_key.get(key)
            seconds = "" if number else f"{artifact.seconds:.1f}"
            if artifact.duplicate_of is not None or found is None:
                home = artifact.key.rsplit("/", 1)[0]
                yield _Row(
                    kind="duplicate",
                    folder=f"{home}/",
                    name=f"→ {name}",
                    bytes="0",
                    route="",
                    seconds=seconds,
                    sha256="",
                    good=artifact.ok,
                )
            else:
                yield _Row(
                    kind=found.kind,
                    folder=f"{folder}/",
                    name=name,
                    bytes="missing" if found.bytes is None else f"{found.bytes:,}",
                    route=ROUTES.get(found.route, found.route),
                    seconds=seconds,
                    sha256=(found.sha256 or "")[:SHORT_HASH],
                    good=found.ok and artifact.ok,
                )


def _wide_table(rows: Iterable[_Row]) -> Table:
    table = _titled_table()
    for name in ("kind", "key"):
        table.add_column(name, overflow="fold")
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("route", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    table.add_column("SHA-256", no_wrap=True)
    table.add_column("", no_wrap=True)
    folder = ""
    for row in rows:
        # In an album the folder is the same for all.
        key = row.name if row.folder == folder else f"{row.folder}\n{row.name}"
        folder = row.folder
        mark = GOOD if row.good else BAD
        table.add_row(row.kind, Text(key), row.bytes, row.route, row.seconds, row.sha256, mark)
    return table


def _narrow_table(rows: Iterable[_Row]) -> Table:
    table = _titled_table()
    table.add_column("key, kind, bytes, route, seconds, SHA-256", overflow="fold")
    table.add_column("", no_wrap=True)
    for row in rows:
        details = (row.kind, f"{row.bytes} bytes", row.route, row.seconds and f"{row.seconds} s", row.sha256)
        text = Text.assemble(f"{row.folder}{row.name}\n", ("  " + " · ".join(filter(None, details)), "dim"))
        table.add_row(text, GOOD if row.good else BAD)
    return table


def _titled_table() -> Table:
    return Table(
        box=SIMPLE_HEAD, title="\nWhat was archived where", title_style="bold", pad_edge=False, padding=(0, 1, 0, 0)
    )
