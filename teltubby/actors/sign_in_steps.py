"""One sign-in by a person: what is shown and asked for, step by step, until somebody is signed in or it is given up.

Codes and passwords stay sealed until the moment in which Telegram is asked; none is kept, and none is in what is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import anyio

from teltubby.actors.qr_codes_shown import scanned
from teltubby.actors.session_record import SessionRecord
from teltubby.adapters.base import Account, PersonalGateway
from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.archive.session_states import SessionEvent
from teltubby.errors import (
    AccountSuspended,
    CodeRejected,
    MalformedMessage,
    PasswordNeeded,
    PasswordRejected,
    Permanent,
    SessionFileDamaged,
    SessionFileUnusable,
    TelegramUnavailable,
    TeltubbyError,
    Transient,
    Unauthorised,
)
from teltubby.messages.control import BeginSignIn, SignInMethod, SubmitCode, SubmitPassword
from teltubby.messages.session import SessionState, ShownQr
from teltubby.messages.workers import SignInTold
from teltubby.supervision import Signal, SupervisionError

STAGE_SECONDS = 300.0
"""How long a person has to scan a QR code (however often it is renewed), to find a code, to type a password."""
TRIES = 3
WAITING = 4
"""So many answers may wait for their turn."""

_WAITED_FOR = {SubmitCode: SessionState.CODE_NEEDED, SubmitPassword: SessionState.PASSWORD_NEEDED}
_OF_THE_SESSION = (AccountSuspended, Unauthorised, SessionFileUnusable, SessionFileDamaged)
"""What does not only end the sign-in, but says something of the account, the application or the session file.

A flood wait does not: it is for who signs in (codes are limited for a day, say, and QR codes are not), and after it
nothing goes on by itself.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInMeans:
    """What a person signs in with: the session, the keys that secrets are sealed to, and who is told of each step."""

    gateway: PersonalGateway
    boxes: SealedBoxes
    tell: Callable[[SignInTold], None]


