"""What is looked at: disks, sessions, queues, counts; and that looking never piles up."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors import readiness
from teltubby.actors.readiness import (
    Outlook,
    look_at_disk,
    look_at_ledger,
    look_at_queues,
    look_at_store,
    told_of_session,
)
from teltubby.adapters.dependencies import LATE, Dependencies
from teltubby.messages.health import DependencyState
from teltubby.messages.history import Usage
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_archive import Overview, ReadOverview, ReadUsage
from teltubby.messages.queue import CountQueues
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.transfer import MeasurePrefix, PrefixSize
from teltubby.supervision import Actor, ChildSpec, Mailbox, Ref
from tests.actors.stage import running

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OK, DEGRADED, DOWN = DependencyState.OK, DependencyState.DEGRADED, DependencyState.DOWN


def gauge(outlook: Outlook, name: str, **labels: str) -> float | None:
    return outlook.metrics.registry.get_sample_value(f"teltubby_{name}", labels)


@pytest.mark.parametrize(
    "state, is_trouble, in_use, expected",
    [
        (SessionState.READY, False, True, OK),
        (SessionState.CONNECTING, False, True, DEGRADED),
        (SessionState.FLOOD_WAIT, False, True, DEGRADED),
        (SessionState.FLOOD_WAIT, True, True, DOWN),
        (SessionState.QR_SHOWN, False, True, DEGRADED),
        (SessionState.DISCONNECTED, False, True, DOWN),
        (SessionState.DISCONNECTED, False, False, OK),
        (SessionState.REVOKED, True, True, DOWN),
    ],
)
def test_a_session_stands_as_its_state_says(
    state: SessionState, is_trouble: bool, in_use: bool, expected: DependencyState
) -> None:
    dependency = Dependencies().named("bot_session")
    told_of_session(dependency, standing(state, is_trouble=is_trouble, in_use=in_use))
    assert dependency.standing.state is expected


def standing(state: SessionState, *, is_trouble: bool = False, in_use: bool = True) -> SessionStanding:
    return SessionStanding(
        account=AccountKind.BOT, state=state, detail="why", since=NOW, is_trouble=is_trouble, in_use=in_use
    )


def test_one_state_of_a_session_is_counted_at_a_time() -> None:
    outlook = Outlook()
    for state in (SessionState.CONNECTING, SessionState.READY):
        outlook.session_is(standing(state))
    assert gauge(outlook, "session_state", account="bot", state="ready") == 1
    assert gauge(outlook, "session_state", account="bot", state="connecting") == 0


@pytest.mark.parametrize(
    "free, expected", [(50 << 20, DOWN), (500 << 20, DEGRADED), (5 << 30, OK)], ids=["full", "short", "enough"]
)
async def test_a_disk_stands_by_the_room_that_is_left(
    free: int, expected: DependencyState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_usage_of", lambda path: (10 << 30, free))
    outlook = Outlook()
    await look_at_disk("data", tmp_path, outlook, enough_bytes=1 << 30)()
    assert outlook.dependencies.named("data_disk").standing.state is expected
    assert gauge(outlook, "disk_free_bytes", disk="data") == free


async def test_a_disk_that_hangs_is_down_and_takes_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, asked = threading.Event(), []

    def hang(path: Path) -> tuple[int, int]:
        asked.append(path)
        answers.wait()
        return 10 << 30, 5 << 30

    monkeypatch.setattr(readiness, "_usage_of", hang)
    monkeypatch.setattr(readiness, "DISK_SECONDS", 0.01)
    outlook = Outlook()
    look = look_at_disk("data", tmp_path, outlook, enough_bytes=0)
    with anyio.fail_after(30):
        while not asked:
            await look()
        for _ in range(3):
            await look()
        assert len(asked) == 1 and outlook.dependencies.named("data_disk").standing.state is DOWN
        answers.set()
        monkeypatch.setattr(readiness, "DISK_SECONDS", 10.0)
        while outlook.dependencies.named("data_disk").standing.state is DOWN:
            await look()
            await anyio.sleep(0.01)
    assert len(asked) == 2


async def test_a_folder_that_is_not_made_yet_is_looked_at_where_it_will_be(tmp_path: Path) -> None:
    outlook = Outlook()
    await look_at_disk("spool", tmp_path / "not" / "yet", outlook, enough_bytes=0)()
    size = os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    assert gauge(outlook, "disk_size_bytes", disk="spool") == size


class Ledger(Actor[LedgerMessage]):
    async def handle(self, message: LedgerMessage, /) -> object:
        match message:
            case ReadOverview():
                return Overview(
                    jobs=dict.fromkeys(JobState, 2),
                    open_updates=3,
                    unpublished=4,
                    files=0,
                    bytes=0,
                    unstored_artifacts=0,
                    open_since=None,
                    waiting_since=NOW - timedelta(minutes=2),
                )
            case ReadUsage():
                return Usage(used_bytes=750, objects=1, listed_at=None)
            case _:
                raise NotImplementedError


async def test_counts_of_the_ledger_are_measured_and_told() -> None:
    outlook, mailbox = Outlook(), Mailbox[LedgerMessage]("ledger")
    async with running(ChildSpec("ledger", Ledger, mailbox=mailbox)):
        await look_at_ledger(mailbox.ref, outlook, quota_bytes=1000, clock=lambda: NOW)()
    assert gauge(outlook, "jobs", state="failed") == 2
    assert (gauge(outlook, "inbox_open"), gauge(outlook, "inbox_oldest_seconds")) == (3, 0)
    assert (gauge(outlook, "outbox_unpublished"), gauge(outlook, "queue_oldest_seconds")) == (4, 120)
    assert (gauge(outlook, "minio_bucket_used_ratio"), gauge(outlook, "archive_bytes")) == (0.75, 750)
    assert outlook.facts["quota"] == {"used_bytes": 750, "limit_bytes": 1000}


class Queue(Actor[CountQueues]):
    async def handle(self, message: CountQueues, /) -> Mapping[str, int]:
        return {"jobs": 7, "dead": 1}


async def test_queues_are_counted() -> None:
    outlook, mailbox = Outlook(), Mailbox[CountQueues]("queue")
    async with running(ChildSpec("queue", Queue, mailbox=mailbox)):
        await look_at_queues(mailbox.ref, outlook)()
    assert gauge(outlook, "queue_depth", queue="jobs") == 7
    assert outlook.facts["queues"] == {"jobs": 7, "dead": 1}


class Store(Actor[MeasurePrefix]):
    asked = 0

    async def handle(self, message: MeasurePrefix, /) -> PrefixSize:
        Store.asked += 1
        return PrefixSize(used_bytes=0, objects=0)


async def test_a_store_is_asked_only_where_its_work_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "asked", 0)
    mailbox, now = Mailbox[MeasurePrefix]("upload"), [NOW]
    dependency = Dependencies(lambda: now[0]).named("store")
    ref: Ref[MeasurePrefix] = mailbox.ref
    look = look_at_store(ref, dependency)
    async with running(ChildSpec("upload", Store, mailbox=mailbox)):
        await look()
        assert Store.asked == 1, "nobody has seen it yet"
        dependency.works()
        await look()
        assert Store.asked == 1, "it has just worked"
        now[0] += timedelta(seconds=readiness.LOOK_SECONDS)
        await look()
        assert Store.asked == 2, "it is idle"


class Hanging(Actor[MeasurePrefix]):
    async def handle(self, message: MeasurePrefix, /) -> PrefixSize:
        await anyio.sleep_forever()
        raise AssertionError


async def test_a_store_that_hangs_is_degraded_before_its_request_fails() -> None:
    mailbox, now = Mailbox[MeasurePrefix]("upload"), [NOW]
    dependency = Dependencies(lambda: now[0]).named("store")
    dependency.works()
    now[0] += timedelta(seconds=readiness.LOOK_SECONDS)
    async with running(ChildSpec("upload", Hanging, mailbox=mailbox, stop_within=0)):
        with anyio.move_on_after(0.05):
            await look_at_store(mailbox.ref, dependency)()
        assert dependency.standing.state is OK
        now[0] += LATE
        assert dependency.standing.state is DEGRADED
