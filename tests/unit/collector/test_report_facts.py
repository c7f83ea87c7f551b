"""What a report counts: exactly what is stored of its days, and by index."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.collector import report_facts
from teltubby.collector.pages import Cursor, Page
from teltubby.collector.report_facts import MOST_POINTS, bucket_of, thinned
from teltubby.messages.collected import CollectedMessage, Link
from tests.unit.collector.reporting import AT, facts_of, fill, record
from tests.unit.collector.world import CHANNEL, NOON, channel, counted, hours, page, post, store_with

FIRST = NOON.date()


def test_every_day_of_the_span_has_its_posts_and_views_quiet_ones_too() -> None:
    with store_with() as store:
        fill(store)
        told = facts_of(store)
        assert (told.since.date(), told.since.hour, told.grain) == (FIRST, 0, "day")
        assert [bucket.begins for bucket in told.buckets] == [FIRST + timedelta(days=day) for day in range(10)]
        assert [(bucket.posts, bucket.views, bucket.reactions) for bucket in told.buckets[:4]] == [
            *[(1, 100, 12), (1, 300, 0), (0, 0, 0), (1, 50, 2)]
        ]
        assert (told.summary.posts, told.summary.views, told.complete_at) == (3, 450, AT)
        assert [number for _, number in told.subscribers] == [1000, 1010, 990]
        assert told.reactions == (("👍", 9), ("❤", 3), ("paid", 2))
        assert told.links == (("https://www.nasa.gov/a?b=1", 2), ("https://esa.int", 1))
        assert told.sites == (("nasa.gov", 2), ("esa.int", 1))
        assert [one.post.msg_id for one in told.top] == [30, 1, 60]
        assert facts_of(store, days=8).summary.posts == 1, "what was before the span is no part of it"


def test_it_is_compared_with_days_before_that_are_collected_up_to_the_same_hour() -> None:
    with store_with() as store:
        fill(store)
        for number, date in enumerate((AT - hours(24 * 8), AT - hours(24 * 8 + 1)), start=500):
            record(store, number, date=date)
        assert facts_of(store, days=8).before is None, "the days before may have had more posts"
        assert facts_of(store, days=8).begins is None
        store.record(page(cursor=Cursor(backfill_done=True)))
        told = facts_of(store, days=8)
        assert told.before is not None and told.before.posts == 2, "up to the same hour"
        assert facts_of(store, days=20).begins is None


def test_what_is_not_collected_yet_is_told_and_an_older_post_says_that_it_is() -> None:
    with store_with() as store:
        assert facts_of(store).begins is None
        fill(store)
        assert facts_of(store).begins == NOON + hours(1)
        record(store, 500, date=NOON - hours(24 * 11))
        assert facts_of(store).begins is None and facts_of(store).before is not None


def test_what_was_deleted_or_comes_later_does_not_count() -> None:
    with store_with() as store:
        fill(store)
        store.record(page(deleted=(30,)))
        record(store, 400, counted(400, NOON + hours(401), 7), text="of the future")
        told = facts_of(store)
        assert (told.summary.posts, sum(bucket.posts for bucket in told.buckets)) == (2, 2)
        assert told.sites == (("nasa.gov", 1),)
        assert {hour.hour for hour in told.hours} == {13, 0}


def test_views_are_gained_when_they_were_read_and_nobody_knows_when_an_old_post_had_its_first() -> None:
    before = NOON - hours(24 * 20)
    with store_with() as store:
        record(store, 1, counted(1, NOON + hours(2), 40), counted(1, NOON + hours(24), 100))
        record(store, 2, counted(2, NOON + hours(48), 1000), date=before, text="read for the first time")
        record(store, 3, counted(3, before, 70), counted(3, NOON + hours(49), 75), date=before, text="grows on")
        store.record(page(metrics=(counted(2, NOON + hours(50), 1001),)))
        gained = {bucket.begins: bucket.gained for bucket in facts_of(store).buckets}
        assert gained == {
            FIRST: 40,
            FIRST + timedelta(days=1): 60,
            FIRST + timedelta(days=2): 5 + 1,
            **{FIRST + timedelta(days=day): None for day in range(3, 10)},
        }


def test_the_best_hour_goes_by_the_median_of_posts_that_had_a_day_to_be_seen() -> None:
    with store_with() as store:
        for number, views in enumerate((10, 20, 5000, 30), start=1):
            record(store, number, counted(number, AT, views), date=NOON + hours(24 * number))
        record(store, 5, counted(5, AT, 1), date=AT - hours(23))
        record(store, 6, date=NOON)
        (noon,) = facts_of(store).hours
        assert (noon.hour, noon.posts, noon.median) == (12, 4, 25)


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("HTTPS://WWW.Example.org", "example.org"),
        ("http://example.org?a/b", "example.org"),
        ("https://example.org#part", "example.org"),
        ("https://xn--e1afmkfd.xn--p1ai:8080/a", "xn--e1afmkfd.xn--p1ai:8080"),
        ("mailto:me@example.org", None),
        ("://", None),
    ],
)
def test_the_site_of_a_link(url: str, site: str | None) -> None:
    with store_with() as store:
        record(store, 1, links=(Link(url=url, offset=0, length=1),))
        told = facts_of(store)
        assert (told.sites, told.links) == (((site, 1),) if site else (), ((url, 1),))


@pytest.mark.parametrize(("days", "grain"), [(1, "day"), (92, "day"), (93, "week"), (732, "week"), (3660, "month")])
def test_long_spans_go_by_weeks_and_months(days: int, grain: str) -> None:
    with store_with() as store:
        fill(store)
        told = facts_of(store, days)
        assert told.grain == grain
        assert len(told.buckets) <= 130
        assert all(bucket_of(bucket.begins, grain) == bucket.begins for bucket in told.buckets[1:])
        assert sum(bucket.posts for bucket in told.buckets) == told.summary.posts


POSTS = st.lists(st.tuples(st.integers(0, 60 * 24 * 60), st.lists(st.integers(0, 9999), max_size=4)), max_size=12)


@settings(max_examples=50)
@given(POSTS, st.integers(1, 200))
def test_the_buckets_are_the_summary_and_the_gains_are_the_views(posts: list[tuple[int, list[int]]], days: int) -> None:
    """For any posts: nothing is counted twice or forgotten. Readings come every 5 hours from the first minute on."""
    with store_with() as store:
        messages, readings = [], []
        for msg_id, (minutes, views) in enumerate(posts, start=1):
            posted = AT - timedelta(minutes=minutes)
            messages.append(CollectedMessage(post=post(msg_id, date=posted), metrics=None))
            moments = (posted + hours(5 * number) for number in range(len(views)))
            readings += [counted(msg_id, ts, seen) for ts, seen in zip(moments, views, strict=True) if ts < AT]
        store.record(Page(channel_id=CHANNEL, seen_at=AT, messages=tuple(messages), metrics=tuple(readings)))
        told = facts_of(store, days)
        assert sum(bucket.posts for bucket in told.buckets) == told.summary.posts
        assert sum(bucket.views for bucket in told.buckets) == told.summary.views
        if days > 61:  # so that no post grows before the span
            assert sum(bucket.gained or 0 for bucket in told.buckets) == told.summary.views
        begins = [bucket.begins for bucket in told.buckets]
        assert begins == sorted(set(begins)) and begins[0] == told.since.date()


@given(st.integers(0, 5 * MOST_POINTS))
def test_a_long_line_keeps_its_ends_and_its_order(count: int) -> None:
    line = [(NOON + hours(number), number) for number in range(count)]
    kept = thinned(line)
    assert len(kept) <= MOST_POINTS and (kept == tuple(line) or count > MOST_POINTS)
    assert set(kept) <= set(line) and list(kept) == sorted(kept)
    assert kept[:1] == tuple(line[:1]) and kept[-1:] == tuple(line[-1:])


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from(["day", "week", "month"]))
def test_a_bucket_begins_before_its_days_and_with_itself(day: date, grain: str) -> None:
    begins = bucket_of(day, grain)
    assert begins <= day and bucket_of(begins, grain) == begins
    assert bucket_of(day + timedelta(days=31), grain) > begins


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    with store_with() as store:
        fill(store)
        found = store.channels.find(CHANNEL)
        assert found is not None
        local = datetime.fromisoformat("2026-11-30T05:00:00+11:00")
        assert report_facts.gather(store, found, days=10, at=local) == facts_of(store)


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (report_facts.DAYS, 3),
        (report_facts.GAINED, 4),
        (report_facts.HOURS, 3),
        (report_facts.REACTIONS, 4),
        (report_facts.LINKS, 4),
        (report_facts.SITES, 4),
    ],
)
@pytest.mark.parametrize("analysed", [False, True])
def test_only_the_span_is_read(sql: str, values: int, analysed: bool) -> None:
    with store_with(*(channel(CHANNEL + number) for number in range(60))) as store:
        if analysed:
            for number in range(1, 50):
                record(store, number, counted(number, AT, number))
            store.file.read("ANALYZE")
        steps = [row["detail"] for row in store.file.read(f"EXPLAIN QUERY PLAN {sql}", *([CHANNEL] * values))]
    assert any("posts_date (channel_id=? AND date>? AND date<?)" in step for step in steps), steps
    for step in steps:
        assert not step.startswith("SCAN") or re.match(r"SCAN (json_each|\(subquery)", step), steps
        assert "AUTOMATIC" not in step, steps
