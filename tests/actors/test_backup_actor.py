"""BackupActor: backups when they are due, failures that are seen until one is made, a stop that waits for nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Never

import anyio
import pytest
from pydantic import SecretStr

from teltubby.actors.backup import BackupActor
from teltubby.actors.backup_record import BACKUP, BackupRecord
from teltubby.actors.readiness import Outlook
from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.dependencies import Dependencies
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.backup.catalogue import Entry, State, catalogue
from teltubby.backup.making import Backups
from teltubby.config import Role, load
from teltubby.errors import StoreUnavailable
from teltubby.messages.health import DependencyState, Standing
from teltubby.supervision import Backoff, Context
from tests.twins import MemoryStore
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

KEY = "a-key-for-backups-of-at-least-32-characters"
HOUR = 3600.0


class Stage:
    """A bot's ledger, a store, and an actor that is started and stopped."""

    def __init__(self, root: Path) -> None:
        settings = {
            "SQLITE_PATH": str(root / "ledger.db"),
            "SPOOL_DIR": str(root / "spool"),
            "BACKUP_KEY": KEY,
            "BACKUP_KEEP": "2",
            "BACKUP_KEEP_DAILY": "0",
            "BACKUP_KEEP_WEEKLY": "0",
        }
        self.ledger = SqliteLedger.open(root / "ledger.db")
        self.config = load(Role.BOT, settings, None, checks=())
        self.store = MemoryStore(part_size=2048)
        self.clock = wall_clock
        self.outlook = Outlook(dependencies=Dependencies(wall_clock))
        self.record = self.new_record()

    def new_record(self) -> BackupRecord:
        """What a process knows that has just been started."""
        return BackupRecord(self.outlook, every=timedelta(hours=6), clock=self._now)

    def _now(self) -> datetime:
        return self.clock()

    def state(self) -> DependencyState:
        return self.standing.state

    @property
    def standing(self) -> Standing:
        """How backups stand in `/readyz`."""
        return self.outlook.dependencies.named(BACKUP).standing

    def metric(self, name: str, **labels: str) -> float | None:
        return self.outlook.metrics.registry.get_sample_value(f"teltubby_{name}", labels)

    async def run(self, seconds: float) -> None:
        """Let an actor live for so long."""
        actor = BackupActor(
            Backups(self.config, host="here", clock=self.clock),
            lambda: self.store,
            record=self.record,
            backoff=Backoff(first=60.0, cap=HOUR),
            rng=random.Random(1),
        )
        context = Context[Never]("backup")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(actor.run, context)
            await anyio.sleep(seconds)
            context.stop()

    async def entries(self) -> Sequence[Entry]:
        """The backups that the store has."""
        self.store.is_open = True
        entries = await catalogue(self.store, BackupKey(KEY))
        self.store.is_open = False
        assert all(entry.state is State.COMPLETE for entry in entries)
        return entries

    async def hours(self) -> list[float]:
        """When they were made, after the beginning."""
        entries = await self.entries()
        beginning = wall_clock() - timedelta(seconds=anyio.current_time())
        return sorted((entry.name.made_at - beginning).total_seconds() / HOUR for entry in entries)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.ledger.close()


async def test_one_at_once_and_then_every_so_often_and_old_ones_go(stage: Stage) -> None:
    await stage.run(HOUR)
    assert await stage.hours() == pytest.approx([0], abs=0.01)
    stage.record = stage.new_record()
    await stage.run(24 * HOUR)
    assert await stage.hours() == pytest.approx([18, 24], abs=0.01), "a restart after an hour made none"
    assert not stage.store.is_open and stage.state() is DependencyState.OK


async def test_another_installation_of_this_name_makes_no_backups_for_us(stage: Stage) -> None:
    ours = stage.config
    stage.config = replace(ours, telegram=ours.telegram.model_copy(update={"bot_token": SecretStr("8:x")}))
    await stage.run(HOUR)
    stage.config, stage.record = ours, stage.new_record()
    await stage.run(HOUR)
    assert await stage.hours() == pytest.approx([0, 1], abs=0.01)


async def test_a_clock_that_went_wrong_once_does_not_end_backups(stage: Stage) -> None:
    """It went 73 years ahead for one backup: that one is neither waited for, nor does it push out newer ones."""
    ahead = timedelta(days=73 * 365)
    stage.clock = lambda: wall_clock() + ahead
    await stage.run(HOUR)
    stage.clock = wall_clock
    await stage.run(13 * HOUR)
    years = ahead.total_seconds() / HOUR
    assert await stage.hours() == pytest.approx([7, 13, years], abs=0.01), "the rule keeps two, and leaves that one"
    stage.clock = lambda: wall_clock() + (ahead if anyio.current_time() < 15 * HOUR else timedelta(0))
    await stage.run(12 * HOUR)
    assert (await stage.hours())[:2] == pytest.approx([16, 22], abs=2.1), "set back while it ran"


