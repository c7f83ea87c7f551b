"""One file in every place where a worker can reach it, each way with trouble on order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import JsonValue

from teltubby.actors.effort import Effort
from teltubby.adapters.base import Account, Broker
from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    FileGone,
    FloodWait,
    SessionAway,
    SessionRevoked,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.jobs import Job, JobEvent, TelegramContext
from teltubby.messages.questions import RelayTold
from teltubby.messages.routes import FileRoute
from teltubby.messages.transfer import ChannelPlace, DialogPlace, FileLocation, MailboxPlace, Place
from teltubby.transfer.pacing import Limits
from tests.actors.stage import ANNA, MIB, large_job, noise, restarts
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.mtproto_twins import Asked, RemoteTwin, SessionTwin
from tests.person_twin import PersonTwin
from tests.twins import BOT

RELAY_ID, NEWS_ID = -1000000000031, -1000000000077
COPY, POST = 31, 77
PARTS = 9
BODY = noise((PARTS - 1) * MIB + 5)
ONE_BY_ONE = Limits(connections=1, window=1, parts_in_flight=1)
PASSING: list[Exception] = [
    SessionAway("connecting"),
    SessionRevoked("the session was revoked"),
    FloodWait(70),
    TelegramUnavailable("no answer"),
]
"""Trouble of a way that may serve later."""
LASTING: list[Exception] = [FileGone("the message is gone"), ChatUnavailable("no member"), BadRequest("INVALID")]
"""Trouble of a way that will not serve."""


@dataclass
class Meets:
    """What one way meets: when the file is asked for, or with the part after so many that it brought."""

    locate: Exception | None = None
    part: Exception | None = None
    after: int = 0


@dataclass
class Ground:
    """The two accounts and what they see; `went` are the ways by which the file was asked for, one after the other.

    `brought` are the parts that each way brought, and `copies` what the relay was asked for (the lost one, or None).
    """

    job: Job
    meets: dict[FileRoute, Meets] = field(default_factory=dict)
    went: list[FileRoute] = field(default_factory=list)
    brought: list[tuple[FileRoute, int]] = field(default_factory=list)
    copies: list[int | None] = field(default_factory=list)
    told: RelayTold | Exception | None = None

    def __post_init__(self) -> None:
        self.at_bot, self.at_person = (
            RemoteTwin(1000 + self.job.message_id, BODY),
            RemoteTwin(1000 + self.job.message_id, BODY),
        )
        self.at_person.expire()  # references of one account mean nothing to the other
        self.bot = _Bot(self)
        self.bot.documents[ANNA, self.job.message_id] = self.at_bot
        self.person = _Person(self)
        self.person.documents[RELAY_ID, COPY] = self.person.documents[NEWS_ID, POST] = self.at_person
        self.person.dialogs[BOT.id, 1000 + self.job.message_id] = self.at_person
        for session in (self.bot, self.person):
            session.trouble = self.trouble

    def on_the_way(self, place: Place) -> FileRoute:
        """Somebody looks there."""
        route = route_of(place)
        self.went.append(route)
        meets = self.meets.get(route)
        if meets is not None and meets.locate is not None:
            raise meets.locate
        return route

    def trouble(self, asked: Asked) -> Exception | None:
        """What this request meets; whoever asks for hashes is told that there are none."""
        if asked.hashes:
            return None
        way = self.went[-1]
        meets = self.meets.get(way, Meets())
        if meets.part is not None and sum(route is way for route, _ in self.brought) >= meets.after:
            return meets.part
        self.brought.append((way, asked.index))
        return None

    async def copy(self, job_id: str, lost: int | None) -> RelayTold:
        """The bot's answer to the worker's question."""
        self.copies.append(lost)
        if isinstance(self.told, Exception):
            raise self.told
        return self.told or RelayTold(job_id=job_id, chat_id=RELAY_ID, message_id=COPY)

    @property
    def parts(self) -> list[int]:
        """The parts that came, in order."""
        return [index for _, index in self.brought]


class _Bot(SessionTwin):
    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self._ground = ground

    async def locate(self, place: Place) -> FileLocation:
        self._ground.on_the_way(place)
        return await super().locate(place)


class _Person(PersonTwin):
    def __init__(self, ground: Ground) -> None:
        super().__init__(Account(id=ANNA, username="anna", is_bot=False))
        self._ground = ground

    async def locate(self, place: Place) -> FileLocation:
        self._ground.on_the_way(place)
        return await super().locate(place)


def route_of(place: Place) -> FileRoute:
    """Which way leads there."""
    match place:
        case MailboxPlace():
            return FileRoute.BOT
        case ChannelPlace(channel_id=channel_id):
            return FileRoute.RELAY if channel_id == RELAY_ID else FileRoute.ORIGIN
        case DialogPlace():
            return FileRoute.OWN


def forwarded_job(number: int = 1, *, size: int | None = len(BODY), **more: Any) -> Job:
    """A post of the news that Anna forwarded to the bot."""
    origin: dict[str, JsonValue] = {"type": "channel", "chat": {"id": NEWS_ID, "username": "news"}, "message_id": POST}
    job = large_job(number, size=size, **more)
    return replace(job, telegram_context=TelegramContext(forward_origin=origin))


@asynccontextmanager
async def ground_with(
    place: Path,
    *,
    routes: Sequence[FileRoute] = tuple(FileRoute),
    job: Job | None = None,
    ground: Ground | None = None,
    broker: Broker | None = None,
    ready: bool = True,
    max_bytes: int = 1 << 32,
    meets: Mapping[FileRoute, Meets] | None = None,
) -> AsyncIterator[tuple[Ground, WorkerWing]]:
    """The ground, and a worker on it that takes these ways; `meets` says what they meet."""
    ground = ground or Ground(job or forwarded_job(), dict(meets or {}))
    async with worker_wing(
        place / "spool",
        broker=broker,
        limits=ONE_BY_ONE,
        session=ground.bot,
        person=ground.person,
        relay=ground.copy,
        routes=routes,
        max_bytes=max_bytes,
    ) as wing:
        if ready:
            await wing.ready()
        yield ground, wing


async def emit(event: JobEvent) -> None:
    await anyio.lowlevel.checkpoint()


async def failure(wing: WorkerWing, job: Job, effort: Effort | None = None) -> Exception:
    """How an attempt that does not complete ends."""
    with pytest.raises(TeltubbyError) as caught:
        await wing.run.perform(job, 1, emit, effort)
    assert wing.store.objects == {} and restarts(wing.tree) == {}
    return caught.value


def routes_of(effort: Effort) -> list[tuple[FileRoute, bool]]:
    """The ways of an attempt, each with whether it served."""
    return [(each.route, each.reason is None) for each in effort.routes]


def assert_whole(ground: Ground, wing: WorkerWing) -> None:
    """The file is stored, no part of it came twice, and nothing is left."""
    assert wing.store.objects == {ground.job.target.key: BODY}
    assert sorted(ground.parts) == list(range(PARTS))
    assert wing.spooled() == [] and wing.store.uploads == {}
    assert restarts(wing.tree) == {}
