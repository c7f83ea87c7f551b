"""Questions in the queue's file: a row each, into which its answer is written; it goes when its asker has read that.

What an asker that was killed leaves behind goes with the next question after its time.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import HeaderValue, Outgoing, Question
from teltubby.adapters.embedded_store import EmbeddedStore, dump_headers
from teltubby.adapters.embedded_subscription import POLL_SECONDS, OpenQueue
from teltubby.errors import BrokerUnavailable, NotAnswered

ANSWER_POLL_SECONDS = 0.2
"""How late an answer of another process is seen at most; one of our own rings the doorbell."""

logger = logging.getLogger("teltubby.broker")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRow:
    """A question that was taken."""

    id: int
    body: bytes
    type: str
    message_id: str
    headers: Mapping[str, HeaderValue]


async def ask(queue: OpenQueue, question: Outgoing, *, within: float) -> bytes:
    """See Broker."""
    with anyio.move_on_after(within):
        number = await queue.call(lambda store: _insert(store, question, now=queue.clock(), within=within))
        queue.doorbell.ring()
        try:
            while True:
                ring = queue.doorbell.next_ring()
                answer = await queue.call(lambda store: _answer_to(store, number))
                if answer is not None:
                    return answer
                with anyio.move_on_after(ANSWER_POLL_SECONDS):
                    await ring.wait()
        finally:
            with anyio.CancelScope(shield=True), contextlib.suppress(BrokerUnavailable):  # then it goes later
                await queue.call(lambda store: _forget(store, number))
    raise NotAnswered(f"no answer within {within:g} s")


class EmbeddedQuestion:
    """A question that was taken from the file."""

    def __init__(self, queue: OpenQueue, row: AskedRow) -> None:
        self._queue = queue
        self._row = row

    @property
    def body(self) -> bytes:
        return self._row.body

    @property
    def type(self) -> str:
        return self._row.type

    @property
    def message_id(self) -> str:
        return self._row.message_id

    @property
    def headers(self) -> Mapping[str, HeaderValue]:
        return self._row.headers

    async def answer(self, body: bytes) -> None:
        """See Question."""
        await self._queue.call(lambda store: _write_answer(store, self._row.id, body))
        self._queue.doorbell.ring()


class EmbeddedQuestions(ObjectReceiveStream[Question]):
    """Questions, taken when somebody receives."""

    def __init__(self, queue: OpenQueue) -> None:
        self._queue = queue
        self._ended = False

    async def receive(self) -> Question:
        """The next question. Raises EndOfStream when the stream or the broker is closed, or the file fails."""
        while not self._ended:
            ring = self._queue.doorbell.next_ring()
            try:
                row = await self._queue.call(lambda store: _take(store, now=self._queue.clock()))
            except BrokerUnavailable as exc:
                logger.warning("taking questions ends: %s", exc)
                await self.aclose()
                break
            if row is not None:
                return EmbeddedQuestion(self._queue, row)
            with anyio.move_on_after(POLL_SECONDS):
                await ring.wait()
        raise anyio.EndOfStream

    async def aclose(self) -> None:
        """End the stream. Safe to call twice."""
        self._ended = True
        self._queue.doorbell.ring()

    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
        return self._ended


def _insert(store: EmbeddedStore, question: Outgoing, *, now: float, within: float) -> int:
    with store.transaction(durable=False) as connection:
        connection.execute("DELETE FROM queue_questions WHERE asked_until <= ?", (now,))
        (number,) = connection.execute(
            "INSERT INTO queue_questions (body, type, message_id, headers, asked_until) VALUES (?, ?, ?, ?, ?)"
            " RETURNING id",
            (question.body, question.type, question.message_id, dump_headers(question.headers), now + within),
        ).fetchone()
    return int(number)


def _take(store: EmbeddedStore, *, now: float) -> AskedRow | None:
    first = "SELECT id FROM queue_questions WHERE NOT taken AND asked_until > ? ORDER BY id LIMIT 1"
    with store.locked() as connection:  # first without the write lock: who finds no question disturbs nobody
        if connection.execute(first, (now,)).fetchone() is None:
            return None
    with store.transaction(durable=False) as connection:
        row = connection.execute(
            f"UPDATE queue_questions SET taken = 1 WHERE id = ({first}) RETURNING id, body, type, message_id, headers",
            (now,),
        ).fetchone()
    if row is None:
        return None
    number, body, kind, message_id, headers = row
    return AskedRow(id=number, body=body, type=kind, message_id=message_id, headers=json.loads(headers))


def _write_answer(store: EmbeddedStore, number: int, body: bytes) -> None:
    with store.transaction(durable=False) as connection:
        connection.execute("UPDATE queue_questions SET answer = coalesce(answer, ?) WHERE id = ?", (body, number))


def _answer_to(store: EmbeddedStore, number: int) -> bytes | None:
    with store.locked() as connection:
        row = connection.execute("SELECT answer FROM queue_questions WHERE id = ?", (number,)).fetchone()
    return None if row is None else row[0]


def _forget(store: EmbeddedStore, number: int) -> None:
    with store.transaction(durable=False) as connection:
        connection.execute("DELETE FROM queue_questions WHERE id = ?", (number,))
