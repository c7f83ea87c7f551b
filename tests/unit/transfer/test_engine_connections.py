"""Connections that break, or cannot be had, cost the parts that were on them, and not the file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from teltubby.errors import (
    BadRequest,
    ConnectionLost,
    FloodWait,
    NotAnswered,
    SessionAway,
    SessionNotReady,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.transfer import PartConnection
from teltubby.transfer.engine import FILE_PATIENCE_SECONDS
from teltubby.transfer.lines import Dial
from tests.mtproto_twins import Asked, SessionTwin
from tests.unit.transfer.engines import MIB, ROUND_TRIP, bench, noise, same, took

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SIZE = 12 * MIB + 345
PARTS = 13
BODY = noise(SIZE, 1)


async def test_the_parts_of_a_lost_connection_move_to_the_others(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(40 * MIB)
        cut: list[int] = []

        def meet(asked: Asked) -> Exception | None:
            if asked.index == 20:
                cut.append(asked.connection)
                return ConnectionLost("reset") if len(cut) == 1 else None
            return None

        it.telegram.trouble = meet
        assert same(await it.attempt(remote), noise(40 * MIB, 1))
        again = {index for index, count in it.times(remote).items() if count > 1}
        assert 20 in again and len(again) <= 4, "only what was on its way on that connection"
        assert len(set(cut)) == 2, "another one brought it"
        assert cut[0] in it.telegram.closed


async def test_every_connection_may_be_cut(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(40 * MIB)
        async with anyio.create_task_group() as tasks:

            async def cut() -> None:
                while True:
                    await anyio.sleep(2.5 * ROUND_TRIP)
                    for connection in it.telegram.open_connections:
                        connection.lose()

            tasks.start_soon(cut)
            assert same(await it.attempt(remote), noise(40 * MIB, 1))
            tasks.cancel_scope.cancel()
        assert len(it.telegram.dialled) > 4


@pytest.mark.parametrize(
    "error",
    [TelegramUnavailable("away"), ConnectionLost("refused"), SessionAway("away"), NotAnswered("busy"), FloodWait(3)],
    ids=lambda error: type(error).__name__,
)
async def test_dials_that_fail_are_tried_again(tmp_path: Path, error: TeltubbyError) -> None:
    async with bench(tmp_path) as it:
        it.telegram.script.fail("dial", *[error] * 5)
        with took(3, 60):
            assert same(await it.attempt(it.document(SIZE)), BODY)
        dials = it.telegram.script.times("dial")
        if isinstance(error, FloodWait):
            assert all(later - earlier >= 3 for earlier, later in pairwise(dials[:6]))


@pytest.mark.parametrize(
    "error",
    [TelegramUnavailable("the whole truth"), SessionAway("the whole truth"), NotAnswered("the whole truth")],
    ids=lambda error: type(error).__name__,
)
async def test_dials_that_fail_for_good_end_with_their_reason(tmp_path: Path, error: TeltubbyError) -> None:
    async with bench(tmp_path) as it:
        it.telegram.script.break_down("dial", error)
        remote = it.document(SIZE)
        with (
            took(FILE_PATIENCE_SECONDS, FILE_PATIENCE_SECONDS + 1),
            pytest.raises(type(error), match="the whole truth"),
        ):
            await it.attempt(remote)
        assert it.telegram.script.count("dial") < 20
        it.telegram.script.repair("dial")
        assert same(await it.attempt(remote), BODY)


async def test_a_dial_that_is_flooded_for_long_parks_the_job(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.telegram.script.fail("dial", FloodWait(900))
        with took(0, 1), pytest.raises(FloodWait) as flood:
            await it.attempt(it.document(SIZE))
        assert flood.value.seconds == 900


@pytest.mark.parametrize(
    "error", [SessionNotReady("signed out"), BadRequest("no")], ids=lambda error: type(error).__name__
)
async def test_a_dial_that_nothing_can_mend_ends_the_files_at_once(tmp_path: Path, error: TeltubbyError) -> None:
    async with bench(tmp_path) as it:
        it.telegram.script.fail("dial", error)
        with took(0, 1), pytest.raises(type(error)):
            await it.attempt(it.document(SIZE))


async def test_a_further_connection_that_cannot_be_had_is_no_harm(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.telegram.script.fail("dial", *[SessionNotReady("signed out")] * 3, skip=1)
        assert same(await it.attempt(it.document(40 * MIB)), noise(40 * MIB, 1))


async def test_a_dial_that_hangs_does_not_hold_up_what_is_open(tmp_path: Path) -> None:
    def only_once(telegram: SessionTwin) -> Dial:
        async def dial(data_centre: int) -> PartConnection:
            if telegram.dialled:
                await anyio.sleep_forever()
            return await telegram.dial(data_centre)

        return dial

    async with bench(tmp_path, dial=only_once) as it:
        with took(0, 10):
            assert same(await it.attempt(it.document(40 * MIB)), noise(40 * MIB, 1))
