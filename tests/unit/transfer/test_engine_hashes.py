"""Parts are checked against Telegram's own hashes where there are any: wrong bytes cost a part and never count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.errors import (
    BadRequest,
    ConnectionLost,
    ContentMismatch,
    FloodWait,
    PartUnavailable,
    ReferenceExpired,
    SessionNotReady,
    TeltubbyError,
    Unverifiable,
)
from teltubby.messages.transfer import RangeHash, VerifyHashes
from teltubby.transfer.engine import FILE_PATIENCE_SECONDS
from teltubby.transfer.file_fetch import TRIES_PER_PART
from teltubby.transfer.pacing import Limits
from tests.mtproto_twins import HASHED_BYTES, Asked, RemoteTwin, Silence, range_hash
from tests.unit.transfer.engines import MIB, ONE_BY_ONE, Script, bench, noise, same, took

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SIZE = 12 * MIB + 345
PARTS = 13
BODY = noise(SIZE, 1)
SPOILT = bytes([BODY[3 * MIB] ^ 1]) + BODY[3 * MIB + 1 : 4 * MIB]
AUTO, OFF, REQUIRE = VerifyHashes.AUTO, VerifyHashes.OFF, VerifyHashes.REQUIRE


def of_hashes(trouble: Callable[[Asked], object]) -> Callable[[Asked], object]:
    """Trouble with hashes alone."""
    return lambda asked: trouble(asked) if asked.hashes else None


@pytest.mark.parametrize("at_once", [8, 13, 16, 1000])
@pytest.mark.parametrize("verify", [AUTO, REQUIRE])
@pytest.mark.parametrize("size", [0, 1, HASHED_BYTES, MIB, 2 * MIB, SIZE])
async def test_right_bytes_are_verified_and_kept(tmp_path: Path, size: int, verify: VerifyHashes, at_once: int) -> None:
    async with bench(tmp_path, verify=verify) as it:
        remote = it.add(RemoteTwin(1, noise(size, 1), hashed=True, hashes_at_once=at_once))
        assert same(await it.attempt(remote), noise(size, 1))
        assert len(it.asked(remote)) == size // MIB + 1
        hashed = it.asked(remote, hashes=True)
        assert len(hashed) == len(set(hashed)) <= -(-size // MIB)
        assert bool(hashed) is bool(size)


async def test_nothing_is_asked_when_it_is_off(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=OFF) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = Script().meets(3, SPOILT)
        assert not same(await it.attempt(remote), BODY), "nobody could know"
        assert it.asked(remote, hashes=True) == []


@pytest.mark.parametrize("verify", [AUTO, REQUIRE])
async def test_wrong_bytes_are_fetched_again(tmp_path: Path, verify: VerifyHashes) -> None:
    async with bench(tmp_path, verify=verify) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = Script().meets(3, SPOILT, SPOILT).meets(PARTS - 1, b"x" * 345)
        assert same(await it.attempt(remote), BODY)
        assert {index: count for index, count in it.times(remote).items() if count > 1} == {3: 3, PARTS - 1: 2}


@pytest.mark.parametrize("verify", [AUTO, REQUIRE])
async def test_bytes_that_stay_wrong_are_never_kept(tmp_path: Path, verify: VerifyHashes) -> None:
    async with bench(tmp_path, verify=verify) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = Script().meets(3, *[SPOILT] * 99)
        with took(0, FILE_PATIENCE_SECONDS), pytest.raises(ContentMismatch, match=f"offset {3 * MIB} "):
            await it.attempt(remote)
        assert it.times(remote)[3] == TRIES_PER_PART
        async with it.spool(remote) as spool:
            assert 3 not in spool.present


async def test_hashes_that_lie_end_in_a_mismatch(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE, hashed=True)

        def lie(asked: Asked) -> Sequence[RangeHash]:
            first, *rest = remote.hashes(asked.index * MIB)
            return [replace(first, sha256=bytes(32)), *rest]

        it.telegram.trouble = of_hashes(lie)
        with pytest.raises(ContentMismatch):
            await it.attempt(remote)
        async with it.spool(remote) as spool:
            assert not spool.present


async def test_hashes_that_lied_once_cost_a_part_and_not_the_file(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE, hashed=True)
        lies = [1]

        def lie(asked: Asked) -> Sequence[RangeHash] | None:
            if asked.index != 3 or not lies:
                return None
            lies.pop()
            return [replace(entry, sha256=bytes(32)) for entry in remote.hashes(3 * MIB)]

        it.telegram.trouble = of_hashes(lie)
        assert same(await it.attempt(remote), BODY)
        assert it.times(remote)[3] == 2


# -- where there are none

NONE: list[Callable[[Asked], object]] = [
    lambda asked: (),
    lambda asked: BadRequest("METHOD_INVALID"),
]


@pytest.mark.parametrize("none", NONE, ids=["empty", "refused"])
async def test_a_server_without_hashes_is_asked_once_or_so(tmp_path: Path, none: Callable[[Asked], object]) -> None:
    async with bench(tmp_path, verify=AUTO, limits=ONE_BY_ONE) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = of_hashes(none)
        assert same(await it.attempt(remote), BODY)
        assert it.times(remote).total() == PARTS
        assert len(it.asked(remote, hashes=True)) == 1


@pytest.mark.parametrize("none", NONE, ids=["empty", "refused"])
async def test_without_hashes_nothing_is_archived_where_they_are_required(
    tmp_path: Path, none: Callable[[Asked], object]
) -> None:
    async with bench(tmp_path, verify=REQUIRE) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = of_hashes(none)
        with took(0, 5), pytest.raises(Unverifiable, match="MTPROTO_VERIFY_HASHES=require"):
            await it.attempt(remote)
        async with it.spool(remote) as spool:
            assert not spool.present


def with_a_gap(remote: RemoteTwin) -> Callable[[Asked], object]:
    """Part 3 lacks a range, whoever asks."""
    return lambda asked: [entry for entry in remote.hashes(asked.index * MIB) if entry.offset != 3 * MIB + HASHED_BYTES]


async def test_a_gap_leaves_one_part_unverified_and_no_other(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=AUTO, limits=ONE_BY_ONE) as it:
        remote = it.document(SIZE, hashed=True)
        gap, script = with_a_gap(remote), Script().meets(5, noise(MIB, 77))
        it.telegram.trouble = lambda asked: gap(asked) if asked.hashes else script(asked)
        with took(0, 60):
            assert same(await it.attempt(remote), BODY)
        assert it.times(remote)[5] == 2


async def test_a_gap_is_not_accepted_where_hashes_are_required(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=REQUIRE) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = of_hashes(with_a_gap(remote))
        with pytest.raises(Unverifiable):
            await it.attempt(remote)


@pytest.mark.parametrize(
    "ranges",
    [
        [RangeHash(offset=0, length=0, sha256=b"")],
        [RangeHash(offset=0, length=-5, sha256=b"x" * 32)],
        [RangeHash(offset=0, length=1 << 40, sha256=b"x" * 32)],
        [RangeHash(offset=-MIB, length=2 * MIB, sha256=b"x" * 32)],
        [range_hash(BODY, 0, MIB - 1)],
        [range_hash(BODY, 0, 2 * MIB)],
        [range_hash(BODY, MIB, MIB)],
        [range_hash(BODY, 0, MIB)] * 1000 + [RangeHash(offset=1, length=5, sha256=b"")],
    ],
    ids=lambda ranges: f"{len(ranges)}x{ranges[0].length}@{ranges[0].offset}",
)
async def test_ranges_that_make_no_sense_do_no_harm(tmp_path: Path, ranges: Sequence[RangeHash]) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE)
        it.telegram.trouble = of_hashes(lambda asked: ranges)
        with took(0, 60):
            assert same(await it.attempt(remote), BODY)


# -- trouble on the way


@pytest.mark.parametrize(
    "trouble",
    [[FloodWait(7)], [FloodWait(7)] * 3, [PartUnavailable("INTERNAL")], [PartUnavailable("Timeout")] * 3],
    ids=["flood", "floods", "trouble", "troubles"],
)
async def test_trouble_with_hashes_is_waited_out_and_costs_no_part(tmp_path: Path, trouble: list[Exception]) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE, hashed=True)
        row = list(trouble)
        it.telegram.trouble = of_hashes(lambda asked: row.pop() if row and asked.index == 3 else None)
        assert same(await it.attempt(remote), BODY)
        assert it.times(remote).total() == PARTS


async def test_hashes_that_never_come_end_the_attempt(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = of_hashes(lambda asked: Silence())
        with took(60, FILE_PATIENCE_SECONDS + 1), pytest.raises(PartUnavailable):
            await it.attempt(remote)


async def test_a_long_flood_of_hashes_parks_the_job(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = of_hashes(lambda asked: FloodWait(600))
        with took(0, 5), pytest.raises(FloodWait):
            await it.attempt(remote)


@pytest.mark.parametrize(
    "error",
    [ReferenceExpired("FILE_REFERENCE_EXPIRED"), ConnectionLost("reset")],
    ids=lambda error: type(error).__name__,
)
async def test_hashes_have_the_same_recoveries_as_parts(tmp_path: Path, error: TeltubbyError) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE, hashed=True)
        row = [error]
        it.telegram.trouble = of_hashes(lambda asked: row.pop() if row and asked.index == 3 else None)
        with took(0, 10):
            assert same(await it.attempt(remote), BODY)
        assert remote.script.count("refresh") == isinstance(error, ReferenceExpired)


async def test_a_signed_out_session_is_told_by_hashes_too(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        it.telegram.trouble = of_hashes(lambda asked: SessionNotReady("signed out"))
        with took(0, 5), pytest.raises(SessionNotReady):
            await it.attempt(it.document(SIZE, hashed=True))


async def test_slow_hashes_delay_their_parts_and_nothing_else(tmp_path: Path) -> None:
    async with bench(tmp_path, verify=AUTO) as it:
        remote = it.document(SIZE, hashed=True)
        it.telegram.trouble = of_hashes(lambda asked: FloodWait(20) if asked.at < 1 else None)
        with took(20, 30):
            assert same(await it.attempt(remote), BODY)
        assert it.times(remote).total() == PARTS


async def test_hashes_whose_connection_was_lost_are_asked_for_over_that_of_the_part(tmp_path: Path) -> None:
    """The hashes of part 0 are flooded, its connection is cut, and the part comes over another: that one is good."""
    async with bench(tmp_path, verify=AUTO, limits=Limits(connections=2)) as it:
        remote = it.document(SIZE, hashed=True)
        flooded: list[int] = []

        def meet(asked: Asked) -> object:
            if asked.index != 0:
                return None
            if asked.hashes and not flooded:
                flooded.append(asked.connection)
                return FloodWait(6)
            return Silence() if not asked.hashes and asked.connection in (1, *flooded) else None

        it.telegram.trouble = meet
        async with anyio.create_task_group() as tasks:

            async def cut() -> None:
                await anyio.sleep(3)
                it.telegram.dialled[0].lose()

            tasks.start_soon(cut)
            with took(6, 20):
                assert same(await it.attempt(remote), BODY)
        assert flooded == [1]
        assert set(it.telegram.closed) == {1}, "no other connection is to blame"
        assert it.times(remote)[0] == 2
