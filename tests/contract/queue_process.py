"""Another process at the queue's file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

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
        case "broadcast":
            await broker.broadcast(Outgoing(body=b"theirs", type="t", message_id="1"))
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


async def questions_in(path: Path, count: int) -> bool:
    """Whether the file holds so many."""
    with closing(sqlite3.connect(path)) as connection:
        found: int
        (found,) = connection.execute("SELECT COUNT(*) FROM queue_questions").fetchone()
        return found == count
