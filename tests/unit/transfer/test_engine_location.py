"""References that expire and files that move cost the parts that were on their way; another file is found out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.errors import (
    FileGone,
    FileMoved,
    FloodWait,
    IdentityMismatch,
    NotAnswered,
    PartUnavailable,
    ReferenceExpired,
    SessionAway,
    SessionNotReady,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.transfer import FileLocation
from teltubby.supervision import ActorCrashed
from teltubby.transfer.engine import FILE_PATIENCE_SECONDS
from teltubby.transfer.file_fetch import TURNS
from tests.mtproto_twins import Asked
from tests.unit.transfer.engines import MIB, ONE_BY_ONE, ROUND_TRIP, Bench, Script, always, bench, noise, same, took

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SIZE = 22 * MIB + 345
PARTS = 23
BODY = noise(SIZE, 1)


def after(it: Bench, count: int, happens: object) -> None:
    """When so many requests were made, that happens."""

    def meet(asked: Asked) -> None:
        if len(it.telegram.asked) == count:
            happens()  # type: ignore[operator]

    it.telegram.trouble = meet


# -- references


async def test_one_refresh_serves_all_parts_that_met_the_same(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        after(it, 20, remote.expire)
        remote.script.slow("refresh", 3.0)
        with took(3, 5):
            assert same(await it.attempt(remote), BODY)
        assert remote.script.count("refresh") == 1
        assert it.times(remote).total() <= PARTS + 16, "each part at most once more"
        assert it.telegram.closed == [], "no connection is to blame"


async def test_a_reference_may_expire_again_and_again_while_parts_come(tmp_path: Path) -> None:
    async with bench(tmp_path, limits=ONE_BY_ONE) as it:
        remote = it.document(SIZE)

        def meet(asked: Asked) -> None:
            if len(it.telegram.asked) % 3 == 0:
                remote.expire()

        it.telegram.trouble = meet
        assert same(await it.attempt(remote), BODY)
        assert remote.script.count("refresh") > TURNS


async def test_an_attempt_that_begins_with_an_old_reference_mends_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        old = remote.location
        remote.expire()
        assert same(await it.attempt(remote, old), BODY)
        assert remote.script.count("refresh") == 1


async def test_a_file_whose_reference_expired_does_not_lose_its_turn(tmp_path: Path) -> None:
    async with bench(tmp_path, large=1) as it:
        first, second = it.document(SIZE, 1), it.document(SIZE, 2)
        after(it, 20, first.expire)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.attempt, first)
            await anyio.sleep(0.5 * ROUND_TRIP)
            tasks.start_soon(it.attempt, second)
        order = [asked.document_id for asked in it.telegram.asked]
        assert order == sorted(order)


async def test_a_reference_that_never_is_good_ends_the_attempt(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = always(ReferenceExpired("FILE_REFERENCE_INVALID"))
        with took(0, FILE_PATIENCE_SECONDS), pytest.raises(ReferenceExpired):
            await it.attempt(remote)
        assert remote.script.count("refresh") == TURNS + 1
        it.telegram.trouble = Script()
        assert same(await it.attempt(remote), BODY)


@pytest.mark.parametrize("lie", [{"document_id": 2}, {"size": SIZE + 1}, {"size": SIZE - MIB}], ids=str)
async def test_another_file_in_its_place_is_found_out(tmp_path: Path, lie: dict[str, int]) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)

        async def another() -> FileLocation:
            return replace(remote.location, **lie)  # type: ignore[arg-type]

        after(it, 20, remote.expire)
        remote.refresh = another  # type: ignore[method-assign]
        with took(0, 5), pytest.raises(IdentityMismatch, match="meanwhile"):
            await it.attempt(remote)
        assert it.telegram.open_connections, "the engine goes on"
        assert all(asked.document_id == 1 for asked in it.telegram.asked)


AWAY: list[Exception] = [
    TelegramUnavailable("away"),
    SessionAway("connecting"),
    TimeoutError(),
    NotAnswered("busy"),
    FloodWait(5),
    ActorCrashed("worker/telegram/session", "ended before it answered"),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_a_refresh_is_tried_again_while_the_session_is_away(tmp_path: Path, error: Exception) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        after(it, 20, remote.expire)
        remote.script.fail("refresh", *[error] * 4)
        with took(4, 60):
            assert same(await it.attempt(remote), BODY)
        assert remote.script.count("refresh") == 5


async def test_a_flooded_refresh_waits_as_long_as_it_is_told(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        after(it, 20, remote.expire)
        remote.script.fail("refresh", FloodWait(40))
        assert same(await it.attempt(remote), BODY)
        first, second = remote.script.times("refresh")
        assert second >= first + 40


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_a_session_that_stays_away_ends_the_attempt_with_the_reason(tmp_path: Path, error: Exception) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        after(it, 20, remote.expire)
        remote.script.break_down("refresh", error)
        with took(FILE_PATIENCE_SECONDS, FILE_PATIENCE_SECONDS + 3), pytest.raises(TeltubbyError) as caught:
            await it.attempt(remote)
        assert isinstance(caught.value, NotAnswered if not isinstance(error, TeltubbyError) else type(error))


@pytest.mark.parametrize(
    "error",
    [FileGone("deleted"), SessionNotReady("signed out"), FloodWait(900), IdentityMismatch("another")],
    ids=lambda error: type(error).__name__,
)
async def test_a_refresh_that_nothing_can_mend_ends_the_attempt_at_once(tmp_path: Path, error: TeltubbyError) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        after(it, 20, remote.expire)
        remote.script.fail("refresh", error)
        with took(0, 5), pytest.raises(type(error)):
            await it.attempt(remote)


# -- data centres


async def test_a_file_that_moved_is_fetched_where_it_is(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        after(it, 20, lambda: remote.move(4))
        assert same(await it.attempt(remote), BODY)
        assert it.times(remote).total() <= PARTS + 16
        assert {asked.data_centre for asked in it.telegram.asked} == {2, 4}
        await anyio.sleep(60)
        assert it.engine.connections == 0, "nothing keeps those to the old data centre"


async def test_a_file_that_is_said_to_be_elsewhere_from_the_start(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE, data_centre=4)
        with took(0, 10):
            assert same(await it.attempt(remote, replace(remote.location, data_centre=2)), BODY)


async def test_a_file_that_is_sent_back_and_forth_is_given_up(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = lambda asked: FileMoved(4 if asked.data_centre == 2 else 2)
        with took(0, 10), pytest.raises(FileMoved):
            await it.attempt(remote)
        it.telegram.trouble = Script()
        assert same(await it.attempt(remote), BODY)


async def test_a_data_centre_that_sends_to_itself_is_given_up(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.telegram.trouble = always(FileMoved(2))
        with took(0, 10), pytest.raises(FileMoved):
            await it.attempt(it.document(SIZE))


async def test_a_file_that_moves_while_its_reference_expires(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)

        def happens() -> None:
            remote.move(4)
            remote.expire()

        after(it, 20, happens)
        assert same(await it.attempt(remote), BODY)


async def test_files_that_moved_wait_their_turn_there(tmp_path: Path) -> None:
    """At the new data centre, too, so many files are fetched at once."""
    async with bench(tmp_path, large=1) as it:
        remotes = [it.document(SIZE, number, data_centre=number + 1) for number in (1, 3)]
        after(it, 30, lambda: remotes[0].move(4))
        async with anyio.create_task_group() as tasks:
            for remote in remotes:
                tasks.start_soon(it.attempt, remote)
        at_4 = [asked.document_id for asked in it.telegram.asked if asked.data_centre == 4]
        assert at_4.index(1) > max(place for place, number in enumerate(at_4) if number == 3)


async def test_a_part_that_is_unavailable_elsewhere_does_not_hide_the_move(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = Script().meets(3, PartUnavailable("LOCATION_NOT_AVAILABLE"), FileMoved(4), None)
        remote.move(4)
        with took(0, 20 * ROUND_TRIP + 2):
            assert same(await it.attempt(remote), BODY)
