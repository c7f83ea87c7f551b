"""An answer in several messages: whenever the process dies between them, the next one says what is missing."""

from __future__ import annotations

import random
from dataclasses import dataclass

import anyio
import pytest

from teltubby.actors.chat import Chat
from teltubby.actors.patience import Patience
from teltubby.actors.phrases.words import is_answer
from teltubby.actors.recollection import Recollection
from teltubby.errors import TelegramUnavailable
from teltubby.messages.chat import Button, Keyboard
from teltubby.supervision import Backoff
from tests.bot_twin import SaidTwin
from tests.script import nobody_watches
from tests.twins import BotTwin, Telegram

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

ANNA, COMMAND = 7, 11
PAGES = 4
ANSWER = "\n".join(f"<code>{number:04d} {'x' * 90}</code>" for number in range(110))
KEYBOARD: Keyboard = ((Button(text="More", data="more"),),)


@dataclass
class Fuse:
    """The process dies at one of its moments: from then on Telegram is not heard any more."""

    left: int

    async def watch(self, moment: str) -> None:
        self.left -= moment.startswith("send")
        if self.left < 0:
            await anyio.sleep_forever()


async def life(telegram: Telegram, fuse: Fuse | None = None) -> Chat:
    """A new process, which answers the command if it lives long enough; it doubts that this was done."""
    gateway = BotTwin(telegram, watch=nobody_watches if fuse is None else fuse.watch)
    await gateway.open()
    recollection = Recollection(lambda: SaidTwin(telegram))
    recollection.doubt(ANNA, [COMMAND])
    backoff, rng = Backoff(first=0.5, cap=30), random.Random(1)
    chat = Chat(gateway, patience=Patience(), backoff=backoff, rng=rng, recollection=recollection)
    if not await chat.has_said(ANNA, COMMAND, is_answer):
        with anyio.move_on_after(100):
            await chat.say(ANNA, ANSWER, reply_to=COMMAND, keyboard=KEYBOARD, said=is_answer)
    return chat


def assert_said_once(telegram: Telegram) -> None:
    """Whole, and with the buttons under its end."""
    texts = [text.rsplit("\n", 1)[0] for text in telegram.said(ANNA)]
    assert "\n".join(texts) == ANSWER and len(texts) == PAGES
    assert [bubble.keyboard for bubble in telegram.bubbles] == [()] * (PAGES - 1) + [KEYBOARD]


@pytest.mark.parametrize("moment", range(2 * PAGES + 1))
async def test_each_of_its_messages_is_said_once(moment: int) -> None:
    telegram = Telegram()
    await life(telegram, Fuse(left=moment))
    assert len(telegram.bubbles) == (moment + 1) // 2 if moment < 2 * PAGES else PAGES
    await life(telegram)
    assert_said_once(telegram)


async def test_a_message_that_was_taken_and_not_confirmed_is_not_said_again() -> None:
    class HardOfHearing(BotTwin):
        async def send(self, chat_id: int, html: str, *, reply_to: int | None = None, keyboard: Keyboard = ()) -> int:
            sent = await super().send(chat_id, html, reply_to=reply_to, keyboard=keyboard)
            if len(self.telegram.bubbles) == self.script.count("send"):
                raise TelegramUnavailable("the connection broke before the answer came")
            return sent

    telegram = Telegram()
    gateway = HardOfHearing(telegram)
    await gateway.open()
    recollection = Recollection(lambda: SaidTwin(telegram))
    backoff, rng = Backoff(first=0.5, cap=30), random.Random(1)
    chat = Chat(gateway, patience=Patience(), backoff=backoff, rng=rng, recollection=recollection)
    await chat.say(ANNA, ANSWER, reply_to=COMMAND, keyboard=KEYBOARD, said=is_answer)
    assert_said_once(telegram)


def test_only_the_end_of_an_answer_is_the_answer() -> None:
    assert is_answer("the text\n3 of 3") and is_answer("Archived 2 of 3 ↓ files") and is_answer("2 of 3 ↓")
    assert not is_answer("the text\n2 of 3 ↓")
