"""Channels over a session that no actor looks after: it is opened again when its connection was lost."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from teltubby.adapters.base import Account, ChannelGateway, MtprotoGateway, PersonalGateway
from teltubby.errors import TelegramUnavailable
from teltubby.messages.channels import ChannelDifference, ChannelRef, FoundChannel, PostPage, Pushes
from teltubby.messages.collected import ReadMessage
from teltubby.supervision import Backoff

R = TypeVar("R")


async def signed_in(
    session: PersonalGateway,
    *,
    retry_max: float,
    backoff: Backoff,
    rng: random.Random,
    on_wait: Callable[[float, str], None],
) -> Account:
    """Who is signed in. Where Telegram cannot be reached it is tried `retry_max` more times; then that is raised as
    TelegramUnavailable, and all else at once. `on_wait` is told of each pause before it begins: the seconds, and why.
    """
    failures = 0
    while True:
        try:
            return await session.open()
        except (TelegramUnavailable, TimeoutError) as error:
            failures += 1
            why = f"Telegram cannot be reached: {str(error) or 'no answer in time'}"
            if failures > retry_max:
                raise TelegramUnavailable(why) from error
        seconds = backoff.delay(failures + 1, rng)
        on_wait(seconds, why)
        await anyio.sleep(seconds)


class ConnectedChannels(ChannelGateway):
    """A ChannelGateway over `session`, which is connected before whatever is asked over it.

    Nothing is asked twice: a request that the lost connection took with it fails, and whoever repeats it finds another.
    """

    def __init__(self, session: MtprotoGateway, gateway: ChannelGateway) -> None:
        self._session = session
        self._gateway = gateway
        self._connecting = anyio.Lock()

    async def find_channel(self, peer: str) -> FoundChannel:
        return await self._asked(lambda: self._gateway.find_channel(peer))

    async def describe_channel(self, ref: ChannelRef) -> FoundChannel:
        return await self._asked(lambda: self._gateway.describe_channel(ref))

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        return await self._asked(lambda: self._gateway.posts_before(ref, before, limit))

    async def posts_after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        return await self._asked(lambda: self._gateway.posts_after(ref, after, limit))

    async def posts_by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        return await self._asked(lambda: self._gateway.posts_by_id(ref, msg_ids))

    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        return await self._asked(lambda: self._gateway.difference(ref, pts))

    async def follow(self) -> Pushes:
        return await self._asked(self._gateway.follow)

    async def _asked(self, ask: Callable[[], Awaitable[R]]) -> R:
        async with self._connecting:
            if self._session.data_centre is None:
                await self._session.open()
        return await ask()
