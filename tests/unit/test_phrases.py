"""What the bot says: HTML that Telegram takes, whatever came from outside, and numbers that people can read."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.actors import phrases
from teltubby.messages.jobs import FileInfo, Job, JobMetadata, JobProgress, JobState, Target, TelegramContext
from teltubby.messages.ledger import JobView, Overview
from teltubby.messages.media import IncomingMessage, ItemOutcome, ItemStatus, Media, MediaKind, SkipReason
from teltubby.simulator.bot_errors import ApiError
from teltubby.simulator.bot_html import parse_html

DAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TELEGRAM_MAX = 4096
NASTY = st.text(alphabet=st.sampled_from("<>&\"'b/a=\\\n\0\u202e😀я"), max_size=400)


def job(name: str | None = "film.mp4", size: int | None = 300_000_000) -> Job:
    return Job(
        job_id="3f2a9c1e-0000-4000-8000-000000000001",
        user_id=7,
        chat_id=7,
        message_id=11,
        file_info=FileInfo(file_id="f", file_unique_id="u", file_size=size, file_type=MediaKind.VIDEO, file_name=name),
        telegram_context=TelegramContext(),
        job_metadata=JobMetadata(created_at=DAY),
        target=Target(key="teltubby/2026/11/anna/11/film.mp4"),
    )


def view(name: str | None = "film.mp4", *, error: str | None = None, state: JobState = JobState.RETRYING) -> JobView:
    return JobView(
        job=job(name),
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


# -- safe whatever comes


@given(text=NASTY)
def test_what_comes_from_outside_is_escaped(text: str) -> None:
    error_view = view(text or None, error=text)
    for html in (
        phrases.job_queued(job(text)),
        phrases.job_started(job(text), 2),
        phrases.job_progress(job(text), progress(downloaded=500)),
        phrases.job_completed(job(text), location=text, sha256="ab", size_bytes=1, seconds=1.0),
        phrases.job_duplicate(job(text), location=text, sha256="ab"),
        phrases.job_retrying(job(text), reason=text, delay=1.0),
        phrases.job_failed(job(text), reason=text),
        phrases.job_details(error_view),
        phrases.job_unknown(text),
        phrases.queue_text([error_view]),
        phrases.status_text(overview(), large_files=text, storage=text),
        phrases.acknowledgement([outcome(1, ItemStatus.STORED, size_bytes=1)], location=text),
        phrases.acknowledgement([outcome(1, ItemStatus.FAILED, reason=text)], location=text),
        phrases.acknowledgement([outcome(1, ItemStatus.DUPLICATE, duplicate_of=text)], location=text),
    ):
        assert_telegram_takes(html)


def test_fixed_texts_are_taken() -> None:
    for html in (
        phrases.greeting(),
        phrases.help_text(),
        phrases.NOT_UNDERSTOOD,
        phrases.NOTHING_TO_ARCHIVE,
        phrases.WAITING_FOR_STORAGE,
        phrases.INTERNAL_ERROR,
        phrases.job_unknown(""),
        phrases.queue_text([]),
    ):
        assert_telegram_takes(html)


def test_an_album_of_long_names_and_a_full_queue_are_taken() -> None:
    duplicates = [outcome(n, ItemStatus.DUPLICATE, duplicate_of="teltubby/" + "x" * 500) for n in range(1, 11)]
    assert_telegram_takes(phrases.acknowledgement(duplicates, location="s3://b/" + "x" * 500))
    text = assert_telegram_takes(phrases.queue_text([view("&" * 300)] * 20))
    assert text.count("RETRYING") == 20


@given(lines=st.lists(st.text(alphabet="ab &;<", max_size=200), min_size=1, max_size=80))
def test_pages_lose_nothing(lines: list[str]) -> None:
    html = "\n".join(lines)
    found = phrases.pages(html)
    assert [line for page in found for line in page.split("\n") if line] == [line for line in lines if line]
    assert all(len(page) <= phrases.PAGE_CHARACTERS for page in found)


def test_every_command_is_in_the_help_and_fits_the_menu() -> None:
    for name, description in phrases.COMMANDS.items():
        assert f"/{name} " in phrases.help_text()
        assert name.isascii() and name.islower() and len(name) <= 32
        assert 3 <= len(description) <= 256


# -- numbers


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, "size unknown"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (1_500_000, "1.5 MB"),
        (2_000_000_000, "2.0 GB"),
        (4_194_304_000_000, "4194.3 GB"),
    ],
)
def test_sizes(count: int | None, expected: str) -> None:
    assert phrases.size(count) == expected


@given(count=st.integers(0, 2**52))
@example(count=999_960)
def test_sizes_have_at_most_three_digits_before_the_point(count: int) -> None:
    number, unit = phrases.size(count).split()
    assert unit == "GB" or float(number) < 1000


def test_the_bar_grows_with_the_download_and_then_with_the_upload() -> None:
    texts = [
        phrases.job_progress(job(), progress(downloaded=d, uploaded=u))
        for d, u in ((0, 0), (250, 0), (999, 500), (1000, 0), (1000, 500), (1000, 1000))
    ]
    heads = [text.split("\n")[0] for text in texts]
    assert heads == [
        "⬇️ Downloading file (0% complete)",
        "⬇️ Downloading file (25% complete)",
        "⬇️ Downloading file (99% complete)",
        "⬆️ Uploading to storage (0% complete)",
        "⬆️ Uploading to storage (50% complete)",
        "⬆️ Uploading to storage (100% complete)",
    ]
    assert [text.split("\n")[1].count("█") for text in texts] == [0, 4, 15, 0, 8, 16]
    assert "100 B/s · 8 s left" in texts[1]


@given(
    downloaded=st.integers(0, 5000),
    uploaded=st.integers(0, 5000),
    total=st.integers(0, 4000),
    rate=st.floats(0, 1e12, allow_nan=False),
)
def test_progress_that_does_not_add_up_is_shown_soberly(
    downloaded: int, uploaded: int, total: int, rate: float
) -> None:
    """A report may be late, of a file of 0 bytes, or of a sender that counts otherwise."""
    text = phrases.job_progress(job(), progress(downloaded=downloaded, uploaded=uploaded, total=total, rate=rate))
    assert_telegram_takes(text)
    bar = text.split("\n")[1]
    assert bar.count("█") + bar.count("░") == 16
    assert " -" not in text and "-0" not in text and "inf" not in text


# -- acknowledgements


def test_an_acknowledgement_names_what_became_of_everything() -> None:
    text = phrases.acknowledgement(
        [
            outcome(1, ItemStatus.STORED, size_bytes=1_000_000),
            outcome(2, ItemStatus.STORED, size_bytes=500_000),
            outcome(3, ItemStatus.DUPLICATE, duplicate_of="teltubby/first.jpg"),
            outcome(4, ItemStatus.QUEUED),
            outcome(5, ItemStatus.QUEUED),
            outcome(6, ItemStatus.SKIPPED, reason=SkipReason.EXCEEDS_CFG_LIMIT),
            outcome(7, ItemStatus.FAILED, reason="the message is gone"),
        ],
        location="s3://bucket/teltubby/x/",
    )
    assert text.split("\n") == [
        "✅ Archived 2 files (2 × photo), 1.5 MB",
        "⏳ Items 4, 5 queued for processing (large file)",
        "📁 <code>s3://bucket/teltubby/x/</code>",
        "♻️ Item 3 (photo) is archived already: <code>teltubby/first.jpg</code>",
        "⚠️ Item 6 (photo) was not archived (<code>exceeds_cfg_limit</code>): "
        "larger than this archive accepts (MAX_FILE_GB)",
        "⚠️ Item 7 (photo) was not archived (<code>the message is gone</code>): the message is gone",
    ]


@pytest.mark.parametrize("reason", SkipReason)
def test_every_reason_is_explained(reason: SkipReason) -> None:
    text = phrases.acknowledgement([outcome(1, ItemStatus.SKIPPED, reason=reason)], location="x")
    assert f"<code>{reason}</code>" in text
    assert text.rpartition(": ")[2] not in ("", reason)


# -- commands


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


def test_the_status_says_what_needs_attention_only_then() -> None:
    # The update that carries the question is open too, and does not count.
    calm = phrases.status_text(overview(), large_files="ready", storage="s3://b/")
    assert "1 file, 1.5 MB" in calm and "2 pending, 1 failed" in calm and "2 waiting" in calm and "⚠️" not in calm
    alarmed = phrases.status_text(overview(unpublished=4, unstored_artifacts=2), large_files="ready", storage="s3://b/")
    assert "4 jobs wait" in alarmed and "2 artifacts wait" in alarmed


def test_the_quota_is_a_share_where_there_is_one() -> None:
    assert "No quota" in phrases.quota_text(overview(), quota_bytes=0)
    assert "75% of the quota of 2.0 MB" in phrases.quota_text(overview(), quota_bytes=2_000_000)


def test_a_job_is_described() -> None:
    text = phrases.job_details(view(error="cut <off>"))
    assert job().job_id in text and "RETRYING (attempt 2)" in text and "film.mp4, 300.0 MB" in text
    assert "Last error: cut &lt;off&gt;" in text
    assert "video, " in phrases.job_queued(job(None, None)) and "size unknown" in phrases.job_queued(job(None, None))
