"""Signs of life: which worker said when that it runs a job. In memory only, for a report may be lost without harm."""

from __future__ import annotations

import math

import anyio

from teltubby.messages.jobs import JobCompleted, JobEvent, JobProgress, JobStarted

LIVE_SECONDS = 10.0
"""Workers report every second; who was heard within this time is taken to be running."""
KEPT_SECONDS = 3600.0
"""Nobody asks about older signs; they are forgotten once there are signs of many jobs."""
MANY_JOBS = 1000


class SignsOfLife:
    """Kept by whoever reads the workers' reports, by the loop's clock; one per process.

    While nobody listens, and for as long afterwards as is asked about, silence means nothing.
    """

    def __init__(self) -> None:
        self._signs: dict[str, dict[str, float]] = {}
        self._listening_since = math.inf

    def listen(self) -> None:
        """Reports are read from now on; what was said before may have been missed."""
        self._listening_since = anyio.current_time()

    def deaf(self) -> None:
        """Reports are not read any more."""
        self._listening_since = math.inf

    def hear(self, event: JobEvent) -> None:
        """A worker reported: that it runs the job, or that it no longer does."""
        if isinstance(event, JobStarted | JobProgress):
            workers = self._signs.pop(event.job_id, {})
            workers[event.worker] = anyio.current_time()
            self._signs[event.job_id] = workers  # the newest comes last
            self._forget_old()
            return
        workers = self._signs.get(event.job_id, {})
        workers.pop(event.worker, None)
        if not workers or isinstance(event, JobCompleted):
            self._signs.pop(event.job_id, None)

    def listening(self, seconds: float) -> bool:
        """Whether whatever was said in the last `seconds` was heard."""
        return anyio.current_time() - self._listening_since >= seconds

    def heard(self, job_id: str, *, within: float, apart_from: str | None = None) -> bool | None:
        """Whether a worker (other than `apart_from`) ran the job within so many seconds; None when nobody can tell."""
        since = anyio.current_time() - within
        workers = self._signs.get(job_id, {})
        if any(at > since for worker, at in workers.items() if worker != apart_from):
            return True
        return False if self.listening(within) else None

    def _forget_old(self) -> None:
        since = anyio.current_time() - KEPT_SECONDS
        while len(self._signs) > MANY_JOBS and max(next(iter(self._signs.values())).values()) < since:
            del self._signs[next(iter(self._signs))]
