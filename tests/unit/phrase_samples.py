"""Samples for what the bot says, and the judge of its HTML."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import strategies as st

from teltubby.actors import phrases
from teltubby.actors.phrases.house import HouseReport
from teltubby.messages.history import ArchiveHit, Attempt, Command, Day, JobHistory, Statistics, Transition, Usage
from teltubby.messages.jobs import FileInfo, Job, JobMetadata, JobProgress, JobState, Priority, Target, TelegramContext
from teltubby.messages.ledger_archive import Overview
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.media import IncomingMessage, ItemOutcome, ItemStatus, Media, MediaKind, Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.simulator.bot_errors import ApiError
from teltubby.simulator.bot_html import parse_html

DAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TELEGRAM_MAX = 4096
NASTY = st.text(alphabet=st.sampled_from("<>&\"'b/a=\\\n\0\u202e😀я"), max_size=400)


def job(name: str | None = "film.mp4", size: int | None = 300_000_000, *, priority: Priority = Priority.NORMAL) -> Job:
    return Job(
        job_id="3f2a9c1e-0000-4000-8000-000000000001",
        user_id=7,
        chat_id=7,
        message_id=11,
        file_info=FileInfo(file_id="f", file_unique_id="u", file_size=size, file_type=MediaKind.VIDEO, file_name=name),
        telegram_context=TelegramContext(),
        job_metadata=JobMetadata(created_at=DAY, priority=priority),
        target=Target(key="teltubby/2026/11/anna/11/film.mp4"),
    )


def view(
    name: str | None = "film.mp4", *, error: str | None = None, state: JobState = JobState.RETRYING, **more: Any
) -> JobView:
    return JobView(
        job=more.pop("job", job(name)),
        state=state,
        previous=state,
        changed=False,
        attempt=2,
        last_error=error,
        notice_message_id=5,
        created_at=DAY,
        updated_at=DAY,
        submission_chat_id=7,
        submission_message_id=11,
        **more,
    )


def outcome(ordinal: int, status: ItemStatus, **more: Any) -> ItemOutcome:
    media = Media(kind=MediaKind.PHOTO, file_id="f", file_unique_id="u")
    message = IncomingMessage(message_id=ordinal, chat_id=7, chat_type="private", date=DAY, media=media)
    return ItemOutcome(ordinal=ordinal, message=message, status=status, **more)


def progress(
    *, downloaded: int, uploaded: int = 0, total: int = 1000, rate: float = 100.0, left: float | None = 7.6
) -> JobProgress:
    return JobProgress(
        job_id=job().job_id,
        worker="w",
        attempt=1,
        at=DAY,
        downloaded_bytes=downloaded,
        uploaded_bytes=uploaded,
        total_bytes=total,
        bytes_per_second=rate,
        seconds_left=left,
    )


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag


def assert_telegram_takes(html: str) -> str:
    """Every page of it parses as Telegram's HTML and is short enough; the plain text."""
    plain = []
    for page in phrases.pages(html):
        tags = _Tags()
        tags.feed(page)
        tags.close()
        assert tags.open == [], page
        try:
            parsed = parse_html(page)
        except ApiError as error:
            pytest.fail(f"{error}: {page!r}")
        text = parsed[0]
        assert 0 < len(text.encode("utf-16-le")) // 2 <= TELEGRAM_MAX
        plain.append(text)
    return "\n".join(plain)


def overview(**more: Any) -> Overview:
    fields = {
        "jobs": {JobState.PENDING: 2, JobState.FAILED: 1},
        "open_updates": 3,
        "unpublished": 0,
        "files": 1,
        "bytes": 1_500_000,
        "unstored_artifacts": 0,
    }
    return Overview(**{**fields, **more})


def usage(used_bytes: int = 1_600_000, *, listed_at: datetime | None = None) -> Usage:
    return Usage(used_bytes=used_bytes, objects=2, listed_at=listed_at)


def report(**more: Any) -> HouseReport:
    """A house in which all is well."""
    fields = {
        "now": DAY,
        "overview": overview(),
        "usage": usage(),
        "quota_bytes": 0,
        "large_files": "ready",
        "broker": "connected",
        "depths": {},
        "storage": "s3://b/",
        "running": (),
        "failed": (),
    }
    return HouseReport(**{**fields, **more})


def history(text: str = "w1") -> JobHistory:
    """A job that failed once, was retried by a curator and is archived; `text` wherever text may stand."""
    return JobHistory(
        job=job(text),
        state=JobState.COMPLETED,
        created_at=DAY,
        transitions=(
            Transition(
                at=DAY, from_state=None, to_state=JobState.PENDING, attempt=0, worker=None, user_id=None, reason=None
            ),
            Transition(
                at=DAY + timedelta(minutes=1),
                from_state=JobState.PENDING,
                to_state=JobState.FAILED,
                attempt=1,
                worker=text,
                user_id=None,
                reason=text,
            ),
            Transition(
                at=DAY + timedelta(minutes=2),
                from_state=JobState.FAILED,
                to_state=JobState.PENDING,
                attempt=1,
                worker=None,
                user_id=8,
                reason=None,
            ),
        ),
        attempts=(
            attempt(
                1,
                success=False,
                error=text,
                worker=text,
                transferred_bytes=0,
                seconds=0.0,
                routes=(RouteTry(route=FileRoute.OWN, reason=text),),
            ),
            attempt(2, success=True, worker=text, transferred_bytes=300_000_000, seconds=75.0, route=Route.MTPROTO_BOT),
            attempt(3),
        ),
        commands=(
            Command(at=DAY, user_id=8, command="retry", accepted=True, detail=text),
            Command(at=DAY, user_id=None, command=text, accepted=False, detail=None),
        ),
    )


def attempt(number: int, **more: Any) -> Attempt:
    fields: dict[str, Any] = {
        "attempt": number,
        "started_at": DAY,
        "finished_at": None,
        "success": None,
        "error": None,
        "worker": None,
        "transferred_bytes": None,
        "seconds": None,
        "route": None,
    }
    return Attempt(**{**fields, **more})


def hit(title: str = "Film night", *keys: str, base_path: str = "teltubby/2026/11/anna/11/") -> ArchiveHit:
    return ArchiveHit(
        chat_id=7,
        message_id=11,
        handed_in_at=DAY,
        title=title,
        keys=keys or (base_path + "film.mp4",),
        base_path=base_path,
    )


def statistics(*days: Day) -> Statistics:
    return Statistics(
        days=days,
        files=sum(day.files for day in days),
        stored_bytes=sum(day.stored_bytes for day in days),
        jobs_completed=sum(day.jobs_completed for day in days),
        jobs_failed=sum(day.jobs_failed for day in days),
    )


def day(number: int, **more: Any) -> Day:
    fields: dict[str, Any] = {
        "day": date(2026, 11, number),
        "files": 0,
        "stored_bytes": 0,
        "jobs_completed": 0,
        "jobs_failed": 0,
        "median_seconds": None,
    }
    return Day(**{**fields, **more})
