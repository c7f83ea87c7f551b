"""What the bot said in private chats, read from its own mailbox over MTProto."""

from __future__ import annotations

import pytest

from teltubby.adapters.base import SentLine
from teltubby.errors import FloodWait, TelegramUnavailable
from teltubby.simulator.curator import Curator
from tests.adapters.house import House

pytestmark = pytest.mark.anyio


async def test_only_the_bots_own_lines_are_told_with_what_they_answer(house: House, curator: Curator) -> None:
    curator.send_text("/start")
    world, bot, person = house.telegram.world, house.bot, curator.user

    def answer() -> tuple[int, int]:
        received = bot.mailbox.last_id
        question = bot.mailbox.messages[received]
        return received, world.send(bot, person, "Archived 1 file <&>", reply_to=question).id

    received, answered = house.telegram.call(answer)
    curator.send_text("thank you")
    async with house.opened() as session:
        lines, newest = await session.sent(1, 100)
        assert list(lines) == [
            SentLine(chat_id=person.id, message_id=answered, reply_to=received, text="Archived 1 file <&>")
        ]
        assert newest == house.telegram.call(lambda: bot.mailbox.last_id) == answered + 1
        assert await session.sent(newest + 1, newest + 100) == ([], None)


async def test_trouble_is_told(house: House) -> None:
    async with house.opened() as session:
        house.fault("messages.getMessages", error=420, message="FLOOD_WAIT_7")
        with pytest.raises(FloodWait):
            await session.sent(1, 100)
    with pytest.raises(TelegramUnavailable):
        await session.sent(1, 100)
