"""An engine that stops, crashes or starts late: files on their way learn of it, and every connection is closed."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from teltubby.errors import ConnectionLost
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import FetchLarge, PartConnection
from teltubby.transfer.engine import Engine
from teltubby.transfer.lines import CLOSE_SECONDS, Dial
from teltubby.transfer.pacing import Limits
from tests.mtproto_twins import Asked, RemoteTwin, SessionTwin
from tests.unit.transfer.engines import MIB, ROUND_TRIP, Bench, Script, bench, noise, same, took

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SIZE = 12 * MIB + 345
PARTS = 13
BODY = noise(SIZE, 1)
LIMITS = Limits(connections=2, window=2, parts_in_flight=4)


async def test_files_that_come_before_the_engine_runs_are_fetched_when_it_does(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        engine = Engine(it.telegram.dial)
        async with it.spool(remote) as spool, anyio.create_task_group() as tasks:

            async def fetch(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
                task_status.started()
                await engine.fetch(
                    FetchLarge(account=AccountKind.BOT, location=remote.location, refresh=remote.refresh, into=spool)
                )
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
        request = FetchLarge(account=AccountKind.BOT, location=remote.location, refresh=remote.refresh, into=spool)
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
        assert it.in_flight == 0


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
                request = FetchLarge(
                    account=AccountKind.BOT, location=remote.location, refresh=remote.refresh, into=spool
                )
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
