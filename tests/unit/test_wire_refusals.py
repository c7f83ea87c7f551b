"""What the codec refuses, and the reason that it gives."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.errors import MalformedMessage
from teltubby.messages.jobs import (
    TelegramContext,
)
from teltubby.messages.wire import (
    JOB_TYPE,
    MAX_BODY_BYTES,
    SCHEMA,
    decode_event,
    decode_job,
    encode_job,
)
from tests.unit.wire_samples import (
    GOLDEN_EVENTS,
    GOLDEN_JOB,
    GOLDEN_START,
    JOB_ID,
    JSON,
    SHA,
    altered,
    without,
)


def reason(body: bytes, schema: str | None = SCHEMA) -> str:
    """Why the job is refused; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_job(body, schema)
    text = str(caught.value)
    assert text.isprintable()
    assert 0 < len(text) < 450
    return text


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("2.0", "the message has schema version '2.0'; this teltubby reads '1.0'"),
        ("1", "the message has schema version '1'; this teltubby reads '1.0'"),
        ("", "the message has schema version ''; this teltubby reads '1.0'"),
        ("\n\u202e", "the message has schema version '\ufffd\ufffd'; this teltubby reads '1.0'"),
        (None, "the message has no schema version; this teltubby reads '1.0'"),
    ],
)
def test_other_schema_versions(schema: str | None, expected: str) -> None:
    assert reason(GOLDEN_JOB, schema) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON: Expecting value"),
        (b"{", "not JSON: Expecting property name"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"job"', "not a JSON object"),
        (b"\xff\xfe{}", "not UTF-8: byte 0 cannot be read"),
        (b"\xef\xbb\xbf{}", "not JSON: "),
        (b'{"user_id": NaN}', "not JSON: NaN is no JSON number"),
        (b'{"user_id": -Infinity}', "not JSON: -Infinity is no JSON number"),
        (b'{"x": 1e999}', "not JSON: 1e999 is more than a number can be"),
        (b'{"job_id": 1, "job_id": 1}', "not JSON: a key occurs twice in one object"),
        (b'{"user_id": ' + b"9" * 5000 + b"}", "not JSON: Exceeds the limit"),
        (b"[" * 200_000, "not JSON that can be read: nested too deeply"),
        (b" " * (MAX_BODY_BYTES + 1), f"the message has {MAX_BODY_BYTES + 1} bytes, more than {MAX_BODY_BYTES}"),
        (b"{}", "file_info: missing"),
    ],
)
def test_what_is_no_message_at_all(body: bytes, expected: str) -> None:
    assert reason(body).startswith(expected)


REQUIRED = [
    "job_id",
    "user_id",
    "chat_id",
    "message_id",
    "file_info",
    "file_info.file_id",
    "file_info.file_unique_id",
    "file_info.file_size",
    "file_info.file_type",
    "telegram_context",
    "job_metadata",
    "job_metadata.created_at",
    "target",
    "target.key",
]


@pytest.mark.parametrize("path", REQUIRED)
def test_missing_fields(path: str) -> None:
    assert reason(without(path)).startswith(f"{path}: ")


