"""Lists of jobs and of what was found, and one job's whole history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape, unescape

from teltubby.actors.phrases.job_lines import MARKS
from teltubby.actors.phrases.reasons import advice
from teltubby.actors.phrases.stage_times import stage_line
from teltubby.actors.phrases.words import (
    NAME_CHARACTERS,
    PAGE_CHARACTERS,
    clipped,
    file_name,
    files,
    job_line,
    moment,
    short_moment,
    since,
    size,
    span,
)
from teltubby.messages.history import ArchiveHit, Attempt, Command, JobHistory, Transition
from teltubby.messages.jobs import JobState, Priority
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.routes import RouteTry

_LINE_REASON_CHARACTERS = 120
_WAY_CHARACTERS = 100
_TITLE_CHARACTERS = 100
_KEYS_SHOWN = 4
_POPUP_CHARACTERS = 200
JOBS_USAGE = "/jobs shows your large files, newest first; /jobs &lt;id&gt; tells everything about one."


def queue_text(views: Sequence[JobView], *, offset: int, total: int, now: datetime) -> str:
    """One page of the open jobs."""
    if not views:
        return "No large file is waiting or being fetched." if not offset else "There is nothing more in the queue."
    return "\n".join([f"<b>{total} open</b>, in their turn", *_numbered(views, offset, now)])


def jobs_text(views: Sequence[JobView], *, offset: int, now: datetime) -> str:
    """One page of a curator's own jobs."""
    if not views:
        return "You handed in no large file yet." if not offset else "There are no older ones."
    return "\n".join(["<b>Your large files</b>, newest first", *_numbered(views, offset, now), "", JOBS_USAGE])


def job_unknown(wanted: str) -> str:
    if not wanted:
        return "Which job? The first 8 characters of its id are enough; /queue lists the open ones."
    return (
        f"There is no job <code>{escape(wanted[:64])}</code>, or more than one whose id begins so. "
        "/queue lists the open ones, /jobs yours."
    )


def job_popup(view: JobView, now: datetime) -> str:
    """A job in a few words, without HTML, at most 200 characters: what a popup shows."""
    name = " ".join((view.job.file_info.file_name or view.job.file_info.file_type).split())
    lines = [
        f"{MARKS[view.state]} {unescape(_state(view))}",
        f"{name if len(name) <= 60 else name[:59] + '…'}, {size(view.job.file_info.file_size)}",
        f"changed {since(view.updated_at, now)}",
    ]
    if view.last_error and view.state in (JobState.FAILED, JobState.RETRYING):
        lines.append(advice(view.last_error) or " ".join(view.last_error.split()))
    text = "\n".join(lines)
    return text if len(text) <= _POPUP_CHARACTERS else text[: _POPUP_CHARACTERS - 1] + "…"


def job_history(view: JobView, history: JobHistory, *, location: str) -> str:
    """Everything that is known of a job."""
    job = view.job
    lines = [
        f"{MARKS[view.state]} <b>Job</b> <code>{escape(job.job_id)}</code>",
        f"State: {_state(view)}",
        f"File: {file_name(job)}, {size(job.file_info.file_size)}",
        f"Priority: {job.job_metadata.priority}",
        f"Handed in by <code>{job.user_id}</code>, message {job.message_id}",
        f"Goes to: <code>{escape(location)}</code>",
        f"Created: {moment(view.created_at)}, last change: {moment(view.updated_at)}",
    ]
    if not view.published:
        lines.append("⚠️ The queue has not taken its newest message yet")
    if view.last_error:
        lines.append(f"Last error: {clipped(view.last_error, 300)}")
        if (sentence := advice(view.last_error)) is not None:
            lines.append(f"→ {escape(sentence)}")
    for title, entries in (
        ("Attempts", _attempts(view, history.attempts)),
        ("What happened", [_transition(entry) for entry in history.transitions]),
        ("Commands", [_command(entry) for entry in history.commands]),
    ):
        if entries:
            lines += ["", f"<b>{title}</b>", *entries]
    return "\n".join(lines)


def find_text(words: str, hits: Sequence[ArchiveHit], *, offset: int) -> str:
    """One page of what a search found; long keys give way to their folders, so that it stays one message."""
    asked = clipped(words, NAME_CHARACTERS)
    if not hits:
        return f"Nothing {'more ' if offset else ''}was found for “{asked}”."
    for keys_shown in range(_KEYS_SHOWN, -1, -1):
        lines = [f"<b>Found for “{asked}”</b>"]
        for number, hit in enumerate(hits, start=offset + 1):
            lines += ["", *_hit(number, hit, keys_shown)]
        if len(text := "\n".join(lines)) <= PAGE_CHARACTERS:
            break
    return text