class SignInSteps:
    """The sign-in that `order` begins; `record` has the state of the session, and learns what each step does to it."""

    def __init__(
        self, order: BeginSignIn, means: SignInMeans, record: SessionRecord, clock: Callable[[], datetime]
    ) -> None:
        self._order = order
        self._means = means
        self._gateway = means.gateway
        self._record = record
        self._clock = clock
        self._given: deque[SubmitCode | SubmitPassword] = deque(maxlen=WAITING)
        self._latest = ""
        self._changed = Signal()
        self._scope = anyio.CancelScope()
        self._why_ended = "it was given up"
        self._is_over = False

    @property
    def sign_in_id(self) -> str:
        """The sign-in's name."""
        return self._order.sign_in_id

    def give(self, answer: SubmitCode | SubmitPassword) -> None:
        """The person answers; what is not waited for now is said to be."""
        if answer.sealed == self._latest:
            return  # brought twice; it must not cost two tries
        self._latest = answer.sealed
        if self._record.state is _WAITED_FOR[type(answer)]:
            self._given.append(answer)
            self._changed.notify()
        else:
            self.tell(f"this is not what is waited for now ({self._record.detail})")

    def end(self, why: str) -> None:
        """Give it up, for this reason."""
        self._why_ended = why
        self._scope.cancel()

    def over(self, detail: str) -> None:
        """Tell the last step, if it is not told yet."""
        if not self._is_over:
            self._is_over = True
            self.tell(detail)

    def tell(self, detail: str, shown: ShownQr | None = None) -> None:
        """Tell what is waited for now. Raises MalformedMessage when nothing can be sealed to the `reply_key`."""
        told = SignInTold(
            worker=self._order.worker,
            sign_in_id=self.sign_in_id,
            at=self._clock(),
            state=self._record.state,
            detail=detail,
            sealed_qr=None if shown is None else seal(self._order.reply_key, shown.url),
            expires_at=None if shown is None else shown.expires_at,
            is_over=self._is_over,
        )
        with suppress(SupervisionError):  # who passes it on has stopped, or is choked: the person begins anew
            self._means.tell(told)

    async def run(self) -> Account | None:
        """Who signed in, which remains to be told when the session is connected; None: it is given up, and told."""
        try:
            with self._scope:
                self._record.note(SessionEvent.SIGN_IN_BEGAN, "a person signs in")
                account = await self._sign_in()
                if account is not None:
                    self._record.note(SessionEvent.SIGNED_IN, "a person signed in")
                    return account
        except (Transient, Permanent, Unauthorised, SessionFileDamaged) as error:
            self._fail(error)
        else:
            self._record.note(SessionEvent.SIGN_IN_ENDED, f"the sign-in ended: {self._why_ended}")
            self.over(self._why_ended)
        return None

    def _fail(self, error: TeltubbyError) -> None:
        if isinstance(error, _OF_THE_SESSION):
            self._record.failed(error)
        else:
            self._record.note(SessionEvent.SIGN_IN_ENDED, f"the sign-in failed: {error}")
        self.over(str(error))

    async def _sign_in(self) -> Account | None:
        await self._gateway.begin()
        try:
            match self._order.method:
                case SignInMethod.QR:
                    return await self._by_qr()
                case SignInMethod.CODE:
                    return await self._by_code()
                case _:
                    assert_never(self._order.method)
        except PasswordNeeded as needed:
            hint = needed.hint
        return await self._by_password(hint)

    async def _by_qr(self) -> Account | None:
        self._why_ended = f"nobody scanned the QR code within {STAGE_SECONDS / 60:.0f} minutes"
        return await scanned(self._gateway, self._show, clock=self._clock, within=STAGE_SECONDS)

    def _show(self, shown: ShownQr) -> None:
        self._record.note(SessionEvent.QR_SHOWN, "a QR code waits to be scanned")
        self.tell("scan the QR code: in Telegram on the phone, Settings, Devices, Link Desktop Device", shown)

    async def _by_code(self) -> Account | None:
        detail = f"the login code was sent {await self._gateway.send_code()}"
        self._record.note(SessionEvent.CODE_SENT, detail)
        self.tell(detail)
        return await self._by_answers(SubmitCode, self._gateway.submit_code)

    async def _by_password(self, hint: str) -> Account | None:
        detail = "the account's password (second factor) is needed"
        self._record.note(SessionEvent.PASSWORD_WANTED, detail)
        self.tell(f"{detail}; its owner's hint: {hint}" if hint else detail)
        return await self._by_answers(SubmitPassword, self._gateway.submit_password)

    async def _by_answers(
        self, kind: type[SubmitCode | SubmitPassword], submit: Callable[[str], Awaitable[Account]]
    ) -> Account | None:
        self._why_ended = f"no answer came within {STAGE_SECONDS / 60:.0f} minutes"
        with anyio.move_on_after(STAGE_SECONDS):
            tries_left = TRIES
            while True:
                try:
                    return await submit(self._means.boxes.open((await self._answer(kind)).sealed))
                except MalformedMessage:
                    self._ask_again("that was sealed for an earlier run of this worker; send it once more")
                except (CodeRejected, PasswordRejected) as error:
                    tries_left -= 1
                    if not tries_left:
                        self._why_ended = f"{error}; that was the last of {TRIES} tries"
                        return None
                    self._ask_again(f"{error} ({tries_left} more {'try' if tries_left == 1 else 'tries'})")
        return None

    def _ask_again(self, detail: str) -> None:
        self._record.note(SessionEvent.SECRET_REJECTED, detail)
        self.tell(detail)

    async def _answer(self, kind: type[SubmitCode | SubmitPassword]) -> SubmitCode | SubmitPassword:
        while True:
            await self._until_given()
            answer = self._given.popleft()
            if isinstance(answer, kind):  # not a code that came twice, once the password is asked for
                return answer

    async def _until_given(self) -> None:
        """Raises TelegramUnavailable when the connection is lost meanwhile: what comes now could not be submitted."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._notice_loss, tasks.cancel_scope)
            while not self._given:
                await self._changed.wait()
            tasks.cancel_scope.cancel()
        if not self._given:
            raise TelegramUnavailable("the connection for signing in was lost; begin again")

    async def _notice_loss(self, waiting: anyio.CancelScope) -> None:
        await self._gateway.wait_lost()
        waiting.cancel()
