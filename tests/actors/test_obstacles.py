"""Nothing is promised of a large file while nobody fetches any: the curator reads why it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from teltubby.actors import phrases
from teltubby.actors.phrases import workers as words
from teltubby.actors.workers import Workers
from teltubby.adapters.base import Destination
from teltubby.messages.queue import SendOrder
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.workers import WorkerStanding
from teltubby.supervision import Mailbox
from tests.actors.bot_wing import KIB, bot_wing
from tests.actors.updates import sent, update
from tests.actors.world import World
from tests.unit.ledger_samples import a_job
from tests.virtual_time import BEGINNING, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


def standing(state: SessionState, place: str = "p") -> WorkerStanding:
    session = SessionStanding(account=AccountKind.BOT, state=state, detail="d", since=BEGINNING, in_use=True)
    return WorkerStanding(worker="w", place=place, at=BEGINNING, public_key="k", routes=(), sessions=(session,))


async def test_who_fetches_nothing_is_no_promise() -> None:
    workers = Workers(queue=Mailbox[SendOrder]("queue").ref, missing=None, clock=wall_clock)
    assert workers.obstacle() is None, "nobody was asked yet"
    workers.note(standing(SessionState.REVOKED))
    assert workers.obstacle() == words.in_short(workers.known)
    workers.note(standing(SessionState.READY, "another"))
    assert workers.obstacle() is None


async def test_who_does_not_answer_fetches_nothing() -> None:
    queue = Mailbox[SendOrder]("queue")
    queue.close()
    workers = Workers(queue=queue.ref, missing=None, clock=wall_clock)
    await workers.ask()
    assert workers.obstacle() == words.in_short(())
    workers.note(standing(SessionState.READY))
    assert workers.obstacle() is None
    await workers.ask()
    assert workers.obstacle() == words.NO_ANSWER


async def test_the_line_says_so(tmp_path: Path) -> None:
    world = World(folder=tmp_path)
    async with bot_wing(world, missing="MTPROTO_API_ID is not set") as wing:
        await wing.receives(update(10, sent(world.telegram, "video", 1, size=300 * KIB)))
        await wing.queue.settle(Destination.JOBS, 1)
        (line,) = wing.said()
        assert "⏸ It waits: MTPROTO_API_ID is not set" in line and "about" not in line


def test_no_time_is_told_with_it() -> None:
    text = phrases.job_queued(a_job(), 1.0, 3, obstacle="<nobody>")
    assert "about" not in text and "3 jobs before it" in text and "&lt;nobody&gt;" in text