@pytest.mark.parametrize("path", [path for path in REQUIRED if path != "file_info.file_size"])
@pytest.mark.parametrize("value", [None, True, [], {"x": 1}, 1.5])
def test_wrong_types(path: str, value: object) -> None:
    if (path, value) == ("telegram_context", {"x": 1}):
        assert decode_job(altered(path, value)).telegram_context == TelegramContext()
        return
    assert reason(altered(path, value)).startswith(path)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("job_id", "7", "job_id: '7' is not a UUID in canonical form"),
        ("job_id", JOB_ID.upper(), f"job_id: '{JOB_ID.upper()}' is not a UUID in canonical form"),
        ("job_id", JOB_ID.replace("-", ""), "is not a UUID in canonical form"),
        ("job_id", "../" + JOB_ID, "is not a UUID in canonical form"),
        ("user_id", "x", "user_id: not an integer"),
        ("user_id", "1_0", "user_id: not an integer"),
        ("user_id", "٣", "user_id: not an integer"),
        ("user_id", 2**63, "user_id: more than 64 bits"),
        ("message_id", 0, "message_id: 0 is less than 1"),
        ("message_id", -5, "message_id: -5 is less than 1"),
        ("file_info.file_size", -1, "file_info.file_size: -1 is negative"),
        ("file_info.file_size", True, "file_info.file_size: not an integer"),
        ("file_info.file_size", 1.0, "file_info.file_size: not an integer"),
        ("file_info.file_id", "", "file_info.file_id: empty"),
        ("file_info.file_type", "hologram", "file_info.file_type: Input should be"),
        ("file_info.file_name", 7, "file_info.file_name: Input should be a valid string"),
        ("telegram_context.forward_origin", "x", "telegram_context.forward_origin: Input should be"),
        ("telegram_context.entities", "x", "telegram_context.entities: "),
        ("telegram_context.caption", ["x"], "telegram_context.caption: Input should be a valid string"),
        ("job_metadata.priority", "now", "job_metadata.priority: Input should be"),
        ("job_metadata.retry_count", -1, "job_metadata.retry_count: -1 is negative"),
        ("job_metadata.ticket", -1, "job_metadata.ticket: -1 is negative"),
        ("job_metadata.ticket", 1.5, "job_metadata.ticket: not an integer"),
        ("job_metadata.max_retries", "many", "job_metadata.max_retries: not an integer"),
        ("job_metadata.created_at", 1737972672, "job_metadata.created_at: not a time in ISO 8601"),
        ("job_metadata.created_at", "yesterday", "job_metadata.created_at: 'yesterday' is not a time in ISO 8601"),
        ("job_metadata.created_at", "0001-01-01T00:00:00+10:00", "is not a time in ISO 8601"),
        ("job_metadata.estimated_duration", -1, "job_metadata.estimated_duration: -1 is not a number from 0"),
        ("job_metadata.estimated_duration", "nan", "job_metadata.estimated_duration: nan is not a number from 0"),
        ("job_metadata.estimated_duration", 10**400, "is not a number from 0"),
    ],
)
def test_absurd_values(path: str, value: object, expected: str) -> None:
    assert expected in reason(altered(path, value))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("", "empty"),
        ("secrets/a", "does not begin with teltubby/"),
        ("/teltubby/a", "does not begin with teltubby/"),
        ("teltubby", "does not begin with teltubby/"),
        ("teltubby/", "has an empty, '.' or '..' segment"),
        ("teltubby/a//b", "has an empty, '.' or '..' segment"),
        ("teltubby/a/../../b", "has an empty, '.' or '..' segment"),
        ("teltubby/a/..", "has an empty, '.' or '..' segment"),
        ("teltubby/./a", "has an empty, '.' or '..' segment"),
        ("teltubby/a\0b", "has characters that no key has"),
        ("teltubby/a\nb", "has characters that no key has"),
        ("teltubby/\u202ea", "has characters that no key has"),
        ("teltubby/\ud83d", "has characters that no key has"),
        ("teltubby/..\\..\\a", "has characters that no key has"),
        ("teltubby/" + "a" * 256, "is too long"),
        ("teltubby" + "/aaaaaaaa" * 60, "is too long"),
    ],
)
def test_keys_that_lead_elsewhere(key: str, expected: str) -> None:
    found = reason(altered("target.key", key))
    assert found.startswith("target.key: ")
    assert expected in found


def test_deeply_nested_context() -> None:
    body = GOLDEN_JOB.replace(b'[{"type":"bold","offset":0,"length":5}]', b"[" * 400 + b"]" * 400)
    assert reason(body).startswith("telegram_context.entities.0")