def _hit(number: int, hit: ArchiveHit, keys_shown: int) -> list[str]:
    title = clipped(hit.title, _TITLE_CHARACTERS) or "without a title"
    lines = [f"{number}. {title} · {moment(hit.handed_in_at)[:10]}"]
    lines += [f"<code>{escape(key)}</code>" for key in hit.keys[:keys_shown]]
    hidden = len(hit.keys) - len(hit.keys[:keys_shown])
    if hidden:
        lines.append(f"{files(hidden)}{' more' if keys_shown else ''} in <code>{escape(hit.base_path)}</code>")
    if not hit.keys:
        lines.append(f"no file in the store (yet): <code>{escape(hit.base_path)}</code>")
    return lines


def _numbered(views: Sequence[JobView], offset: int, now: datetime) -> list[str]:
    lines = []
    for number, view in enumerate(views, start=offset + 1):
        priority = view.job.job_metadata.priority
        marked = "" if priority is Priority.NORMAL else f" · {priority}"
        lines.append(f"{number}. {MARKS[view.state]} {job_line(view.job)}{marked}")
        lines.append(f"    {_state(view)}, {since(view.updated_at, now)}")
    return lines


def _state(view: JobView) -> str:
    words = view.state.value
    if view.state is JobState.PROCESSING and view.worker:
        words += f" by {clipped(view.worker, 40)}"
    if view.attempt > 1:
        words += f" (attempt {view.attempt})"
    if view.state is JobState.RETRYING and view.due_at is not None:
        words += f", again at {short_moment(view.due_at)} UTC"
    return words


def _attempts(view: JobView, attempts: Sequence[Attempt]) -> list[str]:
    """Of a job that is being fetched the newest attempt runs, and others without an end were lost."""
    running = len(attempts) - 1 if view.state is JobState.PROCESSING else -1
    lines = []
    for at, attempt in enumerate(attempts):
        lines.append(_attempt(attempt, runs=at == running))
        if attempt.routes:
            lines.append(f"    {_ways(attempt.routes)}")
        if times := stage_line(attempt.stages):
            lines.append(f"    {times}")
    return lines


def _ways(tries: Sequence[RouteTry]) -> str:
    """By which ways the file was looked for, in order."""
    told = [
        f"{each.route}: {'served' if each.reason is None else clipped(each.reason, _WAY_CHARACTERS)}" for each in tries
    ]
    return "; ".join(told)


def _attempt(attempt: Attempt, *, runs: bool) -> str:
    mark = "🚫" if attempt.error == "cancelled" else {True: "✅", False: "❌", None: "▫️"}[attempt.success]
    facts = [f"{mark} {attempt.attempt}. {short_moment(attempt.started_at)}"]
    if attempt.worker:
        facts.append(clipped(attempt.worker, 40))
    if attempt.transferred_bytes:
        facts.append(size(attempt.transferred_bytes))
    if attempt.seconds is not None:
        facts.append(span(attempt.seconds))
    if attempt.transferred_bytes and attempt.seconds:
        facts.append(f"{size(int(attempt.transferred_bytes / attempt.seconds))}/s")
    if attempt.route is not None:
        facts.append(attempt.route)
    if attempt.success is None:
        unfinished = "running" if runs else "lost without a word"
        facts.append(unfinished if attempt.finished_at is None else "stopped")
    if attempt.error:
        facts.append(clipped(attempt.error, _LINE_REASON_CHARACTERS))
    return " · ".join(facts)


def _transition(step: Transition) -> str:
    words = f"{short_moment(step.at)} {MARKS[step.to_state]} {step.to_state}"
    if step.user_id is not None:
        words += f" by <code>{step.user_id}</code>"
    elif step.worker:
        words += f" · {clipped(step.worker, 40)}"
    if step.reason:
        words += f" · {clipped(step.reason, _LINE_REASON_CHARACTERS)}"
    return words


def _command(command: Command) -> str:
    who = "the house itself" if command.user_id is None else f"<code>{command.user_id}</code>"
    refused = "" if command.accepted else " (refused)"
    detail = f" · {clipped(command.detail, _LINE_REASON_CHARACTERS)}" if command.detail else ""
    return f"{short_moment(command.at)} {escape(command.command)} by {who}{refused}{detail}"
