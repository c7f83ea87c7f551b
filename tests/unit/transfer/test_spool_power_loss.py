"""Whatever is written, in whatever order, and wherever it is cut off by a kill or a power cut: what the spool says is
there is there byte for byte, what was promised to stay has stayed, and in the end the file is exactly the file.
"""

from __future__ import annotations

import operator
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.messages.transfer import BegunUpload
from teltubby.transfer.journal import Fact, SpooledFile, UploadBegun, UploadForgotten, UploadPartStored, with_receipt
from teltubby.transfer.spool_file import SpoolFile
from tests.unit.transfer.disks import Choose, ForgetfulDisk, Killed
from tests.unit.transfer.spools import ByHand, begun, content, folder, put, receipt, spooled, verify

FILE = spooled(0)
OTHERS = (spooled(1), spooled(0, size=200))
"""Another document of the same job, and the same with another size."""


@dataclass(frozen=True)
class Put:
    index: int


@dataclass(frozen=True)
class Checkpoint:
    """`meanwhile` a part arrives, while the disk is busy."""

    meanwhile: int | None


@dataclass(frozen=True)
class Upload:
    """The upload's next step, or its end."""

    forget: bool


@dataclass(frozen=True)
class Finish:
    pass


@dataclass(frozen=True)
class Stop:
    """Leave in good order."""


@dataclass(frozen=True)
class Kill:
    pass


@dataclass(frozen=True)
class CutPower:
    pass


Step = Put | Checkpoint | Upload | Finish | Stop


@dataclass(frozen=True)
class Process:
    """One process: it opens the spool, takes its steps, and ends; if `dies_after` so much, in the middle of a step."""

    file: SpooledFile
    steps: list[Step]
    dies_after: int | None
    end: Kill | CutPower


indexes = st.integers(0, FILE.parts - 1)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Put, indexes),
    st.builds(Put, indexes),
    st.builds(Checkpoint, st.none() | indexes),
    st.builds(Upload, st.sampled_from([False, False, False, True])),
)
endings: st.SearchStrategy[list[Step]] = st.sampled_from([[], [], [], [Stop()], [Finish()], [Finish(), Stop()]])
processes = st.builds(
    Process,
    file=st.sampled_from([FILE] * 6 + [*OTHERS]),
    steps=st.builds(operator.add, st.lists(steps, max_size=8), endings),
    dies_after=st.none() | st.integers(0, 600),
    end=st.sampled_from([Kill(), CutPower()]),
)


class Life:
    """The spool of one job, and what of it was promised."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.world = ForgetfulDisk(place)
        self.boot = 0
        self.folder = folder(place, boot=lambda: f"boot {self.boot}", clock=lambda: 0.0, background=ByHand)
        self.owner: SpooledFile | None = FILE
        """Whose files lie there, if that is certain."""
        self.written: set[int] = set()
        """Parts that no kill may take away."""
        self.synced: set[int] = set()
        """Parts that no power cut may take away either."""
        self.uploads: list[BegunUpload | None] = [None]
        """What may be remembered of the upload: two states after a death on the way from one to the other."""
        self.finished = False

    def run(self, process: Process, choose: Choose) -> None:
        self.world.dies_after = process.dies_after
        try:
            disk = self.open(process.file)
            for step in process.steps:
                self.take(step, disk)
        except Killed:
            pass
        self.world.kill()
        self.world.meanwhile = None
        if isinstance(process.end, CutPower):
            self.world.cut_power(choose)
            self.boot += 1
            self.written = set(self.synced)

    def open(self, file: SpooledFile) -> SpoolFile:
        owner, self.owner = self.owner, self.owner if file == self.owner else None
        if self.owner is None:
            self.forget_all()
        disk = self.folder.acquire(file)
        dies_after, self.world.dies_after = self.world.dies_after, None
        present = verify(disk)
        if owner == file:
            assert present >= self.written
            assert disk.upload in self.uploads
            assert not (present and self.finished)
        elif owner is not None:
            assert (present, disk.upload) == (set(), None), "these are of another file"
        self.owner, self.finished = file, False
        self.uploads = [disk.upload]
        self.written, self.synced = set(present), set(present)
        self.world.dies_after = dies_after
        return disk

    def forget_all(self) -> None:
        self.written, self.synced = set(), set()

    def take(self, step: Step, disk: SpoolFile) -> None:
        match step:
            case Put(index=index):
                self.put(index, disk)
            case Checkpoint(meanwhile=meanwhile):
                before = set(self.written)
                if meanwhile is not None:
                    self.world.meanwhile = lambda: self.put(meanwhile, disk)
                disk.checkpoint()
                self.synced |= before
            case Upload(forget=forget):
                self.upload(disk, forget=forget)
            case Finish():
                self.forget_all()
                self.uploads = [*self.uploads, None]
                disk.finish()
                self.uploads, self.finished = [None], True
            case Stop():
                disk.close(keep=True)
                self.synced = set(self.written)
            case _:
                assert_never(step)

    def put(self, index: int, disk: SpoolFile) -> None:
        if index < disk.file.parts and index not in self.written:
            put(disk, index)
            self.written.add(index)

    def upload(self, disk: SpoolFile, *, forget: bool) -> None:
        (now,) = self.uploads
        fact: Fact
        then: BegunUpload | None
        if forget:
            fact, then = UploadForgotten(), None
        elif now is None:
            fact, then = UploadBegun(begun()), begun()
        else:
            following = receipt(len(now.receipts) + 1)
            fact, then = UploadPartStored(following), with_receipt(now, following)
        self.uploads = [now, then]
        disk.note(fact)
        self.uploads = [then]

    def end_well(self) -> None:
        """One more process, that nothing happens to."""
        self.world.dies_after = None
        disk = self.open(FILE)
        put(disk, *set(range(FILE.parts)) - self.written)
        assert disk.read(0, FILE.size) == content(FILE)
        disk.finish()
        disk.close(keep=True)
        assert list(self.place.iterdir()) == []


@contextmanager
def life() -> Iterator[Life]:
    with tempfile.TemporaryDirectory() as home:
        spool = Life(Path(home).resolve())
        with spool.world.watched():
            yield spool


@given(st.lists(processes, min_size=1, max_size=6), st.data())
@settings(max_examples=200)
def test_nothing_is_claimed_that_is_not_there(processes: list[Process], data: st.DataObject) -> None:
    with life() as spool:
        for process in processes:
            spool.run(process, lambda most: data.draw(st.integers(0, most)))
        spool.end_well()


@pytest.mark.parametrize("kept", ["nothing", "everything"])
def test_a_death_at_any_moment(kept: str) -> None:
    """Then a process that goes on, and a power cut of which only what was synced is left, or all the rest as well."""
    steps: list[Step] = [Put(0), Upload(forget=False), Put(1), Checkpoint(meanwhile=2), Upload(forget=False), Finish()]
    moment, choose = 0, lambda most: most if kept == "everything" else 0
    while True:
        with life() as spool:
            spool.run(Process(FILE, steps, moment, Kill()), choose)
            if spool.finished:
                return
            spool.run(Process(FILE, [Put(4), Upload(forget=False), Checkpoint(None)], None, CutPower()), choose)
            spool.run(Process(FILE, [Stop()], None, CutPower()), choose)
            spool.end_well()
        moment += 3  # bytes; calls count as one
