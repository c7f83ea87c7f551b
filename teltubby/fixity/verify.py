"""`teltubby verify`: the store against the ledger and the artifacts, and its contents against their SHA-256.

Every step is written down (adapters/sqlite_catalogue.py), so that who was interrupted goes on: listing and comparing
are done anew unless they were done, contents are read once.
"""

from __future__ import annotations

import itertools
import secrets
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from teltubby.adapters.base import ObjectInfo
from teltubby.adapters.sqlite_catalogue import Catalogue
from teltubby.adapters.sqlite_comparison import Comparison
from teltubby.adapters.sqlite_ledger_view import LedgerView
from teltubby.archive.claims import is_artifact_key
from teltubby.archive.keys import PREFIX
from teltubby.fixity.findings import Kind
from teltubby.fixity.hashing import Hashing, piece_bytes
from teltubby.fixity.reading import Reader
from teltubby.fixity.survey import ARTIFACTS_AT_ONCE, InTurn, Survey, Told, is_askable, side_by_side
from teltubby.fixity.wanted import Wanted

PLAN, STATE = "plan", "state"
SURVEYED, COMPARED = "surveyed", "compared"
ARTIFACT_NAMES = "message"
"""What the names of all artifacts begin with."""
UNFINISHED, OBJECTS, BYTES = "unfinished uploads", "objects to read", "bytes to read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What came of a check. `objects` and `size_bytes` are what the store holds, `hashed` and `hashed_bytes` what of it
    was read, in all runs of this check; `counts` are findings by kind. `unfinished` is None where we may not ask.
    """

    store: str
    ledger: str | None
    resumed: bool
    objects: int
    size_bytes: int
    artifacts: int
    hashed: int
    hashed_bytes: int
    unfinished: int | None
    counts: dict[str, int]

    @property
    def is_well(self) -> bool:
        """Whether nothing was found."""
        return not self.counts


class Verification:
    """One check, on an open catalogue that may know the beginning of it. `ledger` is where the ledger is, if it is."""

    def __init__(
        self, reader: Reader, catalogue: Catalogue, *, ledger: Path, wanted: Wanted, in_turn: InTurn, told: Told
    ) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._ledger = ledger
        self._wanted = wanted
        self._in_turn = in_turn
        self._told = told
        self._survey = Survey(reader, catalogue, in_turn=in_turn, told=told)
        self._looked_into: str | None = None
        self.comparison = Comparison(catalogue)

    async def run(self) -> Verified:
        """Do what is left of it. Raises what the store, the ledger and the catalogue's file raise."""
        resumed = await self._resumed()
        if await self._note(STATE) is None:
            await self._survey.run()
            unfinished = await self._reader.unfinished(PREFIX)
            await self._write_note(UNFINISHED, "" if unfinished is None else str(unfinished))
            await self._write_note(STATE, SURVEYED)
        if await self._note(STATE) == SURVEYED:
            await self._compare()
            await self._write_note(STATE, COMPARED)
        await self._hash()
        if Kind.MISSING in await self._in_turn(self.comparison.counts):
            await self._settle()  # reading takes hours: a purge took what it was to read, and the artifacts with it
        return await self._in_turn(partial(self._verified, resumed=resumed))

    async def _resumed(self) -> bool:
        """Whether the catalogue knows the beginning of this very check; it is emptied where it knows another one."""
        plan = self._wanted.plan(self._reader.bucket, self._ledger)
        if await self._note(PLAN) == plan and await self._note(STATE) is not None:
            return True
        await self._in_turn(self._catalogue.clear)
        await self._write_note(PLAN, plan)
        return False

    # -- without reading contents

    async def _compare(self) -> None:
        """Compare, and decide what is to be read."""
        await self._settle()
        seed = secrets.token_hex(8)
        plan = partial(self.comparison.plan, seed, percent=self._wanted.percent, limit=self._wanted.limit)
        await self._in_turn(plan)
        objects, size = await self._in_turn(self.comparison.left)
        await self._write_note(OBJECTS, str(objects))
        await self._write_note(BYTES, str(size))

    async def _settle(self) -> None:
        """Compare, look again at whatever seems wrong, and compare once more: a bot that runs moves on meanwhile."""
        await self._in_turn(self._compared)
        suspects = self.comparison.suspects()
        self._looked_into = None
        looked = 0
        while (page := await self._in_turn(partial(next, suspects, None))) is not None:
            await side_by_side(page, self._look_again, width=ARTIFACTS_AT_ONCE)
            looked += len(page)
            self._told("suspicious objects looked at again", looked, None)
        await self._in_turn(self._compared)

    def _compared(self) -> None:
        ledger = LedgerView.open(self._ledger)
        if ledger is None:
            self.comparison.compare()
            return
        with closing(ledger):
            self._catalogue.forget_ledger()
            for claims in ledger.files():
                self._catalogue.add_ledger_claims(claims)
            self.comparison.compare()
            for texts in ledger.artifacts():
                self.comparison.compare_texts(texts)

    async def _look_again(self, suspect: tuple[str, str]) -> None:
        """At the object, at what names it, and of an orphan at the artifacts beside it."""
        kind, key = suspect
        keys = {key, *await self._in_turn(partial(self.comparison.involved, key))}
        folder = key[: key.rindex("/") + 1]
        if kind == Kind.ORPHAN and folder != self._looked_into:
            self._looked_into = folder  # suspects come in key order, and a folder may be full of orphans
            async with aclosing(self._reader.list(folder + ARTIFACT_NAMES)) as listing:
                keys |= {info.key async for info in listing if is_artifact_key(info.key) and is_in(folder, info.key)}
        for each in sorted(filter(is_askable, keys)):
            try:
                info = await self._reader.head(each)
            except ValueError:  # no key of ours, but S3 may hold it
                continue
            if info is None:
                await self._in_turn(partial(self._catalogue.forget, each))
            else:
                await self._enter(info)

    async def _enter(self, info: ObjectInfo) -> None:
        await self._in_turn(partial(self._catalogue.add_objects, [info]))
        if is_artifact_key(info.key):
            await self._survey.read_again([info])

    # -- contents

    async def _hash(self) -> None:
        total = int(await self._note(OBJECTS) or 0)
        left, _ = await self._in_turn(self.comparison.left)
        read = itertools.count(total - left + 1)
        await Hashing(
            self._reader,
            self.comparison,
            in_turn=self._in_turn,
            piece=piece_bytes(self._wanted.rate),
            done=lambda: self._told("objects read", next(read), total),
        ).run()

    def _verified(self, *, resumed: bool) -> Verified:
        total = self._catalogue.total()
        unfinished = self._catalogue.note(UNFINISHED)
        return Verified(
            store=self._reader.bucket,
            ledger=str(self._ledger) if self._ledger.exists() else None,
            resumed=resumed,
            objects=total.objects,
            size_bytes=total.size_bytes,
            artifacts=self._catalogue.count("artifacts"),
            hashed=int(self._catalogue.note(OBJECTS) or 0),
            hashed_bytes=int(self._catalogue.note(BYTES) or 0),
            unfinished=int(unfinished) if unfinished else None,
            counts=self.comparison.counts(),
        )

    async def _note(self, name: str) -> str | None:
        return await self._in_turn(partial(self._catalogue.note, name))

    async def _write_note(self, name: str, value: str) -> None:
        await self._in_turn(partial(self._catalogue.write_note, name, value))


def is_in(folder: str, key: str) -> bool:
    """Whether the object lies in this folder itself, not in one below."""
    return key.rpartition("/")[0] + "/" == folder


def left_of(catalogue: Catalogue) -> str:
    """How far a check got that was interrupted, for people."""
    if catalogue.note(STATE) != COMPARED:
        return "the store was not listed and compared to the end"
    left, size = Comparison(catalogue).left()
    return f"{left} objects ({size} bytes) are left to be read"
