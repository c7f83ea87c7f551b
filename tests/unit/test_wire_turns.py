"""The codec of a worker's question whether it is its turn: golden messages, round trips, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.errors import MalformedMessage
from teltubby.messages.questions import FirstCopyAsked, Turn, TurnAsked, TurnTold
from teltubby.messages.wire import (
    FIRST_COPY_TYPE,
    SCHEMA,
    TURN_TYPE,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
    question_type,
)
from tests.unit.wire_samples import COUNTS, JOB_ID, JSON, SHA, TEXT, UUIDS

ASKED = TurnAsked(job_id=JOB_ID, ticket=2, attempt=3, worker="host-1")
TOLD = TurnTold(job_id=JOB_ID, ticket=2, turn=Turn.GO)
GOLDEN_QUESTION = b'{"job_id":"' + JOB_ID.encode() + b'","ticket":2,"attempt":3,"worker":"host-1"}'
GOLDEN_ANSWER = b'{"job_id":"' + JOB_ID.encode() + b'","ticket":2,"turn":"go"}'


def question(**fields: object) -> bytes:
    """The golden question with these fields in place of its own."""
    return json.dumps({**json.loads(GOLDEN_QUESTION), **fields}).encode()


def answer(**fields: object) -> bytes:
    """The golden answer with these fields in place of its own."""
    return json.dumps({**json.loads(GOLDEN_ANSWER), **fields}).encode()


def refused(body: bytes, *, type: str = TURN_TYPE, schema: str | None = SCHEMA) -> str:
    """Why the question is; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_question(body, type, schema)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


def not_taken(body: bytes, asked: TurnAsked = ASKED) -> str:
    """Why the answer is no answer to this question; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_answer(body, asked)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


def test_golden_question_and_answer() -> None:
    assert question_type(ASKED) == TURN_TYPE == "teltubby.question.turn"
    assert question_type(FirstCopyAsked(sha256=SHA)) == FIRST_COPY_TYPE
    assert encode_question(ASKED) == GOLDEN_QUESTION
    assert decode_question(GOLDEN_QUESTION, TURN_TYPE, "1.0") == ASKED
    assert encode_answer(TOLD) == GOLDEN_ANSWER
    assert decode_answer(GOLDEN_ANSWER, ASKED) == TOLD


@given(UUIDS, COUNTS, st.integers(1, 2**63 - 1), TEXT.filter(bool), st.sampled_from(Turn))
def test_they_come_back_as_they_went(job_id: str, ticket: int, attempt: int, worker: str, turn: Turn) -> None:
    asked = TurnAsked(job_id=job_id, ticket=ticket, attempt=attempt, worker=worker)
    told = TurnTold(job_id=job_id, ticket=ticket, turn=turn)
    body = encode_question(asked)
    again = decode_question(body, TURN_TYPE)
    assert body.isascii() and encode_question(again) == body
    assert again == asked or b"\\ud" in body
    assert decode_answer(encode_answer(told), asked) == told


def test_unknown_keys_are_tolerated() -> None:
    assert decode_question(question(of_the_future=[1]), TURN_TYPE) == ASKED
    assert decode_answer(answer(of_the_future=1), ASKED) == TOLD


def test_a_question_of_one_kind_is_not_read_as_another() -> None:
    assert "Field required" in refused(GOLDEN_QUESTION, type=FIRST_COPY_TYPE)
    assert "Field required" in not_taken(json.dumps({"sha256": SHA, "key": None}).encode())


@given(UUIDS, st.integers(0, 5))
def test_an_answer_about_another_message_is_never_taken(job_id: str, ticket: int) -> None:
    asked = TurnAsked(job_id=job_id, ticket=ticket, attempt=1, worker="host-1")
    if (job_id, ticket) != (ASKED.job_id, ASKED.ticket):
        assert "the answer is about message 2 of job" in not_taken(GOLDEN_ANSWER, asked)
    assert "the answer is about message 2" in not_taken(GOLDEN_ANSWER, replace(ASKED, ticket=3))


@pytest.mark.parametrize(("schema", "expected"), [(None, "no schema version"), ("2.0", "schema version '2.0'")])
def test_questions_of_another_schema(schema: str | None, expected: str) -> None:
    assert expected in refused(GOLDEN_QUESTION, schema=schema)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON: "),
        (b"[]", "not a JSON object"),
        (question(job_id="7"), "job_id: '7' is not a UUID"),
        (question(job_id=None), "job_id: "),
        (question(ticket=-1), "ticket: -1 is negative"),
        (question(ticket=None), "ticket: "),
        (question(ticket=1.5), "ticket: not an integer"),
        (question(attempt=0), "attempt: 0 is less than 1"),
        (question(worker=""), "worker: empty"),
        (question(worker=7), "worker: not a string"),
        (GOLDEN_ANSWER, "attempt: Field required"),
    ],
)
def test_questions_that_cannot_be_acted_on(body: bytes, expected: str) -> None:
    assert expected in refused(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\xff", "not UTF-8"),
        (answer(turn="perhaps"), "turn: Input should be"),
        (answer(turn=None), "turn: Input should be"),
        (answer(ticket=-1), "ticket: -1 is negative"),
        (answer(job_id=JOB_ID.upper()), "is not a UUID in canonical form"),
        (GOLDEN_QUESTION, "turn: Field required"),
    ],
)
def test_answers_that_cannot_be_acted_on(body: bytes, expected: str) -> None:
    assert expected in not_taken(body)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert refused(body) and not_taken(body)
