"""Orders to all workers at once, across the control exchange: heard by those that listen now, and never kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StopJob:
    """Whoever runs this job stops: it was cancelled. Repeated while reports of it keep coming."""

    job_id: str


Order = StopJob