@pytest.mark.parametrize("type_name", ["", "teltubby.job", "teltubby.job.paused", JOB_TYPE, "x\n" * 500])
def test_events_of_unknown_type(type_name: str) -> None:
    with pytest.raises(MalformedMessage, match="is not the type of a report") as caught:
        decode_event(GOLDEN_START + b"}", type_name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("job_id", "7", "job_id: '7' is not a UUID"),
        ("worker", "", "worker: empty"),
        ("attempt", 0, "attempt: 0 is less than 1"),
        ("attempt", None, "attempt: Input should be a valid integer"),
        ("at", 5, "at: not a time in ISO 8601"),
        ("key", "teltubby/../x", "key: 'teltubby/../x' has an empty, '.' or '..' segment"),
        ("duplicate_of", "secrets/x", "duplicate_of: 'secrets/x' does not begin with teltubby/"),
        ("size_bytes", -1, "size_bytes: -1 is negative"),
        ("sha256", SHA.upper(), "sha256: not a SHA-256"),
        ("sha256", SHA[:-1], "sha256: not a SHA-256"),
        ("sha256", SHA + "\n", "sha256: not a SHA-256"),
        ("route", "pigeon", "route: Input should be"),
        ("seconds", -0.5, "seconds: -0.5 is not a number from 0"),
        ("seconds", True, "seconds: not a number"),
        ("via", "pigeon", "via: Input should be"),
        ("details", ["h264"], "details: not an object"),
        ("preview", "teltubby/x", "preview: not an object"),
        ("preview", {"key": "secrets/x", "size_bytes": 5}, "preview: 'secrets/x' does not begin with teltubby/"),
        ("preview", {"key": "teltubby/x", "size_bytes": -5}, "preview: -5 is negative"),
        ("preview", {"key": "teltubby/x"}, "preview: not an integer"),
    ],
)
def test_absurd_reports(name: str, value: object, expected: str) -> None:
    type_name, _, tail = GOLDEN_EVENTS[2]
    body = json.dumps({**json.loads(GOLDEN_START + tail), name: value}).encode()
    with pytest.raises(MalformedMessage) as caught:
        decode_event(body, type_name, SCHEMA)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("transferred_bytes", -1, "transferred_bytes: -1 is negative"),
        ("transferred_bytes", 1.5, "transferred_bytes: not an integer"),
        ("seconds", -1, "seconds: -1 is not a number from 0"),
        ("route", "pigeon", "route: Input should be"),
        ("routes", "relay", "routes: not a list of 16 ways at most"),
        ("routes", [{"route": "bot"}] * 17, "routes: not a list of 16 ways at most"),
        ("routes", ["bot"], "routes.0: Input should be"),
        ("routes", [{"route": "pigeon"}], "routes.0.route: Input should be"),
        ("routes", [{"reason": "gone"}], "routes.0.route: Field required"),
        ("routes", [{"route": "bot", "reason": 7}], "routes: not a string"),
    ],
)
@pytest.mark.parametrize("index", [3, 4, 5])
def test_absurd_effort(index: int, name: str, value: object, expected: str) -> None:
    type_name, _, tail = GOLDEN_EVENTS[index]
    body = json.dumps({**json.loads(GOLDEN_START + tail), name: value}).encode()
    with pytest.raises(MalformedMessage) as caught:
        decode_event(body, type_name, SCHEMA)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    "type_name", [f"teltubby.job.{kind}" for kind in ("progress", "completed", "retrying", "failed")]
)
def test_reports_without_their_own_fields(type_name: str) -> None:
    with pytest.raises(MalformedMessage, match="Field required"):
        decode_event(GOLDEN_START + b"}", type_name)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert reason(body)
    for type_name, _, _ in GOLDEN_EVENTS:
        with pytest.raises(MalformedMessage):
            decode_event(body, type_name, SCHEMA)


@given(st.sampled_from([*REQUIRED, "telegram_context.entities", "telegram_context.forward_origin"]), JSON)
def test_any_value_anywhere_is_read_or_refused(path: str, value: object) -> None:
    try:
        job = decode_job(altered(path, value), SCHEMA)
    except MalformedMessage as error:
        assert str(error).isprintable()
    else:
        assert decode_job(encode_job(job), SCHEMA) == job
