"""The codec of what crosses the broker: golden messages, round trips, and what other versions write."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given

from teltubby.messages.details import FileDetails
from teltubby.messages.jobs import (
    Job,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobMetadata,
    JobProgress,
    JobRetrying,
    JobStarted,
    TelegramContext,
)
from teltubby.messages.wire import (
    JOB_TYPE,
    SCHEMA,
    decode_event,
    decode_job,
    encode_event,
    encode_job,
    event_type,
)
from tests.unit.wire_samples import (
    COMMON,
    EVENTS,
    GOLDEN_EVENTS,
    GOLDEN_JOB,
    GOLDEN_START,
    JOB,
    JOBS,
    MOMENT,
    altered,
)


def test_golden_job() -> None:
    assert encode_job(JOB) == GOLDEN_JOB
    assert decode_job(GOLDEN_JOB, "1.0") == JOB
    assert JOB_TYPE == "teltubby.large_file.job"


@pytest.mark.parametrize(("type_name", "event", "tail"), GOLDEN_EVENTS)
def test_golden_events(type_name: str, event: JobEvent, tail: bytes) -> None:
    assert event_type(event) == type_name
    assert encode_event(event) == GOLDEN_START + tail
    assert decode_event(GOLDEN_START + tail, type_name, "1.0") == event


@given(JOBS)
def test_jobs_come_back_as_they_went(job: Job) -> None:
    body = encode_job(job)
    assert body.isascii()
    again = decode_job(body, SCHEMA)
    assert encode_job(again) == body
    # Two halves of a surrogate pair, put side by side, come back as the character that they make.
    assert again == job or b"\\ud" in body


@given(EVENTS)
def test_events_come_back_as_they_went(event: JobEvent) -> None:
    body = encode_event(event)
    again = decode_event(body, event_type(event), SCHEMA)
    assert encode_event(again) == body
    assert type(again) is type(event)
    assert again == event or b"\\ud" in body


def test_ids_may_be_strings() -> None:
    fields = json.loads(GOLDEN_JOB)
    for name in ("user_id", "chat_id", "message_id"):
        fields[name] = str(fields[name])
    fields["file_info"]["file_size"] = "104857600"
    assert decode_job(json.dumps(fields).encode()) == JOB
    assert decode_job(altered("chat_id", "-1001234567890")).chat_id == -1001234567890


@pytest.mark.parametrize(
    ("written", "expected"),
    [(None, None), (30, 30.0), (12.5, 12.5), ("90", 90.0), ("1.5", 1.5), ("5 minutes", None), ("", None)],
)
def test_estimated_duration(written: object, expected: float | None) -> None:
    assert decode_job(altered("job_metadata.estimated_duration", written)).job_metadata.estimated_duration == expected


@pytest.mark.parametrize(
    "written", ["2025-01-27T10:11:12Z", "2025-01-27T13:11:12+03:00", "2025-01-27T10:11:12", "2025-01-27 10:11:12.000"]
)
def test_times_are_utc_unless_they_say_otherwise(written: str) -> None:
    created_at = decode_job(altered("job_metadata.created_at", written)).job_metadata.created_at
    assert created_at == MOMENT
    assert created_at.tzinfo is UTC


def test_times_of_other_zones_are_written_as_what_they_are() -> None:
    moscow = MOMENT.astimezone(timezone(timedelta(hours=3)))
    body = encode_event(JobStarted(**{**COMMON, "at": moscow}))
    assert decode_event(body, "teltubby.job.started") == JobStarted(**COMMON)


def test_progress_of_older_workers_has_no_estimate() -> None:
    type_name, event, _ = GOLDEN_EVENTS[1]
    fields = json.loads(encode_event(event))
    del fields["seconds_left"]
    read = decode_event(json.dumps(fields).encode(), type_name)
    assert isinstance(read, JobProgress) and read.seconds_left is None


def test_reports_of_older_workers_say_nothing_of_what_the_attempt_did() -> None:
    fields = json.loads(GOLDEN_START + b',"reason":"no answer","delay_seconds":60.0}')
    read = decode_event(json.dumps(fields).encode(), "teltubby.job.retrying")
    assert read == JobRetrying(**COMMON, reason="no answer", delay_seconds=60.0)
    assert (read.transferred_bytes, read.seconds, read.route, read.routes) == (0, 0.0, None, ())


def test_completions_of_older_workers_name_no_way() -> None:
    type_name, event, _ = GOLDEN_EVENTS[2]
    fields = json.loads(encode_event(event))
    del fields["via"], fields["routes"], fields["details"], fields["preview"]
    read = decode_event(json.dumps(fields).encode(), type_name)
    assert isinstance(read, JobCompleted) and isinstance(event, JobCompleted)
    assert read == replace(event, via=None, routes=(), details=None, preview=None)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (None, None),
        ({}, None),
        ({"of_the_future": 1, "width": 2**70, "duration": -1, "codec": "\n", "taken_at": "yesterday"}, None),
        ({"width": 640, "height": True, "duration": "9"}, FileDetails(width=640)),
        ({"codec": "x" * 500_000}, FileDetails(codec="x" * 64)),
        ({"taken_at": "2024-05-06T07:08:09.5+02:00"}, FileDetails(taken_at=datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC))),
        ({"taken_at": "2024-05-06T07:08:09"}, FileDetails(taken_at=datetime(2024, 5, 6, 7, 8, 9))),
    ],
)
def test_no_completion_is_refused_for_what_its_file_says(said: object, read: FileDetails | None) -> None:
    type_name, event, _ = GOLDEN_EVENTS[2]
    fields = json.loads(encode_event(event)) | {"details": said}
    decoded = decode_event(json.dumps(fields).encode(), type_name)
    assert isinstance(decoded, JobCompleted) and decoded.details == read


def test_long_reasons_of_ways_are_cut_off() -> None:
    fields = json.loads(GOLDEN_START + b',"reason":"gone"}')
    fields["routes"] = [{"route": "own", "reason": "x\n" * 100_000}]
    read = decode_event(json.dumps(fields).encode(), "teltubby.job.failed")
    assert isinstance(read, JobFailed)
    (own,) = read.routes
    assert own.reason is not None and own.reason.isprintable() and len(own.reason) <= 500


def test_jobs_of_older_senders_have_the_first_ticket() -> None:
    fields = json.loads(GOLDEN_JOB)
    del fields["job_metadata"]["ticket"]
    assert decode_job(json.dumps(fields).encode()).job_metadata.ticket == 0


def test_unknown_keys_are_tolerated_and_optional_ones_may_be_missing() -> None:
    fields = json.loads(GOLDEN_JOB)
    fields["of_the_future"] = {"x": [1]}
    fields["file_info"]["thumbnail"] = None
    assert decode_job(json.dumps(fields).encode()) == JOB
    fields["telegram_context"] = {"entities": None}
    fields["job_metadata"] = {"created_at": "2025-01-27T10:11:12Z"}
    del fields["file_info"]["file_name"], fields["file_info"]["mime_type"]
    job = decode_job(json.dumps(fields).encode())
    assert job.telegram_context == TelegramContext()
    assert job.job_metadata == JobMetadata(created_at=MOMENT)
    assert job.file_info.file_name is None


def test_file_size_may_be_unknown() -> None:
    assert decode_job(altered("file_info.file_size", None)).file_info.file_size is None
