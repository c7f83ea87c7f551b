"""The message that grows with a job: queued, started, fetching, uploading, archived or failed."""

from __future__ import annotations

from html import escape

from teltubby.actors.phrases.reasons import reason_lines, wants_it_again
from teltubby.actors.phrases.words import REASON_CHARACTERS, clipped, job_line, jobs, short_id, size, span
from teltubby.messages.jobs import Job, JobProgress, JobState

MARKS = {
    JobState.PENDING: "⏳",
    JobState.PROCESSING: "▶️",
    JobState.RETRYING: "🔁",
    JobState.COMPLETED: "✅",
    JobState.FAILED: "❌",
    JobState.CANCELLED: "🚫",
}
_BAR_CELLS = 16


def job_queued(job: Job, wait_seconds: float | None = None, ahead: int = 0, *, obstacle: str | None = None) -> str:
    """`wait_seconds` until it should be archived (None: recent jobs do not tell); `ahead` jobs go first.

    While an `obstacle` keeps all of them waiting, it is told, and no time is promised.
    """
    estimate = [] if obstacle is not None or wait_seconds is None else [f"about {span(max(wait_seconds, 1.0))}"]
    if ahead > 0:
        estimate.append(f"{jobs(ahead)} before it")
    lines = ["⏳ File queued for processing (large file)", job_line(job)]
    if obstacle is not None:
        lines.append(f"⏸ It waits: {clipped(obstacle, REASON_CHARACTERS)}")
    return "\n".join([*lines, f"🕒 {', '.join(estimate)}"] if estimate else lines)


def job_started(job: Job, attempt: int) -> str:
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return f"▶️ Large file processing started{again}\n{job_line(job)}"


def job_progress(job: Job, progress: JobProgress) -> str:
    """Downloading until every byte is fetched, then uploading: a bar, the rate, the time left."""
    total = max(progress.total_bytes, 1)
    uploading = progress.downloaded_bytes >= progress.total_bytes > 0
    done = progress.uploaded_bytes if uploading else progress.downloaded_bytes
    share = min(done / total, 1.0)
    words = "⬆️ Uploading to storage" if uploading else "⬇️ Downloading file"
    cells = int(share * _BAR_CELLS)
    bar = "█" * cells + "░" * (_BAR_CELLS - cells)
    pace = ""
    if progress.bytes_per_second >= 1:
        pace = f" · {size(int(progress.bytes_per_second))}/s"
    if progress.seconds_left is not None:
        pace += f" · {span(progress.seconds_left)} left"
    return f"{words} ({int(share * 100)}% complete)\n<code>{bar}</code>{pace}\n{job_line(job)}"


def job_completed(job: Job, *, location: str, sha256: str, size_bytes: int, seconds: float) -> str:
    return (
        f"✅ Large file archived successfully: {size(size_bytes)} in {span(seconds)}\n"
        f"📁 <code>{escape(location)}</code>\nSHA-256 <code>{escape(sha256)}</code>\n{job_line(job)}"
    )


def job_completed_late(job: Job, *, location: str, sha256: str, size_bytes: int, seconds: float) -> str:
    """It was cancelled, or counted as failed, when the file was in the store already."""
    return "🏁 It was archived before it could be stopped.\n" + job_completed(
        job, location=location, sha256=sha256, size_bytes=size_bytes, seconds=seconds
    )


def job_duplicate(job: Job, *, location: str, sha256: str) -> str:
    return (
        f"♻️ This large file is archived already\n📁 <code>{escape(location)}</code>\n"
        f"SHA-256 <code>{escape(sha256)}</code>\n{job_line(job)}"
    )


def job_retrying(job: Job, *, reason: str, delay: float) -> str:
    return f"🔁 That did not work yet; next attempt in {span(delay)}\n{reason_lines(reason)}\n{job_line(job)}"


def job_failed(job: Job, *, reason: str) -> str:
    again = "" if wants_it_again(reason) else f"\n/retry {short_id(job.job_id)} tries again."
    return f"❌ Processing failed - check /status for details\nReason: {reason_lines(reason)}\n{job_line(job)}{again}"
