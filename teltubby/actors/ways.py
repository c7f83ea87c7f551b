"""The ways to one job's file, tried in order within one attempt; what one has fetched, the next goes on with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from teltubby.actors.effort import Effort
from teltubby.actors.relay_asked import RelayCopies
from teltubby.archive.routes import (
    UNPROVABLE,
    Outlook,
    ending,
    is_provable,
    outlook,
    place_of,
    prove,
    require_account,
    require_open,
    routes_of,
    tried,
)
from teltubby.errors import FileGone, IdentityMismatch
from teltubby.messages.jobs import Job
from teltubby.messages.questions import RelayTold
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import DescribeSession, SessionStanding, SessionState
from teltubby.messages.transfer import FileLocation, Locate
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

LOCATE_SECONDS = 60.0

Session = Ref[Locate | DescribeSession]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How this worker reaches files; the same for every job.

    `routes` are tried in their order, `bot_id` is the bot's account id, `max_bytes` MAX_FILE_GB. Without `relay` there
    is no relay channel.
    """

    sessions: Mapping[AccountKind, Session]
    routes: tuple[FileRoute, ...]
    bot_id: int
    max_bytes: int
    relay: RelayCopies | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The file, by one way: `way.locate` asks for it again when its reference expired."""

    way: Way
    location: FileLocation


class Search:
    """The search of one attempt: each way once, in order. It tells `effort` of each."""

    def __init__(self, job: Job, ways: Ways, effort: Effort) -> None:
        self._job = job
        self._ways = ways
        self._effort = effort
        self._left = list(routes_of(job, ways.routes))
        self._troubles: list[tuple[FileRoute, Exception]] = []
        self._size = job.file_info.file_size

    async def next(self) -> Found:
        """The file by the next way that leads to it.

        When there is none left, raises what that means for the job (`archive.routes.ending`); before that, what no
        other way would change.
        """
        if not is_provable(self._job):
            raise IdentityMismatch(UNPROVABLE)
        while self._left:
            route = self._left.pop(0)
            try:
                found = await self._try(route)
            except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
                self._note(route, error)
            else:
                self._effort.took(route)
                return found
        raise ending(self._troubles, any_ready=await self._any_ready())

    def missed(self, found: Found, error: Exception) -> None:
        """The way that led to the file does not any more. Raises `error` where no other way would fare better."""
        self._note(found.way.route, error)

    def _note(self, route: FileRoute, error: Exception) -> None:
        if outlook(error) is None:
            raise error
        _LOG.info("job %s is not to be had by way of %s: %s", self._job.job_id, route, error)
        self._troubles.append((route, error))
        self._effort.missed(tried(route, error))

    async def _try(self, route: FileRoute) -> Found:
        require_open(route, self._job, has_relay=self._ways.relay is not None)
        session = self._ways.sessions.get(route.account)
        require_account(route, self._job, None if session is None else await _standing(session))
        assert session is not None
        way = Way(route, self._job, self._ways, session, size=self._size)
        location = await way.locate()
        self._size = location.size
        return Found(way=way, location=location)

    async def _any_ready(self) -> bool:
        """Whether an account that was not found away can be used: then jobs go on to be taken up.

        One that no configured route needs is there to collect channels, and has nothing taken up.
        """
        away = {route.account for route, error in self._troubles if outlook(error) is Outlook.AWAY}
        wanted = {route.account for route in self._ways.routes} - away
        for account, session in self._ways.sessions.items():
            if account in wanted:
                try:
                    if (await _standing(session)).state is SessionState.READY:
                        return True
                except (SupervisionError, TimeoutError) as error:
                    _LOG.info("the %s account's session does not say how it stands: %s", account, error)
        return False


class Way:
    """One way to the file of one job. `size` is what it must have, None: nobody knows yet."""

    def __init__(self, route: FileRoute, job: Job, ways: Ways, session: Session, *, size: int | None) -> None:
        self.route = route
        self._job = job
        self._ways = ways
        self._session = session
        self._size = size
        self._copy: RelayTold | None = None

    async def locate(self) -> FileLocation:
        """Find the file, and prove that it is the one that was handed in; again for a fresh file reference.

        A copy in the relay that is gone is made anew, once each time. Raises what Locate raises, IdentityMismatch,
        RouteClosed, NoRouteNow, and Permanent for a file that is too large.
        """
        try:
            location = await self._look()
        except FileGone:
            if self._copy is None:
                raise
            self._copy = await self._told(self._copy.message_id)
            location = await self._look()
        prove(self._job, location, size=self._size, max_bytes=self._ways.max_bytes)
        self._size = location.size
        return location

    async def _look(self) -> FileLocation:
        if self.route is FileRoute.RELAY and self._copy is None:
            self._copy = await self._told(None)
        place = place_of(self.route, self._job, bot_id=self._ways.bot_id, copy=self._copy)
        return await self._session.ask(Locate(place=place), within=LOCATE_SECONDS)

    async def _told(self, lost: int | None) -> RelayTold:
        assert self._ways.relay is not None
        return await self._ways.relay(self._job.job_id, lost)


async def _standing(session: Session) -> SessionStanding:
    return await session.ask(DescribeSession(), within=LOCATE_SECONDS)
