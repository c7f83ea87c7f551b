"""How a check is told: as a table for people, or as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from teltubby.fixity.findings import Kind
from teltubby.fixity.verify import Verified

Write = Callable[[str], None]

MOST_IN_TABLE = 50
MOST_IN_JSON = 10_000
"""Findings that are told one by one; all are counted."""

_WIDTH = 118


def told_as_json(verified: Verified, findings: Iterable[tuple[str, str, str]], write: Write) -> None:
    """Print one JSON object."""
    report = {
        "well": verified.is_well,
        "store": verified.store,
        "ledger": verified.ledger,
        "resumed": verified.resumed,
        "objects": verified.objects,
        "bytes": verified.size_bytes,
        "artifacts": verified.artifacts,
        "unfinished_uploads": verified.unfinished,
        "read_objects": verified.hashed,
        "read_bytes": verified.hashed_bytes,
        "counts": {kind.value: verified.counts.get(kind, 0) for kind in Kind},
        "findings": [{"kind": kind, "key": key, "detail": detail} for kind, key, detail in findings],
    }
    write(json.dumps(report, ensure_ascii=False, indent=2))


def told_in_words(verified: Verified, findings: Iterable[tuple[str, str, str]], console: Console, write: Write) -> None:
    """Print a table of what was found, and what was looked at."""
    lines = [
        f"{verified.store}: {verified.objects} objects, {verified.size_bytes} bytes; {verified.artifacts} artifacts",
        "compared with the artifacts" + ("" if verified.ledger is None else f" and the ledger {verified.ledger}"),
        f"read again: {verified.hashed} objects, {verified.hashed_bytes} bytes"
        + (", in more than one run" if verified.resumed else ""),
    ]
    if verified.unfinished:
        lines.append(f"{verified.unfinished} uploads are not finished, which is no fault: files are on their way")
    with console.capture() as told:
        console.print("\n".join(lines), markup=False, soft_wrap=True)
        if verified.is_well:
            console.print("All is well.")
        else:
            _print_findings(verified, findings, console)
    write(told.get().rstrip())


def _print_findings(verified: Verified, findings: Iterable[tuple[str, str, str]], console: Console) -> None:
    table = Table("what", show_edge=False)
    table.add_column("object", overflow="fold")
    table.add_column("detail", overflow="fold")
    for finding in findings:
        table.add_row(*(Text(text) for text in finding))
    console.print(table)
    for kind in Kind:
        if count := verified.counts.get(kind, 0):
            console.print(f"{count} × {kind}: {kind.meaning}", markup=False, soft_wrap=True)


def console_for_table() -> Console:
    """Stdout; a pipe has no width, and gets lines that hold keys."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=4 * _WIDTH)
