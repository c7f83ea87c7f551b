"""A connection of Telethon's that is open and dead is ended: Telethon itself takes minutes to notice.

Parts that are asked for over it are slow, and whoever waits for them has less patience than this; so it counts for how
long nothing was answered, whatever was asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from telethon import TelegramClient, functions, types

from teltubby.adapters.telethon_client import disconnect
from teltubby.adapters.telethon_errors import FOREIGN

_LOG = logging.getLogger(__name__)

PING_SECONDS = 10.0
"""How long at most a connection has to prove that it is alive."""


class Silence:
    """Watches one client: after `seconds` without any answer it is asked who is signed in, which is quickly said.

    asyncio-flavoured. `end` ends the watch; the client is its owner's to close.
    """

    def __init__(self, client: TelegramClient, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        """When the first of the requests was sent that nothing has come after."""
        self._asking = 0
        self._timer: asyncio.TimerHandle | None = None
        self._proof: asyncio.Task[None] | None = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around each request: an error is an answer too, unless it is that none came."""
        self._asking += 1
        if self._since is None:
            self._since = self._loop.time()
        self._watch()
        is_heard = True
        try:
            yield
        except (TimeoutError, asyncio.CancelledError):
            is_heard = False
            raise
        finally:
            self._asking -= 1
            if is_heard:
                self._since = self._loop.time() if self._asking else None

    async def end_if_dead(self) -> None:
        """Have the connection prove that it is alive, once for all who ask, and end it where it does not."""
        await asyncio.shield(self._begun_proof())

    def end(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._proof is not None:
            self._proof.cancel()

    def _watch(self) -> None:
        if self._timer is None and self._since is not None:
            self._timer = self._loop.call_at(self._since + self._seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._since is None or not self._client.is_connected():
            return
        if self._loop.time() < self._since + self._seconds:
            self._watch()
        else:
            self._begun_proof()

    def _begun_proof(self) -> asyncio.Task[None]:
        if self._proof is None or self._proof.done():
            self._proof = asyncio.create_task(self._prove())
        return self._proof

    async def _prove(self) -> None:
        try:
            with self.asking():
                began = self._loop.time()
                async with asyncio.timeout(min(self._seconds, PING_SECONDS)):
                    await self._client(functions.users.GetUsersRequest([types.InputUserSelf()]))
        except TimeoutError:
            heard_since = self._since is None or self._since > began
            if not heard_since and self._client.is_connected():
                _LOG.warning("nothing is answered on the connection to Telegram any more: it is made anew")
                await disconnect(self._client)
        except FOREIGN:
            return  # an answer, be it a refusal; or the connection has ended already
