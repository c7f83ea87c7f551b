"""What one attempt at a job did so far, and the order that it stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from teltubby.errors import JobStopped
from teltubby.messages.media import Route


@dataclass(slots=True, eq=False)
class Effort:
    """Shared by whoever performs an attempt and whoever reports its end; `began` is a time of the loop's clock.

    `transferred_bytes` are those that this attempt fetched, `route` the one that found the file.
    """

    began: float = field(default_factory=anyio.current_time)
    transferred_bytes: int = 0
    route: Route | None = None
    _stop: anyio.Event = field(default_factory=anyio.Event)

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return anyio.current_time() - self.began

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop; it may complete all the same."""
        return self._stop.is_set()

    def stop(self) -> None:
        """The attempt should end soon."""
        self._stop.set()

    async def wait_stopping(self) -> None:
        """Return when it was told to stop."""
        await self._stop.wait()

    def check(self) -> None:
        """Raises JobStopped when it was told to stop."""
        if self.stopping:
            raise JobStopped("the job was cancelled")


@contextmanager
def kept(failures: list[Exception], scope: anyio.CancelScope) -> Iterator[None]:
    """Keep the first thing that goes wrong on either side and end the other: it is raised without a group around it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - raised again by whoever gave the list
        failures.append(error)
        scope.cancel()
