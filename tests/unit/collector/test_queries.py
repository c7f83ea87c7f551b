"""What people ask of collected channels: the answers, and that an index gives each of them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from teltubby.collector import queries, search
from teltubby.collector.metrics import Thinning
from teltubby.collector.pages import Cursor, Page
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.collected import CollectedMessage, Link, PostMetrics
from tests.unit.archive.samples import ANY_TEXT
from tests.unit.collector.world import CHANNEL, NOON, channel, check_search, counted, hours, page, post, store_with

OTHER = 77
QUERY_SYNTAX = ['"', "NEAR(a b)", "a*", "-a", "a AND", "OR", "NOT a", "text:a", "{text}: a", "^a", "(", "+", "'", "\0"]


def record(store: CollectorStore, *readings: PostMetrics) -> None:
    """Posts with these readings, each published as many hours after NOON as its id."""
    messages = (CollectedMessage(post=post(one.msg_id, f"post {one.msg_id}"), metrics=one) for one in readings)
    store.record(Page(channel_id=CHANNEL, seen_at=NOON, messages=tuple(messages)))


def test_recent_posts_come_in_pages_newest_first_with_their_counters() -> None:
    with store_with() as store:
        record(store, *(counted(number, NOON, number * 10) for number in range(1, 6)))
        store.record(page(post(6), deleted=(4,)))
        first = store.queries.recent(CHANNEL, 2)
        assert [(one.post.msg_id, one.metrics and one.metrics.views) for one in first] == [(6, None), (5, 50)]
        assert [one.post.msg_id for one in store.queries.recent(CHANNEL, 9, before=5)] == [3, 2, 1]
        assert [one.post.msg_id for one in store.queries.recent(CHANNEL, 3, with_deleted=True)] == [6, 5, 4]
        assert store.queries.recent(OTHER, 5) == ()


def test_top_posts_of_all_and_of_a_span() -> None:
    with store_with() as store:
        views = {1: 50, 2: 90, 3: 90, 4: 10, 5: 99}
        record(store, *(counted(number, NOON, seen) for number, seen in views.items()), counted(6, NOON))
        store.record(page(deleted=(5,)))
        assert [one.post.msg_id for one in store.queries.top_by_views(CHANNEL, 3)] == [3, 2, 1]
        span = store.queries.top_by_views(CHANNEL, 9, since=NOON + hours(1), until=NOON + hours(3))
        assert [one.post.msg_id for one in span] == [2, 1], "the end of a span is not part of it"
        store.record(page(metrics=(counted(4, NOON + hours(9), 500),)))
        assert [one.post.msg_id for one in store.queries.top_by_views(CHANNEL, 1)] == [4], "by the newest counters"


def test_a_summary_and_its_engagement_rate() -> None:
    with store_with() as store:
        record(
            store,
            counted(1, NOON, 100, forwards=5, comments=3, reactions={"👍": 2}, replies=40),
            counted(2, NOON, 300, reactions={"❤": 30}),
            counted(3, NOON, None, reactions={"👍": 50}),
        )
        told = store.queries.summary(CHANNEL)
        assert (told.posts, told.counted, told.views, told.forwards) == (3, 2, 400, 5)
        assert (told.replies, told.comments, told.reactions) == (40, 3, 82)
        assert told.engagement_rate == pytest.approx((2 + 3 + 5 + 30) / 400), "of posts with views; without replies"
        assert told.views_per_post == 200
        assert store.queries.summary(CHANNEL, until=NOON + hours(2)).posts == 1
        nothing = store.queries.summary(CHANNEL, since=NOON + hours(100))
        assert (nothing.posts, nothing.views, nothing.engagement_rate, nothing.views_per_post) == (0, 0, None, None)


def test_posts_that_grow_faster_than_the_median_trend() -> None:
    at = NOON + hours(100)
    with store_with() as store:
        record(
            store,
            *(counted(number, at - hours(30), 1000) for number in (1, 2, 3)),
            counted(90, at - hours(1), 180),  # published ten hours before `at`, never read before
            counted(4, at - hours(90), 5),  # not read within the window
            counted(5, at - hours(2), 5000),  # old, and read once: how fast it grew nobody knows
        )
        grown = {1: 1029, 2: 1290, 3: 1058}
        store.record(page(metrics=tuple(counted(number, at - hours(1), views) for number, views in grown.items())))
        told = store.queries.trending(CHANNEL, 3, at=at, since=NOON, window=hours(24))
        assert [one.msg_id for one in told] == [90, 2, 3]
        assert [one.views_per_hour for one in told] == pytest.approx([20, 10, 2])
        assert [one.times_median for one in told] == pytest.approx([20 / 6, 10 / 6, 2 / 6])
        assert store.queries.trending(CHANNEL, 3, at=at + hours(50), since=NOON, window=hours(24)) == ()


def test_growth_within_the_window_begins_with_the_first_snapshot_where_there_is_none_before() -> None:
    at = NOON + hours(100)
    with store_with() as store:
        record(store, counted(1, at - hours(10), 100))
        store.record(page(metrics=(counted(1, at - hours(5), 150), counted(1, at - hours(1), 190))))
        (told,) = store.queries.trending(CHANNEL, 3, at=at, since=NOON)
        assert (told.views_per_hour, told.times_median) == (10, 1)


def test_search_finds_all_words_in_any_script_and_follows_edits() -> None:
    with store_with(channel(), channel(OTHER)) as store:
        store.record(page(post(1, "Crème brûlée"), post(2, "Чёрный чай, ＦＵＬＬ ﬁle"), post(3, "и\u0306од")))
        other = CollectedMessage(post=post(1, "creme elsewhere", channel_id=OTHER), metrics=None)
        store.record(Page(channel_id=OTHER, seen_at=NOON, messages=(other,)))
        assert [one.text for one in store.search.find("creme BRUL")] == ["Crème brûlée"]
        assert {one.msg_id for one in store.search.find("full file")} == {2}
        assert {one.msg_id for one in store.search.find("йод")} == {3}
        assert len(store.search.find("creme")) == 2
        assert [one.channel_id for one in store.search.find("creme", channel_id=OTHER)] == [OTHER]
        assert store.search.find("creme", channel_id=5) == ()
        store.record(page(post(1, "entirely other", edited_at=NOON + hours(1))))
        assert [one.channel_id for one in store.search.find("creme")] == [OTHER]
        assert [one.msg_id for one in store.search.find("entirely")] == [1]
        check_search(store)


def test_hits_come_in_pages_the_best_first_and_then_the_newest() -> None:
    with store_with() as store:
        long = "word among many other ones"
        store.record(page(*(post(number, "word" if number == 3 else long) for number in range(1, 6))))
        pages = [[one.msg_id for one in store.search.find("word", limit=2, offset=offset)] for offset in (0, 2, 4)]
        assert pages == [[3, 5], [4, 2], [1]]


def test_no_text_is_an_error_or_has_a_meaning_beyond_its_words() -> None:
    with store_with() as store:
        store.record(page(post(1, "zebra")))

        @settings(max_examples=60)
        @given(ANY_TEXT | st.lists(st.sampled_from([*QUERY_SYNTAX, "a", " "])).map("".join))
        @example("a " * 5000)
        @example('"' * 4096)
        def holds(text: str) -> None:
            store.search.find(text)
            assert store.search.find(f"zebra qqq {text}", channel_id=CHANNEL) == (), "nothing widens a search"

        holds()
        assert store.search.find('" -') == ()


def test_people_who_look_into_the_file_see_it_all() -> None:
    with store_with(channel(subscribers=12)) as store:
        told = post(1, "one", links=(Link(url="https://a.example", offset=0, length=3),))
        metrics = counted(1, NOON, 100, forwards=5, comments=3, reactions={"👍": 2})
        store.record(page(told, metrics=(metrics,), cursor=Cursor(newest=1)))
        store.record(page(post(2, "bare", edited_at=NOON), post(2, "edited", edited_at=NOON + hours(3))))
        views = {
            row["name"]: store.file.read(f"SELECT * FROM {row['name']}")
            for row in store.file.read("SELECT name FROM sqlite_master WHERE type = 'view'")
        }
        assert [len(rows) for _, rows in sorted(views.items())] == [1, 2, 1, 2, 2, 0], sorted(views)
        assert [row["subscribers"] for row in views["channels_overview"]] == [12]
        assert [row["engagement_rate"] for row in views["posts_overview"]] == [None, 0.1]
        assert views["posts_overview"][1]["address"] == "https://t.me/space/1"
        assert [(row["text"], row["is_current"]) for row in views["edits_overview"]] == [("bare", 0), ("edited", 1)]


def plan(store: CollectorStore, sql: str, values: int) -> list[str]:
    rows = store.file.read(f"EXPLAIN QUERY PLAN {sql}", *([CHANNEL] * values))
    return [row["detail"] for row in rows]


@pytest.mark.parametrize(
    ("sql", "values", "sorts"),
    [
        (queries.RECENT, 4, False),
        (queries.TOP_OF_ALL, 2, True),  # only posts with the same number of views
        (queries.TOP_OF_SPAN, 4, True),
        (queries.SUMMARY, 3, False),
        (queries.GROWTH, 4, False),
        (search.FIND.format(index="posts_fts", within=""), 3, True),
    ],
)
@pytest.mark.parametrize("analysed", [False, True])
def test_every_question_is_answered_by_an_index(sql: str, values: int, sorts: bool, analysed: bool) -> None:
    with store_with(*(channel(CHANNEL + number) for number in range(60))) as store:
        if analysed:
            record(store, *(counted(number, NOON, number) for number in range(1, 300)))
            store.file.read("ANALYZE")
        steps = plan(store, sql, values)
    tables = [step for step in steps if re.match("SCAN|SEARCH", step)]
    assert tables
    for step in tables:
        # A virtual table is asked by its own index; a list of ids that was handed in, and what LIMIT left, are short.
        assert step.startswith("SEARCH") or re.match(r"SCAN (posts_fts VIRTUAL TABLE INDEX|best\b)", step), steps
        assert "AUTOMATIC" not in step, steps
    assert sorts or not any("TEMP B-TREE" in step for step in steps), steps


def test_recording_and_thinning_read_no_table_either() -> None:
    """Of a page, a late page and thinning each statement: the cost of a page does not grow with its channel."""
    with store_with() as store:
        record(store, *(counted(number, NOON, number) for number in range(1, 50)))
        heard: list[str] = []
        connection = store.file.db.conn
        connection.set_trace_callback(heard.append)
        for text, moment in (("new", NOON + hours(9)), ("late", NOON - hours(3))):
            edited = post(7, text, edited_at=moment)
            told = CollectedMessage(post=edited, metrics=counted(7, moment, 5))
            store.record(Page(channel_id=CHANNEL, seen_at=moment, messages=(told,), deleted=(8,)))
        store.channels.record(channel(subscribers=5))
        store.channels.cursor(CHANNEL)
        store.metrics.latest(CHANNEL, [1])
        store.metrics.series(CHANNEL, 1)
        store.metrics.thin([Thinning(age=timedelta(), step=hours(24))], NOON + hours(99))
        connection.set_trace_callback(None)
        asked = {sql for sql in heard if re.match("SELECT|UPDATE|DELETE", sql.strip())}
        assert len(asked) > 10
        for sql in asked:
            steps = [row["detail"] for row in store.file.read(f"EXPLAIN QUERY PLAN {sql}")]
            scans = [step for step in steps if step.startswith("SCAN")]
            # Of channels there are few; (subquery) is what the index found before.
            assert all(re.match(r"SCAN (channels|json_each|\(subquery)", step) for step in scans), (sql, steps)
