"""Work on the store from many tasks: one piece after the other, and never half."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import pytest
from anyio import to_thread

from teltubby.collector.pages import Cursor
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.errors import DatabaseUnavailable
from tests.unit.collector.world import CHANNEL, page, post, store_with

pytestmark = pytest.mark.anyio

PATIENCE = 30.0


@pytest.fixture
def store() -> Iterator[CollectorStore]:
    with store_with() as opened:
        yield opened


async def test_it_answers_and_raises_what_the_store_does(store: CollectorStore) -> None:
    thread = StoreThread(store)
    assert thread.store is store
    recorded = await thread.run(store.record, page(post(1), cursor=Cursor(newest=1)))
    assert recorded.new == 1
    assert await thread.run(store.channels.cursor, CHANNEL) == Cursor(newest=1)
    with pytest.raises(DatabaseUnavailable, match="the disk is full"):
        await thread.run(_disk_is_full)


def _disk_is_full() -> None:
    raise DatabaseUnavailable("the disk is full")


async def test_one_piece_of_work_at_a_time_and_not_in_the_loop(store: CollectorStore) -> None:
    thread, inside, most, loop = StoreThread(store), [0], [0], threading.get_ident()

    def work(number: int) -> None:
        assert threading.get_ident() != loop
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        store.record(page(post(number)))
        inside[0] -= 1

    async with anyio.create_task_group() as group:
        for number in range(1, 21):
            group.start_soon(thread.run, work, number)
    assert most == [1]
    assert await thread.run(store.channels.posts, CHANNEL) == 20


async def test_work_that_has_begun_is_waited_for_and_what_waits_does_not_begin(store: CollectorStore) -> None:
    thread, begun, go_on = StoreThread(store), threading.Event(), threading.Event()
    ends: list[str] = []

    def work() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        store.record(page(post(1), cursor=Cursor(newest=1)))
        ends.append("done")

    async def waits() -> None:
        await thread.run(ends.append, "never")

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(thread.run, work)
            await to_thread.run_sync(begun.wait, PATIENCE)
            group.start_soon(waits)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
            assert not ends
            go_on.set()
    assert ends == ["done"], "the transaction was not abandoned, and nothing else began"
    assert await thread.run(store.channels.cursor, CHANNEL) == Cursor(newest=1)
