"""MTProto before there is a key: unencrypted requests of the key exchange.

core.telegram.org/mtproto/description#unencrypted-message
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any

from teltubby.adapters.mtproto_link import Link

_PLAIN_HEAD = struct.Struct("<qqi")


class PlainLink:
    """Requests before there is a key: one at a time, not encrypted."""

    def __init__(self, link: Link, read: Callable[[bytes], Any]) -> None:
        self._link = link
        self._read = read
        self._last_id = 0
        self._answer: asyncio.Future[bytearray] | None = None
        link.receive, link.lost = self._receive, self._lose

    async def send(self, request: Any) -> Any:
        """The answer to a request. Raises ConnectionError."""
        body = bytes(request)
        self._answer = asyncio.get_running_loop().create_future()
        self._last_id = max(self._last_id + 4, int(time.time() * (1 << 32)) & ~3)
        self._link.send(_PLAIN_HEAD.pack(0, self._last_id, len(body)) + body)
        if self._link.is_lost:
            raise ConnectionError("the connection was lost")
        packet = await self._answer
        key_id, _, length = _PLAIN_HEAD.unpack_from(packet)
        if key_id != 0 or not 4 <= length <= len(packet) - _PLAIN_HEAD.size:
            raise ConnectionError("the server answered the key exchange with something else")
        return self._read(bytes(packet[_PLAIN_HEAD.size :]))  # the exchange hands what it reads to a cipher: no views

    def _receive(self, packet: bytearray) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(packet)

    def _lose(self, reason: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(reason)
