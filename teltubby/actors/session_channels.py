"""Channels at Telegram, as the owner of a person's session tells of them when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from teltubby.errors import SessionNotReady, TelegramUnavailable
from teltubby.messages.channels import (
    PAGE,
    ChannelDifference,
    ChannelRef,
    ChannelRequest,
    DescribeChannel,
    FindChannel,
    FollowUpdates,
    FoundChannel,
    PostPage,
    PostsAfter,
    PostsBefore,
    PostsById,
    Pushes,
    ReadDifference,
)
from teltubby.messages.collected import ReadMessage
from teltubby.messages.session import DescribeSession, SessionStanding
from teltubby.supervision import ActorCrashed, ActorStopped, Ref, Request

R = TypeVar("R")

ANSWER_SECONDS = 120.0
"""A request over MTProto has its own, shorter limit; this one is for a session that hangs."""


class SessionChannels:
    """A ChannelGateway by the session of a person in this process.

    Raises what ChannelGateway says, and TimeoutError. A session that crashes over a request is TelegramUnavailable,
    one that stops for good SessionNotReady.
    """

    def __init__(self, session: Ref[ChannelRequest | DescribeSession], *, within: float = ANSWER_SECONDS) -> None:
        self._session = session
        self._within = within

    async def standing(self) -> SessionStanding:
        """How the session stands."""
        return await self._ask(DescribeSession())

    async def find_channel(self, peer: str) -> FoundChannel:
        return await self._ask(FindChannel(peer=peer))

    async def describe_channel(self, ref: ChannelRef) -> FoundChannel:
        return await self._ask(DescribeChannel(ref=ref))

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int = PAGE) -> PostPage:
        return await self._ask(PostsBefore(ref=ref, before=before, limit=limit))

    async def posts_after(self, ref: ChannelRef, after: int, limit: int = PAGE) -> PostPage:
        return await self._ask(PostsAfter(ref=ref, after=after, limit=limit))

    async def posts_by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        return await self._ask(PostsById(ref=ref, msg_ids=tuple(msg_ids)))

    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        return await self._ask(ReadDifference(ref=ref, pts=pts))

    async def follow(self) -> Pushes:
        return await self._ask(FollowUpdates())

    async def _ask(self, request: Request[R]) -> R:
        try:
            return await self._session.ask(request, within=self._within)
        except ActorCrashed as error:
            raise TelegramUnavailable(f"the session was restarted: {error}") from error
        except ActorStopped as error:
            raise SessionNotReady(f"the session has stopped: {error}") from error
