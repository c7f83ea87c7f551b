"""Jobs that are being announced: news of them waits, so that the curator reads "queued" before "archived".

News that could not wait, because it was there before, may find no line and begin one: who begins one does so alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from teltubby.actors.in_turn import InTurn
from teltubby.supervision import Signal


class Announcing:
    """The jobs whose first message to the curator is on its way."""

    def __init__(self) -> None:
        self._job_ids: set[str] = set()
        self._changed = Signal()
        self._lines = InTurn()

    @contextmanager
    def of(self, job_ids: Iterable[str]) -> Iterator[None]:
        """These are being announced while the block runs."""
        added = set(job_ids) - self._job_ids
        self._job_ids |= added
        try:
            yield
        finally:
            self._job_ids -= added
            self._changed.notify()

    async def over(self, job_id: str) -> None:
        """Return when the job is not being announced."""
        while job_id in self._job_ids:
            await self._changed.wait()

    def line(self, job_id: str) -> AbstractAsyncContextManager[None]:
        """While the block runs nobody else looks whether the job has a line, begins it, or takes note of it."""
        return self._lines.at(job_id)
