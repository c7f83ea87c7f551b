"""How the house stands, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from teltubby.actors import phrases
from teltubby.actors.phrases import house
from teltubby.messages.history import DatabaseReport
from teltubby.messages.jobs import JobState
from tests.unit.phrase_samples import (
    DAY,
    NASTY,
    assert_telegram_takes,
    day,
    overview,
    report,
    statistics,
    usage,
    view,
)

SOUND = DatabaseReport(
    bytes_before=2_000_000, bytes_after=1_500_000, faults=(), rows=(("files", 3), ("jobs", 1)), seconds=0.4
)


@given(text=NASTY)
def test_what_comes_from_outside_is_escaped(text: str) -> None:
    here = [view(text or None, error=text, worker=text, state=JobState.FAILED)] * 7
    unsound = DatabaseReport(bytes_before=1, bytes_after=1, faults=(text,), rows=((text, 1),), seconds=1.0)
    for html in (
        house.status_text(report(large_files=text, storage=text, broker=text, depths=None, running=here, failed=here)),
        house.status_text(report(depths={text: 3}, broker=text)),
        house.mode_text(text),
        house.maintenance_text(unsound),
    ):
        assert_telegram_takes(html)


def test_every_command_is_in_the_help_and_fits_the_menu() -> None:
    for name, description in phrases.COMMANDS.items():
        assert f"/{name} " in phrases.help_text()
        assert name.isascii() and name.islower() and len(name) <= 32
        assert 3 <= len(description) <= 256


def test_a_house_in_which_all_is_well_says_so() -> None:
    # The update that carries the question is open too, and does not count.
    text = house.status_text(report())
    assert text.split("\n") == [
        "<b>Archive</b>: 1 file, 1.5 MB in <code>s3://b/</code>",
        "<b>Storage</b>: 1.6 MB in 2 objects",
        "<b>Large files</b>: ready",
        "<b>Jobs</b>: 2 pending, 1 failed",
        "<b>Queue</b>: empty (connected)",
        "<b>Inbox</b>: 2 waiting",
        "",
        "✅ Nothing needs attention.",
    ]


def test_what_needs_attention_is_named() -> None:
    failed = view("<a>.mp4", error="message 11 carries no document", state=JobState.FAILED)
    text = house.status_text(
        report(
            overview=overview(unpublished=1, unstored_artifacts=2),
            usage=usage(2_000_000),
            quota_bytes=2_000_000,
            broker="not connected",
            depths=None,
            running=[view(state=JobState.PROCESSING, worker="box-1")] * 6,
            failed=[failed] * 6,
            failed_more=True,
        )
    )
    assert_telegram_takes(text)
    for part in (
        "100% of the quota of 2.0 MB",
        "<b>Queue</b>: not connected",
        "▶️ film.mp4, 300.0 MB · job <code>3f2a9c1e</code> · box-1",
        "and more: /queue",
        "broker is away",
        "Not in the queue yet: 1 job",
        "Not in the store yet: 2 artifacts",
        "archive is full",
        "more than 6 jobs failed in the last day",
        "&lt;a&gt;.mp4, 300.0 MB · job <code>3f2a9c1e</code>: The message was edited",
        "/retry <code>3f2a9c1e</code>",
    ):
        assert part in text, part
    assert text.count("box-1") == text.count("The message was edited") == house.SHOWN
    assert "Nothing needs attention" not in text


def test_the_queues_are_counted() -> None:
    text = house.status_text(report(depths={"jobs": 3, "priority": 0, "retry": 1, "dead": 2}))
    assert "<b>Queue</b>: 3 normal, 1 for a retry, 2 dead letters (connected)" in text


def test_a_message_that_waits_for_long_is_named() -> None:
    open_since = DAY - timedelta(minutes=5)
    waits = house.status_text(report(overview=overview(open_since=open_since)))
    assert "Still in the inbox: what came 5 min ago" in waits and "Nothing needs attention" not in waits
    full = report(overview=overview(open_since=open_since), quota_bytes=1000)
    assert "Still in the inbox" not in house.status_text(full), "there is one reason"
    assert "Nothing needs" in house.status_text(report(overview=overview(open_since=DAY - house.UNATTENDED)))


def test_that_nobody_fetches_what_waits_is_named_after_a_while() -> None:
    waiting, running = view(state=JobState.PENDING), view(state=JobState.PROCESSING)
    soon, late = waiting.updated_at + house.UNATTENDED, waiting.updated_at + house.UNATTENDED * 1.1
    assert "does a worker run" in house.status_text(report(now=late, next_up=waiting))
    for well in (
        report(now=soon, next_up=waiting),
        report(now=late),
        report(now=late, next_up=waiting, running=[running]),
        report(now=late, next_up=waiting, depths=None),
    ):
        assert "does a worker run" not in house.status_text(well)


def test_the_quota_is_a_share_where_there_is_one() -> None:
    bare = house.quota_text(usage(), overview(), quota_bytes=0, now=DAY)
    assert "No quota is set" in bare and "not listed yet" in bare and "1.6 MB in 2 objects" in bare
    listed = usage(1_500_000, listed_at=DAY - timedelta(hours=2))
    text = house.quota_text(listed, overview(), quota_bytes=2_000_000, now=DAY)
    assert "75% of the quota of 2.0 MB" in text and "a listing of the store 2 h ago" in text and "full" not in text
    assert "archive is full" in house.quota_text(listed, overview(), quota_bytes=1_500_000, now=DAY)


@pytest.mark.parametrize("mode", ["polling", "webhook"])
def test_the_mode_is_explained(mode: str) -> None:
    assert f"TELEGRAM_MODE is <code>{mode}</code>" in house.mode_text(mode)
    assert len(house.mode_text(mode)) > 60


def test_maintenance_says_what_it_found_and_did() -> None:
    text = house.maintenance_text(SOUND)
    assert text.split("\n") == [
        "✅ The database is sound.",
        "1.5 MB, 500.0 KB less than before; checked and tidied in less than 1 s.",
        "Rows: files 3, jobs 1",
    ]
    broken = house.maintenance_text(
        DatabaseReport(bytes_before=1, bytes_after=1, faults=("row 3 <missing>",), rows=(), seconds=1.0)
    )
    assert "restore a backup" in broken and "row 3 &lt;missing&gt;" in broken and "sound" not in broken


def test_the_caption_says_what_the_picture_shows() -> None:
    text = house.stats_text(
        statistics(
            day(18, files=2, stored_bytes=3_000_000, jobs_completed=3, median_seconds=90.0),
            day(19),
            day(20, files=1, stored_bytes=1_000_000, jobs_completed=0, jobs_failed=1, median_seconds=30.0),
        )
    )
    assert text.split("\n") == [
        "<b>The last 3 days</b> (UTC): 3 files, 4.0 MB archived",
        "Large files: 3 archived, 1 failed, 75% success",
        "From hand-in to archive: 1 min on a typical day",
        "Busiest day: 2026-11-18, 3.0 MB",
        "Of all time: 3 files, 4.0 MB; large files: 3 archived, 1 failed",
    ]


def test_a_caption_without_anything_to_tell() -> None:
    text = house.stats_text(statistics(day(19), day(20)))
    assert "0 archived, 0 failed" in text and "success" not in text and "Busiest" not in text
    assert_telegram_takes(text)
