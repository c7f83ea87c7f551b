"""What becomes of a queue whose file fails, is locked, is not ours, or was written by another version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from teltubby.adapters.base import Broker, Destination
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.errors import BrokerUnavailable, NotAnswered, TopologyConflict
from tests.contract.brokers import (
    JOBS,
    EmbeddedWorld,
    eventually,
    message,
    name_of,
    opened,
    take,
    take_names,
)
from tests.contract.queue_process import other_process, questions_in

pytestmark = pytest.mark.anyio


async def test_publications_at_once_fail_together_and_work_again(queue: EmbeddedWorld) -> None:
    async with opened(queue.client(busy_seconds=0.2)) as broker:
        await broker.publish(Destination.EVENTS, message("before"))
        refused = []

        async def publish(n: int) -> None:
            with pytest.raises(BrokerUnavailable, match="another process keeps it locked"):
                await broker.publish(Destination.EVENTS, message(f"refused {n}"))
            refused.append(n)

        with closing(sqlite3.connect(queue.path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                for n in range(20):
                    tasks.start_soon(publish, n)
            writer.execute("ROLLBACK")
        assert len(refused) == 20
        await broker.publish(Destination.EVENTS, message("after"))
        stream = await broker.consume([Destination.EVENTS], prefetch=1)
        assert await take_names(stream, 2) == ["before", "after"]
        assert await broker.depths() == dict.fromkeys(Destination, 0)


async def test_text_that_is_none_is_refused_alone(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker:

        async def publish(n: int) -> None:
            await broker.publish(Destination.EVENTS, message(f"event {n}"))

        async def publish_half_a_character() -> None:
            with pytest.raises(UnicodeEncodeError):
                await broker.publish(Destination.EVENTS, message(headers={"name": "\ud83e"}))

        async with anyio.create_task_group() as tasks:
            for n in range(20):
                tasks.start_soon(publish, n)
                tasks.start_soon(publish_half_a_character)
        assert (await broker.depths())[Destination.EVENTS] == 20


async def test_who_is_cancelled_takes_nobody_with_them(queue: EmbeddedWorld) -> None:
    """In the very moment in which they would have written for all who wait."""
    async with opened(queue.client()) as broker:
        second = anyio.CancelScope()

        async def publish_first() -> None:
            await broker.publish(Destination.EVENTS, message("first"))
            second.cancel()

        async def publish_second() -> None:
            with second:
                await broker.publish(Destination.DEAD, message("second"))

        async def publish_third() -> None:
            await broker.publish(Destination.EVENTS, message("third"))

        with closing(sqlite3.connect(queue.path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")  # the first waits for the file, the others for the first
            async with anyio.create_task_group() as tasks:
                for publish in (publish_first, publish_second, publish_third):
                    tasks.start_soon(publish)
                    await anyio.wait_all_tasks_blocked()
                writer.execute("ROLLBACK")
        assert await take_names(await broker.consume([Destination.EVENTS], prefetch=1), 2) == ["first", "third"]


async def test_a_file_from_before_there_were_questions_and_broadcasts(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker:
        await broker.publish(Destination.JOBS, message("old"))
    with closing(sqlite3.connect(queue.path)) as connection:
        connection.execute("DROP TABLE queue_questions")
        connection.execute("DROP TABLE queue_broadcasts")
    async with opened(queue.client()) as broker, anyio.create_task_group() as tasks:
        listener = await broker.listen()
        await broker.broadcast(message())
        assert (await listener.receive()).type == message().type
        tasks.start_soon(lambda: broker.ask(message(), within=20))
        await (await (await broker.questions()).receive()).answer(b"")
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["old"]


async def test_a_locked_file_ends_asking_taking_and_telling(
    queue: EmbeddedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(queue.client(busy_seconds=0.2)) as broker, opened(queue.client()) as other:
        questions = await broker.questions()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: unanswered(other))
            await eventually(lambda: questions_in(queue.path, 1))
            with closing(sqlite3.connect(queue.path, isolation_level=None)) as writer:
                writer.execute("BEGIN IMMEDIATE")
                with pytest.raises(BrokerUnavailable, match="locked"):
                    await broker.ask(message(), within=5)
                with pytest.raises(BrokerUnavailable, match="locked"):
                    await broker.broadcast(message())
                with pytest.raises(anyio.EndOfStream):
                    await questions.receive()
                writer.execute("ROLLBACK")
        assert "taking questions ends: The queue" in caplog.text


async def unanswered(broker: Broker) -> None:
    with pytest.raises(NotAnswered):
        await broker.ask(message(), within=1.5)


async def test_a_locked_file_is_named_and_waited_for(queue: EmbeddedWorld) -> None:
    async with opened(queue.client(busy_seconds=0.2)) as broker:
        await broker.publish(Destination.JOBS, message("held"))
        stream = await broker.consume([Destination.JOBS], prefetch=1)
        delivery = await take(stream)
        with closing(sqlite3.connect(queue.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(BrokerUnavailable, match=r"queue\.db does not work: another process keeps it locked"):
                await broker.publish(Destination.JOBS, message("refused"))
            with pytest.raises(BrokerUnavailable, match="locked"):
                await delivery.ack()
            other.execute("ROLLBACK")
        await delivery.ack()
        assert await broker.depths() == dict.fromkeys(Destination, 0)


async def test_a_failing_file_ends_the_consumer(queue: EmbeddedWorld, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(queue.client(busy_seconds=0.2)) as broker:
        await broker.publish(Destination.JOBS, message("waiting"))
        stream = await broker.consume(JOBS, prefetch=1)
        with closing(sqlite3.connect(queue.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            other.execute("ROLLBACK")
        assert "another process keeps it locked" in caplog.text
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["waiting"]


async def test_a_full_disk_refuses_and_loses_nothing(queue: EmbeddedWorld) -> None:
    with other_process("fill", queue.path) as (_, said):
        assert "does not work: the disk" in said
    async with opened(queue.client()) as broker:
        stream = await broker.consume(JOBS, prefetch=1)
        depth = (await broker.depths())[Destination.JOBS]
        assert depth > 0
        for _ in range(depth):
            delivery = await take(stream)
            assert len(delivery.body) == 50_000
            await delivery.ack()


async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BrokerUnavailable, match=r"The directory of the queue .* cannot be made"):
        await EmbeddedBroker(tmp_path / "file" / "queue.db").open()


async def test_a_path_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match="cannot be opened or created"):
        await EmbeddedBroker(tmp_path).open()


async def test_a_read_only_file(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()):
        pass
    await anyio.to_thread.run_sync(forbid_writing, queue.path)
    with pytest.raises(BrokerUnavailable, match="read-only"):
        await queue.client().open()


def forbid_writing(path: Path) -> None:
    """A file that even root cannot write through SQLite: its header says that only a newer SQLite may."""
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")


async def test_a_file_of_something_else(queue: EmbeddedWorld) -> None:
    queue.path.parent.mkdir()
    queue.path.write_text("This is a diary, not a database. " * 100)
    with pytest.raises(TopologyConflict, match="is not a queue of ours"):
        await queue.client().open()
    assert queue.path.read_text().startswith("This is a diary")


async def test_a_queue_of_a_newer_version(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()):
        pass
    with closing(sqlite3.connect(queue.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(TopologyConflict, match=r"newer teltubby \(version 99\)"):
        await queue.client().open()


async def test_many_open_a_new_file_at_once(queue: EmbeddedWorld) -> None:
    brokers = [queue.client() for _ in range(8)]
    async with anyio.create_task_group() as tasks:
        for broker in brokers:
            tasks.start_soon(broker.open)
    async with anyio.create_task_group() as tasks:
        for n, broker in enumerate(brokers):
            tasks.start_soon(broker.publish, Destination.EVENTS, message(f"event {n}"))
    stream = await brokers[0].consume([Destination.EVENTS], prefetch=8)
    received = [name_of(await take(stream)) for _ in brokers]
    assert sorted(received) == [f"event {n}" for n in range(8)]
    for broker in brokers:
        await broker.aclose()
