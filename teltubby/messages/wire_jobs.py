"""The codec of jobs (spec/large-files.md 3.2) and of workers' reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read
from teltubby.messages.details import FileDetails, file_details
from teltubby.messages.jobs import (
    Job,
    JobCancelled,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
)
from teltubby.messages.stages import Stages, known_stages
from teltubby.messages.wire_json import SCHEMA, Kinds, Readers, apply, decode, encode, validate

JOB_TYPE = "teltubby.large_file.job"

WAYS_MAX = 16
"""More than there are ways to a file."""

_JOB: TypeAdapter[Job] = TypeAdapter(Job)

_JOB_READERS: Readers = {
    "job_id": read.job_id,
    "user_id": read.whole,
    "chat_id": read.whole,
    "message_id": read.ordinal,
}
_SECTION_READERS: Mapping[str, Readers] = {
    "file_info": {"file_id": read.text, "file_unique_id": read.text, "file_size": read.count},
    "telegram_context": {},
    "job_metadata": {
        "created_at": read.moment,
        "retry_count": read.count,
        "max_retries": read.count,
        "times_parked": read.count,
        "ticket": read.count,
        "estimated_duration": read.estimate,
    },
    "target": {"key": read.object_key},
}


def _ways(value: object) -> list[object]:
    """The ways that were tried; what is longer than anybody reads is cut off, as nothing is done by it."""
    if not isinstance(value, list) or len(value) > WAYS_MAX:
        raise ValueError(f"not a list of {WAYS_MAX} ways at most")
    for way in value:
        if isinstance(way, dict) and way.get("reason") is not None:
            way["reason"] = read.words(way["reason"])
    return value


def _details(value: object) -> FileDetails | None:
    """What a file says of itself: no report is refused for that, so what cannot be true is left out."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return file_details(value)


def _stages(value: object) -> Stages:
    """What the time went by with: no report is refused for that either."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return known_stages(value)


def _preview(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value | {"key": read.object_key(value.get("key")), "size_bytes": read.count(value.get("size_bytes"))}


_EVENT_READERS: Readers = {
    "job_id": read.job_id,
    "worker": read.text,
    "attempt": read.ordinal,
    "at": read.moment,
    "downloaded_bytes": read.count,
    "uploaded_bytes": read.count,
    "total_bytes": read.count,
    "bytes_per_second": read.measure,
    "seconds_left": read.estimate,
    "key": read.object_key,
    "size_bytes": read.count,
    "sha256": read.sha256,
    "seconds": read.measure,
    "duplicate_of": read.object_key,
    "delay_seconds": read.measure,
    "transferred_bytes": read.count,
    "routes": _ways,
    "details": _details,
    "preview": _preview,
    "stages": _stages,
}
_EVENTS: Kinds[JobEvent] = Kinds(
    {
        "teltubby.job.started": JobStarted,
        "teltubby.job.progress": JobProgress,
        "teltubby.job.completed": JobCompleted,
        "teltubby.job.retrying": JobRetrying,
        "teltubby.job.failed": JobFailed,
        "teltubby.job.cancelled": JobCancelled,
    },
    _EVENT_READERS,
    what="a report",
)


def event_type(event: JobEvent) -> str:
    """The message type under which the broker carries this report, as `teltubby.job.started`."""
    return _EVENTS.type_of(event)


def encode_job(job: Job) -> bytes:
    """The job as JSON in ASCII, keys in the order of the specification, ids as integers, times in ISO 8601."""
    return encode(_JOB.dump_python(job, mode="json"))


def encode_event(event: JobEvent) -> bytes:
    """The report as JSON in ASCII; its kind is the message's type, `event_type(event)`."""
    return _EVENTS.encode(event)


def decode_job(body: bytes, schema: str | None = SCHEMA) -> Job:
    """The job of a message whose header `schema` is given (None: it had none). Raises MalformedMessage."""
    fields = decode(body, schema)
    apply(_JOB_READERS, fields)
    for name, readers in _SECTION_READERS.items():
        section = fields.get(name)
        if not isinstance(section, dict):
            raise MalformedMessage(f"{name}: {'missing' if section is None else 'not an object'}")
        apply(readers, section, within=f"{name}.")
    if fields["telegram_context"].get("entities") is None:
        fields["telegram_context"]["entities"] = ()
    job = validate(_JOB, fields)
    context = replace(job.telegram_context, entities=tuple(job.telegram_context.entities))
    return replace(job, telegram_context=context)


def decode_event(body: bytes, type: str, schema: str | None = SCHEMA) -> JobEvent:
    """The report in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    return _EVENTS.decode(body, type, schema)
