"""The codec of what a worker asks across the broker, and of what it is told."""

from __future__ import annotations

from typing import assert_never, overload

from pydantic import TypeAdapter

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read
from teltubby.messages.questions import (
    AnswerTold,
    FirstCopyAsked,
    FirstCopyTold,
    QuestionAsked,
    RelayAsked,
    RelayTold,
    RoomAsked,
    RoomTold,
    TurnAsked,
    TurnTold,
)
from teltubby.messages.wire_json import SCHEMA, Kinds, Readers, apply, decode, encode, validate

FIRST_COPY_TYPE = "teltubby.question.first_copy"
TURN_TYPE = "teltubby.question.turn"
RELAY_TYPE = "teltubby.question.relay"
ROOM_TYPE = "teltubby.question.room"

_READERS: Readers = {
    "sha256": read.sha256,
    "key": read.object_key,
    "job_id": read.job_id,
    "ticket": read.count,
    "attempt": read.ordinal,
    "worker": read.text,
    "chat_id": read.whole,
    "message_id": read.ordinal,
    "reason": read.words,
    "lost": read.ordinal,
}

_QUESTIONS: Kinds[QuestionAsked] = Kinds(
    {FIRST_COPY_TYPE: FirstCopyAsked, TURN_TYPE: TurnAsked, RELAY_TYPE: RelayAsked, ROOM_TYPE: RoomAsked},
    _READERS,
    what="a question",
)
_FIRST_COPY: TypeAdapter[FirstCopyTold] = TypeAdapter(FirstCopyTold)
_TURN: TypeAdapter[TurnTold] = TypeAdapter(TurnTold)
_RELAY: TypeAdapter[RelayTold] = TypeAdapter(RelayTold)
_ROOM: TypeAdapter[RoomTold] = TypeAdapter(RoomTold)


def question_type(question: QuestionAsked) -> str:
    """The message type under which the broker carries this question, as `teltubby.question.turn`."""
    return _QUESTIONS.type_of(question)


def encode_question(question: QuestionAsked) -> bytes:
    """The question as JSON in ASCII; its kind is the message's type, `question_type(question)`."""
    return _QUESTIONS.encode(question)


def decode_question(body: bytes, type: str, schema: str | None = SCHEMA) -> QuestionAsked:
    """The question in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    return _QUESTIONS.decode(body, type, schema)


def encode_answer(answer: AnswerTold) -> bytes:
    """The answer as JSON in ASCII, in the version of its question: no other is answered."""
    match answer:
        case FirstCopyTold():
            return encode(_FIRST_COPY.dump_python(answer, mode="json"))
        case TurnTold():
            return encode(_TURN.dump_python(answer, mode="json"))
        case RelayTold():
            return encode(_RELAY.dump_python(answer, mode="json"))
        case RoomTold():
            return encode(_ROOM.dump_python(answer, mode="json"))
        case _:
            assert_never(answer)


@overload
def decode_answer(body: bytes, question: FirstCopyAsked) -> FirstCopyTold: ...
@overload
def decode_answer(body: bytes, question: TurnAsked) -> TurnTold: ...
@overload
def decode_answer(body: bytes, question: RelayAsked) -> RelayTold: ...
@overload
def decode_answer(body: bytes, question: RoomAsked) -> RoomTold: ...


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
        case RelayAsked():
            relay = validate(_RELAY, fields)
            _same(f"job {relay.job_id}", f"job {question.job_id}")
            return _decided(relay)
        case RoomAsked():
            return validate(_ROOM, fields)
        case _:
            assert_never(question)


def _same(told: str, asked: str) -> None:
    if told != asked:
        raise MalformedMessage(f"the answer is about {told}, the question was about {asked}")


def _decided(told: RelayTold) -> RelayTold:
    """Either where the copy is, or why there is none."""
    place = (told.chat_id is not None, told.message_id is not None, told.reason is None)
    if len(set(place)) != 1:
        raise MalformedMessage("the answer says neither where the copy is nor why there is none, or half of both")
    return told
