"""What the bot says: HTML that Telegram takes, whatever came from outside, and numbers that people can read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.actors import phrases
from teltubby.actors.phrases import intake, orders
from teltubby.messages.media import ItemStatus, SkipReason
from tests.unit.phrase_samples import NASTY, assert_telegram_takes, job, outcome, progress

# -- safe whatever comes


@given(text=NASTY)
def test_what_comes_from_outside_is_escaped(text: str) -> None:
    for html in (
        phrases.job_queued(job(text)),
        phrases.job_queued(job(text), 100.0, 3),
        phrases.job_started(job(text), 2),
        phrases.job_progress(job(text), progress(downloaded=500)),
        phrases.job_completed(job(text), location=text, sha256="ab", size_bytes=1, seconds=1.0),
        phrases.job_completed_late(job(text), location=text, sha256="ab", size_bytes=1, seconds=1.0),
        phrases.job_duplicate(job(text), location=text, sha256="ab"),
        phrases.job_retrying(job(text), reason=text, delay=1.0),
        phrases.job_failed(job(text), reason=text),
        phrases.acknowledgement([outcome(1, ItemStatus.STORED, size_bytes=1)], location=text),
        phrases.acknowledgement([outcome(1, ItemStatus.FAILED, reason=text)], location=text),
        phrases.acknowledgement([outcome(1, ItemStatus.DUPLICATE, duplicate_of=text)], location=text),
        orders.order_answer(job(text), text),
        orders.purge_impossible(text),
        orders.purge_stopped(text),
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
        *(intake.FILE_REPLACED, intake.FILE_ADDED, intake.OUT_OF_REACH, intake.PARTLY_OUT_OF_REACH),
        *(intake.UNREADABLE, intake.EDIT_UNREADABLE, intake.RECORD_DAMAGED, intake.KEPT_WHILE_FULL),
        orders.RETRY_USAGE,
        orders.CANCEL_USAGE,
        orders.PRIORITY_USAGE,
        orders.FIND_USAGE,
        orders.STATS_USAGE,
        orders.PURGE_USAGE,
        orders.PURGE_EXPIRED,
        orders.PURGE_NOTHING,
        orders.PURGE_BEGINS,
        orders.purge_question(objects=3, used_bytes=5_000_000, code="0badcafe", minutes=2),
        orders.purge_running(2),
        orders.purge_done(objects=3, used_bytes=5_000_000, forgotten=2),
    ):
        assert_telegram_takes(html)


def test_an_album_of_long_names_is_taken() -> None:
    duplicates = [outcome(n, ItemStatus.DUPLICATE, duplicate_of="teltubby/" + "x" * 500) for n in range(1, 11)]
    assert_telegram_takes(phrases.acknowledgement(duplicates, location="s3://b/" + "x" * 500))


@pytest.mark.parametrize(
    "text",
    [
        *[value for name, value in vars(orders).items() if name.startswith("BUTTON_")],
        *[value for name, value in vars(intake).items() if name.startswith("PRESS_")],
    ],
)
def test_popups_are_short(text: str) -> None:
    assert 0 < len(text) <= 200


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


def test_a_job_that_looks_for_its_file_does_not_upload_yet() -> None:
    text = phrases.job_progress(job(None, None), progress(downloaded=0, total=0, rate=0.0, left=None))
    assert text.startswith("⬇️ Downloading file (0% complete)") and "size unknown" in text


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


# -- the job's line


def test_the_estimate_is_told_as_far_as_it_is_known() -> None:
    assert "🕒" not in phrases.job_queued(job())
    assert phrases.job_queued(job(), 200.0, 4).endswith("🕒 about 3 min 20 s, 4 jobs before it")
    assert phrases.job_queued(job(), 20.0).endswith("🕒 about 20 s")
    assert phrases.job_queued(job(), None, 1).endswith("🕒 1 job before it")
    assert "video, size unknown" in phrases.job_queued(job(None, None))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "less than 1 s"),
        (0.4, "less than 1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599.9, "1 h"),
        (7500, "2 h 5 min"),
        (86_400, "1 d"),
        (54_000 + 86_400, "1 d 15 h"),
    ],
)
def test_spans_of_time(seconds: float, expected: str) -> None:
    assert phrases.span(seconds) == expected


def test_a_failure_says_what_to_do_before_it_says_what_happened() -> None:
    text = phrases.job_failed(job(), reason="message 11 no longer exists in the account's mailbox")
    advised, technical = text.split("\n")[1:3]
    assert advised == "Reason: The message was deleted before the file was fetched. Send the file again."
    assert technical == "<i>message 11 no longer exists in the account&#x27;s mailbox</i>"
    assert "/retry" not in text, "that is not what to do here"
    assert "/retry <code>3f2a9c1e</code>" in phrases.job_failed(job(), reason="the object store is away")
