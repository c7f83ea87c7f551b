"""The codec of what workers ask: golden messages, round trips, and what is refused with which reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.errors import MalformedMessage
from teltubby.messages.questions import FirstCopyAsked, FirstCopyTold, RelayAsked, RelayTold, RoomAsked, RoomTold
from teltubby.messages.wire import (
    FIRST_COPY_TYPE,
    JOB_TYPE,
    MAX_BODY_BYTES,
    RELAY_TYPE,
    SCHEMA,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
    question_type,
)
from tests.unit.wire_samples import JOB_ID, JSON, KEY, KEYS, SHA, UUIDS

ASKED = FirstCopyAsked(sha256=SHA, job_id=JOB_ID)
GOLDEN_QUESTION = b'{"sha256":"' + SHA.encode() + b'","job_id":"' + JOB_ID.encode() + b'"}'
GOLDEN_ANSWER = b'{"sha256":"' + SHA.encode() + b'","key":"' + KEY.encode() + b'"}'
GOLDEN_UNKNOWN = b'{"sha256":"' + SHA.encode() + b'","key":null}'
DIGESTS = st.from_regex("[0-9a-f]{64}", fullmatch=True)


def refused(body: bytes, *, type: str = FIRST_COPY_TYPE, schema: str | None = SCHEMA) -> str:
    """Why the question is; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_question(body, type, schema)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


