"""What the worker's QueueActor reports of itself, and the orders that it passes on: across the broker, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from teltubby.actors.letters import order_letter
from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.errors import BrokerUnavailable, NotSignedIn, SessionRevoked, TelegramUnavailable
from teltubby.messages.control import (
    BeginSignIn,
    CancelSignIn,
    DescribeWorkers,
    Order,
    SignInMethod,
    SubmitCode,
    SubmitPassword,
)
from teltubby.messages.jobs import JobEvent
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionState
from teltubby.messages.transfer import MailboxPlace
from teltubby.messages.workers import SignInTold, WorkerStanding
from tests.actors.clerk import clerk_at
from tests.actors.queues import Queue, names, queue_at
from tests.actors.stage import MIB, large_job, noise, restarts
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.mtproto_twins import SessionTwin
from tests.person_twin import CODE, QR_SECONDS, PersonTwin
from tests.twins import BrokerTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(MIB + 77)
EITHER = (FileRoute.OWN, FileRoute.BOT)
READY, DISCONNECTED, QR_SHOWN = SessionState.READY, SessionState.DISCONNECTED, SessionState.QR_SHOWN
REVOKED, CODE_NEEDED, PASSWORD_NEEDED = SessionState.REVOKED, SessionState.CODE_NEEDED, SessionState.PASSWORD_NEEDED


@dataclass
class Line:
    """A worker, the queue, and who is at its other end."""

    wing: WorkerWing
    queue: Queue
    broker: BrokerTwin
    bot: SealedBoxes = field(default_factory=SealedBoxes)
    events: list[JobEvent] = field(default_factory=list)

    async def order(self, order: Order) -> None:
        """Broadcast it, as the bot does."""
        other = self.queue.client()
        await other.open()
        await other.broadcast(order_letter(order))
        await other.aclose()

    async def begin(self, *, worker: str = "host:1", method: SignInMethod = SignInMethod.QR) -> None:
        await self.order(BeginSignIn(worker=worker, sign_in_id="s1", method=method, reply_key=self.bot.public_key))

    async def sees(self, condition: Callable[[], object]) -> None:
        """Take what the worker publishes until this holds."""
        began = anyio.current_time()
        with anyio.fail_after(10_000):
            while not condition():
                self.events += await self.queue.events()
                await anyio.sleep(0.05 + (anyio.current_time() - began) / 100)

    async def stands(self, **states: SessionState) -> WorkerStanding:
        """The newest standing, once its sessions are in these states."""
        await self.sees(lambda: self.standings and _states(self.standings[-1]) == states)
        return self.standings[-1]

    async def told(self, state: SessionState) -> SignInTold:
        """The newest step of the sign-in, once it is this."""
        await self.sees(lambda: self.steps and self.steps[-1].state is state)
        return self.steps[-1]

    @property
    def standings(self) -> list[WorkerStanding]:
        return [report for report in self.queue.reports if isinstance(report, WorkerStanding)]

    @property
    def steps(self) -> list[SignInTold]:
        return [report for report in self.queue.reports if isinstance(report, SignInTold)]


def _states(standing: WorkerStanding) -> dict[str, SessionState]:
    return {str(session.account): session.state for session in standing.sessions}


@asynccontextmanager
async def line(
    tmp_path: Path,
    *,
    session: SessionTwin | None = None,
    person: PersonTwin | None = None,
) -> AsyncIterator[Line]:
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue):
        broker = queue.twin()
        routes = (FileRoute.BOT,) if person is None else EITHER
        async with worker_wing(
            tmp_path / "spool", broker=broker, session=session, person=person, routes=routes
        ) as wing:
            yield Line(wing, queue, broker)


async def test_a_worker_says_how_it_stands_when_it_comes(tmp_path: Path) -> None:
    async with line(tmp_path, person=PersonTwin()) as here:
        standing = await here.stands(user=READY, bot=READY)
        assert (standing.worker, standing.place) == ("host:1", "host, /data/bot.session")
        assert standing.routes == EITHER and len(standing.public_key) == 44
        assert [session.name for session in standing.sessions] == ["@ad… +…78", "@archive_bot"]
        assert [session.connections for session in standing.sessions] == [1, 1]


async def test_it_says_so_again_when_a_session_changes_and_not_otherwise(tmp_path: Path) -> None:
    async with line(tmp_path, person=PersonTwin()) as here:
        await here.stands(user=READY, bot=READY)
        said = len(here.standings)
        await anyio.sleep(5000)
        await here.sees(lambda: True)
        assert here.wing.person is not None and len(here.standings) == said
        here.wing.person.script.break_down("open", TelegramUnavailable("away"))
        here.wing.person.lose()
        await here.stands(user=DISCONNECTED, bot=READY)


async def test_it_says_so_again_on_order(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        await here.stands(bot=READY)
        said = len(here.standings)
        await here.wing.session.dial(2)
        await here.order(DescribeWorkers())
        await here.sees(lambda: len(here.standings) > said)
        assert here.standings[-1].sessions[0].connections == 2, "asked anew"


async def test_it_says_goodbye_when_it_ends_in_order(tmp_path: Path) -> None:
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue):
        async with worker_wing(tmp_path / "spool", broker=queue.twin(), routes=(FileRoute.BOT,)) as wing:
            await wing.ready()
            with anyio.fail_after(10_000):
                while not queue.reports:
                    await queue.events()
                    await anyio.sleep(1)
        await queue.events()
        standings = [report for report in queue.reports if isinstance(report, WorkerStanding)]
        assert len(standings) >= 2 and standings[-1].leaves
        assert not any(standing.leaves for standing in standings[:-1])


async def test_it_says_so_over_every_new_connection(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        await here.stands(bot=READY)
        said = len(here.standings)
        await here.broker.lose()
        await here.sees(lambda: len(here.standings) > said)


async def test_what_changed_while_the_broker_was_away_is_said_once(tmp_path: Path) -> None:
    person = PersonTwin()
    async with line(tmp_path, person=person) as here:
        await here.stands(user=READY, bot=READY)
        here.broker.script.break_down("open", BrokerUnavailable("away"))
        await here.broker.lose()
        said = len(here.standings)
        for _ in range(5):
            opened = person.opened
            person.lose()
            await until(lambda opened=opened: person.opened > opened)  # type: ignore[misc]
        person.script.break_down("open", SessionRevoked("revoked"))
        person.lose()
        await until(lambda: here.wing.states[AccountKind.USER] is REVOKED)
        here.broker.script.repair("open")
        await here.stands(user=REVOKED, bot=READY)
        assert len(here.standings) - said <= 2, "the newest, and that of a new connection"


async def test_a_standing_that_did_not_reach_the_broker_is_said_again(tmp_path: Path) -> None:
    person = PersonTwin()
    async with line(tmp_path, person=person) as here:
        await here.stands(user=READY, bot=READY)
        here.broker.script.fail("report", BrokerUnavailable("cut"), BrokerUnavailable("cut"))
        person.script.break_down("open", SessionRevoked("revoked"))
        person.lose()
        await here.stands(user=REVOKED, bot=READY)
        assert restarts(here.wing.tree) == {}


# -- sign-ins


async def test_a_person_signs_in_across_the_broker(tmp_path: Path) -> None:
    person = PersonTwin(stored=None, password="secret", hint="")
    async with line(tmp_path, person=person) as here:
        standing = await here.stands(user=DISCONNECTED, bot=READY)
        await here.begin(method=SignInMethod.CODE)
        await here.told(CODE_NEEDED)
        code = seal(standing.public_key, CODE)
        await here.order(SubmitCode(worker="host:1", sign_in_id="s1", sealed=code))
        await here.told(PASSWORD_NEEDED)
        password = seal(standing.public_key, "secret")
        await here.order(SubmitPassword(worker="host:1", sign_in_id="s1", sealed=password))
        assert (await here.told(READY)).is_over
        await here.stands(user=READY, bot=READY)
        at = [report.at for report in here.queue.reports]
        assert at == sorted(at), "in the order in which it happened"


async def test_steps_told_while_the_broker_is_away_come_later_in_order_without_what_expired(tmp_path: Path) -> None:
    person = PersonTwin(stored=None)
    async with line(tmp_path, person=person) as here:
        await here.stands(user=DISCONNECTED, bot=READY)
        await here.begin()
        await here.told(QR_SHOWN)
        here.broker.script.break_down("open", BrokerUnavailable("away"))
        await here.broker.lose()
        seen = len(here.steps)
        await anyio.sleep(3 * QR_SECONDS)
        shown = len(person.qr_codes)
        person.scan()
        await until(lambda: here.wing.states[AccountKind.USER] is READY)
        here.broker.script.repair("open")
        assert (await here.told(READY)).is_over
        late = here.steps[seen:]
        assert shown >= 3 and len(late) <= 2, "codes that nobody can scan any more are not shown"
        assert all(step.expires_at is None or step.expires_at > late[-1].at for step in late[:-1])


async def test_a_step_that_did_not_reach_the_broker_is_told_again(tmp_path: Path) -> None:
    async with line(tmp_path, person=PersonTwin(stored=None)) as here:
        await here.stands(user=DISCONNECTED, bot=READY)
        here.broker.script.fail("report", *[BrokerUnavailable("cut")] * 4)
        await here.begin(method=SignInMethod.CODE)
        await here.told(CODE_NEEDED)
        assert restarts(here.wing.tree) == {}


@pytest.mark.parametrize("kind", ["begin", "cancel"])
async def test_orders_to_another_worker_are_not_ours(tmp_path: Path, kind: str) -> None:
    person = PersonTwin(stored=None)
    async with line(tmp_path, person=person) as here:
        await here.stands(user=DISCONNECTED, bot=READY)
        if kind == "cancel":
            await here.begin()
            await here.told(QR_SHOWN)
            await here.order(CancelSignIn(worker="host:2", sign_in_id="s1"))
        else:
            await here.begin(worker="host:2")
        await anyio.sleep(10)
        await here.sees(lambda: True)
        assert person.script.count("begin") == (kind == "cancel")
        assert [step.is_over for step in here.steps] == [False] * len(here.steps)


async def test_a_worker_without_a_user_account_says_so(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        await here.stands(bot=READY)
        await here.begin()
        last = await here.told(DISCONNECTED)
        assert last.is_over and "MTPROTO_ROUTES" in last.detail and last.sign_in_id == "s1"


# -- jobs, by either account


async def test_jobs_are_taken_while_either_account_is_ready(tmp_path: Path) -> None:
    person, session = PersonTwin(), SessionTwin()
    session.script.break_down("open", SessionRevoked("revoked"))
    async with line(tmp_path, person=person, session=session) as here:
        await here.stands(user=READY, bot=REVOKED)
        job = large_job(size=len(BODY))
        here.wing.hand_in(job, BODY)
        await here.queue.put_job(job)
        await here.sees(lambda: here.events)
        assert names(here.events)[0] == "started"


async def test_while_no_account_is_ready_no_job_is_taken(tmp_path: Path) -> None:
    person, session = PersonTwin(), SessionTwin()
    session.script.break_down("open", SessionRevoked("revoked"))
    person.script.fail("open", NotSignedIn("nobody"))
    async with line(tmp_path, person=person, session=session) as here:
        await here.stands(user=DISCONNECTED, bot=REVOKED)
        job = large_job(size=len(BODY))
        here.wing.hand_in(job, BODY)
        await here.queue.put_job(job)
        await anyio.sleep(20)
        assert here.broker.script.count("consume") == 0
        session.script.repair("open")
        await until(lambda: here.wing.store.objects)
        assert MailboxPlace(chat_id=7, message_id=1) in session.script.asked("locate")
