"""How readings become snapshots: each rule for itself, and the law that order and repetition do not matter."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.sqlite_file import to_text
from teltubby.collector.series import Snapshot, inserted, merged, snapshot_of
from teltubby.messages.collected import PostMetrics
from tests.unit.collector.world import NOON, counted

COUNT = st.none() | st.integers(0, 4)
READINGS = st.lists(
    st.builds(
        lambda minutes, reactions, reactions_told, **counts: counted(
            1,
            NOON + timedelta(minutes=minutes),
            reactions=reactions if reactions_told else {},
            reactions_told=reactions_told,
            **counts,
        ),
        st.integers(0, 240),
        st.dictionaries(st.sampled_from(["👍", "❤", "custom_5"]), st.integers(1, 3), max_size=2),
        views=COUNT,
        forwards=COUNT,
        replies=COUNT,
        comments=COUNT,
        reactions_told=st.booleans(),
    ),
    max_size=12,
)


def series(readings: list[PostMetrics]) -> list[Snapshot]:
    held: dict[str, Snapshot] = {}
    for reading in readings:
        changed = inserted(sorted(held.values(), key=lambda one: one.time), snapshot_of(reading, 3600))
        held.update({snapshot.time: snapshot for snapshot in changed})
    return sorted(held.values(), key=lambda one: one.time)


def most(numbers: list[int | None]) -> int | None:
    return max((number for number in numbers if number is not None), default=None)


@given(READINGS, st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_series(readings: list[PostMetrics], rng: object) -> None:
    shuffled = readings * 2
    getattr(rng, "shuffle")(shuffled)  # noqa: B009 - hypothesis types it as object
    assert series(shuffled) == series(readings)


@given(READINGS)
def test_a_series_is_what_the_rules_say(readings: list[PostMetrics]) -> None:
    buckets: dict[str, list[PostMetrics]] = {}
    for reading in readings:
        buckets.setdefault(snapshot_of(reading, 3600).time, []).append(reading)
    told = series(readings)
    assert [snapshot.time for snapshot in told] == sorted(buckets)
    for snapshot in told:
        until = [one for time, those in buckets.items() if time <= snapshot.time for one in those]
        assert snapshot.views == most([one.views for one in until]), "views only grow"
        assert snapshot.forwards == most([one.forwards for one in until])
        told_of = [(one.ts, one.reactions_count) for one in until if one.reactions_told]
        assert snapshot.reactions_count == max(told_of, default=(None, 0))[1], "the newest has the word"
        replies = [(one.ts, one.replies) for one in until if one.replies is not None]
        assert snapshot.replies == max(replies, default=(None, None))[1]
        assert snapshot.ts == to_text(max(one.ts for one in buckets[snapshot.time]))


def test_a_stale_reading_takes_nothing_back() -> None:
    fresh = snapshot_of(counted(1, NOON + timedelta(minutes=9), 100, reactions={"👍": 5}, replies=3), 3600)
    stale = snapshot_of(counted(1, NOON + timedelta(minutes=5), 90, reactions={"👍": 4}), 3600)
    assert merged(fresh, stale) == merged(stale, fresh) == fresh


def test_a_newer_decrease_of_reactions_is_kept_and_one_of_views_is_not() -> None:
    before = snapshot_of(counted(1, NOON, 100, reactions={"👍": 5}, comments=4), 3600)
    after = snapshot_of(counted(1, NOON + timedelta(minutes=5), 90, reactions={"👍": 4}, comments=2), 3600)
    assert merged(before, after) == after._replace(views=100)


def test_of_one_moment_the_higher_reading_counts() -> None:
    low = snapshot_of(counted(1, NOON, 1, reactions={"👍": 4}), 3600)
    high = snapshot_of(counted(1, NOON, 1, reactions={"❤": 5}), 3600)
    assert merged(low, high) == merged(high, low) == high


def test_buckets_begin_at_whole_multiples() -> None:
    readings = [counted(1, NOON + timedelta(seconds=seconds)) for seconds in (0, 899, 900)]
    times = [snapshot_of(reading, 900).time for reading in readings]
    assert times == ["2026-11-20T12:00:00.000000Z", "2026-11-20T12:00:00.000000Z", "2026-11-20T12:15:00.000000Z"]


def test_a_reading_of_views_alone_says_nothing_of_the_rest() -> None:
    full = snapshot_of(counted(1, NOON, 100, reactions={"👍": 5}, comments=4), 3600)
    for minutes in (5, 65):
        partial = snapshot_of(counted(1, NOON + timedelta(minutes=minutes), 120, reactions_told=False), 3600)
        (told,) = inserted([full], partial)
        assert (told.views, told.comments, told.reactions_json, told.ts) == (120, 4, '{"👍":5}', partial.ts)
