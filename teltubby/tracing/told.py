"""A job's trace as people read it, and as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from teltubby.adapters.sqlite_job_trace import JobTrace
from teltubby.messages.history import Attempt
from teltubby.messages.wire_fields import shown
from teltubby.tracing.timeline import Entry, ends_at, stage_words

_LONGEST_TEXT = 4000
_NO_TIME = " " * 23


def as_text(trace: JobTrace | None, entries: Sequence[Entry]) -> Iterator[str]:
    """The job, its attempts with their stages, and the timeline: time in UTC, where it is from, what happened."""
    if trace is not None:
        yield from _head(trace)
        yield ""
    width = max((len(entry.source) for entry in entries), default=0)
    for entry in entries:
        level = "" if entry.level in (None, "info") else f"[{entry.level}] "
        actor = "" if entry.actor is None else f"  ({entry.actor})"
        time = _NO_TIME if entry.at is None else f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        yield f"{time}  {entry.source:<{width}}  {level}{shown(entry.what, _LONGEST_TEXT)}{actor}"
        for line in entry.more:
            yield f"{_NO_TIME}  {'':<{width}}    {line}"


def as_json(trace: JobTrace | None, job_id: str, entries: Sequence[Entry], left_out: int) -> str:
    """One object: `job` (null where there is no ledger), `attempts`, `timeline`; times in ISO 8601, seconds, bytes."""
    told = {
        "job_id": job_id,
        "job": None if trace is None else _job(trace),
        "attempts": [] if trace is None else [_attempt(each, trace) for each in trace.history.attempts],
        "timeline": [
            {
                "at": _time(entry.at),
                "source": entry.source,
                "level": entry.level,
                "actor": entry.actor,
                "what": entry.what,
                "more": list(entry.more),
            }
            for entry in entries
        ],
        "left_out": left_out,
    }
    return json.dumps(told, ensure_ascii=False, indent=2)


def _head(trace: JobTrace) -> Iterator[str]:
    view, job = trace.view, trace.view.job
    size = "size unknown" if job.file_info.file_size is None else f"{job.file_info.file_size} bytes"
    yield f"job {job.job_id}: {view.state}, priority {job.job_metadata.priority}"
    name, key = job.file_info.file_name or job.file_info.file_type, shown(job.target.key, _LONGEST_TEXT)
    yield f"file: {shown(name)}, {size}, goes to {key}"
    yield (
        f"handed in by user {job.user_id} with message {job.message_id} of chat {job.chat_id},"
        f" submission {view.submission_message_id}" + ("" if trace.base_path is None else f" in {trace.base_path}")
    )
    told = {"answer": trace.answer_message_id, "line of this job": view.notice_message_id}
    if said := ", ".join(f"{what} is message {number}" for what, number in told.items() if number is not None):
        yield f"in the curator's chat: {said}"
    if trace.siblings:
        yield "handed in together with: " + ", ".join(f"job {job_id} ({state})" for job_id, state in trace.siblings)
    last = len(trace.history.attempts)
    for number, attempt in enumerate(trace.history.attempts, start=1):
        lost = attempt.success is None and attempt.finished_at is None and (number < last or view.state != "PROCESSING")
        words = stage_words(attempt.stages) or "nothing was measured"
        end = "; no word of its end came" if lost else ""
        yield shown(f"attempt {attempt.attempt} of {attempt.worker or 'a worker'}: {words}{end}", _LONGEST_TEXT)


def _job(trace: JobTrace) -> dict[str, object]:
    view, job = trace.view, trace.view.job
    return {
        "state": view.state,
        "priority": job.job_metadata.priority,
        "file_name": job.file_info.file_name,
        "size_bytes": job.file_info.file_size,
        "key": job.target.key,
        "user_id": job.user_id,
        "chat_id": job.chat_id,
        "message_id": job.message_id,
        "submission": {
            "message_id": view.submission_message_id,
            "base_path": trace.base_path,
            "answer_message_id": trace.answer_message_id,
            "jobs": [{"job_id": job_id, "state": state} for job_id, state in trace.siblings],
        },
        "notice_message_id": view.notice_message_id,
        "created_at": _time(view.created_at),
        "updated_at": _time(view.updated_at),
        "last_error": view.last_error,
    }


def _attempt(attempt: Attempt, trace: JobTrace) -> dict[str, object]:
    return {
        "attempt": attempt.attempt,
        "worker": attempt.worker,
        "began_at": _time(attempt.heard_at or attempt.started_at),
        "ended_at": _time(ends_at(attempt, trace.history)),
        "success": attempt.success,
        "error": attempt.error,
        "transferred_bytes": attempt.transferred_bytes,
        "seconds": attempt.seconds,
        "ways": [{"route": way.route, "reason": way.reason} for way in attempt.routes],
        "stages": dict(attempt.stages),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
