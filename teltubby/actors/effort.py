"""What one attempt at a job did so far, and the order that it stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from teltubby.errors import JobStopped
from teltubby.messages.media import Route
from teltubby.messages.routes import ARTIFACT_ROUTE, FileRoute, RouteTry
from teltubby.messages.stages import Stages, known_stages
from teltubby.supervision import Tally


@dataclass(slots=True, eq=False)
class Effort:
    """Shared by whoever performs an attempt and whoever reports its end; `began` is a time of the loop's clock.

    `transferred_bytes` are those that this attempt fetched, and `tally` has what its time went by with.
    """

    began: float = field(default_factory=anyio.current_time)
    transferred_bytes: int = 0
    tally: Tally = field(default_factory=Tally)
    _via: FileRoute | None = None
    _missed: list[RouteTry] = field(default_factory=list)
    _stop: anyio.Event = field(default_factory=anyio.Event)

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return anyio.current_time() - self.began

    @property
    def stages(self) -> Stages:
        """What they went by with."""
        return known_stages(self.tally.seconds)

    @property
    def via(self) -> FileRoute | None:
        """The way that found the file, the last one if several did."""
        return self._via

    @property
    def route(self) -> Route | None:
        """What the artifact calls the account that found it."""
        return None if self._via is None else ARTIFACT_ROUTE[self._via.account]

    @property
    def routes(self) -> tuple[RouteTry, ...]:
        """The ways that were tried, in order; one that nothing is held against served."""
        if self._via is None or any(each.route is self._via for each in self._missed):
            return tuple(self._missed)
        return (*self._missed, RouteTry(route=self._via))

    def took(self, route: FileRoute) -> None:
        """The file was found by this way."""
        self._via = route

    def missed(self, way: RouteTry) -> None:
        """This way did not serve, or does not any more."""
        self._missed.append(way)

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
