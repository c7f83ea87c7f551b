"""Whatever cuts an upload off, and how often: in the end the store has exactly the file, and no part went up twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

import anyio
import anyio.lowlevel
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from teltubby import flavour
from teltubby.actors.upload import UploadActor
from teltubby.errors import SpoolFull, StoreUnavailable, TeltubbyError
from teltubby.messages.transfer import Stored, StoreFile
from tests.actors.stage import noise, sha256
from tests.actors.uploads import KEY, BytesSource, NotingStore, parts_of, unknown
from tests.upload_log import MemoryLog

pytestmark = pytest.mark.usefixtures("virtual_time")

Fault = Literal["kill", "cancel", "trouble", "expire"]


class Killed(BaseException):
    """The process is dead: nothing that it still tries has an effect."""


@dataclass
class Fate:
    """What happens at which moment of a life; moments are before and after each call's effect on store and log."""

    faults: Mapping[int, Fault]
    store: NotingStore
    moment: int = 0
    dead: bool = False
    expired: int = 0
    scope: anyio.CancelScope | None = None

    async def watch(self, what: str) -> None:
        self.moment += 1
        fault = self.faults.get(self.moment)
        if self.dead or fault == "kill":
            self.dead = True
            raise Killed
        match fault:
            case None:
                return
            case "cancel":
                assert self.scope is not None
                self.scope.cancel()
                await anyio.lowlevel.checkpoint()
            case "trouble":
                raise SpoolFull("the disk is full") if what.startswith("log") else StoreUnavailable("away")
            case "expire":
                self.expired += 1
                self.store.uploads.clear()
            case _:
                assert_never(fault)


def one_life(
    backend: flavour.Backend, parallel: int, body: bytes, store: NotingStore, log: MemoryLog, fate: Fate
) -> Stored | None:
    """One process: it begins with what the last one left, and comes to the end or not."""

    async def live() -> Stored | None:
        actor = UploadActor(store, width=1, multipart_bytes=1, first_copy=unknown, parallel=parallel)
        with anyio.CancelScope() as fate.scope:
            try:
                request = StoreFile(key=KEY, source=BytesSource(body), content_type="a/b", stored=told.append, log=log)
                answer = await actor.handle(request)
                assert isinstance(answer, Stored)
                return answer
            except TeltubbyError as error:
                event(type(error).__name__)
        return None

    told: list[int] = []
    store.script.watch = log.script.watch = fate.watch
    try:
        return anyio.run(live, backend=backend, backend_options=flavour.backend_options(backend))
    except BaseExceptionGroup as group:
        assert group.subgroup(Killed) is not None and group.split(Killed)[1] is None
    except Killed:
        pass
    finally:
        store.is_open = False
        assert all(0 <= count <= len(body) for count in told)
    return None


MOMENTS = st.integers(min_value=1, max_value=40)
FAULTS = st.sampled_from(["kill", "cancel", "trouble", "expire"])
LIVES = st.lists(st.dictionaries(MOMENTS, FAULTS, min_size=1, max_size=3), min_size=1, max_size=6)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=150)
@given(
    size=st.integers(min_value=1, max_value=60),
    part=st.sampled_from([7, 16]),
    parallel=st.integers(min_value=1, max_value=3),
    lives=LIVES,
)
def test_any_sequence_of_troubles_ends_with_exactly_the_file(
    backend: flavour.Backend, size: int, part: int, parallel: int, lives: list[dict[int, Fault]]
) -> None:
    body = noise(size, seed=part)
    store, log = NotingStore(part_size=part), MemoryLog()
    ways = Counter[int]()
    cuts = begun_anew = 0
    for faults in [*lives, {}]:
        known, up = ("", 0) if log.begun is None else (log.begun.upload_id, len(log.begun.receipts))
        fate = Fate(faults, store)
        answer = one_life(backend, parallel, body, store, log, fate)
        sent, store.sent = store.sent, []
        assert len(sent) == len(set(sent)), "no part of an upload is sent twice in a life"
        assert not {(known, number) for number in range(1, up + 1)} & set(sent), "nothing that is noted is sent again"
        for upload_id in {upload_id for upload_id, _ in sent}:
            numbers = [number for its, number in sent if its == upload_id]
            if log.begun is not None and log.begun.upload_id == upload_id:
                assert len(set(numbers) - set(range(1, len(log.begun.receipts) + 1))) <= parallel
        assert store.objects in ({}, {KEY: body}), "visible whole or not at all"
        ways.update(number for _, number in sent)
        begun_anew += fate.expired
        cuts += answer is None
    assert answer == Stored(key=KEY, size_bytes=size, sha256=sha256(body))
    assert store.objects == {KEY: body}
    assert store.uploads == {}, "nothing is left behind"
    if not begun_anew:
        assert sum(ways.values()) <= len(parts_of(size, part)) + parallel * cuts
    event(f"{cuts} cuts, {begun_anew} expired")
