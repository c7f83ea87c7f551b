"""A process of its own that collects a channel, to be killed in the middle of it.

Usage: `python collecting_process.py DATABASE`, in the project's root; says a line after each page, "done" at the end.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, ".")

from teltubby.collector.pages import Cursor
from teltubby.collector.repositories import CollectorStore
from teltubby.errors import DatabaseUnavailable
from tests.unit.collector.world import CHANNEL, channel, page, post

SIZE = 1200
PAGE_LENGTH = 50


def text_of(msg_id: int) -> str:
    return f"post number {msg_id} of many"


def collect(path: Path) -> None:
    with closing(CollectorStore.open(path)) as store:
        store.channels.record(channel())
        while not (cursor := store.channels.cursor(CHANNEL)).backfill_done:
            top = SIZE if cursor.oldest is None else cursor.oldest - 1
            ids = range(top, top - PAGE_LENGTH, -1)
            moved = Cursor(oldest=ids[-1], newest=SIZE, backfill_done=ids[-1] == 1)
            told = store.record(page(*(post(msg_id, text_of(msg_id)) for msg_id in ids), cursor=moved))
            sys.stdout.write(f"{ids[-1]} {told.new}\n")
            sys.stdout.flush()
    sys.stdout.write("done\n")


if __name__ == "__main__":
    try:
        collect(Path(sys.argv[1]))
    except DatabaseUnavailable as refused:
        sys.exit(str(refused))
