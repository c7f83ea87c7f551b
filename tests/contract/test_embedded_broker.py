"""What only a queue in a file has: leases, processes that are killed, and a file that fails."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from teltubby.adapters.base import Broker, Destination
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.embedded_subscription import POLL_SECONDS
from teltubby.errors import BrokerUnavailable, NotAnswered, TopologyConflict
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

pytestmark = pytest.mark.anyio

OTHER_PROCESS = """
import anyio, resource, signal, sys
from pathlib import Path
from teltubby.adapters.base import Destination, Outgoing
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.errors import BrokerUnavailable

async def main(act, path):
    broker = EmbeddedBroker(Path(path), lease_seconds=1.0)
    await broker.open()
    match act:
        case "publish":
            await broker.publish(Destination.JOBS, Outgoing(body=b'{"name": "theirs"}', type="t", message_id="1"))
        case "take":
            await (await broker.consume([Destination.JOBS], prefetch=1)).receive()
        case "ask":
            sys.stdout.write("asking\\n")
            sys.stdout.flush()
            answer = await broker.ask(Outgoing(body=b"theirs", type="t", message_id="1"), within=20)
            sys.stdout.write(answer.decode() + " ")
        case "answer":
            async for question in await broker.questions():
                await question.answer(question.body.upper())
                break
        case "fill":
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # a disk that ends there
            try:
                while True:
                    await broker.publish(Destination.JOBS, Outgoing(body=b"x" * 50_000, type="t", message_id="1"))
            except BrokerUnavailable as exc:
                sys.stdout.write(f"{exc} ")
    sys.stdout.write("done\\n")
    sys.stdout.flush()
    await anyio.sleep_forever()

anyio.run(main, *sys.argv[1:])
"""


@contextmanager
def started_process(act: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that does it, and ends with the test."""
    process = subprocess.Popen([sys.executable, "-c", OTHER_PROCESS, act, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def other_process(act: str, path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has done it and still holds what it took; with its one line of output."""
    with started_process(act, path) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


@pytest.fixture
def queue(tmp_path: Path) -> EmbeddedWorld:
    """A queue whose file and directory do not exist yet."""
    return EmbeddedWorld(path=tmp_path / "new" / "queue.db")


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


async def questions_in(path: Path, count: int) -> bool:
    """Whether the file holds so many."""
    with closing(sqlite3.connect(path)) as connection:
        found: int
        (found,) = connection.execute("SELECT COUNT(*) FROM queue_questions").fetchone()
        return found == count


async def test_a_file_from_before_there_were_questions(queue: EmbeddedWorld) -> None:
    async with opened(queue.client()) as broker:
        await broker.publish(Destination.JOBS, message("old"))
    with closing(sqlite3.connect(queue.path)) as connection:
        connection.execute("DROP TABLE queue_questions")
    async with opened(queue.client()) as broker, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: broker.ask(message(), within=20))
        await (await (await broker.questions()).receive()).answer(b"")
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["old"]


async def test_a_locked_file_ends_asking_and_taking(queue: EmbeddedWorld, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(queue.client(busy_seconds=0.2)) as broker, opened(queue.client()) as other:
        questions = await broker.questions()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: unanswered(other))
            await eventually(lambda: questions_in(queue.path, 1))
            with closing(sqlite3.connect(queue.path, isolation_level=None)) as writer:
                writer.execute("BEGIN IMMEDIATE")
                with pytest.raises(BrokerUnavailable, match="locked"):
                    await broker.ask(message(), within=5)
                with pytest.raises(anyio.EndOfStream):
                    await questions.receive()
                writer.execute("ROLLBACK")
        assert "taking questions ends: The queue" in caplog.text


async def unanswered(broker: Broker) -> None:
    with pytest.raises(NotAnswered):
        await broker.ask(message(), within=1.5)


async def test_the_wings_of_one_process_hear_each_other_at_once(queue: EmbeddedWorld) -> None:
    doorbell = Doorbell()
    one, two = (EmbeddedBroker(queue.path, doorbell=doorbell) for _ in range(2))
    async with opened(one), opened(two):
        stream = await one.consume(JOBS, prefetch=1)
        began = time.monotonic()
        for n in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take_names, stream, 1)
                await anyio.wait_all_tasks_blocked()
                await two.publish(Destination.JOBS, message(f"job {n}"))
        assert time.monotonic() - began < POLL_SECONDS
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
