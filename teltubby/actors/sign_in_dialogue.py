"""One attempt to sign in, as the chat sees it in which it was begun."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime

import anyio

from teltubby.actors.chat import Chat
from teltubby.actors.lines import Line
from teltubby.actors.phrases import sign_in as words
from teltubby.actors.sign_in_pictures import SignInPictures
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.qr_codes import png
from teltubby.adapters.sealed_boxes import SealedBoxes
from teltubby.archive.lateness import comes_late
from teltubby.errors import MalformedMessage, NotAnswered
from teltubby.messages.control import BeginSignIn, SignInMethod
from teltubby.messages.session import SIGNING_IN, SessionState
from teltubby.messages.workers import SignInTold, WorkerStanding

_LOG = logging.getLogger(__name__)

ANSWER_SECONDS = 15.0
"""A worker that says nothing for so long, when it should, does not run or does not hear us."""
PERSON_SECONDS = 900.0
"""What a person has for the code or the password; the worker's own patience is shorter."""
QR_SECONDS = (10.0, 120.0)
"""How long a QR code can be good, at least and at most: Telegram's are for 30 s."""


class Dialogue:
    """Shows the steps that the worker tells of, and takes the QR code away when it is over."""

    def __init__(
        self,
        worker: WorkerStanding,
        method: SignInMethod,
        *,
        chat: Chat,
        pictures: SignInPictures,
        chat_id: int,
        user_id: int,
        who: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.worker = worker
        self.user_id = user_id
        self.who = who
        self.state: SessionState | None = None
        """What is waited for, as the worker told it last; None before it said anything."""
        self.is_told_over = False
        """Whether the worker said, or was told, that it is over."""
        self._method = method
        self._chat = chat
        self._pictures = pictures
        self._chat_id = chat_id
        self._clock = clock
        self._id = str(uuid.uuid4())
        self._boxes = SealedBoxes()
        self._last: SignInTold | None = None
        self._steps: deque[SignInTold] = deque()
        self._changed = Wakeup()
        self._deadline = anyio.current_time() + ANSWER_SECONDS
        self._is_due = True
        """Whether it is the worker's turn to say something."""
        self._was_asked = SessionState.CONNECTING
        self._picture: Line | None = None
        self._ended: str | None = None

    @property
    def sign_in_id(self) -> str:
        return self._id

    @property
    def order(self) -> BeginSignIn:
        """What the worker is asked for."""
        return BeginSignIn(
            worker=self.worker.worker, sign_in_id=self._id, method=self._method, reply_key=self._boxes.public_key
        )

    def note(self, step: SignInTold) -> None:
        """The worker says so. What comes late or twice is nothing."""
        if self.is_told_over:
            return
        last = self._last
        if last is not None and (step == last or comes_late(step.at, last.at, now=self._clock())):
            return
        self._last = step
        self.state, self.is_told_over = step.state, step.is_over
        self._steps.append(step)
        self._changed.ring()

    def await_answer(self) -> None:
        """The worker was told something, and has to say what comes of it."""
        self._deadline, self._is_due = anyio.current_time() + ANSWER_SECONDS, True
        self._changed.ring()

    def await_person(self) -> None:
        """It could not be told: it is the person's turn again."""
        self._deadline, self._is_due = anyio.current_time() + PERSON_SECONDS, False

    def end(self, html: str = "") -> None:
        """It is given up; this is said, if there is anything to say."""
        self._ended = html
        self._changed.ring()

    async def run(self) -> None:
        """Show what happens until it is over. A stop ends it too, as a crash would: the worker gives up alone then,
        and the next process takes the QR code away.
        """
        try:
            while not await self._went_on():
                pass
            await self._take_away()
        except NotAnswered:
            _LOG.info("a sign-in ends with the process")

    async def _went_on(self) -> bool:
        """Show the next thing; answers whether it was the last."""
        if self._ended is not None:
            await self._take_away()
            if self._ended:
                await self._say(self._ended)
            return True
        if self._steps:
            step = self._steps.popleft()
            is_stale = step.state is SessionState.QR_SHOWN and bool(self._steps)
            return False if is_stale else await self._show(step)
        left = self._deadline - anyio.current_time()
        if left > 0:
            await self._changed.wait(at_most=left)
            return False
        return await self._fall_silent()

    async def _show(self, step: SignInTold) -> bool:
        was_asked, self._was_asked = self._was_asked, step.state
        self._is_due = step.state not in SIGNING_IN
        self._deadline = anyio.current_time() + (PERSON_SECONDS if not self._is_due else ANSWER_SECONDS)
        if step.state is SessionState.QR_SHOWN and not step.is_over:
            await self._show_qr(step)
            return False
        await self._take_away()
        if step.is_over:
            say = words.signed_in if step.state is SessionState.READY else words.given_up
            await self._say(say(self.worker, step.detail))
            return True
        is_repeated = was_asked is step.state
        match step.state:
            case SessionState.CODE_NEEDED:
                await self._say(words.code_wanted_again(step.detail) if is_repeated else words.code_wanted(step.detail))
            case SessionState.PASSWORD_NEEDED:
                say_so = words.password_wanted_again if is_repeated else words.password_wanted
                await self._say(say_so(step.detail))
            case _:
                if not is_repeated:
                    await self._say(words.on_the_way(step.detail))
        return False

    async def _show_qr(self, step: SignInTold) -> None:
        shortest, longest = QR_SECONDS
        good = longest if step.expires_at is None else (step.expires_at - step.at).total_seconds()
        good = min(max(good, shortest), longest)
        self._deadline, self._is_due = anyio.current_time() + good + ANSWER_SECONDS, True
        try:
            picture = png(self._boxes.open(step.sealed_qr or ""))
        except MalformedMessage as error:
            _LOG.error("a QR code is left out: %s", error)
            self.end(words.UNREADABLE_QR)
            return
        caption = words.qr_caption(seconds=good)
        self._picture = await self._pictures.show(self._chat_id, picture, caption, instead=self._picture)

    async def _fall_silent(self) -> bool:
        """Nothing came in time; answers whether that is the end."""
        if not self._is_due:
            await self._take_away()
            await self._say(words.took_too_long(self.worker))
            return True
        if self.state in (SessionState.CODE_NEEDED, SessionState.PASSWORD_NEEDED):
            await self._say(words.fell_silent(self.worker))
            self._deadline, self._is_due = anyio.current_time() + PERSON_SECONDS, False
            return False
        await self._take_away()
        await self._say(words.nobody_answered(self.worker, seconds=ANSWER_SECONDS))
        return True

    async def _take_away(self) -> None:
        line, self._picture = self._picture, None
        if line is not None:
            await self._pictures.take_away(line)

    async def _say(self, html: str) -> None:
        await self._chat.say(self._chat_id, html)
