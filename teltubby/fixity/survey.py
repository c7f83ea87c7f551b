"""Enters a store into a catalogue: every object under the archive's prefix, and every artifact with what it claims."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
from anyio import to_thread

from teltubby.adapters.base import ObjectInfo
from teltubby.adapters.sqlite_catalogue import Catalogue, CataloguedArtifact
from teltubby.archive.claims import ARTIFACT_BYTES_MAX, is_artifact_key, read_artifact
from teltubby.archive.keys import PREFIX
from teltubby.errors import FileGone, TeltubbyError
from teltubby.fixity.reading import Reader

R = TypeVar("R")
T = TypeVar("T")

BATCH = 1000
"""Objects that are entered together."""
ARTIFACTS_AT_ONCE = 16
ARTIFACT_BATCH, ARTIFACT_BATCH_BYTES = 64, 2 << 20
"""Artifacts that are entered together: they have some kilobytes each, but what is read takes ten times its size."""

Told = Callable[[str, int, int | None], None]
"""Is told how far things are: what is done, how much of it, and of how much (None: nobody knows)."""


class InTurn:
    """Blocking work on one file, in a thread, one piece after the other, also when it is cancelled."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(1)

    async def __call__(self, work: Callable[[], R]) -> R:
        return await to_thread.run_sync(work, limiter=self._limiter)


async def side_by_side(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, width: int) -> None:
    """Do `work` on every item, `width` at once. Raises the first TeltubbyError, and begins nothing new after it."""
    left = iter(items)
    failures: list[TeltubbyError] = []

    async def some() -> None:
        for item in left:
            if failures:
                return
            try:
                await work(item)
            except TeltubbyError as error:
                failures.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(width):
            tasks.start_soon(some)
    if failures:
        raise failures[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What lies under an artifact's name, and is none."""

    key: str
    reason: str


class Survey:
    """Fills a catalogue; with `keep_text` with the artifacts themselves. Raises what the store and the file raise."""

    def __init__(
        self, reader: Reader, catalogue: Catalogue, *, in_turn: InTurn, keep_text: bool = False, told: Told
    ) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._in_turn = in_turn
        self._keep_text = keep_text
        self._told = told
        self._listed = 0

    async def run(self) -> None:
        """List, and read the artifacts on the way."""
        batch: list[ObjectInfo] = []
        async with aclosing(self._reader.list(PREFIX)) as listing:
            async for info in listing:
                batch.append(info)
                if len(batch) == BATCH:
                    await self._enter(batch)
                    batch = []
        await self._enter(batch)

    async def read_again(self, infos: Iterable[ObjectInfo]) -> None:
        """These artifacts as they are now."""
        artifacts: list[CataloguedArtifact] = []
        unread: list[Unread] = []

        async def read(info: ObjectInfo) -> None:
            match await self._read(info):
                case CataloguedArtifact() as artifact:
                    artifacts.append(artifact)
                case Unread() as reason:
                    unread.append(reason)
                case None:
                    pass

        await side_by_side(infos, read, width=ARTIFACTS_AT_ONCE)
        await self._in_turn(partial(self._catalogue.add_artifacts, artifacts))
        for each in unread:
            await self._in_turn(partial(self._catalogue.add_unread, each.key, each.reason))

    async def _enter(self, batch: list[ObjectInfo]) -> None:
        named = [ObjectInfo(key=writable(info.key), size=info.size) for info in batch]
        await self._in_turn(partial(self._catalogue.add_objects, named))
        found = [info for info in named if is_artifact_key(info.key)]
        for some in together(found):
            await self.read_again(some)
        self._listed += len(batch)
        self._told("objects listed", self._listed, None)

    async def _read(self, info: ObjectInfo) -> CataloguedArtifact | Unread | None:
        """None for one that is gone meanwhile."""
        if info.size > ARTIFACT_BYTES_MAX:
            return Unread(key=info.key, reason=f"it has {info.size} bytes, and no artifact has so many")
        try:
            body = await self._reader.get(info)
            read = read_artifact(info.key, body)
        except FileGone:
            return None
        except ValueError as error:  # it is no artifact, or its name is no key that we could ask for
            return Unread(key=info.key, reason=str(error))
        text = body.decode() if self._keep_text else None
        return CataloguedArtifact(key=info.key, read=read, sha256=hashlib.sha256(body).hexdigest(), text=text)


def together(infos: Iterable[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    """Artifacts in batches; a large one is alone, or nearly so."""
    batch: list[ObjectInfo] = []
    for info in infos:
        if batch and (len(batch) == ARTIFACT_BATCH or sum(i.size for i in batch) + info.size > ARTIFACT_BATCH_BYTES):
            yield batch
            batch = []
        batch.append(info)
    if batch:
        yield batch


def writable(key: str) -> str:
    """A key that can be written down: of a foreign file in a folder, whose name is no UTF-8, the bytes as `\\udcff`."""
    return key.encode("utf-8", "backslashreplace").decode()


def is_askable(key: str) -> bool:
    """Whether it can be asked for, which no name can that was changed to be written down; no key of ours has a `\\`."""
    return "\\" not in key
