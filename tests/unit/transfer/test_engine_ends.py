"""What ends a file or the engine in the middle: what was on its way stops, and nothing that others need does."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from teltubby.errors import ConnectionLost, ReferenceExpired, SpoolClosed, SpoolFull, TeltubbyError
from teltubby.messages.transfer import FetchLarge, PartConnection
from teltubby.transfer.engine import Engine
from teltubby.transfer.lines import CLOSE_SECONDS, Dial
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool import Spool
from tests.mtproto_twins import Asked, RemoteTwin, SessionTwin, Silence
from tests.unit.transfer.engines import MIB, ROUND_TRIP, Bench, Script, bench, noise, same, took
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SIZE = 12 * MIB + 345
PARTS = 13
BODY = noise(SIZE, 1)
LIMITS = Limits(connections=2, window=2, parts_in_flight=4)


def in_flight(it: Bench) -> int:
    return sum(each.in_flight for each in it.telegram.connections)


async def assert_it_goes_on(it: Bench, document_id: int = 9) -> None:
    """All slots are free again, and another file has them all."""
    await until(lambda: not in_flight(it), within=1)
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
        assert in_flight(it) == 0
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
            assert in_flight(it) == 0
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
async def test_a_disk_that_is_full_ends_the_fetch_and_tells_whoever_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
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
            with pytest.raises(SpoolFull, match="no space"):
                await spool.read(index * MIB, 1)
        assert same(await it.attempt(remote), BODY)
        await assert_it_goes_on(it)


async def test_a_reader_is_told_why_no_more_comes(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=LIMITS) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, *[b"short"] * 99)
        async with it.spool(remote) as spool, anyio.create_task_group() as tasks:

            async def read() -> None:
                with pytest.raises(TeltubbyError, match="5 bytes came"):
                    await spool.read(3 * MIB, MIB)

            tasks.start_soon(read)
            with pytest.raises(TeltubbyError, match="5 bytes came"):
                await it.fetch(remote, spool)


# -- the engine


async def test_files_that_come_before_the_engine_runs_are_fetched_when_it_does(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        engine = Engine(it.telegram.dial)
        async with it.spool(remote) as spool, anyio.create_task_group() as tasks:

            async def fetch(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
                task_status.started()
                await engine.fetch(FetchLarge(location=remote.location, refresh=remote.refresh, into=spool))
                tasks.cancel_scope.cancel()

            await tasks.start(fetch)
            await anyio.sleep(1)
            tasks.start_soon(engine.run)
        async with it.spool(remote) as spool:
            assert len(spool.present) == PARTS


async def stopped(it: Bench, remote: RemoteTwin, after: float) -> None:
    """An engine of its own is stopped so long after it began to fetch."""
    engine = Engine(it.telegram.dial, limits=LIMITS)
    async with it.spool(remote) as spool, anyio.create_task_group() as tasks:
        running = anyio.CancelScope()

        async def run() -> None:
            with running:
                await engine.run()

        tasks.start_soon(run)

        async def stop() -> None:
            await anyio.sleep(after)
            running.cancel()

        tasks.start_soon(stop)
        request = FetchLarge(location=remote.location, refresh=remote.refresh, into=spool)
        with took(after, after), pytest.raises(ConnectionLost, match="stopped"):
            await engine.fetch(request)
        with took(0, 0), pytest.raises(ConnectionLost, match="stopped"):
            await engine.fetch(request)
    assert it.telegram.open_connections == [] and engine.connections == 0


async def test_an_engine_that_is_stopped_lets_go_of_everything(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        await stopped(it, remote, 3.5 * ROUND_TRIP)
        assert same(await it.attempt(remote), BODY)
        assert it.times(remote).total() <= PARTS + 4, "what had come stayed"


async def test_an_engine_that_is_stopped_while_it_dials(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.script.slow("dial", 5.0)
        await stopped(it, remote, 2.0)
        assert in_flight(it) == 0


async def test_a_bug_ends_the_engine_and_not_in_silence(tmp_path: Path) -> None:
    """An exception that nobody foresaw is the supervisor's business; files on their way learn that it is over."""
    telegram = SessionTwin()
    telegram.is_open = True
    ends: list[type[Exception]] = []

    def meet(asked: Asked) -> Exception | None:
        return ZeroDivisionError("a bug") if asked.index == 3 else None

    telegram.trouble = meet
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        telegram.documents = it.telegram.documents
        engine = Engine(telegram.dial)
        with pytest.raises(BaseExceptionGroup) as crash:
            async with it.spool(remote) as spool, anyio.create_task_group() as tasks:
                tasks.start_soon(engine.run)
                request = FetchLarge(location=remote.location, refresh=remote.refresh, into=spool)
                try:
                    await engine.fetch(request)
                except ConnectionLost as error:
                    ends.append(type(error))
        assert crash.group_contains(ZeroDivisionError)
        assert ends == [ConnectionLost]
        assert telegram.open_connections == []


async def test_a_connection_that_does_not_close_holds_nothing_up(tmp_path: Path) -> None:
    def sticky(telegram: SessionTwin) -> Dial:
        async def dial(data_centre: int) -> PartConnection:
            connection = await telegram.dial(data_centre)
            close = connection.aclose

            async def hang() -> None:
                await close()
                await anyio.sleep_forever()

            connection.aclose = hang  # type: ignore[method-assign]
            return connection

        return dial

    async with bench(tmp_path, dial=sticky) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, ConnectionLost("reset"))
        with took(0, CLOSE_SECONDS + 2):
            assert same(await it.attempt(remote), BODY)
        began = anyio.current_time()
        open_now = it.engine.connections
    assert open_now > 1
    assert anyio.current_time() <= began + CLOSE_SECONDS + 1, "all of them at the same time"


async def test_a_connection_is_closed_even_if_whoever_noticed_is_cancelled(tmp_path: Path) -> None:
    closed: list[float] = []

    def slow_to_close(telegram: SessionTwin) -> Dial:
        async def dial(data_centre: int) -> PartConnection:
            connection = await telegram.dial(data_centre)
            close = connection.aclose

            async def aclose() -> None:
                await anyio.sleep(1)
                await close()
                closed.append(anyio.current_time())

            connection.aclose = aclose  # type: ignore[method-assign]
            return connection

        return dial

    async with bench(tmp_path, limits=LIMITS, dial=slow_to_close) as it:
        it.telegram.trouble = Script().meets(0, ConnectionLost("reset"))
        with anyio.move_on_after(ROUND_TRIP + 0.5):
            await it.attempt(it.document(SIZE))
        assert closed == [pytest.approx(ROUND_TRIP + 1)]
