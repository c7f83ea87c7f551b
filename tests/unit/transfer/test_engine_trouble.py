"""Trouble of the line costs a part, or a connection, and not the file; and it does not last for ever."""

from __future__ import annotations

import math
from pathlib import Path

import anyio
import pytest

from teltubby.errors import (
    BadRequest,
    ContentMismatch,
    FileGone,
    FloodWait,
    PartUnavailable,
    SessionNotReady,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.transfer.engine import FILE_PATIENCE_SECONDS
from teltubby.transfer.file_fetch import TRIES_PER_PART
from teltubby.transfer.pacing import Limits
from tests.mtproto_twins import Asked, Silence
from tests.unit.transfer.engines import MIB, ROUND_TRIP, Script, always, bench, noise, same, took

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SIZE = 12 * MIB + 345
PARTS = 13
BODY = noise(SIZE, 1)


# -- floods


async def test_a_short_flood_is_waited_out_at_the_part_while_others_go_on(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, FloodWait(7))
        with took(7, 9):
            assert same(await it.attempt(remote), BODY)
        assert {index: count for index, count in it.times(remote).items() if count > 1} == {3: 2}
        first, again = (asked.at for asked in it.telegram.asked if asked.index == 3)
        assert again >= first + ROUND_TRIP + 7
        assert all(asked.at < again for asked in it.telegram.asked if asked.index != 3), "the others did not wait"


async def test_a_part_that_is_flooded_again_and_again_is_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(0, *[FloodWait(9)] * 10)
        with took(90, 95):
            assert same(await it.attempt(remote), BODY)


async def test_a_long_flood_parks_every_file_until_it_is_over(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remotes = [it.document(SIZE, number) for number in (1, 2)]
        waits: list[float] = []
        it.telegram.trouble = lambda asked: FloodWait(300) if asked.document_id == 1 and asked.index == 5 else None

        async def run(number: int) -> None:
            with pytest.raises(FloodWait) as flood:
                await it.attempt(remotes[number])
            waits.append(flood.value.seconds)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, 0)
            tasks.start_soon(run, 1)
        assert waits == [300, 300]
        await anyio.sleep(100)
        with took(0, 0), pytest.raises(FloodWait) as flood:
            await it.attempt(remotes[1])
        assert flood.value.seconds == pytest.approx(200, abs=2)
        asked = len(it.telegram.asked)
        await anyio.sleep(flood.value.seconds)
        it.telegram.trouble = Script()
        for number, remote in enumerate(remotes, 1):
            assert same(await it.attempt(remote), noise(SIZE, number))
        assert len(it.telegram.asked) - asked <= 2 * PARTS


async def test_a_server_that_floods_everything_parks_the_job_with_its_own_wait(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.telegram.trouble = always(FloodWait(50))
        with took(FILE_PATIENCE_SECONDS, FILE_PATIENCE_SECONDS + 1), pytest.raises(FloodWait) as flood:
            await it.attempt(it.document(SIZE))
        assert flood.value.seconds == 50
        assert len(it.telegram.asked) <= 8, "a flooded account is asked seldom"


# -- parts


async def test_a_part_that_cannot_be_served_now_is_asked_for_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, *[PartUnavailable("LOCATION_NOT_AVAILABLE")] * 4)
        with took(0.5, 30):
            assert same(await it.attempt(remote), BODY)
        assert {index: count for index, count in it.times(remote).items() if count > 1} == {3: 5}


async def test_a_part_that_can_never_be_served_ends_the_attempt_but_not_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = always(PartUnavailable("LOCATION_NOT_AVAILABLE"), index=3)
        with took(5, FILE_PATIENCE_SECONDS), pytest.raises(PartUnavailable, match="LOCATION_NOT_AVAILABLE"):
            await it.attempt(remote)
        assert it.times(remote)[3] == TRIES_PER_PART
        it.telegram.trouble = Script()
        it.telegram.asked.clear()
        assert same(await it.attempt(remote), BODY)
        assert it.asked(remote) == [3], "all the others had come"


async def test_a_request_that_is_never_answered_is_made_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        lost: list[Asked] = []

        def meet(asked: Asked) -> Silence | None:
            if asked.index == 9 and not lost:
                lost.append(asked)
                return Silence()
            return None

        it.telegram.trouble = meet
        with took(10, 13):
            assert same(await it.attempt(remote), BODY)
        assert {index: count for index, count in it.times(remote).items() if count > 1} == {9: 2}


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.telegram.trouble = lambda asked: Silence()
        remote = it.document(SIZE)
        with took(60, FILE_PATIENCE_SECONDS + 1), pytest.raises(PartUnavailable, match="did not answer in time"):
            await it.attempt(remote)


async def test_a_connection_that_lost_all_its_requests_does_not_teach_endless_patience(tmp_path: Path) -> None:
    """Four requests of one connection that is dead run out at the same time, which is one event and not four."""
    async with bench(tmp_path, limits=Limits(connections=1, window=8)) as it:
        await it.attempt(it.document(SIZE, 2))  # so that the window is wide, and 10 s are patience enough
        remote = it.document(SIZE)
        began = anyio.current_time()
        it.telegram.trouble = lambda asked: Silence() if asked.at < began + 11 else None
        with took(20, 40):
            assert same(await it.attempt(remote), BODY)


async def test_a_slow_line_is_not_mistaken_for_a_dead_one(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.telegram.round_trip = 25.0
        remote = it.document(SIZE)
        assert same(await it.attempt(remote), BODY)
        assert it.times(remote).total() == PARTS


async def test_a_line_that_became_slow_is_survived(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.attempt(it.document(SIZE, 2))
        it.telegram.round_trip = 35.0
        remote = it.document(SIZE)
        assert same(await it.attempt(remote), BODY)


@pytest.mark.parametrize("got", [b"", b"short", BODY[:MIB] + b"x"], ids=["empty", "short", "long"])
async def test_a_part_of_another_length_is_asked_for_again(tmp_path: Path, got: bytes) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, got, got)
        assert same(await it.attempt(remote), BODY)
        assert {index: count for index, count in it.times(remote).items() if count > 1} == {3: 3}


async def test_a_part_that_is_always_of_another_length_ends_the_attempt(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, *[b"short"] * 99)
        with pytest.raises(ContentMismatch, match=f"5 bytes came at offset {3 * MIB}, {MIB} were due"):
            await it.attempt(remote)
        assert it.times(remote)[3] == TRIES_PER_PART


@pytest.mark.parametrize(
    "error",
    [SessionNotReady("AUTH_KEY_UNREGISTERED"), FileGone("LOCATION_INVALID"), BadRequest("LIMIT_INVALID")],
    ids=lambda error: type(error).__name__,
)
async def test_what_nothing_can_mend_ends_the_attempt_at_once(tmp_path: Path, error: TeltubbyError) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, error)
        with took(0, 2), pytest.raises(type(error), match=str(error)):
            await it.attempt(remote)
        it.telegram.asked.clear()
        assert same(await it.attempt(remote), BODY)
        assert len(it.asked(remote)) < PARTS, "what had come stays"


@pytest.mark.parametrize("start", [0.0, 0.1, 43.7, 88.7, 998.1, 2011.2, math.pi])
async def test_patience_ends_whatever_the_clock_shows(tmp_path: Path, start: float) -> None:
    async with bench(tmp_path) as it:
        it.telegram.script.break_down("dial", TelegramUnavailable("away"))
        await anyio.sleep(start)
        with took(FILE_PATIENCE_SECONDS - 1, FILE_PATIENCE_SECONDS + 1), pytest.raises(TelegramUnavailable):
            await it.attempt(it.document(5))
