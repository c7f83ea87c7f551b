"""Connections for parts of large files that count what comes over them."""

from __future__ import annotations

from collections.abc import Sequence

from teltubby.adapters.metrics import Metrics
from teltubby.errors import FloodWait, TelegramUnavailable
from teltubby.messages.transfer import FileLocation, PartConnection, RangeHash


class WatchedParts:
    """`connection`, with every byte, every failure and every wait counted for `source`."""

    def __init__(self, connection: PartConnection, metrics: Metrics, *, source: str) -> None:
        self._connection = connection
        self._metrics = metrics
        self._source = source

    async def fetch(self, location: FileLocation, offset: int, length: int) -> bytes | memoryview:
        try:
            part = await self._connection.fetch(location, offset, length)
        except FloodWait as error:
            self._metrics.asked_to_wait(self._source, error.seconds)
            raise
        except TelegramUnavailable:
            self._metrics.parts_failed.labels(source=self._source).inc()
            raise
        self._metrics.downloaded_bytes.labels(source=self._source).inc(len(part))
        return part

    async def hashes(self, location: FileLocation, offset: int) -> Sequence[RangeHash]:
        return await self._connection.hashes(location, offset)

    async def aclose(self) -> None:
        await self._connection.aclose()
