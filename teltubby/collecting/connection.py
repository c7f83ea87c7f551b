"""Channels over a session that no actor looks after: it is opened again when its connection was lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from teltubby.adapters.base import ChannelGateway, MtprotoGateway
from teltubby.messages.channels import ChannelDifference, ChannelRef, FoundChannel, PostPage, Pushes
from teltubby.messages.collected import ReadMessage

R = TypeVar("R")


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