async def test_trouble_is_seen_until_a_backup_is_made(stage: Stage) -> None:
    await stage.run(HOUR)
    stage.record = stage.new_record()
    stage.store.script.break_down("list", StoreUnavailable("the store is away"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run, 14 * HOUR)
        await anyio.sleep(5.5 * HOUR)
        assert stage.state() is DependencyState.DEGRADED, "and nobody is kept from working"
        assert stage.standing.detail == "no backup can be made (the last one: not known): the store is away"
        assert stage.standing.since < wall_clock() - timedelta(hours=5)
        stage.store.script.repair("list")
        await anyio.sleep(2 * HOUR)
        assert stage.state() is DependencyState.OK
        stage.store.script.break_down("complete", StoreUnavailable("the store is full"))
        await anyio.sleep(6 * HOUR)
    assert "the last one: 2026-11-20 " in stage.standing.detail and "the store is full" in stage.standing.detail
    assert stage.outlook.troubles.reasons == {}


async def test_age_size_and_success_are_measured_and_told(stage: Stage) -> None:
    assert stage.metric("backup_interval_seconds") == 6 * HOUR
    assert stage.metric("backup_last_success_timestamp_seconds") == 0
    await stage.run(HOUR)
    (entry,) = await stage.entries()
    made_at = stage.metric("backup_last_success_timestamp_seconds")
    assert made_at == entry.name.made_at.timestamp()
    assert entry.manifest is not None and stage.metric("backup_last_size_bytes") == entry.manifest.stored_size > 0
    assert stage.metric("backups_total", outcome="ok") == 1 and stage.metric("backups_total", outcome="failed") == 0
    stage.store.script.break_down("complete", StoreUnavailable("the store is full"))
    await stage.run(8 * HOUR)
    await stage.record.look()
    assert (stage.metric("backups_total", outcome="failed") or 0) >= 2
    assert stage.metric("backup_last_success_timestamp_seconds") == made_at
    told = stage.outlook.facts[BACKUP]
    assert isinstance(told, dict) and told["trouble"] == "the store is full" and told["every_seconds"] == 6 * HOUR
    assert told["last"] == entry.name.made_at.isoformat() and 9 * HOUR - 60 < told["age_seconds"] < 9 * HOUR + 60


async def test_a_restart_knows_the_last_one(stage: Stage) -> None:
    await stage.run(HOUR)
    (entry,) = await stage.entries()
    stage.record = stage.new_record()
    assert stage.metric("backup_last_success_timestamp_seconds") == 0
    await stage.run(HOUR)
    assert stage.metric("backup_last_success_timestamp_seconds") == entry.name.made_at.timestamp()
    assert stage.metric("backup_last_size_bytes") == entry.size, "the manifest counted as well"


async def test_after_a_long_rest_the_last_one_is_old_and_nobody_hangs(stage: Stage) -> None:
    await stage.run(HOUR)
    (entry,) = await stage.entries()
    stage.clock = lambda: wall_clock() + timedelta(days=30)
    record = stage.new_record()
    record.found({entry.name.made_at: entry.size})
    assert stage.state() is DependencyState.OK and record.remaining == 0
    assert stage.metric("backup_last_success_timestamp_seconds") == entry.name.made_at.timestamp()


async def test_whoever_should_make_one_and_hangs_is_noticed(stage: Stage) -> None:
    await stage.run(HOUR)
    held = stage.store.script.hold("put_part")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run, 13 * HOUR)
        await anyio.sleep(10.5 * HOUR)
        await stage.record.look()
        assert stage.state() is DependencyState.OK, "one was due, and takes its time"
        await anyio.sleep(HOUR)
        await stage.record.look()
        assert stage.state() is DependencyState.DEGRADED
        assert stage.standing.detail == "no backup was made for 12 h: it hangs"
        held.set()
        await anyio.sleep(HOUR)
        assert stage.state() is DependencyState.OK


async def test_it_tries_again_soon_and_then_seldom(stage: Stage) -> None:
    stage.store.script.break_down("open", StoreUnavailable("the store is away"))
    await stage.run(24 * HOUR)
    tries = [call.at for call in stage.store.script.calls if call.method == "open"]
    assert 24 <= len(tries) <= 120, "an hour between two at most, and hardly less on average than half of that"
    assert tries[1] - tries[0] <= 120


async def test_a_stop_cuts_off_a_backup_and_the_next_one_cleans_up(stage: Stage) -> None:
    held = stage.store.script.hold("put_part")
    with anyio.fail_after(HOUR + 30):
        await stage.run(HOUR)
    assert any(call.method == "put_part" for call in stage.store.script.calls)
    assert not any(key.endswith("manifest.json") for key in stage.store.objects)
    held.set()
    await stage.run(HOUR)
    assert len(await stage.hours()) == 1 and stage.store.uploads == {}
