"""What every client process does: it signs in, says so, and then does what each line asks of it and tells what it took.

Only the standard library: some clients run in an environment of their own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

DATA_CENTRE = 2
HOST = "127.0.0.1"
API_ID, API_HASH = 12345, "0123456789abcdef0123456789abcdef"
"""The simulated Telegram takes any."""


@dataclass(frozen=True)
class Server:
    """The simulated Telegram, and the account that downloads: a bot, to which a person sent the files."""

    port: int
    public_key: str
    bot_token: str


@dataclass
class Spent:
    """Seconds by the wall clock and of this process's CPU time, all threads together."""

    seconds: float = 0.0
    cpu: float = 0.0


def server() -> Server:
    """What the first argument says, as JSON."""
    return Server(**json.loads(sys.argv[1]))


def say(**answer: object) -> None:
    """One line to whoever started this process."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def requests() -> AsyncIterator[dict[str, Any]]:
    """What is asked, one after the other, until standard input ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        yield json.loads(line)


@contextmanager
def spending() -> Iterator[Spent]:
    """Measures what happens inside."""
    spent = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent.seconds, spent.cpu = time.perf_counter() - wall, time.process_time() - cpu
