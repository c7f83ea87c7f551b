"""Lists of jobs, histories and what was found: one message each, whatever is in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from teltubby.actors.phrases import lists
from teltubby.actors.phrases.words import PAGE_CHARACTERS
from teltubby.messages.jobs import JobState, Priority
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.stages import Stage
from tests.unit.phrase_samples import DAY, NASTY, assert_telegram_takes, history, hit, job, view

LATER = DAY + timedelta(minutes=3)


@given(text=NASTY)
def test_what_comes_from_outside_is_escaped(text: str) -> None:
    here = view(text or None, error=text, worker=text)
    for html in (
        lists.queue_text([here], offset=0, total=1, now=DAY),
        lists.jobs_text([here], offset=0, now=DAY),
        lists.job_unknown(text),
        lists.job_history(here, history(text), location=text),
        lists.find_text(text, [hit(text, text, base_path=text)], offset=0),
        lists.find_text(text, [], offset=5),
    ):
        assert_telegram_takes(html)
    assert 0 < len(lists.job_popup(here, DAY)) <= 200


def test_the_queue_is_numbered_through_its_pages() -> None:
    urgent = view(job=job(priority=Priority.URGENT), state=JobState.PENDING)
    text = lists.queue_text([urgent, view(state=JobState.PROCESSING, worker="w<1>")], offset=8, total=10, now=LATER)
    assert text.split("\n") == [
        "<b>10 open</b>, in their turn",
        "9. ⏳ film.mp4, 300.0 MB · job <code>3f2a9c1e</code> · urgent",
        "    PENDING (attempt 2), 3 min ago",
        "10. ▶️ film.mp4, 300.0 MB · job <code>3f2a9c1e</code>",
        "    PROCESSING by w&lt;1&gt; (attempt 2), 3 min ago",
    ]


def test_a_job_that_waits_for_its_next_attempt_says_when() -> None:
    waiting = view(due_at=DAY + timedelta(minutes=10))
    assert "RETRYING (attempt 2), again at 11-20 12:10:00 UTC" in lists.queue_text(
        [waiting], offset=0, total=1, now=DAY
    )


def test_empty_lists_say_so() -> None:
    assert "No large file is waiting" in lists.queue_text([], offset=0, total=0, now=DAY)
    assert "You handed in no large file" in lists.jobs_text([], offset=0, now=DAY)
    assert "Nothing was found for “a &amp; b”" in lists.find_text("a & b", [], offset=0)


def test_a_full_page_of_long_names_is_one_message() -> None:
    page = [view("&" * 300, error="&" * 300, worker="w" * 100)] * 8
    assert_telegram_takes(lists.queue_text(page, offset=999_990, total=999_999, now=LATER))
    assert (
        len(lists.queue_text([view("x" * 300, worker="w" * 100)] * 8, offset=0, total=8, now=LATER)) <= PAGE_CHARACTERS
    )


def test_a_history_tells_everything() -> None:
    here = view(state=JobState.COMPLETED, error="cut <off>", published=False, worker="w1")
    text = assert_telegram_takes(lists.job_history(here, history(), location="s3://b/teltubby/film.mp4"))
    for part in (
        here.job.job_id,
        "COMPLETED (attempt 2)",
        "film.mp4, 300.0 MB",
        "Priority: normal",
        "s3://b/teltubby/film.mp4",
        "2026-11-20 12:00:00 UTC",
        "has not taken its newest message",
        "Last error: cut <off>",
        "❌ 1. 11-20 12:00:00 · w1 · less than 1 s · w1",
        "✅ 2. 11-20 12:00:00 · w1 · 300.0 MB · 1 min 15 s · 4.0 MB/s · mtproto_bot",
        "▫️ 3. 11-20 12:00:00 · lost without a word",
        "11-20 12:01:00 ❌ FAILED · w1 · w1",
        "11-20 12:02:00 ⏳ PENDING by 8",
        "11-20 12:00:00 retry by 8 · w1",
        "11-20 12:00:00 w1 by the house itself (refused)",
    ):
        assert part in text, part


def test_the_ways_that_an_attempt_tried_are_told() -> None:
    tries = (
        RouteTry(route=FileRoute.RELAY, reason="not a <member> of the channel " + "x" * 300),
        RouteTry(route=FileRoute.ORIGIN, reason="the message was not forwarded"),
        RouteTry(route=FileRoute.BOT),
    )
    before, done, after = history().attempts
    told = replace(history(), attempts=(before, replace(done, routes=tries), after))
    text = assert_telegram_takes(lists.job_history(view(), told, location="x"))
    (line,) = [line for line in text.splitlines() if "relay" in line]
    assert line.startswith("    relay: not a <member> of the channel xxx") and len(line) < 220
    assert line.endswith("; origin: the message was not forwarded; bot: served")


def test_what_an_attempt_waited_for_and_what_it_took_is_told() -> None:
    before, done, after = history().attempts
    took = {
        Stage.OUTBOX: 0.01,
        Stage.QUEUE: 200.0,
        Stage.WAY: 0.42,
        Stage.FETCH_LARGE: 9.96,
        Stage.FLOOD: 5.0,
        Stage.STORE: 31.0,
        Stage.HASH: 0.0,
        Stage.FIRST_COPY: 0.3,
        Stage.COMPLETE: 1.0,
        Stage.TELL: 0.2,
    }
    told = replace(history(), attempts=(before, replace(done, stages=took), after))
    text = assert_telegram_takes(lists.job_history(view(), told, location="x"))
    (line,) = [line for line in text.splitlines() if "⏱" in line]
    assert line.strip() == (
        "⏱ queue 3 min 20 s · finding it 0.4 s · download 10 s (flood waits 5.0 s)"
        " · upload 31 s (duplicate check 0.3 s, completing 1.0 s) · telling you 0.2 s"
    )


def test_an_attempt_that_was_cancelled_did_not_fail() -> None:
    stopped = replace(history().attempts[0], error="cancelled")
    assert "🚫 1. " in lists.job_history(view(), replace(history(), attempts=(stopped,)), location="x")


def test_only_the_newest_attempt_of_what_is_fetched_runs() -> None:
    attempts = tuple(replace(history().attempts[-1], attempt=number) for number in (1, 2))
    told = replace(history(), attempts=attempts)
    running = lists.job_history(view(state=JobState.PROCESSING), told, location="x")
    assert "1. 11-20 12:00:00 · lost without a word" in running and "2. 11-20 12:00:00 · running" in running
    assert "running" not in lists.job_history(view(state=JobState.PENDING), told, location="x")


def test_a_long_history_comes_in_several_messages() -> None:
    short = history("x" * 400)
    long = type(short)(
        job=short.job,
        state=short.state,
        created_at=DAY,
        transitions=short.transitions * 40,
        attempts=short.attempts * 40,
        commands=short.commands * 40,
    )
    text = assert_telegram_takes(lists.job_history(view(), long, location="x"))
    assert text.count("FAILED · ") == 40


@pytest.mark.parametrize(
    ("state", "error", "expected"),
    [
        (JobState.PENDING, "an old error", "⏳ PENDING (attempt 2)\nfilm.mp4, 300.0 MB\nchanged 3 min ago"),
        (
            JobState.FAILED,
            "message 11 carries no document",
            "❌ FAILED (attempt 2)\nfilm.mp4, 300.0 MB\nchanged 3 min ago\n"
            "The message was edited: there is no file in it any more. Send the file again.",
        ),
        (
            JobState.RETRYING,
            "new <trouble>",
            "🔁 RETRYING (attempt 2)\nfilm.mp4, 300.0 MB\nchanged 3 min ago\nnew <trouble>",
        ),
    ],
)
def test_a_popup_is_plain_text(state: JobState, error: str, expected: str) -> None:
    assert lists.job_popup(view(error=error, state=state), LATER) == expected


def test_what_was_found_comes_with_its_keys() -> None:
    keys = [f"teltubby/2026/11/anna/12/{number}.jpg" for number in range(6)]
    text = lists.find_text("film", [hit("Film <night>"), hit("", *keys)], offset=5)
    assert text.split("\n") == [
        "<b>Found for “film”</b>",
        "",
        "6. Film &lt;night&gt; · 2026-11-20",
        "<code>teltubby/2026/11/anna/11/film.mp4</code>",
        "",
        "7. without a title · 2026-11-20",
        *(f"<code>{key}</code>" for key in keys[:4]),
        "2 files more in <code>teltubby/2026/11/anna/11/</code>",
    ]


def test_what_was_found_is_one_message_however_long_the_keys_are() -> None:
    keys = ["teltubby/" + "k" * 500 + f"/{number}" for number in range(10)]
    text = lists.find_text("w" * 300, [hit("t" * 300, *keys)] * 5, offset=0)
    assert len(text) <= PAGE_CHARACTERS and text.count("files") >= 5
