"""Whatever each way meets: all are tried in order and once, nothing comes twice, and the job ends as it should."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from teltubby.actors.effort import Effort
from teltubby.archive.routes import Outlook, ending, outlook
from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    FileGone,
    FloodWait,
    NoRouteNow,
    RouteClosed,
    SessionAway,
    SessionRevoked,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.jobs import JobCompleted
from teltubby.messages.questions import RelayTold
from teltubby.messages.routes import AccountKind, FileRoute
from tests.actors.everywhere import BODY, PARTS, Ground, Meets, emit, forwarded_job, ground_with
from tests.actors.stage import restarts
from tests.virtual_time import backend_in_virtual_time

pytestmark = pytest.mark.usefixtures("virtual_time")

MOST_PARTS = (PARTS - 1) // len(FileRoute)
"""Of each way that ends in the middle: something is left for the last one."""

ANYWHERE: list[TeltubbyError] = [
    SessionAway("connecting"),
    SessionRevoked("revoked"),
    TelegramUnavailable("no answer"),
    FileGone("gone"),
    ChatUnavailable("no member"),
    BadRequest("INVALID"),
]
FOUND = st.sampled_from([None, None, *ANYWHERE, FloodWait(70)])
"""A flood wait is met with the search: with a part it would park all that the account fetches."""
MEETS = st.builds(Meets, locate=FOUND, part=st.sampled_from([None, *ANYWHERE]), after=st.integers(0, MOST_PARTS))
ROUTES = st.permutations(list(FileRoute)).flatmap(
    lambda order: st.integers(1, len(order)).map(lambda count: order[:count])
)
REFUSALS = st.sampled_from([None, None, None, True, False])
"""Whether the relay makes a copy, and if not, whether that may pass."""


def foreseen(
    routes: Sequence[FileRoute], meets: Mapping[FileRoute, Meets], refusal: bool | None
) -> list[tuple[FileRoute, Exception | None]]:
    """What each way that is tried comes to, None being the file."""
    told: list[tuple[FileRoute, Exception | None]] = []
    lost: set[AccountKind] = set()
    for route in routes:
        meeting = meets[route]
        trouble = meeting.locate or meeting.part
        if route.account in lost:
            trouble = SessionRevoked("before")
        elif route is FileRoute.RELAY and refusal is not None:
            trouble = NoRouteNow("not now") if refusal else RouteClosed("not now")
        elif isinstance(meeting.locate, SessionRevoked):
            lost.add(route.account)
        told.append((route, trouble))
        if trouble is None:
            break
    return told


async def one_attempt(
    place: Path, routes: Sequence[FileRoute], meets: dict[FileRoute, Meets], refusal: bool | None
) -> tuple[Ground, Effort, JobCompleted | TeltubbyError]:
    ground, effort = Ground(forwarded_job(), meets), Effort()
    if refusal is not None:
        ground.told = RelayTold(job_id=ground.job.job_id, reason="not now", passing=refusal)
    async with ground_with(place, routes=routes, ground=ground) as (_, wing):
        try:
            end: JobCompleted | TeltubbyError = await wing.run.perform(ground.job, 1, emit, effort)
        except TeltubbyError as error:
            end = error
        assert restarts(wing.tree) == {}
        assert wing.store.objects == ({ground.job.target.key: BODY} if isinstance(end, JobCompleted) else {})
    return ground, effort, end


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=60)
@given(routes=ROUTES, meets=st.fixed_dictionaries(dict.fromkeys(FileRoute, MEETS)), refusal=REFUSALS)
def test_whatever_the_ways_meet(
    backend: str, routes: list[FileRoute], meets: dict[FileRoute, Meets], refusal: bool | None
) -> None:
    name, options = backend_in_virtual_time(backend)
    with tempfile.TemporaryDirectory() as place:
        ground, effort, end = anyio.run(
            one_attempt, Path(place), routes, meets, refusal, backend=name, backend_options=options
        )
    expected = foreseen(routes, meets, refusal)
    event(f"{len(expected)} ways, {type(end).__name__}")

    assert [each.route for each in effort.routes] == [route for route, _ in expected], "in order, and each once"
    assert [each.reason is None for each in effort.routes] == [trouble is None for _, trouble in expected]
    searches = [route for at, route in enumerate(ground.went) if ground.went[:at][-1:] != [route]]
    assert searches == [route for route in routes if route in searches], "none is gone back to"
    assert len(ground.copies) <= 2 and (not ground.copies or FileRoute.RELAY in routes)
    assert ground.parts == list(range(len(ground.parts))), "no part comes twice, whichever way it came"

    troubles = [(route, trouble) for route, trouble in expected if trouble is not None]
    if len(troubles) < len(expected):
        assert isinstance(end, JobCompleted) and end.via is expected[-1][0]
        assert len(ground.parts) == PARTS
    else:
        used = {route.account for route in routes}
        away = {route.account for route, trouble in troubles if outlook(trouble) is Outlook.AWAY}
        assert type(end) is type(ending(troubles, any_ready=bool(used - away)))
