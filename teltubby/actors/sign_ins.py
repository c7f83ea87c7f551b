"""The sign-ins of a person's session: orders in, one attempt at a time, and never beside a connection that works."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import assert_never

from teltubby.actors.session_record import SessionRecord
from teltubby.actors.sign_in_steps import SignInMeans, SignInSteps
from teltubby.messages.control import BeginSignIn, CancelSignIn, SignInOrder, SubmitCode, SubmitPassword
from teltubby.messages.session import SessionState
from teltubby.messages.workers import SignInTold
from teltubby.supervision import Signal, SupervisionError

OTHER = "another sign-in was begun"


class SignIns:
    """Orders are taken at any time; the session's loop runs what waits (`run`) when nothing else uses the session.

    `changed` is notified when something waits.
    """

    def __init__(
        self, means: SignInMeans, record: SessionRecord, *, changed: Signal, clock: Callable[[], datetime]
    ) -> None:
        self._means = means
        self._record = record
        self._changed = changed
        self._clock = clock
        self._waiting: SignInSteps | None = None
        self._current: SignInSteps | None = None

    @property
    def wanted(self) -> bool:
        """Whether a sign-in waits to be run."""
        return self._waiting is not None

    def obey(self, order: SignInOrder) -> None:
        """Do it now, or have it done by the loop."""
        match order:
            case BeginSignIn():
                self._begin(order)
            case SubmitCode() | SubmitPassword():
                if self._current is not None and self._current.sign_in_id == order.sign_in_id:
                    self._current.give(order)
                elif self._waiting is None or self._waiting.sign_in_id != order.sign_in_id:
                    self._stranger(order)
            case CancelSignIn():
                self._cancel(order)
            case _:
                assert_never(order)

    async def run(self) -> bool:
        """Run the sign-in that waits; whether somebody is signed in, so that it remains to connect."""
        self._current, self._waiting = self._waiting, None
        return self._current is not None and await self._current.run() is not None

    def settle(self) -> None:
        """The session was connected, or could not be: whoever signed in is told, and who would begin needs not."""
        current, waiting = self._current, self._waiting
        self._current = None
        if current is not None:
            current.over(self._outcome())
        if waiting is not None and self._record.state is SessionState.READY:
            self._waiting = None
            waiting.over(self._refusal())

    def cut_off(self, why: str) -> None:
        """Nothing goes on."""
        for steps in (self._current, self._waiting):
            if steps is not None:
                steps.over(why)
        self._current = self._waiting = None

    def _begin(self, order: BeginSignIn) -> None:
        if any(known is not None and known.sign_in_id == order.sign_in_id for known in (self._current, self._waiting)):
            return  # brought twice
        steps = SignInSteps(order, self._means, self._record, self._clock)
        if self._record.state is SessionState.READY:
            steps.over(self._refusal())
            return
        if self._waiting is not None:
            self._waiting.over(OTHER)
        if self._current is not None:
            self._current.end(OTHER)
        self._waiting = steps
        self._changed.notify()

    def _cancel(self, order: CancelSignIn) -> None:
        if self._current is not None and self._current.sign_in_id == order.sign_in_id:
            self._current.end("it was cancelled")
        elif self._waiting is not None and self._waiting.sign_in_id == order.sign_in_id:
            self._waiting.over("it was cancelled")
            self._waiting = None
        else:
            self._stranger(order)

    def _outcome(self) -> str:
        state, detail = self._record.state, self._record.detail
        return detail if state is SessionState.READY else f"signed in, but the session is {state}: {detail}"

    def _refusal(self) -> str:
        return f"already signed in as {self._record.name}; `teltubby logout` comes first"

    def _stranger(self, order: SubmitCode | SubmitPassword | CancelSignIn) -> None:
        """It belongs to a sign-in that is over, or that an earlier run of the worker began."""
        told = SignInTold(
            worker=order.worker,
            sign_in_id=order.sign_in_id,
            at=self._clock(),
            state=self._record.state,
            detail="this sign-in is over, or was never begun here",
            is_over=True,
        )
        with suppress(SupervisionError):
            self._means.tell(told)
