"""The collector's own way through a channel's history: the session of a person, the store, and ChannelHistory.

Settings come from the environment, as a worker's do. The first line is the address of a QR code, which is to be scanned
before the first request. Each request reads a channel that was not read before, and tells what that took.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread

from benchmarks.child import peak_rss
from benchmarks.clients.serving import say, spending
from teltubby import flavour, runtime
from teltubby.collector.history import ChannelHistory
from teltubby.collector.patience import PatientChannels
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.config import Config, Role, load
from teltubby.trees import parts


async def main(config: Config) -> None:
    async with flavour.hosted():
        session = parts.personal_session(config)()
        await session.begin()
        say(url=(await session.show_qr()).url)
        await session.wait_scanned()
        await session.open()
        patient = PatientChannels(
            session, retry_max=0, backoff=parts.RECONNECT, rng=random.Random(), on_wait=lambda seconds, why: None
        )
        while line := await to_thread.run_sync(sys.stdin.readline):
            request = json.loads(line)
            say(**await read(patient, request["peer"], Path(request["database"]), request["posts"]))
        await session.aclose()


async def read(gateway: PatientChannels, peer: str, database: Path, posts: int) -> dict[str, object]:
    """The newest `posts` posts of a channel, into a new database."""
    found = await gateway.find_channel(peer)
    store = await to_thread.run_sync(CollectorStore.open, database)
    history = ChannelHistory(found, gateway, StoreThread(store), clock=lambda: datetime.now(UTC))
    try:
        await history.catch_up(lambda told: None)
        with spending() as spent:
            summary = await history.backfill(posts, lambda told: None)
    finally:
        await to_thread.run_sync(store.close)
    return {**vars(spent), "posts": summary.new, "pages": summary.pages - 1, "peak": peak_rss()}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    settings = load(Role.WORKER)
    options = runtime._prepare(settings)  # a process such as `teltubby worker` is: its malloc, its garbage collector
    runtime._settle()
    anyio.run(main, settings, backend_options=options)
