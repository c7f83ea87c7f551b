"""What is broadcast through the queue's file: rows that listeners read past, until they are an hour old."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import anyio
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Heard, Outgoing
from teltubby.adapters.embedded_store import EmbeddedStore, dump_headers
from teltubby.adapters.embedded_subscription import POLL_SECONDS, OpenQueue
from teltubby.errors import BrokerUnavailable

KEPT_SECONDS = 3600.0
"""A listener that reads nothing for longer misses what was broadcast."""

logger = logging.getLogger("teltubby.broker")


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastRow:
    """One broadcast; those that come later have higher ids."""

    id: int
    heard: Heard


async def broadcast(queue: OpenQueue, message: Outgoing) -> None:
    """See Broker."""
    await queue.call(lambda store: _insert(store, message, now=queue.clock()))
    queue.doorbell.ring()


async def listen(queue: OpenQueue) -> EmbeddedListener:
    """See Broker."""
    return EmbeddedListener(queue, heard=await queue.call(_last_id))


class EmbeddedListener(ObjectReceiveStream[Heard]):
    """Broadcasts after the one with the id `heard`, read when somebody receives."""

    def __init__(self, queue: OpenQueue, *, heard: int) -> None:
        self._queue = queue
        self._heard = heard
        self._ended = False

    async def receive(self) -> Heard:
        """What comes next. Raises EndOfStream when the stream or the broker is closed, or the file fails."""
        while not self._ended:
            ring = self._queue.doorbell.next_ring()
            try:
                row = await self._queue.call(lambda store: _first_after(store, self._heard))
            except BrokerUnavailable as exc:
                logger.warning("listening ends: %s", exc)
                await self.aclose()
                break
            if row is not None:
                self._heard = row.id
                return row.heard
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


def _insert(store: EmbeddedStore, message: Outgoing, *, now: float) -> None:
    with store.transaction(durable=False) as connection:
        connection.execute("DELETE FROM queue_broadcasts WHERE told_at <= ?", (now - KEPT_SECONDS,))
        connection.execute(
            "INSERT INTO queue_broadcasts (body, type, headers, told_at) VALUES (?, ?, ?, ?)",
            (message.body, message.type, dump_headers(message.headers), now),
        )


def _last_id(store: EmbeddedStore) -> int:
    """The id of the last broadcast, also when it is gone."""
    with store.locked() as connection:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'queue_broadcasts'").fetchone()
    return 0 if row is None else int(row[0])


def _first_after(store: EmbeddedStore, number: int) -> BroadcastRow | None:
    with store.locked() as connection:
        row = connection.execute(
            "SELECT id, body, type, headers FROM queue_broadcasts WHERE id > ? ORDER BY id LIMIT 1", (number,)
        ).fetchone()
    if row is None:
        return None
    found, body, kind, headers = row
    return BroadcastRow(id=found, heard=Heard(body=body, type=kind, headers=json.loads(headers)))
