"""The RelayActor over a real ledger, and a channel at the twin of Telegram (or at whatever gateway is given)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio

from teltubby.actors.ledger import LedgerActor
from teltubby.actors.relay import RelayActor
from teltubby.adapters.base import BotGateway
from teltubby.adapters.clock import utc_now
from teltubby.messages.jobs import Job, JobCommand, JobState
from teltubby.messages.ledger import LedgerMessage, Submit
from teltubby.messages.ledger_jobs import ApplyEvent, CommandJob
from teltubby.messages.questions import RelayTold
from teltubby.messages.relay import CopyForJob, RelayMessage
from teltubby.supervision import ChildSpec, Context, Mailbox, Ref, Supervisor
from tests.actors.bot_wing import WatchedLedger
from tests.actors.ledgers import ledger_at
from tests.actors.stage import WITHIN
from tests.actors.world import World
from tests.bot_twin import BotTwin
from tests.channel_twin import ChannelTwin
from tests.script import Script, Watcher, nobody_watches
from tests.unit.ledger_samples import completed, failed
from tests.virtual_time import wall_clock

RELAY = -1_001_500_000_001
ROWS = "SELECT job_id, message_id FROM relay_copies ORDER BY id"


@dataclass
class RelayWing:
    """What a test reaches."""

    world: World
    tree: Supervisor
    context: Context[Any]
    ledger: Ref[LedgerMessage]
    ledger_script: Script
    relay: Ref[RelayMessage]

    async def submit(self, *jobs: Job) -> None:
        """Each is a submission of its own, and may be one already."""
        for job in jobs:
            submission = Submit(
                chat_id=job.chat_id,
                message_id=job.message_id,
                media_group_id=None,
                base_path=f"teltubby/{job.message_id}/",
                artifact_json="{}",
                jobs=(job,),
                member_message_ids=(job.message_id,),
            )
            await self.ledger.ask(submission, within=WITHIN)

    async def asks(self, job: Job, *, lost: int | None = None) -> RelayTold:
        """A worker does."""
        return await self.relay.ask(CopyForJob(job_id=job.job_id, lost=lost), within=WITHIN)

    async def copied(self, job: Job, *, lost: int | None = None) -> int:
        """The id of the copy that a worker is told of."""
        told = await self.asks(job, lost=lost)
        assert (told.chat_id, told.reason) == (RELAY, None) and told.message_id is not None
        return told.message_id

    async def ends(self, job: Job, state: JobState = JobState.COMPLETED) -> None:
        """The job is over."""
        match state:
            case JobState.COMPLETED:
                await self.ledger.ask(ApplyEvent(event=completed(job_id=job.job_id)), within=WITHIN)
            case JobState.FAILED:
                await self.ledger.ask(ApplyEvent(event=failed(job_id=job.job_id)), within=WITHIN)
            case _:
                cancel = CommandJob(job_id=job.job_id, command=JobCommand.CANCEL, user_id=7)
                await self.ledger.ask(cancel, within=WITHIN)

    @property
    def rows(self) -> list[tuple[str, int | None]]:
        """Which copies the ledger knows, and of which jobs."""
        return [(row["job_id"], row["message_id"]) for row in self.world.facts(ROWS)]


@asynccontextmanager
async def relay_wing(
    world: World,
    gateway: BotGateway,
    *,
    chat_id: int | None = RELAY,
    watch: Watcher = nobody_watches,
    in_real_time: bool = False,
) -> AsyncIterator[RelayWing]:
    """All of it, running, in virtual time or `in_real_time` (the ledger is not watched then)."""
    path = ledger_at(world.folder / "ledger.db")
    ledger, relay, script = (
        Mailbox[LedgerMessage]("ledger", capacity=256),
        Mailbox[RelayMessage]("relay"),
        Script(watch),
    )
    tree = Supervisor(
        "bot",
        [
            ChildSpec(
                "ledger",
                lambda: LedgerActor(path) if in_real_time else WatchedLedger(path, script),
                mailbox=ledger,
            ),
            ChildSpec(
                "relay",
                lambda: RelayActor(
                    gateway, ledger=ledger.ref, relay_chat_id=chat_id, clock=utc_now if in_real_time else wall_clock
                ),
                mailbox=relay,
            ),
        ],
    )
    context = Context[Any]("bot")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        with anyio.fail_after(WITHIN):
            await context.ready.wait()
        try:
            yield RelayWing(world, tree, context, ledger.ref, script, relay.ref)
        finally:
            context.stop()


def with_channel(world: World, *, watch: Watcher = nobody_watches) -> tuple[ChannelTwin, BotTwin]:
    """The relay channel of this world's Telegram, and a bot."""
    channel = world.telegram.channels.setdefault(RELAY, ChannelTwin())
    return channel, BotTwin(world.telegram, watch=watch)
