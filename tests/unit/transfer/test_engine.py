"""The download engine while all goes well: every part once, many at a time, never more than allowed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from teltubby.errors import BadRequest, ContentMismatch
from teltubby.transfer.lines import IDLE_SECONDS
from teltubby.transfer.pacing import Limits
from tests.mtproto_twins import RemoteTwin
from tests.unit.transfer.engines import MIB, ONE_BY_ONE, ROUND_TRIP, bench, noise, same, took
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 12_345])
async def test_the_whole_file_comes_each_part_once(tmp_path: Path, size: int) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(size)
        assert same(await it.attempt(remote), noise(size, 1))
        assert sorted(it.asked(remote)) == list(range(size // MIB + 1)), "the last part, empty or not, proves the end"


@pytest.mark.parametrize("size", [0, MIB, 2 * MIB])
async def test_a_server_that_refuses_what_is_beyond_the_end_proves_it_too(tmp_path: Path, size: int) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(size)
        it.telegram.trouble = lambda asked: BadRequest("OFFSET_INVALID") if asked.index == size // MIB else None
        assert same(await it.attempt(remote), noise(size, 1))


LIES = [
    (size, claimed)
    for size in (0, 5, MIB, 2 * MIB, 2 * MIB + 5)
    for claimed in (0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 3 * MIB)
    if size != claimed
]


@pytest.mark.parametrize(("size", "claimed"), LIES)
async def test_a_size_that_lies_is_found_out_and_nothing_wrong_is_kept(tmp_path: Path, size: int, claimed: int) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(size, claimed=claimed)
        with pytest.raises(ContentMismatch):
            await it.attempt(remote)
        async with it.spool(remote) as spool:
            for index in spool.present:
                assert (index + 1) * MIB <= min(size, claimed)
        assert max(it.times(remote).values()) <= 6


async def test_it_grows_and_is_as_fast_as_its_caps_allow(tmp_path: Path) -> None:
    limits = Limits(connections=4, window=4, parts_in_flight=16)
    async with bench(tmp_path, limits=limits) as it:
        remote = it.document(64 * MIB - 5)
        with took(4 * ROUND_TRIP, 10 * ROUND_TRIP):
            await it.attempt(remote)
        assert it.telegram.most_in_flight == 16
        assert it.telegram.most_open == {2: 4}
        assert [each.most_in_flight for each in it.telegram.dialled] == [4] * 4


@pytest.mark.parametrize(
    "limits",
    [
        ONE_BY_ONE,
        Limits(connections=3, window=2, parts_in_flight=5),
        Limits(connections=1, window=8, parts_in_flight=6),
        Limits(connections=8, window=1, parts_in_flight=16),
    ],
    ids=str,
)
async def test_no_cap_is_ever_exceeded(tmp_path: Path, limits: Limits) -> None:
    async with bench(tmp_path, limits=limits) as it:
        remotes = [it.document(20 * MIB + 7, number, data_centre=2 + 2 * (number % 2)) for number in range(1, 6)]
        async with anyio.create_task_group() as tasks:
            for remote in remotes:
                tasks.start_soon(it.attempt, remote)
        assert it.telegram.most_in_flight == limits.parts_in_flight or limits.connections * limits.window < 5
        assert it.telegram.most_in_flight <= limits.parts_in_flight
        assert all(count <= limits.connections for count in it.telegram.most_open.values())
        assert all(each.most_in_flight <= limits.window for each in it.telegram.dialled)


async def test_an_attempt_fetches_only_what_the_last_one_did_not_leave(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(6 * MIB + 5)
        body = noise(6 * MIB + 5, 1)
        async with it.spool(remote) as spool:
            for index in (0, 2, 5, 6):
                await spool.write(index, body[index * MIB : (index + 1) * MIB])
        assert same(await it.attempt(remote), body)
        assert sorted(it.asked(remote)) == [1, 3, 4]
        it.telegram.asked.clear()
        assert same(await it.attempt(remote), body)
        assert it.asked(remote) == [], "all of it was there"


async def test_the_parts_come_so_that_the_front_grows(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=ONE_BY_ONE) as it:
        remote = it.document(4 * MIB + 5)
        await it.attempt(remote)
        assert it.asked(remote) == [0, 1, 2, 3, 4]


async def test_connections_are_kept_between_files_and_closed_when_nobody_needs_them(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.attempt(it.document(8 * MIB, 1))
        open_now = it.engine.connections
        assert open_now == len(it.telegram.open_connections) > 1
        await anyio.sleep(IDLE_SECONDS - 1)
        await it.attempt(it.document(8 * MIB, 2))
        assert not it.telegram.closed, "a second file needs them"
        with took(IDLE_SECONDS - 1, IDLE_SECONDS + 1):
            await until(lambda: not it.engine.connections, every=0.1)
        assert it.telegram.open_connections == []
        await it.attempt(it.document(8 * MIB, 3))


async def test_files_at_several_data_centres_go_on_side_by_side(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remotes = [it.document(16 * MIB, number, data_centre=number) for number in (1, 2, 4)]
        async with anyio.create_task_group() as tasks:
            for remote in remotes:
                tasks.start_soon(it.attempt, remote)
        for remote in remotes:
            centres = {
                asked.data_centre for asked in it.telegram.asked if asked.document_id == remote.location.document_id
            }
            assert centres == {remote.location.data_centre}


# -- several files


async def test_two_files_share_fairly(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=Limits(connections=1, window=4, parts_in_flight=4)) as it:
        ends: dict[int, float] = {}

        async def run(remote: RemoteTwin, after: float) -> None:
            await anyio.sleep(after)
            await it.attempt(remote)
            ends[remote.location.document_id] = anyio.current_time()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, it.document(40 * MIB, 1), 0.0)
            tasks.start_soon(run, it.document(40 * MIB, 2), 2 * ROUND_TRIP)
        shared = [asked.document_id for asked in it.telegram.asked if asked.at > 3 * ROUND_TRIP][:48]
        assert 20 <= shared.count(1) <= 28, "each has half of the line"
        assert abs(ends[1] - ends[2]) < 6 * ROUND_TRIP


async def test_two_files_take_turns_where_there_is_room_for_one_part(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=ONE_BY_ONE) as it:
        async with anyio.create_task_group() as tasks:
            for number in (1, 2):
                tasks.start_soon(it.attempt, it.document(8 * MIB, number))
        order = [asked.document_id for asked in it.telegram.asked]
        assert all(earlier != later for earlier, later in pairwise(order))


async def test_a_small_file_does_not_wait_for_large_ones(tmp_path: Path) -> None:
    limits = Limits(connections=1, window=2, parts_in_flight=2)
    async with bench(tmp_path, limits=limits) as it, anyio.create_task_group() as tasks:
        for number in (1, 2, 3):
            tasks.start_soon(it.attempt, it.document(30 * MIB, number))
        await anyio.sleep(3 * ROUND_TRIP)
        with took(2 * ROUND_TRIP, 8 * ROUND_TRIP):
            await it.attempt(it.document(2 * MIB + 5, 9))
        tasks.cancel_scope.cancel()


async def test_so_many_files_of_a_class_are_fetched_at_once_and_no_more(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=Limits(connections=4, window=8, parts_in_flight=32), large=2, small=3) as it:
        order: list[int] = []

        async def run(remote: RemoteTwin) -> None:
            await it.attempt(remote)
            order.append(remote.location.document_id)

        large = [it.document(21 * MIB, number) for number in range(1, 5)]
        small = [it.document(4 * MIB, number) for number in range(11, 16)]
        async with anyio.create_task_group() as tasks:
            for remote in (*large, *small):
                tasks.start_soon(run, remote)
                await anyio.lowlevel.checkpoint()
        alive: set[int] = set()
        last = {asked.document_id: place for place, asked in enumerate(it.telegram.asked)}
        for place, asked in enumerate(it.telegram.asked):
            alive.add(asked.document_id)
            assert sum(number < 10 for number in alive) <= 2
            assert sum(number > 10 for number in alive) <= 3
            if last[asked.document_id] == place:
                alive.discard(asked.document_id)
        assert sorted(order) == [1, 2, 3, 4, 11, 12, 13, 14, 15]


async def test_a_file_that_waits_for_its_turn_is_not_given_up(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=ONE_BY_ONE, large=1) as it:
        it.telegram.round_trip = 20.0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.attempt, it.document(21 * MIB, 1))
            await anyio.sleep(1)
            with took(43 * 20 - 2, 44 * 20 + 2):
                await it.attempt(it.document(21 * MIB, 2))
