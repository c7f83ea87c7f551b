"""What a process knows of itself and of what it depends on, and the looks that it takes from time to time.

Most is noticed in the work: adapters tell how their other side stands. What nobody works with, or what only a question
can tell (disks, an idle store, counts of the ledger), is looked at by loops of the HealthActor, one question at a time,
through the actors that own the connections. Whoever reads the report waits for nothing.
"""

from __future__ import annotations

import logging
import math
import platform
import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import anyio
from anyio import to_thread

from teltubby.actors.surviving import survives
from teltubby.actors.troubles import Troubles
from teltubby.adapters.clock import utc_now
from teltubby.adapters.dependencies import Dependencies, Dependency
from teltubby.adapters.metrics import Metrics
from teltubby.messages.health import DependencyState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_archive import ReadOverview, ReadUsage
from teltubby.messages.queue import CountQueues
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SIGNING_IN, SessionStanding, SessionState
from teltubby.messages.transfer import MeasurePrefix
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
AGAIN_SECONDS = 5.0
"""After a look that came to nothing."""
COUNT_SECONDS = 60.0
"""Counting takes the ledger longer, the more it holds."""
DISK_SECONDS = 10.0
"""A disk that does not say by then how full it is hangs."""
FULL_BYTES = 100 << 20
"""Where less than that is left, nothing is begun."""
DATA_BYTES = 1 << 30
"""A database and its temporary copies want so much room."""
NOTHING_LIES_HERE = "teltubby/.readiness/"
"""What an idle store is asked to list."""

