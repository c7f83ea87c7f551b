"""BackupActor: backups when they are due, trouble that is seen until one is made, and a stop that waits for nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Never

import anyio
import pytest

from teltubby.actors.backup import WHERE, BackupActor
from teltubby.actors.troubles import Troubles
from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.backup.catalogue import State, catalogue
from teltubby.backup.making import Backups
from teltubby.config import Role, load
from teltubby.errors import StoreUnavailable
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
        self.troubles = Troubles()

    async def run(self, seconds: float) -> None:
        """Let an actor live for so long."""
        actor = BackupActor(
            Backups(self.config, host="here", clock=wall_clock),
            lambda: self.store,
            every=timedelta(hours=6),
            troubles=self.troubles,
            backoff=Backoff(first=60.0, cap=HOUR),
            rng=random.Random(1),
            clock=wall_clock,
        )
        context = Context[Never]("backup")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(actor.run, context)
            await anyio.sleep(seconds)
            context.stop()

    async def hours(self) -> list[float]:
        """When backups that the store has were made, after the beginning."""
        self.store.is_open = True
        entries = await catalogue(self.store, BackupKey(KEY))
        self.store.is_open = False
        assert all(entry.state is State.COMPLETE for entry in entries)
        beginning = wall_clock() - timedelta(seconds=anyio.current_time())
        return sorted((entry.name.made_at - beginning).total_seconds() / HOUR for entry in entries)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.ledger.close()


async def test_one_at_once_and_then_every_so_often_and_old_ones_go(stage: Stage) -> None:
    await stage.run(HOUR)
    assert await stage.hours() == pytest.approx([0], abs=0.01)
    await stage.run(24 * HOUR)
    assert await stage.hours() == pytest.approx([18, 24], abs=0.01), "a restart after an hour made none"
    assert not stage.store.is_open and stage.troubles.reasons == {}


async def test_trouble_is_seen_until_a_backup_is_made(stage: Stage) -> None:
    await stage.run(HOUR)
    stage.store.script.break_down("list", StoreUnavailable("the store is away"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run, 14 * HOUR)
        await anyio.sleep(5.5 * HOUR)
        reason = stage.troubles.reasons[WHERE]
        assert reason == "no backup can be made (the last one: not known): the store is away"
        stage.store.script.repair("list")
        await anyio.sleep(2 * HOUR)
        assert stage.troubles.reasons == {}
        stage.store.script.break_down("complete", StoreUnavailable("the store is full"))
        await anyio.sleep(6 * HOUR)
    reason = stage.troubles.reasons[WHERE]
    assert "the last one: 2026-11-20 " in reason and "the store is full" in reason


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
