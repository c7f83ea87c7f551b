"""What a worker says once a second of an attempt: that it is alive, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import anyio

from teltubby.actors.speed import Speed, seconds_left
from teltubby.errors import BrokerUnavailable
from teltubby.messages.jobs import Job, JobEvent, JobProgress
from teltubby.messages.transfer import PART_BYTES
from teltubby.transfer.spool import Spool

_LOG = logging.getLogger(__name__)

Emit = Callable[[JobEvent], Awaitable[None]]

PULSE_SECONDS = 1.0


class Pulse:
    """The pulse of one attempt; until there is a spool to follow, it tells only that the attempt is alive."""

    def __init__(self, job: Job, attempt: int, *, worker: str, emit: Emit) -> None:
        self._job = job
        self._attempt = attempt
        self._worker = worker
        self._emit = emit
        self._spool: Spool | None = None
        self._uploaded = 0
        total = job.file_info.file_size or 0
        self._down, self._up = Speed(total, 0), Speed(total, 0)

    @property
    def transferred(self) -> int:
        """How many bytes this attempt fetched."""
        return 0 if self._spool is None else self._fetched - self._spool.resumed_bytes

    def follow(self, spool: Spool) -> None:
        """The file is to be fetched into this one."""
        self._spool = spool
        self._down, self._up = Speed(spool.size, spool.resumed_bytes), Speed(spool.size, 0)

    def uploaded(self, count: int) -> None:
        """So many bytes are up."""
        self._uploaded = count

    async def beat(self) -> None:
        """Tell it once a second, for ever; a report that does not get through is no harm."""
        while True:
            await anyio.sleep(PULSE_SECONDS)
            try:
                await self._emit(self._report())
            except BrokerUnavailable as error:
                _LOG.info("a progress report was lost: %s", error)

    @property
    def _fetched(self) -> int:
        return 0 if self._spool is None else min(self._spool.size, len(self._spool.present) * PART_BYTES)

    def _report(self) -> JobProgress:
        total = (self._job.file_info.file_size or 0) if self._spool is None else self._spool.size
        fetched = self._fetched
        if self._spool is not None:
            self._down.learn(fetched, PULSE_SECONDS)
            self._up.learn(self._uploaded, PULSE_SECONDS)
        return JobProgress(
            job_id=self._job.job_id,
            worker=self._worker,
            attempt=self._attempt,
            at=datetime.now(UTC),
            downloaded_bytes=fetched,
            uploaded_bytes=self._uploaded,
            total_bytes=total,
            bytes_per_second=(self._down if fetched < total else self._up).rate,
            seconds_left=None if self._spool is None else seconds_left(self._down, self._up),
        )
