"""What ends a file in the middle: what was on its way stops, and nothing that others need does."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from teltubby.errors import ReferenceExpired, SpoolClosed, SpoolFull, TeltubbyError
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool import Spool
from tests.mtproto_twins import Silence
from tests.unit.transfer.engines import MIB, ROUND_TRIP, Bench, Script, bench, noise, same, took
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SIZE = 12 * MIB + 345
PARTS = 13
BODY = noise(SIZE, 1)
LIMITS = Limits(connections=2, window=2, parts_in_flight=4)


async def assert_it_goes_on(it: Bench, document_id: int = 9) -> None:
    """All slots are free again, and another file has them all."""
    await until(lambda: not it.in_flight, within=1)
    it.telegram.trouble = Script()
    it.telegram.most_in_flight = 0
    assert same(await it.attempt(it.document(SIZE, document_id)), noise(SIZE, document_id))
    assert it.telegram.most_in_flight == LIMITS.parts_in_flight


# -- cancelled


@pytest.mark.parametrize("after", [0.0, 0.5 * ROUND_TRIP, 3.5 * ROUND_TRIP])
async def test_a_fetch_that_is_cancelled_stops_at_once(tmp_path: Path, after: float) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        with anyio.move_on_after(after):
            await it.attempt(remote)
        assert anyio.current_time() == pytest.approx(after)
        assert it.in_flight == 0
        asked = len(it.telegram.asked)
        await anyio.sleep(10)
        assert len(it.telegram.asked) == asked, "nobody asks for it any more"
        await assert_it_goes_on(it)
        assert same(await it.attempt(remote), BODY)


async def test_a_fetch_that_is_cancelled_between_two_turns_of_the_engine_leaves_nothing(tmp_path: Path) -> None:
    """The engine has just begun parts whose tasks did not run yet."""
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        for turns in range(1, 40):
            scope = anyio.CancelScope()

            async def run(scope: anyio.CancelScope = scope) -> None:
                with scope:
                    await it.attempt(remote)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
            assert it.in_flight == 0
            asked = len(it.telegram.asked)
            await anyio.sleep(1)
            assert len(it.telegram.asked) == asked, f"after {turns} turns"
        await assert_it_goes_on(it)


async def test_a_cancelled_fetch_does_not_wait_for_a_refresh(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = lambda asked: ReferenceExpired("expired")
        remote.script.hold("refresh")
        with anyio.move_on_after(5):
            await it.attempt(remote)
        assert anyio.current_time() == pytest.approx(5)
        await assert_it_goes_on(it)


async def test_a_reference_that_expires_as_the_fetch_is_cancelled_is_not_renewed(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = lambda asked: ReferenceExpired("expired")
        remote.script.hold("refresh")
        with anyio.move_on_after(ROUND_TRIP):  # the moment at which the answers come
            await it.attempt(remote)
        assert anyio.current_time() <= 2 * ROUND_TRIP
        await assert_it_goes_on(it)


# -- the spool


async def test_a_spool_that_is_closed_ends_the_fetch_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        ends: list[float] = []

        async def run(spool: Spool) -> None:
            with pytest.raises(SpoolClosed):
                await it.fetch(remote, spool)
            ends.append(anyio.current_time())

        async with anyio.create_task_group() as tasks, it.spool(remote) as spool:
            tasks.start_soon(run, spool)
            await anyio.sleep(3.5 * ROUND_TRIP)
        assert ends == [pytest.approx(3.5 * ROUND_TRIP)]
        await assert_it_goes_on(it)
        assert same(await it.attempt(remote), BODY)


async def test_a_spool_that_was_closed_before_is_not_filled(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        async with it.spool(remote) as spool:
            pass
        with took(0, 1), pytest.raises(SpoolClosed):
            await it.fetch(remote, spool)


async def test_whoever_gives_the_file_up_ends_the_fetch_with_that_reason(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = lambda asked: Silence()
        async with it.spool(remote) as spool, anyio.create_task_group() as tasks:

            async def give_up() -> None:
                await anyio.sleep(1)
                spool.fail(SpoolFull("the store is full"))

            tasks.start_soon(give_up)
            with took(1, 1), pytest.raises(SpoolFull, match="the store is full"):
                await it.fetch(remote, spool)
        await assert_it_goes_on(it)


@pytest.mark.parametrize("index", [0, 5, 12])
async def test_a_disk_that_is_full_ends_the_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        async with it.spool(remote) as spool:
            write = spool.write

            async def full(number: int, data: bytes | memoryview) -> None:
                if number == index:
                    raise SpoolFull("no space left on device")
                await write(number, data)

            monkeypatch.setattr(spool, "write", full)
            with pytest.raises(SpoolFull, match="no space"):
                await it.fetch(remote, spool)
        assert same(await it.attempt(remote), BODY)
        await assert_it_goes_on(it)


async def test_what_one_fetch_did_not_bring_the_next_one_does_while_somebody_reads(tmp_path: Path) -> None:
    """A fetch that fails does not fail the file: it is for whoever asked to say that no more comes."""
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, *[b"short"] * 6)
        async with it.spool(remote) as spool, anyio.create_task_group() as tasks:
            got: list[bytes] = []

            async def read() -> None:
                got.append(await spool.read(0, SIZE))

            tasks.start_soon(read)
            with pytest.raises(TeltubbyError, match="5 bytes came"):
                await it.fetch(remote, spool)
            present, asked = set(spool.present), len(it.asked(remote))
            assert present and got == []
            await it.fetch(remote, spool)
            again = it.asked(remote)[asked:]
        assert same(got[0], BODY)
        assert len(again) == len(set(again)) and not present & set(again), "and asks only for what is missing"
