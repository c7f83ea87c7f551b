"""The desk at which an admin signs a worker in: `/mtlogin`, `/mtcode` and `/mtpass`.

Secrets are here while a command is dealt with, and nowhere else: they come from `Whispers` and leave sealed to the
worker's key. Every command is written to the audit trail, and none may be given too often.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial

import anyio

from teltubby.actors.audit import Audit, user_of
from teltubby.actors.chat import Answer, Chat
from teltubby.actors.lines import Line
from teltubby.actors.order_sent import send_order
from teltubby.actors.phrases import sign_in as words
from teltubby.actors.phrases.workers import mtproto_missing
from teltubby.actors.sign_in_dialogue import Dialogue
from teltubby.actors.sign_in_pictures import SignInPictures
from teltubby.actors.wakeup import Wakeup
from teltubby.actors.whispers import Whispers
from teltubby.actors.worker_choice import WorkerChoice, persons_session
from teltubby.actors.workers import Workers
from teltubby.adapters.sealed_boxes import seal
from teltubby.archive.login_codes import CodeRefusal, read_code
from teltubby.archive.masks import MASK, SecretCommand, is_miswritten, secret_command
from teltubby.messages.control import CancelSignIn, Order, SignInMethod, SubmitCode, SubmitPassword
from teltubby.messages.media import IncomingMessage
from teltubby.messages.queue import SendOrder
from teltubby.messages.session import SessionState
from teltubby.messages.workers import SignInTold, WorkerStanding
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

BROKER_SECONDS = 10.0
DELETE_SECONDS = 20.0
"""A secret that cannot be deleted so long is warned about."""
EXPIRE_SECONDS = 60.0
REMEMBERED = 50
"""Commands whose answer is known, should they be brought again."""
MOST_BYTES = 1024
"""Of a password; what is longer is none."""


class SignInDesk:
    """Runs at most one sign-in per worker and admin; only who began it goes on with it."""

    def __init__(
        self,
        *,
        workers: Workers,
        whispers: Whispers,
        audit: Audit,
        queue: Ref[SendOrder],
        chat: Chat,
        pictures: SignInPictures,
        clock: Callable[[], datetime],
    ) -> None:
        self._workers = workers
        self._whispers = whispers
        self._audit = audit
        self._queue = queue
        self._chat = chat
        self._pictures = pictures
        self._clock = clock
        self._running: dict[str, Dialogue] = {}
        self._begun: deque[Dialogue] = deque()
        self._changed = Wakeup()
        self._turn = anyio.Lock()
        self._deleted: dict[Line, bool] = {}
        """Messages with secrets that are dealt with, and whether they could be deleted."""
        self._answers: dict[Line, str] = {}
        """What was said to the newest commands: one that is brought again does nothing again."""
        self._choice = WorkerChoice(workers)

    # -- what is told by others

    def told(self, step: SignInTold) -> None:
        """A worker tells of a step."""
        dialogue = self._running.get(step.sign_in_id)
        if dialogue is None or dialogue.worker.worker != step.worker:
            _LOG.info("a step of a sign-in that is over, or was begun before a restart, is left out")
            return
        dialogue.note(step)

    def heard(self, standing: WorkerStanding) -> None:
        """A worker says how it stands: one that was restarted knows nothing of a sign-in that it was asked for."""
        for dialogue in self._running.values():
            if dialogue.worker.place == standing.place and dialogue.worker.public_key != standing.public_key:
                dialogue.end(words.restarted(standing))

    async def keep(self) -> None:
        """Show what is told, and forget secrets that nobody used, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pictures.sweep)
            while True:
                while self._begun:
                    tasks.start_soon(self._attend, self._begun.popleft())
                await self._changed.wait(at_most=EXPIRE_SECONDS)
                self._whispers.expire()

    async def _attend(self, dialogue: Dialogue) -> None:
        try:
            await dialogue.run()
        finally:
            self._running.pop(dialogue.sign_in_id, None)
        if not dialogue.is_told_over:
            await self._send(CancelSignIn(worker=dialogue.worker.worker, sign_in_id=dialogue.sign_in_id))

    # -- secrets

    async def hide(self, message: IncomingMessage) -> None:
        """Take a message with a secret out of the chat, before anything else is done with it.

        A bare login code stays: it is dead by then, and the answer that explains it hangs on it.
        """
        line = (message.chat_id, message.message_id)
        command = secret_command(message.text)
        if command is None or line in self._deleted or not (message.text or "").endswith(MASK):
            return
        if command is SecretCommand.CODE and read_code(self._whispers.about(*line) or "") is CodeRefusal.BARE:
            return
        self._deleted[line] = await self._delete(line)

    async def spilled(self, message: IncomingMessage, html: str) -> None:
        """A secret came where none is taken (a group, an edited message): delete it, and tell who sent it why."""
        line = (message.chat_id, message.message_id)
        _LOG.warning("a secret was sent in chat %d (%s), where none is taken", message.chat_id, message.chat_type)
        remains = not await self._delete(line)
        self._whispers.forget(*line)
        if message.sender_id is not None:
            await self._chat.say(message.sender_id, f"{words.REMAINS if remains else ''}{html}")

    async def _delete(self, line: Line) -> bool:
        with anyio.move_on_after(DELETE_SECONDS):
            return await self._chat.delete(line)
        return False

    # -- /mtlogin

    async def login(self, arguments: list[str], message: IncomingMessage) -> Answer:
        """Begin, or give up. Raises what the ledger does: the command may be repeated then."""
        async with self._turn:
            known = self._answers.get((message.chat_id, message.message_id))
            return Answer(html=known or self._remember(message, await self._login_or_cancel(arguments, message)))

    async def _login_or_cancel(self, arguments: list[str], message: IncomingMessage) -> str:
        asked = {argument.lower() for argument in arguments}
        if asked == {"cancel"}:
            return await self._cancel(message)
        numbers = {argument for argument in asked if argument.isascii() and argument.isdecimal()}
        if asked - numbers - {"code", "qr"} or len(numbers) > 1 or asked >= {"code", "qr"}:
            return words.LOGIN_USAGE
        method = SignInMethod.CODE if "code" in asked else SignInMethod.QR
        return await self._login(method, next(iter(numbers), None), message)

    async def _login(self, method: SignInMethod, number: str | None, message: IncomingMessage) -> str:
        if self._workers.missing is not None and not self._workers.known:
            return mtproto_missing(self._workers.missing)
        if not await self._workers.ask():
            return words.BROKER_AWAY
        chosen = self._choice.of(user_of(message), number)
        if isinstance(chosen, str):
            return chosen
        session = persons_session(chosen)
        if session.state is SessionState.READY:
            return words.ready_already(chosen, session.name)
        for other in self._running.values():
            if other.worker.place == chosen.place and other.user_id != user_of(message):
                await self._audit.refuse(message, "mtlogin", "another admin is signing in")
                return words.run_by_another(other.who)
        if (refusal := await self._too_often(message, "mtlogin")) is not None:
            return refusal
        await self._audit.accept(message, "mtlogin", f"by {method}, worker {chosen.worker}")
        for other in self._running.values():
            if other.user_id == user_of(message):
                other.end(words.SUPERSEDED)
        return await self._begin(chosen, method, message)

    async def _begin(self, worker: WorkerStanding, method: SignInMethod, message: IncomingMessage) -> str:
        dialogue = Dialogue(
            worker,
            method,
            chat=self._chat,
            pictures=self._pictures,
            chat_id=message.chat_id,
            user_id=user_of(message),
            who=_who(message),
            clock=self._clock,
        )
        self._running[dialogue.sign_in_id] = dialogue
        if not await self._send(dialogue.order):
            del self._running[dialogue.sign_in_id]
            return words.BROKER_AWAY
        self._begun.append(dialogue)
        self._changed.ring()
        return words.begun(worker, by_code=method is SignInMethod.CODE)

    async def _cancel(self, message: IncomingMessage) -> str:
        dialogue = self._of(message)
        if dialogue is None:
            others = list(self._running.values())
            return words.run_by_another(others[0].who) if others else words.NOTHING_TO_CANCEL
        await self._audit.accept(message, "mtlogin cancel", f"worker {dialogue.worker.worker}")
        dialogue.is_told_over = True
        dialogue.end()
        order = CancelSignIn(worker=dialogue.worker.worker, sign_in_id=dialogue.sign_in_id)
        return words.CANCELLED if await self._send(order) else words.CANCELLED_HERE

    # -- /mtcode and /mtpass

    async def code(self, message: IncomingMessage) -> Answer:
        """Pass the login code on, unless Telegram has voided it. Raises what the ledger does."""
        return await self._secret(message, SecretCommand.CODE)

    async def password(self, message: IncomingMessage) -> Answer:
        """Pass the password on. Raises what the ledger does; the password is kept for the repetition."""
        return await self._secret(message, SecretCommand.PASSWORD)

    async def _secret(self, message: IncomingMessage, command: SecretCommand) -> Answer:
        line = (message.chat_id, message.message_id)
        await self.hide(message)
        async with self._turn:
            if (known := self._answers.get(line)) is not None:
                return Answer(html=known)
            html = await self._passed_on(message, command)
            self._whispers.forget(*line)
            if line in self._deleted:
                html = f"{words.DELETED[command] if self._deleted[line] else words.REMAINS}{html}"
            return Answer(html=self._remember(message, html))

    async def _passed_on(self, message: IncomingMessage, command: SecretCommand) -> str:
        usage = words.CODE_USAGE if command is SecretCommand.CODE else words.PASSWORD_USAGE
        if not (message.text or "").endswith(MASK):
            return usage
        if is_miswritten(message.text):
            await self._audit.refuse(message, command, "miswritten")
            return f"{words.MISWRITTEN}{usage}"
        secret = self._whispers.about(message.chat_id, message.message_id)
        if secret is None:
            await self._audit.refuse(message, command, "not kept")
            return words.NOT_KEPT
        if command is SecretCommand.CODE:
            code = read_code(secret)
            if isinstance(code, CodeRefusal):
                await self._audit.refuse(message, command, f"the code is {code}")
                return words.code_refused(code)
            return await self._submit(message, command, code)
        encoded = secret.encode(errors="replace")
        if len(encoded) > MOST_BYTES or encoded.decode() != secret:
            await self._audit.refuse(message, command, "no password")
            return words.NO_PASSWORD
        return await self._submit(message, command, secret)

    async def _submit(self, message: IncomingMessage, command: SecretCommand, secret: str) -> str:
        is_code = command is SecretCommand.CODE
        dialogue = self._of(message)
        if dialogue is None:
            await self._audit.refuse(message, command, "no sign-in of theirs runs")
            others = list(self._running.values())
            return words.run_by_another(others[0].who) if others else words.NO_SIGN_IN
        if dialogue.state is not (SessionState.CODE_NEEDED if is_code else SessionState.PASSWORD_NEEDED):
            await self._audit.refuse(message, command, "not asked for")
            return words.NOT_ASKED_FOR["code" if is_code else "password"]
        if (refusal := await self._too_often(message, command)) is not None:
            return refusal
        await self._audit.accept(message, command, f"worker {dialogue.worker.worker}")
        order = partial(SubmitCode if is_code else SubmitPassword, sealed=seal(dialogue.worker.public_key, secret))
        dialogue.await_answer()
        if not await self._send(order(worker=dialogue.worker.worker, sign_in_id=dialogue.sign_in_id)):
            dialogue.await_person()
            return words.BROKER_AWAY
        return words.CODE_PASSED_ON if is_code else words.PASSWORD_PASSED_ON

    # -- what all of them need

    def _remember(self, message: IncomingMessage, html: str) -> str:
        self._answers[message.chat_id, message.message_id] = html
        for old in list(self._answers)[:-REMEMBERED]:
            del self._answers[old]
            self._deleted.pop(old, None)
        return html

    def _of(self, message: IncomingMessage) -> Dialogue | None:
        """The newest sign-in of who wrote this."""
        own = [dialogue for dialogue in self._running.values() if dialogue.user_id == user_of(message)]
        return own[-1] if own else None

    async def _too_often(self, message: IncomingMessage, command: str) -> str | None:
        limit = await self._audit.passed_limit(message, command)
        if limit is None:
            return None
        return words.too_often(command, seconds=limit.within.total_seconds(), times=limit.times)

    async def _send(self, order: Order) -> bool:
        return await send_order(self._queue, order, within=BROKER_SECONDS)


def _who(message: IncomingMessage) -> str:
    return f"user {user_of(message)}" if message.sender_username is None else f"@{message.sender_username}"
