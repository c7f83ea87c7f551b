"""A process of its own that uses a spool, to be killed in the middle of it.

Usage: `python spool_process.py MODE FOLDER`, in the project's root; says what it does in lines of JSON.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from pathlib import Path

import anyio

from teltubby.transfer.spool_folder import SpoolFolder
from tests.unit.transfer.spools import begun, part, receipt, spooled

MIB = 1 << 20
FILE = spooled(size=64 * MIB - 5, part_bytes=MIB)
WRITERS = 16
PARTS_PER_RECEIPT = 4


def say(*facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def fill(spools: SpoolFolder) -> None:
    """Write what is missing, in any order, from many tasks at once, and receipts of an upload between the parts."""
    async with spools.open(FILE.job_id, document_id=FILE.document_id, size=FILE.size, key=FILE.key) as spool:
        known = spool.uploads.begun
        stored = 0 if known is None else len(known.receipts)
        say("found", sorted(spool.present), stored)
        if known is None:
            await spool.uploads.begin(begun())
        missing = sorted(set(range(FILE.parts)) - set(spool.present))
        random.shuffle(missing)
        order = iter(missing)
        written = 0

        async def writer() -> None:
            nonlocal written, stored
            for index in order:
                await spool.write(index, part(FILE, index))
                say("written", index)
                written += 1
                if written % PARTS_PER_RECEIPT == 0:
                    stored += 1
                    number = stored
                    await spool.uploads.add(receipt(number))
                    say("stored", number)

        async with anyio.create_task_group() as tasks:
            for _ in range(WRITERS):
                tasks.start_soon(writer)
        digest = hashlib.sha256()
        for offset in range(0, FILE.size, 16 * MIB):
            digest.update(await spool.read(offset, 16 * MIB))
        say("whole", digest.hexdigest())
        await spool.finish()
        say("finished")
        await anyio.sleep_forever()


async def hold(spools: SpoolFolder) -> None:
    """Hold the spool with one part in it."""
    async with spools.open(FILE.job_id, document_id=FILE.document_id, size=FILE.size, key=FILE.key) as spool:
        await spool.write(0, part(FILE, 0))
        say("held")
        await anyio.sleep_forever()


async def main(mode: str, folder: Path) -> None:
    spools = SpoolFolder(folder, keep_seconds=1000.0)
    match mode:
        case "fill":
            await fill(spools)
        case "hold":
            await hold(spools)
        case _:
            raise ValueError(mode)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]))
