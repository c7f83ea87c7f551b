"""What the bot says, as Telegram HTML; pure, and everything that came from outside is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from teltubby.messages.jobs import Job, JobProgress, JobState
from teltubby.messages.ledger import JobView, Overview
from teltubby.messages.media import ItemOutcome, ItemStatus, SkipReason

COMMANDS: Mapping[str, str] = {
    "start": "what this bot does",
    "help": "how to use it",
    "status": "jobs, storage, and what needs attention",
    "queue": "large files that wait or are being fetched",
    "jobs": "one job: /jobs <id>",
    "quota": "how much is archived",
    "mode": "how updates arrive",
    "mtstatus": "the MTProto side that fetches large files",
}
"""The command menu: name → description."""

NOT_UNDERSTOOD = "I do not know this command. /help lists what I understand."
NOTHING_TO_ARCHIVE = (
    "There is no file in this message, so there is nothing to archive (<code>no_media</code>). "
    "Send or forward photos, videos, documents, audio, voice messages or stickers."
)
WAITING_FOR_STORAGE = (
    "⏸ Received and kept. The archive, or Telegram's file server, cannot be reached at the moment; your files will be "
    "archived as soon as it is back, you need not send them again."
)
INTERNAL_ERROR = (
    "❌ Something inside teltubby went wrong with this message, and trying again did not help. What is not confirmed "
    "above was not archived; the operator's log has the details."
)

_WHY = {
    SkipReason.EXCEEDS_BOT_LIMIT: "larger than Telegram serves to bots, and of a kind that has no other way",
    SkipReason.EXCEEDS_CFG_LIMIT: "larger than this archive accepts (MAX_FILE_GB)",
    SkipReason.DOWNLOAD_FAILED: "Telegram did not hand the file out",
    SkipReason.ALBUM_VALIDATION_FAILED: "the album could not be put together",
    SkipReason.NO_MEDIA: "no file in it",
    SkipReason.PROTECTED_CONTENT: "its owner protected it from being saved",
}

PAGE_CHARACTERS = 3500
"""Telegram takes 4096 after parsing; lines of ours are far shorter than the difference."""
_REASON_CHARACTERS = 300
_NEXT_UNIT = 999.95
"""What is more would be rounded up to 1000.0."""
_BAR_CELLS = 16


def greeting() -> str:
    return (
        "👋 Forward or send me anything with a file in it: I archive it whole, once, with its context.\n"
        "Large files (over 20 MB) are fetched in the background; you see every step here.\n"
        "/help lists what I understand."
    )


def help_text() -> str:
    lines = [f"/{name} - {escape(text)}" for name, text in COMMANDS.items()]
    return "\n".join(["<b>Commands</b>", *lines, "", "Everything else that carries a file is archived."])


def pages(html: str) -> list[str]:
    """The text in messages that Telegram takes; lines stay whole, so tags do."""
    found = [""]
    for line in html.split("\n"):
        if len(found[-1]) + len(line) > PAGE_CHARACTERS and found[-1]:
            found.append("")
        found[-1] += ("\n" if found[-1] else "") + line
    return found


def size(count: int | None) -> str:
    """Bytes for people: `0 B`, `1.5 MB`, `2.0 GB` (powers of 1000, as Telegram shows them)."""
    if count is None:
        return "size unknown"
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < _NEXT_UNIT or unit == "GB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit takes everything")


def acknowledgement(outcomes: Sequence[ItemOutcome], *, location: str) -> str:
    """What became of a submission: files, kinds, bytes, path; which ordinals were duplicates, queued or skipped."""
    stored = _with(outcomes, ItemStatus.STORED)
    lines: list[str] = []
    if stored:
        total = sum(outcome.size_bytes or 0 for outcome in stored)
        lines.append(f"✅ Archived {_files(len(stored))} ({_kinds(stored)}), {size(total)}")
    queued = _with(outcomes, ItemStatus.QUEUED)
    if queued:
        lines.append(f"⏳ {_items(queued)} queued for processing (large file)")
    if stored or queued:
        lines.append(f"📁 <code>{escape(location)}</code>")
    lines += [
        f"♻️ Item {outcome.ordinal} ({_kind(outcome)}) is archived already: "
        f"<code>{escape(outcome.duplicate_of or '')}</code>"
        for outcome in _with(outcomes, ItemStatus.DUPLICATE)
    ]
    lines += [
        f"⚠️ Item {outcome.ordinal} ({_kind(outcome)}) was not archived (<code>{escape(outcome.reason or '')}</code>): "
        f"{_reason(_explain(outcome.reason))}"
        for outcome in outcomes
        if outcome.status in (ItemStatus.SKIPPED, ItemStatus.FAILED)
    ]
    return "\n".join(lines)


def job_queued(job: Job) -> str:
    return f"⏳ File queued for processing (large file)\n{_job_line(job)}"


def job_started(job: Job, attempt: int) -> str:
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return f"▶️ Large file processing started{again}\n{_job_line(job)}"


def job_progress(job: Job, progress: JobProgress) -> str:
    """Downloading until every byte is fetched, then uploading: a bar, the rate, the time left."""
    total = max(progress.total_bytes, 1)
    uploading = progress.downloaded_bytes >= progress.total_bytes
    done = progress.uploaded_bytes if uploading else progress.downloaded_bytes
    share = min(done / total, 1.0)
    words = "⬆️ Uploading to storage" if uploading else "⬇️ Downloading file"
    cells = int(share * _BAR_CELLS)
    bar = "█" * cells + "░" * (_BAR_CELLS - cells)
    pace = ""
    if progress.bytes_per_second >= 1:
        pace = f" · {size(int(progress.bytes_per_second))}/s"
    if progress.seconds_left is not None:
        pace += f" · {progress.seconds_left:.0f} s left"
    return f"{words} ({int(share * 100)}% complete)\n<code>{bar}</code>{pace}\n{_job_line(job)}"


def job_completed(job: Job, *, location: str, sha256: str, size_bytes: int, seconds: float) -> str:
    return (
        f"✅ Large file archived successfully: {size(size_bytes)} in {seconds:.0f} s\n"
        f"📁 <code>{escape(location)}</code>\nSHA-256 <code>{escape(sha256)}</code>\n{_job_line(job)}"
    )


def job_duplicate(job: Job, *, location: str, sha256: str) -> str:
    return (
        f"♻️ This large file is archived already\n📁 <code>{escape(location)}</code>\n"
        f"SHA-256 <code>{escape(sha256)}</code>\n{_job_line(job)}"
    )


def job_retrying(job: Job, *, reason: str, delay: float) -> str:
    return f"🔁 That did not work yet ({_reason(reason)}); next attempt in {delay:.0f} s\n{_job_line(job)}"


def job_failed(job: Job, *, reason: str) -> str:
    return f"❌ Processing failed - check /status for details\nReason: {_reason(reason)}\n{_job_line(job)}"


def job_details(view: JobView) -> str:
    job = view.job
    lines = [
        f"<b>Job</b> <code>{job.job_id}</code>",
        f"State: {view.state} (attempt {view.attempt})",
        f"File: {escape(job.file_info.file_name or job.file_info.file_type)}, {size(job.file_info.file_size)}",
        f"Goes to: <code>{escape(job.target.key)}</code>",
        f"Created: {view.created_at:%Y-%m-%d %H:%M:%S} UTC, last change: {view.updated_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if view.last_error:
        lines.append(f"Last error: {_reason(view.last_error)}")
    return "\n".join(lines)


def job_unknown(wanted: str) -> str:
    if not wanted:
        return "Which job? /jobs &lt;id&gt;; the first characters of the id are enough. /queue lists the open ones."
    return f"There is no job <code>{escape(wanted[:64])}</code>. /queue lists the open ones."


def queue_text(views: Sequence[JobView]) -> str:
    if not views:
        return "No large file is waiting or being fetched."
    lines = [f"{view.state} {_job_line(view.job)}" for view in views]
    return "\n".join([f"<b>{len(views)} open</b>", *lines])


def status_text(overview: Overview, *, large_files: str, storage: str) -> str:
    jobs = ", ".join(f"{overview.jobs[state]} {state.lower()}" for state in JobState if overview.jobs.get(state))
    lines = [
        f"<b>Archive</b>: {_files(overview.files)}, {size(overview.bytes)} in <code>{escape(storage)}</code>",
        f"<b>Large files</b>: {escape(large_files)}",
        f"<b>Jobs</b>: {jobs or 'none yet'}",
        f"<b>Inbox</b>: {max(overview.open_updates - 1, 0)} waiting",  # besides the command that is being answered
    ]
    if overview.unpublished:
        lines.append(f"⚠️ {overview.unpublished} jobs wait for the queue to take them")
    if overview.unstored_artifacts:
        lines.append(f"⚠️ {overview.unstored_artifacts} artifacts wait for the store to take them")
    return "\n".join(lines)


def mtproto_text(standing: str) -> str:
    return f"Large files: {escape(standing)}"


def quota_text(overview: Overview, *, quota_bytes: int) -> str:
    used = f"{size(overview.bytes)} in {_files(overview.files)}"
    if quota_bytes <= 0:
        return f"Archived: {used}. No quota is set (S3_BUCKET_QUOTA_BYTES)."
    return f"Archived: {used}, {overview.bytes / quota_bytes:.0%} of the quota of {size(quota_bytes)}."


def _job_line(job: Job) -> str:
    name = escape((job.file_info.file_name or job.file_info.file_type)[:80])
    return f"{name}, {size(job.file_info.file_size)} · job <code>{job.job_id[:8]}</code>"


def _with(outcomes: Sequence[ItemOutcome], status: ItemStatus) -> list[ItemOutcome]:
    return [outcome for outcome in outcomes if outcome.status is status]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _items(outcomes: Sequence[ItemOutcome]) -> str:
    numbers = ", ".join(str(outcome.ordinal) for outcome in outcomes)
    return f"Item {numbers}" if len(outcomes) == 1 else f"Items {numbers}"


def _kind(outcome: ItemOutcome) -> str:
    return "nothing" if outcome.message.media is None else outcome.message.media.kind.value


def _kinds(outcomes: Sequence[ItemOutcome]) -> str:
    counts = Counter(_kind(outcome) for outcome in outcomes)
    return ", ".join(kind if count == 1 else f"{count} × {kind}" for kind, count in counts.items())


def _reason(reason: str) -> str:
    return escape(reason[:_REASON_CHARACTERS])


def _explain(reason: str | None) -> str:
    try:
        return _WHY[SkipReason(reason or "")]
    except ValueError:
        return reason or "no reason is known"
