"""What of a process is watched: its adapters tell of their other side, and looks are taken at what is idle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from teltubby.actors.readiness import (
    COUNT_SECONDS,
    DATA_BYTES,
    LOOK_SECONDS,
    Outlook,
    look_at_disk,
    look_at_ledger,
    look_at_queues,
    look_at_store,
)
from teltubby.adapters.base import Broker, ObjectStore
from teltubby.adapters.watched_bot import BotApiWatch
from teltubby.adapters.watched_broker import WatchedBroker
from teltubby.adapters.watched_store import WatchedStore
from teltubby.config import Config
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.queue import CountQueues
from teltubby.messages.session import SessionChanged
from teltubby.messages.transfer import MeasurePrefix
from teltubby.supervision import Ref

STORE, BROKER, BOT_API, LEDGER = "store", "broker", "bot_api", "ledger"
"""What dependencies are called in `/readyz`; the second connection to the broker of a single box is `worker_broker`."""


def watched_broker(broker: Broker, outlook: Outlook, *, name: str = BROKER) -> Broker:
    """Tells how its connection stands."""
    return WatchedBroker(broker, outlook.dependencies.named(name), outlook.metrics)


def watched_store(make: Callable[[], ObjectStore], outlook: Outlook) -> Callable[[], ObjectStore]:
    """Makes stores that tell how their requests end."""
    dependency = outlook.dependencies.named(STORE)
    return lambda: WatchedStore(make(), dependency, outlook.metrics)


def bot_api_watch(outlook: Outlook) -> BotApiWatch:
    """Hears how every exchange with the Bot API ends."""
    return BotApiWatch(outlook.dependencies.named(BOT_API), outlook.metrics)


def heard_of_sessions(announce: Callable[[SessionChanged], None], outlook: Outlook) -> Callable[[SessionChanged], None]:
    """Notes every change of a session before it is announced."""

    def note(changed: SessionChanged) -> None:
        outlook.session_is(changed.standing)
        announce(changed)

    return note


def look_around(
    config: Config, outlook: Outlook, *, upload: Ref[MeasurePrefix], queue: Ref[CountQueues], data: Path
) -> None:
    """What both wings look at: the store when it is idle, the queues, and the disks of `data` and of the spool."""
    spool, largest = config.storage.spool_dir, config.ingest.max_file_bytes
    outlook.looks.extend(
        [
            (look_at_store(upload, outlook.dependencies.named(STORE)), LOOK_SECONDS),
            (look_at_queues(queue, outlook), LOOK_SECONDS),
            (look_at_disk("data", data, outlook, enough_bytes=DATA_BYTES), LOOK_SECONDS),
            (look_at_disk("spool", spool, outlook, enough_bytes=largest), LOOK_SECONDS),
        ]
    )


def look_at_counts(config: Config, outlook: Outlook, *, ledger: Ref[LedgerMessage]) -> None:
    """What the bot's wing counts in its ledger."""
    look = look_at_ledger(ledger, outlook, quota_bytes=config.s3.bucket_quota_bytes)
    outlook.looks.append((look, COUNT_SECONDS))