def not_taken(body: bytes) -> str:
    """Why the answer is no answer to this question; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_answer(body, ASKED)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


def answer(**fields: object) -> bytes:
    """The golden answer with these fields in place of its own."""
    return json.dumps({**json.loads(GOLDEN_ANSWER), **fields}).encode()


def test_golden_question_and_answers() -> None:
    assert FIRST_COPY_TYPE == "teltubby.question.first_copy"
    assert encode_question(ASKED) == GOLDEN_QUESTION
    assert decode_question(GOLDEN_QUESTION, FIRST_COPY_TYPE, "1.0") == ASKED
    known, unknown = FirstCopyTold(sha256=SHA, key=KEY), FirstCopyTold(sha256=SHA, key=None)
    assert (encode_answer(known), encode_answer(unknown)) == (GOLDEN_ANSWER, GOLDEN_UNKNOWN)
    assert (decode_answer(GOLDEN_ANSWER, ASKED), decode_answer(GOLDEN_UNKNOWN, ASKED)) == (known, unknown)


@pytest.mark.parametrize("full", [True, False])
def test_whether_there_is_room(full: bool) -> None:
    asked, told = RoomAsked(worker="host:1:ab"), RoomTold(full=full)
    assert question_type(asked) == "teltubby.question.room" and encode_question(asked) == b'{"worker":"host:1:ab"}'
    assert decode_question(encode_question(asked), question_type(asked), "1.0") == asked
    assert encode_answer(told) == b'{"full":' + str(full).lower().encode() + b"}"
    assert decode_answer(encode_answer(told), asked) == told
    with pytest.raises(MalformedMessage, match="full"):
        decode_answer(b"{}", asked)


@given(DIGESTS, st.none() | KEYS)
def test_they_come_back_as_they_went(sha256: str, key: str | None) -> None:
    asked, told = FirstCopyAsked(sha256=sha256), FirstCopyTold(sha256=sha256, key=key)
    assert decode_question(encode_question(asked), FIRST_COPY_TYPE) == asked
    assert decode_answer(encode_answer(told), asked) == told


def test_unknown_keys_are_tolerated() -> None:
    question = {"sha256": SHA, "of_the_future": [1]}
    assert decode_question(json.dumps(question).encode(), FIRST_COPY_TYPE) == FirstCopyAsked(sha256=SHA)
    assert decode_answer(answer(of_the_future=1), ASKED).key == KEY


@given(DIGESTS)
def test_an_answer_about_other_bytes_is_never_taken(sha256: str) -> None:
    other = FirstCopyAsked(sha256=sha256)
    if other != ASKED:
        with pytest.raises(MalformedMessage, match="the answer is about"):
            decode_answer(GOLDEN_ANSWER, other)


@pytest.mark.parametrize("type_name", ["", "teltubby.question", "teltubby.job.started", JOB_TYPE, "x\n" * 500])
def test_questions_of_unknown_type(type_name: str) -> None:
    assert "is not the type of a question" in refused(GOLDEN_QUESTION, type=type_name)


@pytest.mark.parametrize(("schema", "expected"), [(None, "no schema version"), ("2.0", "schema version '2.0'")])
def test_questions_of_another_schema(schema: str | None, expected: str) -> None:
    assert expected in refused(GOLDEN_QUESTION, schema=schema)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON: "),
        (b"\xff", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b'{"sha256":"a","sha256":"b"}', "a key occurs twice"),
        (b" " * (MAX_BODY_BYTES + 1), f"more than {MAX_BODY_BYTES}"),
        (b"{}", "sha256: Field required"),
        (b'{"sha256":null}', "sha256: "),
        (b'{"sha256":7}', "sha256: not a SHA-256"),
        (json.dumps({"sha256": SHA.upper()}).encode(), "sha256: not a SHA-256"),
        (json.dumps({"sha256": SHA[:-1]}).encode(), "sha256: not a SHA-256"),
        (json.dumps({"sha256": SHA + "\n"}).encode(), "sha256: not a SHA-256"),
    ],
)
def test_what_is_no_question_is_no_answer_either(body: bytes, expected: str) -> None:
    assert expected in refused(body)
    assert expected in not_taken(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GOLDEN_QUESTION, "key: Field required"),
        (answer(key=""), "key: empty"),
        (answer(key=7), "key: not a string"),
        (answer(key="mtproto/x"), "key: 'mtproto/x' does not begin with teltubby/"),
        (answer(key="teltubby/../x"), "key: 'teltubby/../x' has an empty, '.' or '..' segment"),
        (answer(key="teltubby/" + "a" * 300), "is too long"),
        (answer(sha256="cd" * 32), "the answer is about"),
    ],
)
def test_answers_that_cannot_be_acted_on(body: bytes, expected: str) -> None:
    assert expected in not_taken(body)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert refused(body) and not_taken(body)


# -- relay copies

RELAY_ASKED = RelayAsked(job_id=JOB_ID, worker="host:1", lost=7)
COPY = RelayTold(job_id=JOB_ID, chat_id=-1001234567890, message_id=8)
NO_COPY = RelayTold(job_id=JOB_ID, reason="its content is protected", passing=False)
GOLDEN_RELAY_ASKED = b'{"job_id":"' + JOB_ID.encode() + b'","worker":"host:1","lost":7}'
GOLDEN_COPY = (
    b'{"job_id":"' + JOB_ID.encode() + b'","chat_id":-1001234567890,"message_id":8,"reason":null,"passing":false}'
)


def relay_answer(**fields: object) -> bytes:
    """The golden answer with these fields in place of its own."""
    return json.dumps({**json.loads(GOLDEN_COPY), **fields}).encode()


def test_golden_relay() -> None:
    assert question_type(RELAY_ASKED) == RELAY_TYPE == "teltubby.question.relay"
    assert encode_question(RELAY_ASKED) == GOLDEN_RELAY_ASKED
    assert decode_question(GOLDEN_RELAY_ASKED, RELAY_TYPE, "1.0") == RELAY_ASKED
    assert encode_answer(COPY) == GOLDEN_COPY
    assert decode_answer(GOLDEN_COPY, RELAY_ASKED) == COPY


PLACES = st.tuples(st.integers(-(2**52), -1), st.integers(1, 2**31 - 1), st.none())
REASONS = st.tuples(st.none(), st.none(), st.text(st.characters(categories=["L", "N"]), max_size=400))


@given(UUIDS, st.none() | st.integers(1, 2**31 - 1), PLACES | REASONS, st.booleans())
def test_relays_come_back_as_they_went(
    job_id: str, lost: int | None, told: tuple[int | None, int | None, str | None], passing: bool
) -> None:
    asked = RelayAsked(job_id=job_id, worker="host:1", lost=lost)
    assert decode_question(encode_question(asked), RELAY_TYPE) == asked
    answer = RelayTold(job_id=job_id, chat_id=told[0], message_id=told[1], reason=told[2], passing=passing)
    assert decode_answer(encode_answer(answer), asked) == answer


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (relay_answer(reason="and yet none"), "neither where the copy is nor why"),
        (relay_answer(message_id=None), "neither where the copy is nor why"),
        (relay_answer(chat_id=None, message_id=None), "neither where the copy is nor why"),
        (relay_answer(message_id=0), "message_id: 0 is less than 1"),
        (relay_answer(chat_id="x"), "chat_id: not an integer"),
        (relay_answer(job_id="00000000-0000-0000-0000-000000000001"), "the answer is about job"),
    ],
)
def test_relays_that_cannot_be_acted_on(body: bytes, expected: str) -> None:
    with pytest.raises(MalformedMessage, match=expected):
        decode_answer(body, RELAY_ASKED)


def test_a_relay_is_asked_for_by_an_older_worker_too() -> None:
    body = json.dumps({"job_id": JOB_ID, "worker": "host:1"}).encode()
    assert decode_question(body, RELAY_TYPE) == RelayAsked(job_id=JOB_ID, worker="host:1")
    assert "lost: 0 is less than 1" in refused(GOLDEN_RELAY_ASKED.replace(b"7", b"0"), type=RELAY_TYPE)
