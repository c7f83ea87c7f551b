"""How the house stands: `/status`, `/quota`, `/stats`, `/db_maint` and what else is asked about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from statistics import median

from teltubby.actors.phrases.job_lines import MARKS
from teltubby.actors.phrases.reasons import advice
from teltubby.actors.phrases.words import (
    REASON_CHARACTERS,
    clipped,
    counted,
    files,
    job_line,
    jobs,
    short_id,
    since,
    size,
    span,
)
from teltubby.actors.phrases.workers import not_collected
from teltubby.messages.history import DatabaseReport, Statistics, Usage
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_archive import Overview
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.workers import WorkerStanding

UNATTENDED = timedelta(minutes=1)
"""What waits is taken at once by who is free; this much later, there is nobody, or something stands in the way."""
SHOWN = 5
"""Jobs of a kind that `/status` names; the others it counts."""
_QUEUE_NAMES = {
    "jobs": "normal",
    "priority": "priority",
    "retry": "for a retry",
    "retry_priority": "for a priority retry",
    "dead": "dead letters",
    "events": "reports",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseReport:
    """What `/status` was told by everybody; texts as they came, to be escaped here.

    `depths` are messages per queue (None: the broker is away), `failed` the jobs that failed in the last day, `next_up`
    the job that is the next one to be taken out of the queue.
    """

    now: datetime
    overview: Overview
    usage: Usage
    quota_bytes: int
    large_files: str
    broker: str
    depths: Mapping[str, int] | None
    storage: str
    running: Sequence[JobView]
    failed: Sequence[JobView]
    failed_more: bool = False
    next_up: JobView | None = None
    not_collecting: Sequence[WorkerStanding] = ()
    """Workers whose collector cannot work."""
    alerts: Sequence[str] = ()
    """Lines about alerts that are open, as they are to be shown."""


def status_text(report: HouseReport) -> str:
    """The house at a glance; what needs attention comes last, where a person looks first in a chat."""
    overview = report.overview
    counts = ", ".join(f"{overview.jobs[state]} {state.lower()}" for state in JobState if overview.jobs.get(state))
    lines = [
        f"<b>Archive</b>: {files(overview.files)}, {size(overview.bytes)} in <code>{escape(report.storage)}</code>",
        f"<b>Storage</b>: {_used(report.usage, report.quota_bytes)}",
        f"<b>Large files</b>: {escape(report.large_files)}",
        f"<b>Jobs</b>: {counts or 'none yet'}",
        f"<b>Queue</b>: {_queue(report)}",
        f"<b>Inbox</b>: {max(overview.open_updates - 1, 0)} waiting",  # besides the command that is being answered
    ]
    if report.running:
        lines += ["", "<b>Running</b>", *(_running(view) for view in report.running[:SHOWN])]
        if len(report.running) > SHOWN:
            lines.append("and more: /queue")
    attention = _attention(report)
    lines += ["", *(attention or ["✅ Nothing needs attention."])]
    return "\n".join(lines)


def quota_text(usage: Usage, overview: Overview, *, quota_bytes: int, now: datetime) -> str:
    lines = [
        f"<b>Used</b>: {_used(usage, quota_bytes)}",
        f"Distinct files archived: {files(overview.files)}, {size(overview.bytes)}.",
        "Counted as files come and go"
        + (
            "; the store was not listed yet."
            if usage.listed_at is None
            else f", and by a listing of the store {since(usage.listed_at, now)}."
        ),
    ]
    if quota_bytes <= 0:
        lines.append("No quota is set (S3_BUCKET_QUOTA_BYTES).")
    elif usage.used_bytes >= quota_bytes:
        lines.append("⛔ The archive is full: what you send is kept, and archived as soon as there is room.")
    return "\n".join(lines)


def mode_text(mode: str) -> str:
    how = {
        "polling": "The bot fetches its updates itself (long polling).",
        "webhook": "Telegram brings updates to the bot's address (webhook).",
    }
    return f"{how.get(mode, '')} TELEGRAM_MODE is <code>{escape(mode)}</code>.".strip()


def maintenance_text(report: DatabaseReport) -> str:
    """What `/db_maint` found and did."""
    if report.faults:
        lines = [
            "❌ <b>The database has faults.</b> Stop teltubby, keep a copy of the file, and restore a backup:",
            *(f"· {clipped(fault, REASON_CHARACTERS)}" for fault in report.faults[:10]),
        ]
    else:
        lines = ["✅ The database is sound."]
    freed = report.bytes_before - report.bytes_after
    lines.append(
        f"{size(report.bytes_after)}"
        + (f", {size(freed)} less than before" if freed > 0 else "")
        + f"; checked and tidied in {span(report.seconds)}."
    )
    lines.append("Rows: " + (", ".join(f"{escape(table)} {rows}" for table, rows in report.rows) or "none"))
    return "\n".join(line for line in lines if line)


def stats_text(statistics: Statistics) -> str:
    """The caption of the picture: what it shows, in words; at most 1,000 characters."""
    days = statistics.days
    done, failed = sum(day.jobs_completed for day in days), sum(day.jobs_failed for day in days)
    stored, count = sum(day.stored_bytes for day in days), sum(day.files for day in days)
    lines = [
        f"<b>The last {len(days)} days</b> (UTC): {files(count)}, {size(stored)} archived",
        f"Large files: {done} archived, {failed} failed"
        + (f", {done / (done + failed):.0%} success" if done + failed else ""),
    ]
    times = [day.median_seconds for day in days if day.median_seconds is not None]
    if times:
        lines.append(f"From hand-in to archive: {span(median(times))} on a typical day")
    best = max(days, key=lambda day: day.stored_bytes, default=None)
    if best is not None and best.stored_bytes:
        lines.append(f"Busiest day: {best.day:%Y-%m-%d}, {size(best.stored_bytes)}")
    lines.append(
        f"Of all time: {files(statistics.files)}, {size(statistics.stored_bytes)}; large files: "
        f"{statistics.jobs_completed} archived, {statistics.jobs_failed} failed"
    )
    return "\n".join(lines)


def _used(usage: Usage, quota_bytes: int) -> str:
    used = f"{size(usage.used_bytes)} in {counted(usage.objects, 'object')}"
    return f"{used}, {usage.used_bytes / quota_bytes:.0%} of the quota of {size(quota_bytes)}" if quota_bytes else used


def _queue(report: HouseReport) -> str:
    if report.depths is None:
        return escape(report.broker)
    depths = [f"{report.depths[name]} {words}" for name, words in _QUEUE_NAMES.items() if report.depths.get(name)]
    return f"{', '.join(depths) or 'empty'} ({escape(report.broker)})"


def _running(view: JobView) -> str:
    worker = f" · {clipped(view.worker, 40)}" if view.worker else ""
    return f"{MARKS[view.state]} {job_line(view.job)}{worker}"


def _waits_long(view: JobView | None, now: datetime) -> bool:
    return view is not None and now - view.updated_at > UNATTENDED


def _attention(report: HouseReport) -> list[str]:
    overview, lines = report.overview, []
    if report.depths is None:
        lines.append("⚠️ The broker is away: jobs wait here and go out as soon as it is back")
    elif not report.running and _waits_long(report.next_up, report.now):
        lines.append("⚠️ Large files wait, and nobody fetches them: does a worker run, and can it? /mtstatus")
    lines += report.alerts[:SHOWN]
    if len(report.alerts) > SHOWN:
        lines.append("🚨 and more: /alerts")
    lines += [f"⚠️ {not_collected(worker)}; /channels" for worker in report.not_collecting]
    if overview.unpublished:
        lines.append(f"⚠️ Not in the queue yet: {jobs(overview.unpublished)}")
    if overview.unstored_artifacts:
        lines.append(f"⚠️ Not in the store yet: {counted(overview.unstored_artifacts, 'artifact')}")
    if report.quota_bytes and report.usage.used_bytes >= report.quota_bytes:
        lines.append("⛔ The archive is full: what arrives is kept until there is room")
    elif overview.open_since is not None and report.now - overview.open_since > UNATTENDED:
        lines.append(
            f"⚠️ Still in the inbox: what came {since(overview.open_since, report.now)}. The store, or Telegram, "
            "holds it up; the operator's log has the details"
        )
    if report.failed:
        more = "more than " if report.failed_more else ""
        lines.append(f"❌ {more}{jobs(len(report.failed))} failed in the last day:")
        for view in report.failed[:SHOWN]:
            reason = view.last_error or "no reason is known"
            lines.append(f"· {job_line(view.job)}: {clipped(advice(reason) or reason, 150)}")
        if len(report.failed) > SHOWN:
            lines.append("· …")
        lines.append(f"/retry {short_id(report.failed[0].job.job_id)} tries the first one again")
    return lines
