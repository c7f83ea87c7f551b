"""How the bot speaks: answers that get through, and lines that are edited no faster than Telegram bears."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio

from teltubby.actors import phrases
from teltubby.actors.lines import Line, Lines, Pause
from teltubby.actors.patience import Patience
from teltubby.actors.recollection import Recollection
from teltubby.actors.typing_shown import TypingShown
from teltubby.adapters.base import BotGateway
from teltubby.errors import FloodWait, NotAnswered, Permanent, TelegramUnavailable, TeltubbyError
from teltubby.messages.chat import Keyboard
from teltubby.supervision import Backoff

_LOG = logging.getLogger(__name__)

AT_ONCE = 4
"""Answers on their way to one chat: one at a time would be one per round trip, whatever Telegram bears."""
PRESS_SECONDS = 10.0
"""Telegram takes the answer to a pressed button for some 15 s."""
PRESS_CHARACTERS = 200
CAPTION_CHARACTERS = 1000
"""Telegram takes 1024 after parsing."""
NOT_THERE = "message to delete not found"
"""What the Bot API says of a message that is gone already, as after a deletion whose answer was lost."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said to a command: HTML of any length, buttons under its end, a picture (PNG) above it, a file after it.

    `document` is the file's name and content; `html` begins with phrases.words.FOLLOWED then, by which it is known
    after a crash that the file is to follow.
    """

    html: str
    keyboard: Keyboard = ()
    picture: bytes | None = None
    document: tuple[str, bytes] | None = None


@dataclass(slots=True, eq=False)
class _Turn:
    """Who may speak to one chat: a few at once, but while one is held back by a flood, one after the other."""

    slots: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(AT_ONCE))
    trouble: anyio.Lock = field(default_factory=anyio.Lock)
    wanted: int = 0


def _ends(text: str, *, end: str) -> bool:
    return text.endswith(end)


def _is_wordless(text: str) -> bool:
    """As a file is that is sent as a part of an answer."""
    return not text


class Chat:
    """The one voice of the bot: everything it says goes through here, and here alone is it repeated."""

    def __init__(
        self,
        gateway: BotGateway,
        *,
        patience: Patience,
        backoff: Backoff,
        rng: random.Random,
        recollection: Recollection | None = None,
    ) -> None:
        self._gateway = gateway
        self._recollection = recollection or Recollection(None)
        self._patience = patience
        self._backoff = backoff
        self._rng = rng
        self._turns: dict[int, _Turn] = {}
        self._pause = Pause()
        self._lines = Lines(gateway, self._pause)
        self._typing = TypingShown(gateway, paused_until=lambda: self._pause.until, flooded=self._pause.note)

    async def say(
        self,
        chat_id: int,
        html: str,
        *,
        reply_to: int | None = None,
        keyboard: Keyboard = (),
        said: Callable[[str], bool] | None = None,
    ) -> int | None:
        """Send until it is through, long texts in several messages (the `keyboard` under the last).

        Answers the first one's id, or None when nobody can be told. Where it is in doubt whether this was said before a
        crash, an answer to `reply_to` whose plain text is it by `said` is taken for it, and of several messages each by
        its end. Raises NotAnswered when a stop ends the waiting.
        """
        pages = phrases.pages(html)
        if len(pages) == 1:
            return await self._say(chat_id, html, reply_to=reply_to, keyboard=keyboard, said=said)
        sent = []
        for number, page in enumerate(pages, 1):
            end = phrases.page_end(number, len(pages))
            is_said = None if said is None else partial(_ends, end=end)
            buttons = keyboard if number == len(pages) else ()
            sent.append(await self._say(chat_id, page + end, reply_to=reply_to, keyboard=buttons, said=is_said))
        return sent[0]

    async def _say(
        self, chat_id: int, html: str, *, reply_to: int | None, keyboard: Keyboard, said: Callable[[str], bool] | None
    ) -> int | None:
        """One message; see `say`."""
        known = None if said is None else await self._recollection.said(chat_id, reply_to, said)
        if known is not None:
            return known
        async with self._turn(chat_id) as turn:
            return await self._until_through(
                turn,
                chat_id,
                lambda: self._gateway.send(chat_id, html, reply_to=reply_to, keyboard=keyboard),
                self._look(chat_id, reply_to, said),
            )

    async def has_said(self, chat_id: int, reply_to: int, said: Callable[[str], bool]) -> bool:
        """Whether this was answered before a crash, as far as it is in doubt and can be found out."""
        return await self._recollection.said(chat_id, reply_to, said) is not None

    async def recall(self, chat_id: int, reply_to: int, said: Callable[[str], bool]) -> int | None:
        """The message by which this was answered, though no record tells, as far as it can be found out."""
        self._recollection.doubt(chat_id, (reply_to,))
        return await self._recollection.said(chat_id, reply_to, said)

    async def give(
        self,
        chat_id: int,
        answer: Answer,
        *,
        reply_to: int | None = None,
        said: Callable[[str], bool] | None = None,
    ) -> int | None:
        """Say an answer, its picture and its file too; otherwise as `say`, but that words which a file follows are
        looked for by themselves: after a crash between the two only the file is sent.
        """
        document = answer.document
        if document is None:
            return await self._give_words(chat_id, answer, reply_to=reply_to, said=said)
        sent = await self._give_words(chat_id, answer, reply_to=reply_to, said=phrases.is_followed)
        if sent is not None:
            async with self._turn(chat_id) as turn:
                await self._until_through(
                    turn,
                    chat_id,
                    lambda: self._gateway.send_document(chat_id, *document, reply_to=reply_to),
                    self._look(chat_id, reply_to, _is_wordless),
                )
        return sent

    async def is_half_given(self, chat_id: int, reply_to: int) -> bool:
        """Whether an answer was begun before a crash and its file is to follow, as far as it can be found out."""
        self._recollection.doubt(chat_id, (reply_to,))
        return await self.has_said(chat_id, reply_to, phrases.is_followed) and not await self.has_said(
            chat_id, reply_to, _is_wordless
        )

    async def _give_words(
        self, chat_id: int, answer: Answer, *, reply_to: int | None, said: Callable[[str], bool] | None
    ) -> int | None:
        picture = answer.picture
        if picture is None:
            return await self.say(chat_id, answer.html, reply_to=reply_to, keyboard=answer.keyboard, said=said)
        fits = len(answer.html) <= CAPTION_CHARACTERS and not answer.keyboard
        by_caption = said if fits else None
        known = None if by_caption is None else await self._recollection.said(chat_id, reply_to, by_caption)
        if known is not None:
            return known
        async with self._turn(chat_id) as turn:
            caption = answer.html if fits else ""
            sent = await self._until_through(
                turn,
                chat_id,
                lambda: self._gateway.send_photo(chat_id, picture, html=caption, reply_to=reply_to),
                self._look(chat_id, reply_to, by_caption),
            )
        if fits and sent is not None:
            return sent
        return await self.say(chat_id, answer.html, reply_to=reply_to, keyboard=answer.keyboard)

    def _look(
        self, chat_id: int, reply_to: int | None, said: Callable[[str], bool] | None
    ) -> Callable[[], Awaitable[int | None]]:
        """Looks whether a call whose end was not heard did say it."""

        async def look() -> int | None:
            self._recollection.doubt(chat_id, () if reply_to is None else (reply_to,))
            return None if said is None else await self._recollection.said(chat_id, reply_to, said)

        return look

    async def set_menu(self, commands: Mapping[str, str]) -> None:
        """Set the command menu, as soon as Telegram lets us."""
        failures = 0
        while True:
            try:
                return await self._gateway.set_commands(commands)
            except Permanent as error:
                _LOG.warning("the command menu cannot be set: %s", error)
                return None
            except TeltubbyError as error:
                failures += 1
                _LOG.info("the command menu is not set yet: %s", error)
                await self._rest(error, failures)

    @asynccontextmanager
    async def typing(self, chat_id: int) -> AsyncIterator[None]:
        """Show the chat that something is being worked on while the block runs, which this never delays."""
        with self._typing.to(chat_id):
            yield

    async def answer_press(self, press_id: str, text: str = "", *, alert: bool = False) -> None:
        """Tell who pressed a button, once and within seconds; that it cannot be told is no harm."""
        with anyio.move_on_after(PRESS_SECONDS):
            try:
                await self._gateway.answer_press(press_id, text[:PRESS_CHARACTERS], alert=alert)
            except TeltubbyError as error:
                _LOG.info("a pressed button is not answered: %s", error)
                self._pause.note(error)

    async def delete(self, line: Line) -> bool:
        """Take a message away; answers whether it is gone. Raises NotAnswered when a stop ends the waiting."""
        error = await self._until_done("a deletion", lambda: self._gateway.delete(*line))
        if error is None or error.says(NOT_THERE):
            return True
        _LOG.warning("message %s cannot be deleted: %s", line, error)
        return False

    async def replace_picture(self, line: Line, picture: bytes, html: str) -> bool:
        """Put another picture (PNG, with a caption) in the place of an older one; answers whether it stands there.

        Raises NotAnswered when a stop ends the waiting.
        """
        error = await self._until_done("a picture", lambda: self._gateway.replace_photo(*line, picture, html=html))
        if error is not None:
            _LOG.warning("the picture %s cannot be replaced: %s", line, error)
        return error is None

    def show(self, line: Line, html: str, *, keyboard: Keyboard = ()) -> None:
        """Have the message read `html` soon; only the newest text is ever sent, and none after a final one."""
        self._lines.show(line, html, keyboard)

    async def conclude(self, line: Line, html: str, *, keyboard: Keyboard = ()) -> None:
        """Have the message read `html` for good; returns when it does, or when a newer word took its place.

        Raises NotAnswered when that takes too long.
        """
        await self._lines.conclude(line, html, keyboard)

    async def keep_lines(self) -> None:
        """Send the edits that are wished for, one at a time, until cancelled; who waits for one is told then."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._typing.keep_showing)
            await self._lines.keep()

    @asynccontextmanager
    async def _turn(self, chat_id: int) -> AsyncIterator[_Turn]:
        """The chat's turns, one of which is ours while the block runs."""
        turn = self._turns.setdefault(chat_id, _Turn())
        turn.wanted += 1
        try:
            async with turn.slots:
                yield turn
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                self._turns.pop(chat_id, None)

    async def _until_through(
        self,
        turn: _Turn,
        chat_id: int,
        send: Callable[[], Awaitable[R]],
        look: Callable[[], Awaitable[R | None]],
    ) -> R | None:
        """Send again and again; where Telegram may have taken it without our hearing so, `look` for it before."""
        failures, again_at, in_doubt = 0, 0.0, False
        while True:
            try:
                if not failures and not turn.trouble.locked():
                    return await send()
                async with turn.trouble:
                    await self._patience.wait(max(0.0, again_at - anyio.current_time()))
                    if in_doubt and (known := await look()) is not None:
                        return known
                    return await send()
            except NotAnswered:
                raise  # a stop ended the waiting
            except Permanent as error:
                _LOG.warning("chat %d cannot be answered: %s", chat_id, error)
                return None
            except TeltubbyError as error:
                failures += 1
                in_doubt |= isinstance(error, TelegramUnavailable)
                _LOG.info("an answer is repeated: %s", error)
                again_at = anyio.current_time() + self._pause_after(error, failures)

    async def _until_done(self, what: str, do: Callable[[], Awaitable[None]]) -> Permanent | None:
        """Do it again until it is done, or never will be: then with the reason."""
        failures = 0
        while True:
            try:
                await do()
            except Permanent as error:
                return error
            except TeltubbyError as error:
                failures += 1
                _LOG.info("%s is repeated: %s", what, error)
                await self._rest(error, failures)
            else:
                return None

    async def _rest(self, error: TeltubbyError, failures: int) -> None:
        """Before the same request again."""
        await self._patience.wait(self._pause_after(error, failures))

    def _pause_after(self, error: TeltubbyError, failures: int) -> float:
        """Seconds before the same request again: what Telegram asks for, else with backoff."""
        self._pause.note(error)
        return error.seconds if isinstance(error, FloodWait) else self._backoff.delay(failures + 1, self._rng)
