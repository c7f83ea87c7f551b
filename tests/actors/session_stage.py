"""A SessionActor on a twin: what it announced, what it told of sign-ins, and a person who orders them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from teltubby.actors.session import SessionActor, SessionMessage
from teltubby.actors.sign_in_steps import SignInMeans
from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import ChannelGateway
from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.messages.control import BeginSignIn, CancelSignIn, SignInMethod, SubmitCode, SubmitPassword
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import DescribeSession, SessionChanged, SessionStanding, SessionState
from teltubby.messages.transfer import Locate, MailboxPlace
from teltubby.messages.workers import SignInTold
from teltubby.supervision import ChildSpec, Mailbox, Ref, Supervisor
from tests.actors.stage import ANNA, running
from tests.actors.worker_wing import BACKOFF
from tests.mtproto_twins import RemoteTwin, SessionTwin
from tests.person_twin import PersonTwin
from tests.virtual_time import until, wall_clock

LOCATE = Locate(place=MailboxPlace(chat_id=ANNA, message_id=1))
NOWHERE = Path("/nonexistent/session")
WORKER = "host:1:ab"


class LogOfTroubles(Troubles):
    """Remembers what was entered and left."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    def enter(self, where: str, reason: str) -> None:
        if self.reasons.get(where) != reason:
            self.log.append(f"{where}: {reason}")
        super().enter(where, reason)

    def leave(self, where: str) -> None:
        if where in self.reasons:
            self.log.append(f"{where} is over")
        super().leave(where)


@dataclass
class Watched:
    """The actor, its session, and what it said."""

    tree: Supervisor
    session: SessionTwin
    ref: Ref[SessionMessage]
    boxes: SealedBoxes
    announced: list[SessionChanged]
    told: list[SignInTold]
    troubles: LogOfTroubles
    bot: SealedBoxes = field(default_factory=SealedBoxes)

    @property
    def states(self) -> list[SessionState]:
        """Each state that was announced, without repetitions."""
        states = [changed.standing.state for changed in self.announced]
        return [state for index, state in enumerate(states) if index == 0 or states[index - 1] is not state]

    @property
    def details(self) -> list[str]:
        return [changed.standing.detail for changed in self.announced]

    async def standing(self) -> SessionStanding:
        return await self.ref.ask(DescribeSession(), within=5)

    async def reaches(self, state: SessionState) -> None:
        await until(lambda: self.announced and self.announced[-1].standing.state is state, within=100_000)

    # -- as the person

    def begin(self, sign_in_id: str = "s1", method: SignInMethod = SignInMethod.QR) -> None:
        self.ref.tell(BeginSignIn(worker=WORKER, sign_in_id=sign_in_id, method=method, reply_key=self.bot.public_key))

    def cancel(self, sign_in_id: str = "s1") -> None:
        self.ref.tell(CancelSignIn(worker=WORKER, sign_in_id=sign_in_id))

    def submit_code(self, code: str, sign_in_id: str = "s1", *, to: SealedBoxes | None = None) -> None:
        sealed = seal((to or self.boxes).public_key, code)
        self.ref.tell(SubmitCode(worker=WORKER, sign_in_id=sign_in_id, sealed=sealed))

    def submit_password(self, password: str, sign_in_id: str = "s1") -> None:
        sealed = seal(self.boxes.public_key, password)
        self.ref.tell(SubmitPassword(worker=WORKER, sign_in_id=sign_in_id, sealed=sealed))

    def steps(self, sign_in_id: str = "s1") -> list[SignInTold]:
        """What was told of this sign-in."""
        return [step for step in self.told if step.sign_in_id == sign_in_id]

    async def hears(self, state: SessionState, *, steps: int = 1, sign_in_id: str = "s1") -> SignInTold:
        """The last step, once there are as many as that and it waits for this."""

        def heard() -> bool:
            told = self.steps(sign_in_id)
            return len(told) >= steps and told[-1].state is state

        await until(heard, within=5000)
        return self.steps(sign_in_id)[-1]

    async def ends(self, sign_in_id: str = "s1") -> SignInTold:
        """The last step that is told of it."""
        await until(lambda: self.steps(sign_in_id) and self.steps(sign_in_id)[-1].is_over, within=5000)
        assert [step.is_over for step in self.steps(sign_in_id)].count(True) == 1
        return self.steps(sign_in_id)[-1]


def nobody(password: str | None = None) -> PersonTwin:
    """A session in which nobody signed in yet."""
    return PersonTwin(stored=None, password=password, hint="fruit")


@asynccontextmanager
async def session_actor(
    session: SessionTwin | None = None,
    *,
    is_needed: bool | None = None,
    session_file: Path = NOWHERE,
    channels: ChannelGateway | None = None,
) -> AsyncIterator[Watched]:
    """The actor of the bot's session, or of a person's where `session` is a PersonTwin; `channels` are what it sees."""
    session = session or SessionTwin()
    session.documents[ANNA, 1] = RemoteTwin(1001, b"x")
    mailbox, boxes = Mailbox[SessionMessage]("session"), SealedBoxes()
    announced: list[SessionChanged] = []
    told: list[SignInTold] = []
    troubles = LogOfTroubles()
    account = AccountKind.USER if isinstance(session, PersonTwin) else AccountKind.BOT

    def start() -> SessionActor:
        means = None
        if isinstance(session, PersonTwin):
            means = SignInMeans(gateway=session, boxes=boxes, tell=told.append)
        return SessionActor(
            session,
            account=account,
            is_needed=account is AccountKind.BOT if is_needed is None else is_needed,
            announce=announced.append,
            troubles=troubles,
            backoff=BACKOFF,
            rng=random.Random(1),
            clock=wall_clock,
            session_file=session_file,
            sign_in=means,
            channels=channels,
        )

    async with running(ChildSpec("session", start, mailbox=mailbox)) as tree:
        yield Watched(tree, session, mailbox.ref, boxes, announced, told, troubles)
    assert not session.is_open, "the session is let go of at the end"
