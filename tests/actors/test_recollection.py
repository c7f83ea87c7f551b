"""What the bot said before it died is found again in its mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import anyio
import pytest

from teltubby.actors.recollection import FARTHEST, GAP, PAGE, Recollection
from teltubby.adapters.base import Account, SentLine
from teltubby.errors import TelegramUnavailable

pytestmark = pytest.mark.anyio

ANNA, BORIS = 7001, 7002


class Mailbox:
    """A bot's mailbox: ids in the order of arrival, those of others among ours."""

    def __init__(self) -> None:
        self.lines: dict[int, SentLine | None] = {}
        self.asked: list[tuple[int, int]] = []
        self.opened = 0
        self.broken = False
        self.connection: Literal["none", "good", "cut", "silent"] = "none"

    def receive(self, message_id: int) -> None:
        self.lines[message_id] = None

    def say(self, message_id: int, text: str, *, chat_id: int = ANNA, reply_to: int | None = None) -> None:
        self.lines[message_id] = SentLine(chat_id=chat_id, message_id=message_id, reply_to=reply_to, text=text)

    async def open(self) -> Account:
        self.opened += 1
        if self.broken:
            raise TelegramUnavailable("nobody answers")
        self.connection = "good"
        return Account(id=1, username=None, is_bot=True)

    async def aclose(self) -> None:
        self.connection = "none"

    async def sent(self, first: int, last: int) -> tuple[Sequence[SentLine], int | None]:
        assert last - first < PAGE
        if self.connection == "silent":
            await anyio.sleep_forever()
        if self.connection != "good":
            raise TelegramUnavailable("the MTProto session is not connected")
        self.asked.append((first, last))
        there = [number for number in self.lines if first <= number <= last]
        ours = [line for number in there if (line := self.lines[number]) is not None]
        return ours, max(there, default=None)


def archived(text: str) -> bool:
    return text.startswith("Archived")


async def test_a_doubtful_answer_is_found_and_others_are_not_asked_about() -> None:
    mailbox = Mailbox()
    mailbox.receive(10)
    mailbox.say(12, "Archived 1 file", reply_to=10)
    recollection = Recollection(lambda: mailbox)
    assert await recollection.said(ANNA, 10, archived) is None and mailbox.opened == 0
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) == 12
    assert await recollection.said(ANNA, 10, lambda text: text == "another") is None
    assert await recollection.said(ANNA, 11, archived) is None
    assert await recollection.said(ANNA, None, archived) is None
    assert mailbox.opened == 1


async def test_the_same_reply_in_another_chat_is_none_of_this_one() -> None:
    mailbox = Mailbox()
    mailbox.say(12, "Archived 1 file", chat_id=BORIS, reply_to=10)
    recollection = Recollection(lambda: mailbox)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) is None


async def test_everything_is_looked_through_once_whatever_the_order() -> None:
    """An older doubt extends what is known downwards; what was seen is not asked for again."""
    mailbox = Mailbox()
    for number in range(1, 1001):
        mailbox.say(number, f"Archived {number}", reply_to=number - 1)
    recollection = Recollection(lambda: mailbox)
    recollection.doubt(ANNA, [50, 700, 999])
    for number in (700, 50, 999):
        assert await recollection.said(ANNA, number, archived) == number + 1
    seen = [number for first, last in mailbox.asked for number in range(first, min(last, 1000) + 1)]
    assert sorted(seen) == list(range(51, 1001)), "each once, and nothing before the first doubt"


async def test_what_is_said_after_the_first_look_is_found_when_it_is_in_doubt() -> None:
    mailbox = Mailbox()
    mailbox.receive(10)
    recollection = Recollection(lambda: mailbox)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) is None
    mailbox.say(11, "Archived", reply_to=10)
    assert await recollection.said(ANNA, 10, archived) is None, "no new doubt"
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) == 11


async def test_a_mailbox_that_cannot_be_read_is_no_reason_to_be_silent() -> None:
    mailbox = Mailbox()
    mailbox.say(12, "Archived", reply_to=10)
    mailbox.broken = True
    recollection = Recollection(lambda: mailbox)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) is None
    assert mailbox.opened == 2, "it is tried again at once"
    mailbox.broken = False
    assert await recollection.said(ANNA, 10, archived) == 12
    assert mailbox.opened == 3


async def test_a_session_whose_key_telegram_forgot_is_no_dead_end() -> None:
    """It learns that at the first try, and forgets it when it is made anew (BotSession)."""

    class Forgotten(Mailbox):
        async def open(self) -> Account:
            self.broken = self.opened == 0
            return await super().open()

    made: list[Mailbox] = []

    def make() -> Mailbox:
        made.append(Forgotten())
        made[-1].say(12, "Archived", reply_to=10)
        return made[-1]

    recollection = Recollection(make)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) == 12
    assert len(made) == 1 and made[0].opened == 2


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("connection", ["cut", "silent"])
async def test_a_connection_that_died_since_the_last_question_is_made_anew(
    connection: Literal["cut", "silent"],
) -> None:
    mailbox = Mailbox()
    mailbox.receive(10)
    recollection = Recollection(lambda: mailbox)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) is None
    mailbox.connection = connection
    mailbox.say(12, "Archived", reply_to=10)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) == 12
    assert mailbox.opened == 2


async def test_after_very_many_messages_doubts_are_still_looked_up_and_memory_is_bounded() -> None:
    mailbox = Mailbox()
    recollection = Recollection(lambda: mailbox)
    for number in range(1, 4 * FARTHEST, 250):
        mailbox.receive(number)
        mailbox.say(number + 1, "Archived", reply_to=number)
        recollection.doubt(ANNA, [number])
        assert await recollection.said(ANNA, number, archived) == number + 1
    kept = len(recollection._lines) + len(recollection._doubts)
    assert kept <= 2 * FARTHEST / 250 + 2
    assert await recollection.said(ANNA, 1, archived) is None, "an old one is not in doubt any more"


async def test_a_gap_of_deleted_messages_is_not_the_end() -> None:
    mailbox = Mailbox()
    mailbox.receive(10)
    mailbox.say(10 + GAP, "Archived", reply_to=10)
    recollection = Recollection(lambda: mailbox)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) == 10 + GAP
    assert len(mailbox.asked) <= 2 * GAP / PAGE + 1


async def test_without_mtproto_nothing_is_known() -> None:
    recollection = Recollection(None)
    recollection.doubt(ANNA, [10])
    assert await recollection.said(ANNA, 10, archived) is None


async def test_what_is_very_old_is_not_looked_through() -> None:
    mailbox = Mailbox()
    for number in range(1, FARTHEST + 1000, 50):
        mailbox.say(number, "Archived", reply_to=number - 1)
    mailbox.say(FARTHEST + 1000, "Archived", reply_to=1)
    recollection = Recollection(lambda: mailbox)
    recollection.doubt(ANNA, [1])
    assert await recollection.said(ANNA, 1, archived) is None
    assert max(last for _, last in mailbox.asked) < FARTHEST + 2 * PAGE
