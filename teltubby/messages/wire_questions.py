"""The codec of what a worker asks across the broker, and of what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never, overload

from pydantic import TypeAdapter

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read
from teltubby.messages.questions import AnswerTold, FirstCopyAsked, FirstCopyTold, QuestionAsked, TurnAsked, TurnTold
from teltubby.messages.wire_json import SCHEMA, Readers, apply, decode, encode, validate

FIRST_COPY_TYPE = "teltubby.question.first_copy"
TURN_TYPE = "teltubby.question.turn"

_QUESTIONS: Mapping[str, type[QuestionAsked]] = {FIRST_COPY_TYPE: FirstCopyAsked, TURN_TYPE: TurnAsked}
_QUESTION_TYPES: Mapping[type[QuestionAsked], str] = {question: name for name, question in _QUESTIONS.items()}
_QUESTION_ADAPTERS: Mapping[str, TypeAdapter[QuestionAsked]] = {
    name: TypeAdapter(question) for name, question in _QUESTIONS.items()
}
_FIRST_COPY: TypeAdapter[FirstCopyTold] = TypeAdapter(FirstCopyTold)
_TURN: TypeAdapter[TurnTold] = TypeAdapter(TurnTold)

_READERS: Readers = {
    "sha256": read.sha256,
    "key": read.object_key,
    "job_id": read.job_id,
    "ticket": read.count,
    "attempt": read.ordinal,
    "worker": read.text,
}


def question_type(question: QuestionAsked) -> str:
    """The message type under which the broker carries this question, as `teltubby.question.turn`."""
    return _QUESTION_TYPES[type(question)]


def encode_question(question: QuestionAsked) -> bytes:
    """The question as JSON in ASCII; its kind is the message's type, `question_type(question)`."""
    return encode(_QUESTION_ADAPTERS[question_type(question)].dump_python(question, mode="json"))


def decode_question(body: bytes, type: str, schema: str | None = SCHEMA) -> QuestionAsked:
    """The question in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    adapter = _QUESTION_ADAPTERS.get(type)
    if adapter is None:
        raise MalformedMessage(f"{read.shown(type)!r} is not the type of a question")
    fields = decode(body, schema)
    apply(_READERS, fields)
    return validate(adapter, fields)


def encode_answer(answer: AnswerTold) -> bytes:
    """The answer as JSON in ASCII, in the version of its question: no other is answered."""
    match answer:
        case FirstCopyTold():
            return encode(_FIRST_COPY.dump_python(answer, mode="json"))
        case TurnTold():
            return encode(_TURN.dump_python(answer, mode="json"))
        case _:
            assert_never(answer)


@overload
def decode_answer(body: bytes, question: FirstCopyAsked) -> FirstCopyTold: ...
@overload
def decode_answer(body: bytes, question: TurnAsked) -> TurnTold: ...


def decode_answer(body: bytes, question: QuestionAsked) -> AnswerTold:
    """The answer to this question. Raises MalformedMessage, also for the answer to another."""
    fields = decode(body, SCHEMA)
    apply(_READERS, fields)
    match question:
        case FirstCopyAsked():
            copy = validate(_FIRST_COPY, fields)
            _same(copy.sha256, question.sha256)
            return copy
        case TurnAsked():
            turn = validate(_TURN, fields)
            _same(f"message {turn.ticket} of job {turn.job_id}", f"message {question.ticket} of job {question.job_id}")
            return turn
        case _:
            assert_never(question)


def _same(told: str, asked: str) -> None:
    if told != asked:
        raise MalformedMessage(f"the answer is about {told}, the question was about {asked}")