Look = Callable[[], Awaitable[None]]
SIGNING_OR_WAITING = SIGNING_IN | {SessionState.CONNECTING, SessionState.FLOOD_WAIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One per process: kept by those who work, read by the HealthActor. `facts` are parts of `/status` by name.

    `looks` are taken every so many seconds.
    """

    metrics: Metrics = field(default_factory=Metrics)
    troubles: Troubles = field(default_factory=Troubles)
    dependencies: Dependencies = field(default_factory=Dependencies)
    facts: MutableMapping[str, object] = field(default_factory=dict)
    looks: list[tuple[Look, float]] = field(default_factory=list)
    incarnation: str = field(default_factory=lambda: secrets.token_hex(8))
    """Of this process alone."""

    async def keep_looking(self) -> None:
        """Take every look again and again, for ever."""
        async with anyio.create_task_group() as tasks:
            for look, seconds in self.looks:
                tasks.start_soon(_repeat, look, seconds)

    def session_is(self, standing: SessionStanding) -> None:
        """An account's session stands so now."""
        account = AccountKind(standing.account)
        self.metrics.session_is(account, standing.state)
        told_of_session(self.dependencies.named(f"{account}_session"), standing)
        sessions = self.facts.setdefault("sessions", {})
        assert isinstance(sessions, dict)
        sessions[str(account)] = {
            "state": standing.state,
            "detail": standing.detail,
            "since": standing.since.isoformat(),
            "name": standing.name,
        }


async def _repeat(look: Look, seconds: float) -> None:
    while True:
        said = "a look at health came to nothing"
        is_done = await survives(said, look, log=_LOG, level=logging.DEBUG, crashed=logging.DEBUG)
        await anyio.sleep(seconds if is_done else min(seconds, AGAIN_SECONDS))


def told_of_session(dependency: Dependency, standing: SessionStanding) -> None:
    """A session that nobody needs is well whatever its state; one that connects or waits is not lost yet."""
    said = f"{standing.state}: {standing.detail}" if standing.detail else str(standing.state)
    if standing.state is SessionState.READY:
        dependency.works(said)
    elif standing.is_trouble:
        dependency.down(said)
    elif not standing.in_use:
        dependency.works(f"not in use ({said})")
    elif standing.state in SIGNING_OR_WAITING:
        dependency.degraded(said)
    else:
        dependency.down(said)


def look_at_store(upload: Ref[MeasurePrefix], dependency: Dependency) -> Look:
    """Asks an idle store for a listing of nothing; how that ends, its adapter notices."""

    async def look() -> None:
        if dependency.silent_seconds >= LOOK_SECONDS or dependency.standing.state is not DependencyState.OK:
            dependency.asked()
            await upload.ask(MeasurePrefix(prefix=NOTHING_LIES_HERE), within=math.inf)

    return look


def look_at_queues(queue: Ref[CountQueues], outlook: Outlook) -> Look:
    """Counts what waits in the broker."""

    async def look() -> None:
        depths = await queue.ask(CountQueues(), within=math.inf)
        for name, count in depths.items():
            outlook.metrics.queue_depth.labels(queue=name).set(count)
        outlook.facts["queues"] = dict(depths)

    return look


def look_at_ledger(
    ledger: Ref[LedgerMessage], outlook: Outlook, *, quota_bytes: int, clock: Callable[[], datetime] = utc_now
) -> Look:
    """Counts jobs and updates, and how long the oldest have waited; and the room that the archive takes."""

    async def look() -> None:
        metrics = outlook.metrics
        overview = await ledger.ask(ReadOverview(), within=math.inf)
        usage = await ledger.ask(ReadUsage(), within=math.inf)
        for state, count in overview.jobs.items():
            metrics.jobs.labels(state=str(state).lower()).set(count)
        metrics.inbox_open.set(overview.open_updates)
        metrics.outbox_unpublished.set(overview.unpublished)
        metrics.inbox_oldest_seconds.set(_seconds_since(overview.open_since, clock))
        metrics.queue_oldest_seconds.set(_seconds_since(overview.waiting_since, clock))
        metrics.archive_bytes.set(usage.used_bytes)
        metrics.bucket_used_ratio.set(usage.used_bytes / quota_bytes if quota_bytes else 0)
        outlook.facts["jobs"] = {str(state).lower(): count for state, count in overview.jobs.items()}
        outlook.facts["quota"] = {"used_bytes": usage.used_bytes, "limit_bytes": quota_bytes or None}

    return look


def look_at_disk(name: str, path: Path, outlook: Outlook, *, enough_bytes: int) -> Look:
    """How much room is left where `path` lies, or will: DEGRADED with less than `enough_bytes`, DOWN when full."""
    dependency = outlook.dependencies.named(f"{name}_disk")
    asking = [False]

    def ask() -> tuple[int, int]:
        asking[0] = True
        try:
            return _usage_of(path)
        finally:
            asking[0] = False

    async def look() -> None:
        if asking[0]:  # a disk that hangs takes one thread, not one each time
            return
        try:
            with anyio.fail_after(DISK_SECONDS):
                usage = await to_thread.run_sync(ask, abandon_on_cancel=True)
        except TimeoutError:
            dependency.down(f"{path} did not answer within {DISK_SECONDS:g} s")
            return
        except OSError as error:
            dependency.down(f"{path}: {error.strerror}")
            return
        size, free = usage
        outlook.metrics.disk_size_bytes.labels(disk=name).set(size)
        outlook.metrics.disk_free_bytes.labels(disk=name).set(free)
        disks = outlook.facts.setdefault("disks", {})
        assert isinstance(disks, dict)
        disks[name] = {"free_bytes": free, "size_bytes": size}
        said = f"{free >> 20} MiB free at {path}"
        if free < FULL_BYTES:
            dependency.down(said)
        elif free < enough_bytes:
            dependency.degraded(said)
        else:
            dependency.works(said)

    return look


def _usage_of(path: Path) -> tuple[int, int]:
    """Size and room of its disk, in bytes; of a folder that is not made yet, where it will be."""
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    usage = shutil.disk_usage(there)
    return usage.total, usage.free


def _seconds_since(moment: datetime | None, clock: Callable[[], datetime]) -> float:
    return 0.0 if moment is None else max(0.0, (clock() - moment).total_seconds())


def versions() -> Mapping[str, str]:
    """Which versions of what matters most are installed."""
    found = {"python": platform.python_version()}
    for package in ("teltubby", "aiogram", "telethon", "aio-pika", "aioboto3", "anyio", "trio"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
