"""What only a queue in a file has: leases, and processes that come and are killed."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from teltubby.adapters.base import Destination
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.embedded_subscription import POLL_SECONDS
from teltubby.errors import BrokerUnavailable, NotAnswered
from tests.contract.brokers import (
    JOBS,
    EmbeddedWorld,
    assert_silent,
    eventually,
    message,
    name_of,
    opened,
    take,
    take_names,
)
from tests.contract.queue_process import other_process, questions_in, started_process

pytestmark = pytest.mark.anyio


async def test_a_killed_process_loses_its_lease_and_nothing_else(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker:
        await broker.publish(Destination.JOBS, message("held"))
        stream = await broker.consume(JOBS, prefetch=1)
        with other_process("take", queue.path) as (process, said):
            assert said == "done"
            await assert_silent(stream, 1.5)  # longer than the lease: it is renewed
            process.send_signal(signal.SIGKILL)
            assert await take_names(stream, 1) == ["held"]


async def test_what_a_killed_process_published_is_there(queue: EmbeddedWorld) -> None:
    with other_process("publish", queue.path) as (process, said):
        assert said == "done"
        process.send_signal(signal.SIGKILL)
    async with opened(queue.client()) as broker:
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["theirs"]


async def test_another_process_is_heard_within_a_second(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker, opened(queue.client()) as other:
        stream = await broker.consume(JOBS, prefetch=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take_names, stream, 1)
            await anyio.wait_all_tasks_blocked()
            began = time.monotonic()
            await other.publish(Destination.JOBS, message())
        assert time.monotonic() - began < POLL_SECONDS + 0.5


async def test_another_process_is_answered(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker:
        questions = await broker.questions()
        with other_process("ask", queue.path) as (process, said):
            assert said == "asking"
            await (await questions.receive()).answer(b"ours")
            assert process.stdout is not None
            assert await anyio.to_thread.run_sync(process.stdout.readline) == "ours done\n"


async def test_another_process_answers_soon(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker:
        await broker.publish(Destination.JOBS, message())  # the file is there
        with started_process("answer", queue.path):
            assert await broker.ask(message(body=b"ours"), within=20) == b"OURS"
            began = time.monotonic()
            with pytest.raises(NotAnswered):
                await broker.ask(message(body=b"nobody is left"), within=0.1)
            assert time.monotonic() - began < 1


async def test_what_a_killed_asker_left_goes_with_the_next_question(queue: EmbeddedWorld) -> None:
    now = 1_000.0
    later = EmbeddedBroker(queue.path, clock=lambda: now + time.time())
    with other_process("ask", queue.path) as (process, said):
        assert said == "asking"
        await eventually(lambda: questions_in(queue.path, 1))
        process.send_signal(signal.SIGKILL)
    async with opened(later):
        stream = await later.questions()
        with anyio.move_on_after(0.1):
            pytest.fail(f"a question of nobody: {(await stream.receive()).body!r}")
        with pytest.raises(NotAnswered):
            await later.ask(message(), within=0.1)
    assert await questions_in(queue.path, 0)


async def test_a_broadcast_of_another_process_is_heard_within_a_second(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker, opened(queue.client()) as other:
        listener = await broker.listen()
        with other_process("broadcast", queue.path) as (process, said):
            assert said == "done"
            process.send_signal(signal.SIGKILL)
            assert (await listener.receive()).body == b"theirs"
        told: list[float] = []

        async def hear() -> None:
            await listener.receive()
            told.append(time.monotonic())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hear)
            await anyio.wait_all_tasks_blocked()
            began = time.monotonic()
            await other.broadcast(message())
        assert told[0] - began < POLL_SECONDS + 4  # a busy machine's share


async def test_broadcasts_are_kept_for_an_hour(queue: EmbeddedWorld) -> None:
    now = 1_000_000.0
    broker = EmbeddedBroker(queue.path, clock=lambda: now)
    async with opened(broker):
        busy = await broker.listen()
        for body in (b"one", b"two"):
            await broker.broadcast(message(body=body))
            now += 1800
        assert (await busy.receive()).body == b"one"
        assert broadcasts_in(queue.path) == 2
        now += 1799
        await broker.broadcast(message(body=b"three"))
        assert broadcasts_in(queue.path) == 2
        late = await broker.listen()
        now += 3600
        await broker.broadcast(message(body=b"four"))
        assert broadcasts_in(queue.path) == 1
        for listener in (busy, late):
            assert (await listener.receive()).body == b"four"


def broadcasts_in(path: Path) -> int:
    """How many the file holds."""
    with closing(sqlite3.connect(path)) as connection:
        found: int
        (found,) = connection.execute("SELECT COUNT(*) FROM queue_broadcasts").fetchone()
        return found


async def test_the_wings_of_one_process_hear_each_other_at_once(queue: EmbeddedWorld) -> None:
    doorbell = Doorbell()
    one, two = (EmbeddedBroker(queue.path, doorbell=doorbell) for _ in range(2))
    async with opened(one), opened(two):
        stream, listener = await one.consume(JOBS, prefetch=1), await one.listen()
        began = time.monotonic()
        for n in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take_names, stream, 1)
                await anyio.wait_all_tasks_blocked()
                await two.publish(Destination.JOBS, message(f"job {n}"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listener.receive)
                await anyio.wait_all_tasks_blocked()
                await two.broadcast(message())
        assert time.monotonic() - began < 5 * POLL_SECONDS, "without the doorbell, each of ten waits for a poll"
        await two.aclose()
        await one.publish(Destination.JOBS, message("still open"))


async def test_a_lease_that_ran_out_is_no_longer_ours(queue: EmbeddedWorld) -> None:
    now = 1_000.0
    frozen = EmbeddedBroker(queue.path, lease_seconds=60, clock=lambda: now)
    later = EmbeddedBroker(queue.path, lease_seconds=60, clock=lambda: now + 61)
    async with opened(frozen), opened(later):
        await frozen.publish(Destination.JOBS, message())
        first = await take(await frozen.consume(JOBS, prefetch=1))
        second = await take(await later.consume(JOBS, prefetch=1))
        assert first.message_id == second.message_id
        for settle in (first.ack, first.requeue):
            with pytest.raises(BrokerUnavailable, match="lease"):
                await settle()
        with pytest.raises(BrokerUnavailable, match="lease"):
            await first.dead_letter("late", attempt=1)
        await second.ack()
        assert await later.depths() == dict.fromkeys(Destination, 0)


async def test_a_clock_that_is_set_back_puts_off_no_message(queue: EmbeddedWorld) -> None:
    """A lease of a process that died meanwhile, and a delay: neither lasts a day longer."""
    now = 1_000_000.0
    ahead = EmbeddedBroker(queue.path, lease_seconds=60, clock=lambda: now + 86_400)
    async with opened(ahead):
        for destination, name, delay in ((Destination.JOBS, "leased", 0.0), (Destination.RETRY, "delayed", 90.0)):
            await ahead.publish(destination, message(name), delay=delay)
        lease = await take(await ahead.consume(JOBS, prefetch=1))
        assert name_of(lease) == "leased"
        async with opened(EmbeddedBroker(queue.path, lease_seconds=60, clock=lambda: now)) as broker:
            stream = await broker.consume(JOBS, prefetch=2)
            with anyio.move_on_after(0.1):
                pytest.fail(f"nothing is free yet: {name_of(await stream.receive())}")
            now += 61
            assert name_of(await take(stream)) == "leased"
            now += 30
            assert name_of(await take(stream)) == "delayed"


async def test_a_file_from_before_delays_had_a_beginning(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker:
        await broker.publish(Destination.JOBS, message("old"))
    with closing(sqlite3.connect(queue.path)) as connection:
        connection.execute("ALTER TABLE queue_messages DROP COLUMN delayed_at")
        connection.execute("PRAGMA user_version = 1")
    async with opened(queue.client()) as one, opened(queue.client()) as two:
        await two.publish(Destination.RETRY, message("new"), delay=0.01)
        assert await take_names(await one.consume(JOBS, prefetch=2), 2) == ["old", "new"]
