"""The engine between twins of Telegram and real spools, in virtual time."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import anyio

from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import PART_BYTES, FetchLarge, FileLocation, VerifyHashes
from teltubby.transfer.engine import Engine
from teltubby.transfer.lines import Dial
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder
from tests.mtproto_twins import Asked, RemoteTwin, SessionTwin, Trouble

MIB = PART_BYTES
ONE_BY_ONE = Limits(connections=1, window=1, parts_in_flight=1)
ROUND_TRIP = 0.1


@cache
def noise(size: int, seed: int = 0) -> bytes:
    """Bytes of which no two blocks are alike."""
    return random.Random(seed).randbytes(size)


def same(got: bytes, wanted: bytes) -> bool:
    """Whether they are; in place of `==` in an assert, which would explain megabytes of difference."""
    return got == wanted


@dataclass
class Bench:
    """An engine at work, and the Telegram that it meets."""

    telegram: SessionTwin
    engine: Engine
    folder: SpoolFolder
    scope: anyio.CancelScope

    def add(self, remote: RemoteTwin) -> RemoteTwin:
        self.telegram.documents[1, remote.location.document_id] = remote
        return remote

    def document(
        self, size: int, document_id: int = 1, *, claimed: int | None = None, data_centre: int = 2, hashed: bool = False
    ) -> RemoteTwin:
        """A document of so many bytes that claims to have `claimed`."""
        truth = noise(size, document_id)
        return self.add(RemoteTwin(document_id, truth, size=claimed, data_centre=data_centre, hashed=hashed))

    def spool(self, remote: RemoteTwin) -> Spool:
        location = remote.location
        return self.folder.open(
            f"job-{location.document_id}",
            document_id=location.document_id,
            size=location.size,
            key=f"key-{location.document_id}",
        )

    async def fetch(self, remote: RemoteTwin, into: Spool, location: FileLocation | None = None) -> None:
        request = FetchLarge(
            account=AccountKind.BOT, location=location or remote.location, refresh=remote.refresh, into=into
        )
        await self.engine.fetch(request)

    async def attempt(self, remote: RemoteTwin, location: FileLocation | None = None) -> bytes:
        """One attempt at a file, from what the last one left; the spool stays, whatever comes of it."""
        async with self.spool(remote) as spool:
            await self.fetch(remote, spool, location)
            return await spool.read(0, spool.size)

    @property
    def in_flight(self) -> int:
        """How many parts are on their way now."""
        return sum(each.in_flight for each in self.telegram.dialled)

    def asked(self, remote: RemoteTwin, *, hashes: bool = False) -> list[int]:
        """The parts that were asked for, in order."""
        document_id = remote.location.document_id
        return [
            asked.index for asked in self.telegram.asked if asked.document_id == document_id and asked.hashes is hashes
        ]

    def times(self, remote: RemoteTwin) -> Counter[int]:
        """How often each part was asked for."""
        return Counter(self.asked(remote))


@asynccontextmanager
async def bench(
    place: Path,
    *,
    limits: Limits | None = None,
    verify: VerifyHashes = VerifyHashes.OFF,
    dial: Callable[[SessionTwin], Dial] | None = None,
    large: int = 2,
    small: int = 5,
) -> AsyncIterator[Bench]:
    """An engine that runs; all of it is over in an hour, and at the end no connection is open."""
    telegram = SessionTwin()
    telegram.is_open = True
    telegram.round_trip = ROUND_TRIP
    engine = Engine(dial(telegram) if dial else telegram.dial, limits=limits, verify=verify, large=large, small=small)
    with anyio.fail_after(3600):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            yield Bench(telegram, engine, SpoolFolder(place / "spool", keep_seconds=math.inf), tasks.cancel_scope)
            tasks.cancel_scope.cancel()
    assert telegram.open_connections == []


@dataclass
class Script:
    """Trouble by part: each part meets what stands in its row, one after the other, and then nothing."""

    rows: defaultdict[int, deque[Exception | bytes | None]] = field(default_factory=lambda: defaultdict(deque))

    def meets(self, index: int, *troubles: Exception | bytes | None) -> Script:
        self.rows[index].extend(troubles)
        return self

    def __call__(self, asked: Asked) -> Exception | bytes | None:
        return self.rows[asked.index].popleft() if not asked.hashes and self.rows[asked.index] else None


def always(trouble: Exception, *, index: int | None = None) -> Trouble:
    """That part, or every one, meets this for ever."""

    def meet(asked: Asked) -> Exception | None:
        return trouble if not asked.hashes and index in (None, asked.index) else None

    return meet


@contextmanager
def took(least: float, most: float) -> Iterator[None]:
    """The body takes so many seconds of virtual time."""
    began = anyio.current_time()
    yield
    seconds = anyio.current_time() - began
    assert least <= seconds <= most, f"it took {seconds:g} s"
