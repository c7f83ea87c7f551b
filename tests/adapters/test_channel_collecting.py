"""A channel's history from the simulated MTProto server into the collector's store, on both backends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anyio import to_thread

from teltubby.collector.patience import PatientChannels
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.rounds import Round, Target
from teltubby.collector.store_thread import StoreThread
from teltubby.supervision import Backoff
from tests.adapters.house import House
from tests.adapters.newsroom import newsroom

pytestmark = pytest.mark.anyio

POSTS = 420


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CollectorStore]:
    opened = CollectorStore.open(tmp_path / "collector.db")
    yield opened
    opened.close()


def stored(store: CollectorStore) -> list[int]:
    rows = store.file.read("SELECT msg_id FROM posts UNION SELECT msg_id FROM unreadable ORDER BY msg_id")
    return [row["msg_id"] for row in rows]


async def test_all_of_a_channel_is_collected_through_floods(house: House, store: CollectorStore) -> None:
    room = await newsroom(house)
    chat = room.seeded(POSTS)
    waits: list[str] = []
    patient = PatientChannels(
        room.session,
        retry_max=3,
        backoff=Backoff(first=0.01, cap=0.1),
        rng=random.Random(1),
        on_wait=lambda seconds, why: waits.append(why),
    )

    async def round_of(limit: int | None) -> int:
        history = Round(
            targets=[Target("@space")],
            gateway=patient,
            store=StoreThread(store),
            clock=lambda: datetime.now(UTC),
            limit=limit,
            concurrency=2,
        )
        (one,) = (await history.run()).channels
        assert one.trouble is None and one.history.unreadable == 0
        return one.history.new

    assert await round_of(150) == 150
    ids = room.ids(chat)
    assert await to_thread.run_sync(stored, store) == ids[-150:]

    house.fault("messages.getHistory", message="FLOOD_WAIT_1", times=2, skip=2)
    new = [room.post(chat, f"new {number}").id for number in range(3)]
    room.remove(*room.call(lambda: [chat.mailbox.messages[ids[0]]]))
    assert await round_of(None) == len(new) + POSTS - 150 - 1
    assert waits == ["Telegram asks to wait 1 s"] * 2
    assert await to_thread.run_sync(stored, store) == room.ids(chat) == [*ids[1:], *new]
    cursor = await to_thread.run_sync(store.channels.cursor, chat.id)
    assert cursor.backfill_done and cursor.newest == new[-1] and cursor.complete_at is not None

    before = house.calls("messages.getHistory")
    assert await round_of(None) == 0
    assert house.calls("messages.getHistory") == before + 2, "the newest id, and what comes after it"
