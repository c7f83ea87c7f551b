"""A CollectorActor on Telegram's channels in memory: what it told the bot, and a session that comes and goes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from teltubby.actors.channel_answers import answer_of
from teltubby.actors.collected_channels import CollectorMeans, told_over, waiting_in
from teltubby.actors.collector import CollectorActor
from teltubby.actors.collector_standing import CollectorState
from teltubby.actors.session_channels import SessionChannels
from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import Destination
from teltubby.collector.repositories import CollectorStore
from teltubby.config.collector import CollectorSettings
from teltubby.errors import BrokerUnavailable, SessionNotReady
from teltubby.messages.channels import ChannelRequest
from teltubby.messages.collected import Post
from teltubby.messages.collector import (
    ChannelMediaFound,
    ChannelsTold,
    CollectorMessage,
    CollectorOrder,
    CollectorReport,
    DescribeCollector,
    ReportCollected,
)
from teltubby.messages.queue import CountQueues
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import DescribeSession, SessionStanding, SessionState
from teltubby.supervision import Actor, ChildSpec, Mailbox, Ref, Supervisor
from tests.actors.stage import running
from tests.actors.worker_wing import BACKOFF
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel
from tests.virtual_time import BEGINNING, until, wall_clock

ADA = 77
"""The account whose session it is."""
ALL_ON = CollectorSettings(enabled=True, history_enabled=True, updates_enabled=True)


@dataclass(slots=True)
class SessionOfWorld(Actor[ChannelRequest | DescribeSession]):
    """Stands in for the SessionActor of a person who reads the world's channels."""

    world: ChannelWorld
    state: SessionState = SessionState.READY
    account_id: int = ADA

    async def run(self, context: Any) -> None:
        context.started()
        await context.serve(self.handle, width=48)

    async def handle(self, message: ChannelRequest | DescribeSession, /) -> object:
        if isinstance(message, DescribeSession):
            return SessionStanding(
                account=AccountKind.USER,
                state=self.state,
                detail="as the test has it",
                since=BEGINNING,
                account_id=self.account_id if self.state is SessionState.READY else None,
            )
        if self.state is not SessionState.READY:
            raise SessionNotReady(f"the user session is {self.state}: as the test has it")
        return await answer_of(self.world, message)


@dataclass(slots=True)
class BotsEar(Actor[ReportCollected | CountQueues]):
    """Stands in for the worker's queue: what it confirmed, in order; so much is `waiting` in the broker.

    `is_full` is what the bot says of the archive; `changes` counts how often the collector's trouble was another one.
    """

    told: list[CollectorReport] = field(default_factory=list)
    is_away: bool = False
    waiting: int = 0
    is_full: bool = False
    changes: int = 0
    confirms: Callable[[CollectorReport], None] = lambda report: None

    async def has_room(self) -> bool:
        return not self.is_full

    def hear_change(self) -> None:
        self.changes += 1

    async def handle(self, message: ReportCollected | CountQueues, /) -> object:
        if self.is_away:
            raise BrokerUnavailable("no broker")
        if isinstance(message, CountQueues):
            return {Destination.JOBS: self.waiting - self.waiting // 2, Destination.EVENTS: self.waiting // 2}
        self.told.append(message.report)
        self.confirms(message.report)
        return None


@dataclass(slots=True)
class Collected:
    """The actor, the world around it, and its database, which is read beside it."""

    tree: Supervisor
    world: ChannelWorld
    session: SessionOfWorld
    session_ref: Ref[ChannelRequest | DescribeSession]
    ear: BotsEar
    ref: Ref[CollectorMessage]
    database: Path
    troubles: Troubles

    def posts(self, channel: WorldChannel) -> dict[int, str]:
        """The texts of the posts that are stored and not deleted, by id."""
        if not self.database.exists():
            return {}
        store = CollectorStore.open_to_read(self.database)
        try:
            rows = store.file.read(
                "SELECT msg_id, text FROM posts WHERE channel_id = ? AND deleted_at IS NULL", channel.id
            )
        finally:
            store.close()
        return {row["msg_id"]: row["text"] for row in rows}

    async def has_all_of(self, channel: WorldChannel, *, within: float = 3600.0) -> None:
        """Return when the database has exactly the channel's posts."""

        def real() -> dict[int, str]:
            return {msg_id: post.text for msg_id, post in channel.posts.items()}

        await until(lambda: self.posts(channel) == real(), within=within, every=1.0)

    async def standing(self) -> ChannelsTold:
        return await self.ref.ask(DescribeCollector(), within=60)

    async def answers(self, order: CollectorOrder) -> CollectorReport:
        """What the collector tells the bot of an order."""

        def answered() -> list[CollectorReport]:
            return [
                told
                for told in self.ear.told
                if not isinstance(told, ChannelMediaFound) and told.order_id == order.order_id
            ]

        self.ref.tell(order)
        await until(answered, within=600)
        return answered()[0]

    @property
    def files(self) -> list[Post]:
        """The posts whose files the bot was told of."""
        return [told.post for told in self.ear.told if isinstance(told, ChannelMediaFound)]


@asynccontextmanager
async def collecting(
    folder: Path,
    world: ChannelWorld,
    *peers: str,
    settings: CollectorSettings = ALL_ON,
    ear: BotsEar | None = None,
    state: SessionState = SessionState.READY,
    clock: Callable[[], datetime] = wall_clock,
) -> AsyncIterator[Collected]:
    """A collector of these peers, with a database in the folder."""
    session = Mailbox[ChannelRequest | DescribeSession]("user_session")
    mailbox, queue = Mailbox[CollectorMessage]("collector"), Mailbox[ReportCollected | CountQueues]("queue")
    troubles, database = Troubles(), folder / "collector.db"
    owner, ear = SessionOfWorld(world, state), BotsEar() if ear is None else ear

    def actor() -> CollectorActor:
        return CollectorActor(
            CollectorMeans(
                worker="box:1:ab",
                settings=settings.model_copy(update={"database_path": database}),
                peers=peers,
                session=SessionChannels(session.ref),
                tell=told_over(queue.ref),
                waiting=waiting_in(queue.ref),
                has_room=ear.has_room,
                state=CollectorState(troubles=troubles, threshold=1.5, clock=clock, announce=ear.hear_change),
                backoff=BACKOFF,
                rng=random.Random(0),
                clock=clock,
            )
        )

    children = [
        ChildSpec("user_session", lambda: owner, mailbox=session),
        ChildSpec("collector", actor, mailbox=mailbox),
        ChildSpec("queue", lambda: ear, mailbox=queue),
    ]
    async with running(*children) as tree:
        yield Collected(tree, world, owner, session.ref, ear, mailbox.ref, database, troubles)
