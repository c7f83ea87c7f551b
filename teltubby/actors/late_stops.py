"""Orders to stop that are given again: a broadcast is heard by those that listen, and no worker may miss this one."""

from __future__ import annotations

import logging
import math

import anyio

from teltubby.messages.control import StopJob
from teltubby.messages.queue import SendOrder
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

STOP_SECONDS = 5.0
"""A job is ordered to stop at most once in this time: whoever runs it needs a moment."""
ORDER_SECONDS = 5.0


class LateStops:
    """Has cancelled jobs stopped that somebody still reports to run."""

    def __init__(self, queue: Ref[SendOrder]) -> None:
        self._queue = queue
        self._ordered_at: dict[str, float] = {}

    async def stop(self, job_id: str) -> None:
        """Tell all workers, unless they were told just now; where that fails, the next report is the next occasion."""
        now = anyio.current_time()
        if now - self._ordered_at.get(job_id, -math.inf) < STOP_SECONDS:
            return
        self._ordered_at = {known: at for known, at in self._ordered_at.items() if now - at < STOP_SECONDS}
        self._ordered_at[job_id] = now
        try:
            await self._queue.ask(SendOrder(order=StopJob(job_id=job_id)), within=ORDER_SECONDS)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("the workers could not be told to stop job %s: %s", job_id, error)
