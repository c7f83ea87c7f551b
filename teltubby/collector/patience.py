"""The patience that Telegram wants: the one layer of the collector that asks again."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio

from teltubby.adapters.base import ChannelGateway
from teltubby.errors import FloodWait, TelegramUnavailable, UnreadableAnswer
from teltubby.messages.channels import ChannelDifference, ChannelRef, FoundChannel, PostPage, Pushes
from teltubby.messages.collected import ReadMessage
from teltubby.supervision import Backoff

_LOG = logging.getLogger(__name__)

LEAST_WAIT = 1.0
"""Seconds: Telegram is known to ask for waits of 0, after which it asks for the next one."""

R = TypeVar("R")


class PatientChannels(ChannelGateway):
    """A ChannelGateway around another, whose requests are repeated until they are served.

    A FloodWait is waited for whole, however long and however often; meanwhile nobody puts a request of that kind, for
    it would only be flooded as well. TelegramUnavailable and TimeoutError are tried `retry_max` more times; then they
    are raised, as all else is at once, and an answer that cannot be read, which would come again. `on_wait` is told of
    each wait before it begins: the seconds, and why.
    """

    def __init__(
        self,
        gateway: ChannelGateway,
        *,
        retry_max: int,
        backoff: Backoff,
        rng: random.Random,
        on_wait: Callable[[float, str], None],
        longest_search: float = math.inf,
    ) -> None:
        self._gateway = gateway
        self._retry_max = retry_max
        self._backoff = backoff
        self._rng = rng
        self._on_wait = on_wait
        self._longest_waits = {"find_channel": longest_search}
        self._flooded_until: dict[str, float] = {}

    async def find_channel(self, peer: str) -> FoundChannel:
        return await self._served("find_channel", partial(self._gateway.find_channel, peer))

    async def describe_channel(self, ref: ChannelRef) -> FoundChannel:
        return await self._served("describe_channel", partial(self._gateway.describe_channel, ref))

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        return await self._served("posts", partial(self._gateway.posts_before, ref, before, limit))

    async def posts_after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        return await self._served("posts", partial(self._gateway.posts_after, ref, after, limit))

    async def posts_by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        return await self._served("posts_by_id", partial(self._gateway.posts_by_id, ref, msg_ids))

    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        return await self._served("difference", partial(self._gateway.difference, ref, pts))

    async def follow(self) -> Pushes:
        return await self._served("follow", self._gateway.follow)

    async def _served(self, kind: str, ask: Callable[[], Awaitable[R]]) -> R:
        """The answer to a request; those of one `kind` are one method at Telegram, whose floods they share."""
        failures = 0
        while True:
            flooded = self._flooded_until.get(kind, 0.0) - anyio.current_time()
            if flooded > self._longest_waits.get(kind, math.inf):
                raise FloodWait(math.ceil(flooded))
            if flooded > 0:  # and looked at again afterwards: another request may have brought a longer one
                await anyio.sleep(flooded)
                continue
            try:
                return await ask()
            except FloodWait as error:
                self._note_flood(kind, error)
            except UnreadableAnswer:
                raise
            except (TelegramUnavailable, TimeoutError) as error:
                failures += 1
                if failures > self._retry_max:
                    raise
                why = str(error) or "Telegram did not answer in time"
                seconds = self._backoff.delay(failures + 1, self._rng)
                _LOG.info("%s is asked again in %.1f s: %s", kind, seconds, why)
                self._on_wait(seconds, why)
                await anyio.sleep(seconds)

    def _note_flood(self, kind: str, error: FloodWait) -> None:
        seconds = max(error.seconds, LEAST_WAIT)
        self._flooded_until[kind] = max(self._flooded_until.get(kind, 0.0), anyio.current_time() + seconds)
        self._on_wait(seconds, str(error))
