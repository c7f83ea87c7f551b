"""`PartConnection` over Telethon's public methods, on the session's one connection: the way that always works.

Used where the data centre offers no address for parallel connections under the session's key, and where the private
names have changed. All "connections" of this kind share Telethon's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telethon import TelegramClient, errors, functions

from teltubby.adapters.telethon_errors import FOREIGN, translate_part
from teltubby.adapters.telethon_parts import input_location, range_hashes
from teltubby.adapters.telethon_silence import Silence
from teltubby.errors import ConnectionLost, FileMoved
from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.messages.transfer import FileLocation, RangeHash

REQUEST_BYTES = 512 * 1024
"""The largest request that Telethon's own iterator makes."""


class StockParts:
    """Closing ends no request, for the connection is the session's.

    `silence` ends that connection when it is dead; abroad Telethon keeps another one, which nobody can watch. How long
    a request may take is for whoever asks to say: more than the session's own requests, for parts are large.
    """

    def __init__(self, client: TelegramClient, data_centre: int, *, silence: Silence) -> None:
        self._client = client
        self._silence = silence
        self._is_home = data_centre == client.session.dc_id

    async def fetch(self, location: FileLocation, offset: int, length: int) -> bytes:
        try:
            return await (
                self._ask(location, offset, length) if self._is_home else self._iterate(location, offset, length)
            )
        except ForeignCancelled as error:
            raise ConnectionLost("Telethon gave the connection up") from error

    async def hashes(self, location: FileLocation, offset: int) -> Sequence[RangeHash]:
        """None where the file is at a foreign data centre: Telethon's public methods cannot ask there."""
        if not self._is_home:
            return ()
        try:
            return await self._hashes(location, offset)
        except ForeignCancelled as error:
            raise ConnectionLost("Telethon gave the connection up") from error

    async def aclose(self) -> None:
        """Nothing to close: see above."""

    @asyncio_hosted
    async def _ask(self, location: FileLocation, offset: int, length: int) -> bytes:
        try:
            found = await self._answer(functions.upload.GetFileRequest(input_location(location), offset, length))
        except FOREIGN as error:
            raise translate_part(error) from error
        return bytes(found.bytes)

    @asyncio_hosted
    async def _iterate(self, location: FileLocation, offset: int, length: int) -> bytes:
        request = _request_size(offset, length)
        received = bytearray()
        chunks = self._client.iter_download(
            input_location(location),
            offset=offset,
            limit=length // request,
            chunk_size=request,
            request_size=request,
            file_size=location.size,
            dc_id=location.data_centre,
        )
        try:
            async for chunk in chunks:
                received += chunk
        except errors.FileMigrateError as error:
            raise FileMoved(error.new_dc) from error
        except FOREIGN as error:
            raise translate_part(error) from error
        return bytes(received)

    @asyncio_hosted
    async def _hashes(self, location: FileLocation, offset: int) -> Sequence[RangeHash]:
        try:
            found = await self._answer(functions.upload.GetFileHashesRequest(input_location(location), offset))
        except FOREIGN as error:
            raise translate_part(error) from error
        return range_hashes(found)

    async def _answer(self, request: Any) -> Any:
        with self._silence.asking():
            return await self._client(request)


def _request_size(offset: int, length: int) -> int:
    """The largest power of two that both are multiples of: then 1 MiB is divisible by it, as the protocol demands."""
    together = offset | length
    return min(together & -together, REQUEST_BYTES)
