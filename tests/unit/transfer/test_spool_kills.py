"""`kill -9` of real processes that fill a spool: nothing they were told is there is lost, and the end is the file."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from anyio import to_thread

from teltubby.errors import SpoolBusy
from teltubby.transfer.spool_folder import SpoolFolder
from tests.unit.transfer.spool_process import FILE, WRITERS
from tests.unit.transfer.spools import content, part

PROCESS = [sys.executable, "tests/unit/transfer/spool_process.py"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": "."}


@dataclass
class Running:
    """A process, what it says, and what else it said while it was killed."""

    facts: Iterator[list[object]]
    last_words: list[list[object]] = field(default_factory=list)


@contextmanager
def running(mode: str, folder: Path) -> Iterator[Running]:
    """A process that is killed on leaving, in the middle of whatever it does."""
    process = subprocess.Popen([*PROCESS, mode, folder], stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, b"")
    said = Running(json.loads(line) for line in lines)
    with process:
        try:
            yield said
        finally:
            process.kill()
            said.last_words.extend(json.loads(line) for line in lines if line.endswith(b"\n"))


def test_kills_cost_no_more_than_what_was_on_its_way(tmp_path: Path) -> None:
    chance = random.Random(7)
    written: set[int] = set()
    stored = 0
    kills, done = 0, False
    while not done:
        with running("fill", tmp_path) as process:
            kind, found, receipts = next(process.facts)
            assert kind == "found" and isinstance(found, list) and isinstance(receipts, int)
            assert written <= set(found) <= set(range(FILE.parts))
            assert len(set(found) - written) <= WRITERS
            assert stored <= receipts <= stored + WRITERS
            for index in found:
                assert read(tmp_path / "job.data", index) == part(FILE, index)
            written, stored = set(found), receipts
            said = list(up_to(process.facts, chance.randrange(1, 6)))
        for fact in [*said, *process.last_words]:
            match fact:
                case ["written", int(index)]:
                    assert index not in written, "a part that was there came again"
                    written.add(index)
                case ["stored", int(number)]:
                    stored = max(stored, number)
                case ["whole", digest]:
                    assert digest == hashlib.sha256(content(FILE)).hexdigest()
                case ["finished"]:
                    done = True
        kills += 1
    assert kills >= 3 and written == set(range(FILE.parts))
    assert stored > 0
    assert SpoolFolder(tmp_path, keep_seconds=1000.0).sweep() == 1, "it was killed before it could clean up"
    assert list(tmp_path.iterdir()) == []


def up_to(facts: Iterator[list[object]], count: int) -> Iterator[list[object]]:
    """So many facts, or fewer when there are no more to come."""
    for fact in itertools.islice(facts, count):
        yield fact
        if fact == ["finished"]:
            return


def read(path: Path, index: int) -> bytes:
    with path.open("rb") as file:
        file.seek(index * FILE.part_bytes)
        return file.read(FILE.part_size(index))


@pytest.mark.anyio
async def test_another_process_has_it(tmp_path: Path) -> None:
    spools = SpoolFolder(tmp_path, keep_seconds=0.0)
    spool = spools.open(FILE.job_id, document_id=FILE.document_id, size=FILE.size, key=FILE.key)
    with running("hold", tmp_path) as process:
        assert next(process.facts) == ["held"]
        with pytest.raises(SpoolBusy, match=r"job\.data"):
            async with spool:
                pass
        await spools.discard(FILE.job_id)
        assert await to_thread.run_sync(spools.sweep) == 0
        assert len(list(tmp_path.iterdir())) == 2
    async with spools.open(FILE.job_id, document_id=FILE.document_id, size=FILE.size, key=FILE.key) as spool:
        assert set(spool.present) == {0}
        await spool.finish()
