"""The versioned JSON codec for what crosses the broker: jobs (spec/large-files.md 3.2), workers' reports and questions.

Reading is liberal in form (integers may be strings, unknown keys are ignored, as older and newer senders need) and
strict in substance: what is accepted can be acted on, and what cannot raises MalformedMessage with a one-line reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read
from teltubby.messages.jobs import (
    Job,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
)
from teltubby.messages.questions import FirstCopyAsked, FirstCopyTold

SCHEMA = "1.0"
"""The version that is written, and the only one that is read; it travels in the message header `schema`."""

JOB_TYPE = "teltubby.large_file.job"
FIRST_COPY_TYPE = "teltubby.question.first_copy"

MAX_BODY_BYTES = 1 << 20
"""No message is nearly as long: Telegram bounds captions, entities and names."""

_EVENTS: Mapping[str, type[JobEvent]] = {
    "teltubby.job.started": JobStarted,
    "teltubby.job.progress": JobProgress,
    "teltubby.job.completed": JobCompleted,
    "teltubby.job.retrying": JobRetrying,
    "teltubby.job.failed": JobFailed,
}
_EVENT_TYPES: Mapping[type[JobEvent], str] = {event: name for name, event in _EVENTS.items()}

_JOB: TypeAdapter[Job] = TypeAdapter(Job)
_EVENT_ADAPTERS: Mapping[str, TypeAdapter[JobEvent]] = {name: TypeAdapter(event) for name, event in _EVENTS.items()}
_QUESTION: TypeAdapter[FirstCopyAsked] = TypeAdapter(FirstCopyAsked)
_ANSWER: TypeAdapter[FirstCopyTold] = TypeAdapter(FirstCopyTold)

_Readers = Mapping[str, Callable[[object], object]]

# Fields whose values have to satisfy more than their type; what else there is, the dataclasses say.
_JOB_READERS: _Readers = {
    "job_id": read.job_id,
    "user_id": read.whole,
    "chat_id": read.whole,
    "message_id": read.ordinal,
}
_SECTION_READERS: Mapping[str, _Readers] = {
    "file_info": {"file_id": read.text, "file_unique_id": read.text, "file_size": read.count},
    "telegram_context": {},
    "job_metadata": {
        "created_at": read.moment,
        "retry_count": read.count,
        "max_retries": read.count,
        "times_parked": read.count,
        "estimated_duration": read.estimate,
    },
    "target": {"key": read.object_key},
}
_EVENT_READERS: _Readers = {
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
}

_QUESTION_READERS: _Readers = {"sha256": read.sha256, "key": read.object_key}

M = TypeVar("M")


def event_type(event: JobEvent) -> str:
    """The message type under which the broker carries this report, as `teltubby.job.started`."""
    return _EVENT_TYPES[type(event)]


def encode_job(job: Job) -> bytes:
    """The job as JSON in ASCII, keys in the order of the specification, ids as integers, times in ISO 8601."""
    return _encode(_JOB.dump_python(job, mode="json"))


def encode_event(event: JobEvent) -> bytes:
    """The report as JSON in ASCII; its kind is the message's type, `event_type(event)`."""
    return _encode(_EVENT_ADAPTERS[event_type(event)].dump_python(event, mode="json"))


def decode_job(body: bytes, schema: str | None = SCHEMA) -> Job:
    """The job of a message whose header `schema` is given (None: it had none). Raises MalformedMessage."""
    fields = _decode(body, schema)
    _apply(_JOB_READERS, fields)
    for name, readers in _SECTION_READERS.items():
        section = fields.get(name)
        if not isinstance(section, dict):
            raise MalformedMessage(f"{name}: {'missing' if section is None else 'not an object'}")
        _apply(readers, section, within=f"{name}.")
    if fields["telegram_context"].get("entities") is None:
        fields["telegram_context"]["entities"] = ()
    job = _validate(_JOB, fields)
    context = replace(job.telegram_context, entities=tuple(job.telegram_context.entities))
    return replace(job, telegram_context=context)


def decode_event(body: bytes, type: str, schema: str | None = SCHEMA) -> JobEvent:
    """The report in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    adapter = _EVENT_ADAPTERS.get(type)
    if adapter is None:
        raise MalformedMessage(f"{read.shown(type)!r} is not the type of a report")
    fields = _decode(body, schema)
    _apply(_EVENT_READERS, fields)
    return _validate(adapter, fields)


def encode_question(question: FirstCopyAsked) -> bytes:
    """The question as JSON in ASCII; the message's type is FIRST_COPY_TYPE."""
    return _encode(_QUESTION.dump_python(question, mode="json"))


def decode_question(body: bytes, type: str, schema: str | None = SCHEMA) -> FirstCopyAsked:
    """The question in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    if type != FIRST_COPY_TYPE:
        raise MalformedMessage(f"{read.shown(type)!r} is not the type of a question")
    fields = _decode(body, schema)
    _apply(_QUESTION_READERS, fields)
    return _validate(_QUESTION, fields)


def encode_answer(answer: FirstCopyTold) -> bytes:
    """The answer as JSON in ASCII, in the version of its question: no other is answered."""
    return _encode(_ANSWER.dump_python(answer, mode="json"))


def decode_answer(body: bytes, question: FirstCopyAsked) -> FirstCopyTold:
    """The answer to this question. Raises MalformedMessage, also for the answer to another."""
    fields = _decode(body, SCHEMA)
    _apply(_QUESTION_READERS, fields)
    answer = _validate(_ANSWER, fields)
    if answer.sha256 != question.sha256:
        raise MalformedMessage(f"the answer is about {answer.sha256}, the question was about {question.sha256}")
    return answer


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def _decode(body: bytes, schema: str | None) -> dict[str, Any]:
    if schema != SCHEMA:
        found = "no schema version" if schema is None else f"schema version {read.shown(schema)!r}"
        raise MalformedMessage(f"the message has {found}; this teltubby reads {SCHEMA!r}")
    if len(body) > MAX_BODY_BYTES:
        raise MalformedMessage(f"the message has {len(body)} bytes, more than {MAX_BODY_BYTES}")
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"not UTF-8: byte {error.start} cannot be read") from error
    except RecursionError as error:
        raise MalformedMessage("not JSON that can be read: nested too deeply") from error
    except ValueError as error:
        raise MalformedMessage(f"not JSON: {read.shown(error)}") from error
    if not isinstance(value, dict):
        raise MalformedMessage("not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return fields


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueError(f"{literal} is more than a number can be")
    return number


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _apply(readers: _Readers, fields: dict[str, Any], *, within: str = "") -> None:
    for name, reader in readers.items():
        if fields.get(name) is not None:
            try:
                fields[name] = reader(fields[name])
            except ValueError as error:
                raise MalformedMessage(f"{within}{name}: {error}") from error


def _validate(adapter: TypeAdapter[M], fields: Mapping[str, Any]) -> M:
    try:
        return adapter.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedMessage(f"{read.shown(where)}: {read.shown(first['msg'])}") from error
