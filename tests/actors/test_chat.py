"""Chat: what the bot says gets through, and progress lines are edited no faster than Telegram bears."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import pytest

from teltubby.actors.chat import AT_ONCE, Chat
from teltubby.actors.lines import EDIT_SECONDS
from teltubby.actors.patience import Patience
from teltubby.actors.phrases import COMMANDS
from teltubby.actors.recollection import Recollection
from teltubby.errors import BadRequest, FloodWait, NotAnswered, TelegramUnavailable, Unauthorised
from teltubby.messages.chat import Keyboard
from teltubby.supervision import Backoff, Context
from tests.bot_twin import SaidTwin
from tests.twins import BotTwin, Bubble, Telegram

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

ANNA, BORIS = 7, 8
AWAY = TelegramUnavailable("Telegram is away")


@pytest.fixture
async def gateway() -> AsyncIterator[BotTwin]:
    twin = BotTwin(Telegram())
    await twin.open()
    yield twin
    await twin.aclose()


@pytest.fixture
def chat(gateway: BotTwin) -> Chat:
    return Chat(gateway, patience=Patience(), backoff=Backoff(first=0.5, cap=30), rng=random.Random(1))


async def new_line(chat: Chat, gateway: BotTwin, text: str = "queued") -> tuple[tuple[int, int], Bubble]:
    message_id = await chat.say(ANNA, text)
    assert message_id is not None
    return (ANNA, message_id), gateway.telegram.bubble(message_id)


def attempts(gateway: BotTwin, message_id: int) -> list[float]:
    """When edits of that message were asked for, successful or not."""
    return [
        call.at
        for call in gateway.script.calls
        if call.method == "edit" and isinstance(call.subject, tuple) and call.subject[0] == message_id
    ]


def assert_paced(times: list[float]) -> None:
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= EDIT_SECONDS - 1e-6 for gap in gaps), times


# -- saying


async def test_an_answer_replies_and_returns_its_message(chat: Chat, gateway: BotTwin) -> None:
    message_id = await chat.say(ANNA, "hello", reply_to=11)
    (bubble,) = gateway.telegram.bubbles
    assert (bubble.chat_id, bubble.message_id, bubble.reply_to, bubble.text) == (ANNA, message_id, 11, "hello")


async def test_passing_trouble_is_waited_out(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("send", AWAY, AWAY, FloodWait(40), AWAY)
    assert await chat.say(ANNA, "hello") is not None
    assert gateway.telegram.said(ANNA) == ["hello"]
    times = gateway.script.times("send")
    assert len(times) == 5
    assert times[3] - times[2] >= 40, "the flood wait is honoured"


async def test_somebody_who_blocked_the_bot_is_given_up(chat: Chat, gateway: BotTwin) -> None:
    gateway.telegram.blocked.add(ANNA)
    assert await chat.say(ANNA, "hello") is None
    assert gateway.script.count("send") == 1


async def test_what_telegram_refuses_is_given_up(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("send", BadRequest("can't parse entities"))
    assert await chat.say(ANNA, "<b>") is None
    assert gateway.script.count("send") == 1


async def test_a_long_text_comes_in_several_messages(chat: Chat, gateway: BotTwin) -> None:
    lines = [f"<code>{number:04d} {'x' * 90}</code>" for number in range(200)]
    first = await chat.say(ANNA, "\n".join(lines), reply_to=11)
    said = gateway.telegram.said(ANNA)
    assert len(said) > 5
    texts, ends = zip(*(text.rsplit("\n", 1) for text in said), strict=True)
    assert "\n".join(texts).split("\n") == lines, "nothing is lost and no line is torn"
    assert ends[0] == f"1 of {len(said)} ↓" and ends[-1] == f"{len(said)} of {len(said)}"
    assert first == gateway.telegram.bubbles[0].message_id


async def test_a_few_answers_to_a_chat_are_on_their_way_at_once(chat: Chat, gateway: BotTwin) -> None:
    """Otherwise there would be one per round trip; other chats do not wait for this one."""
    gateway.script.slow("send", 1.0)
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for number in range(3 * AT_ONCE):
            tasks.start_soon(partial(chat.say, ANNA, f"{number}"))
        tasks.start_soon(partial(chat.say, BORIS, "hello"))
    assert anyio.current_time() - began == pytest.approx(3, abs=0.5)
    assert len(gateway.telegram.said(ANNA)) == 3 * AT_ONCE and gateway.telegram.said(BORIS) == ["hello"]


async def test_while_a_flood_holds_an_answer_back_others_do_not_try(chat: Chat, gateway: BotTwin) -> None:
    """Only those that were on their way already; afterwards one by one."""
    gateway.script.fail("send", FloodWait(40))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(chat.say, ANNA, "first"))
        await anyio.sleep(1)
        for number in range(10):
            tasks.start_soon(partial(chat.say, ANNA, f"{number}"))
        await anyio.sleep(35)
        assert gateway.script.count("send") == 1
    assert gateway.telegram.said(ANNA)[0] == "first" and len(gateway.telegram.said(ANNA)) == 11


class HardOfHearing(BotTwin):
    """Telegram takes what it sends; that it did is not heard the first time."""

    async def send(self, chat_id: int, html: str, *, reply_to: int | None = None, keyboard: Keyboard = ()) -> int:
        sent = await super().send(chat_id, html, reply_to=reply_to, keyboard=keyboard)
        if len(self.telegram.bubbles) == 1:
            raise TelegramUnavailable("the connection broke before the answer came")
        return sent


async def test_an_answer_that_was_taken_and_not_confirmed_is_not_said_again() -> None:
    telegram = Telegram()
    gateway = HardOfHearing(telegram)
    await gateway.open()
    recollection = Recollection(lambda: SaidTwin(telegram))
    backoff, rng = Backoff(first=0.5, cap=30), random.Random(1)
    chat = Chat(gateway, patience=Patience(), backoff=backoff, rng=rng, recollection=recollection)
    said = await chat.say(ANNA, "<b>Archived</b>", reply_to=11, said=lambda text: text == "Archived")
    assert telegram.said(ANNA) == ["<b>Archived</b>"] and said == telegram.bubbles[0].message_id


async def test_a_stop_ends_the_waiting(gateway: BotTwin) -> None:
    context, patience = Context[Any]("chat"), Patience()
    patience.heed(context)
    chat = Chat(gateway, patience=patience, backoff=Backoff(first=0.5, cap=30), rng=random.Random(1))
    gateway.script.fail("send", FloodWait(4000))

    async def say() -> None:
        with pytest.raises(NotAnswered):
            await chat.say(ANNA, "hello")

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say)
            await anyio.sleep(10)
            context.stop()


# -- progress lines


async def test_a_line_is_edited_at_most_every_three_seconds_and_skips_what_is_old(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        for number in range(100):
            chat.show(line, f"{number}%")
            await anyio.sleep(0.3)
        await anyio.sleep(EDIT_SECONDS)
        tasks.cancel_scope.cancel()
    texts = [text for _, text in bubble.texts[1:]]
    assert_paced(attempts(gateway, line[1]))
    assert 9 <= len(texts) <= 12
    assert texts == sorted(texts, key=lambda text: int(text[:-1])), "never an older text after a newer one"
    assert texts[-1] == "99%"


async def test_many_lines_all_get_their_turn(chat: Chat, gateway: BotTwin) -> None:
    lines = [await new_line(chat, gateway) for _ in range(10)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        for number in range(30):
            for line, _ in lines:
                chat.show(line, f"{number}%")
            await anyio.sleep(1)
        await anyio.sleep(2 * EDIT_SECONDS)
        tasks.cancel_scope.cancel()
    for line, bubble in lines:
        assert_paced(attempts(gateway, line[1]))
        assert bubble.text == "29%"
        assert len(bubble.texts) > 8


async def test_a_flood_wait_pauses_the_edits_of_all_lines(chat: Chat, gateway: BotTwin) -> None:
    lines = [await new_line(chat, gateway) for _ in range(3)]
    gateway.script.fail("edit", FloodWait(60))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        for number in range(80):
            for line, _ in lines:
                chat.show(line, f"{number}%")
            await anyio.sleep(1)
        await anyio.sleep(EDIT_SECONDS)
        tasks.cancel_scope.cancel()
    first, second, *_ = gateway.script.times("edit")
    assert second - first >= 60
    assert {bubble.text for _, bubble in lines} == {"79%"}


async def _conclude_in_time(chat: Chat, line: tuple[int, int], html: str) -> None:
    with suppress(NotAnswered):  # the wait may take longer than a report is held for it
        await chat.conclude(line, html)


async def test_a_flood_wait_that_a_conclusion_met_pauses_the_lines_too(chat: Chat, gateway: BotTwin) -> None:
    (busy, _), (done, bubble) = await new_line(chat, gateway), await new_line(chat, gateway)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        chat.show(busy, "1%")
        await anyio.sleep(1)
        chat.show(busy, "2%")  # its turn comes in two seconds
        await anyio.sleep(1)
        gateway.script.fail("edit", FloodWait(60))
        flooded = anyio.current_time()
        tasks.start_soon(_conclude_in_time, chat, done, "archived")
        await anyio.sleep(100)
        tasks.cancel_scope.cancel()
    assert all(at <= flooded or at >= flooded + 60 for at in gateway.script.times("edit"))
    assert bubble.text == "archived"


async def test_a_flood_wait_that_an_answer_met_pauses_the_lines_too(chat: Chat, gateway: BotTwin) -> None:
    line, _ = await new_line(chat, gateway)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        gateway.script.fail("send", FloodWait(60))
        tasks.start_soon(chat.say, ANNA, "hello")
        await anyio.sleep(1)
        for number in range(58):
            chat.show(line, f"{number}%")
            await anyio.sleep(1)
        assert gateway.script.count("edit") == 0, "none while a flood wait runs (telegram.md, Limits)"
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()


async def test_a_failed_edit_is_repeated(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    gateway.script.fail("edit", AWAY, AWAY)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        chat.show(line, "50%")
        await anyio.sleep(30)
        tasks.cancel_scope.cancel()
    assert bubble.text == "50%"
    assert gateway.script.count("edit") == 3


async def test_an_edit_that_cannot_be_is_given_up_and_others_go_on(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        chat.show((ANNA, 99999), "of a deleted message")
        chat.show(line, "50%")
        await anyio.sleep(30)
        tasks.cancel_scope.cancel()
    assert bubble.text == "50%"
    assert len(attempts(gateway, 99999)) == 1


async def test_a_revoked_token_does_not_end_the_keeping_of_lines(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    gateway.script.fail("edit", Unauthorised("Unauthorized"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        chat.show(line, "50%")
        await anyio.sleep(10)
        chat.show(line, "60%")
        await anyio.sleep(100)
        tasks.cancel_scope.cancel()
    assert bubble.text == "60%"


# -- conclusions


async def test_a_conclusion_keeps_the_pace_and_is_the_last_word(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        chat.show(line, "50%")
        await anyio.sleep(1)
        chat.show(line, "60%")
        await chat.conclude(line, "archived")
        await anyio.sleep(30)
        tasks.cancel_scope.cancel()
    assert bubble.text == "archived"
    assert_paced(attempts(gateway, line[1]))


async def test_a_conclusion_outlasts_passing_trouble(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    gateway.script.fail("edit", AWAY, FloodWait(20), AWAY)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        await chat.conclude(line, "archived")
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert bubble.text == "archived"


async def test_progress_that_is_on_its_way_does_not_overtake_the_conclusion(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        gateway.script.slow("edit", 5)  # HTTP requests side by side end in any order
        chat.show(line, "99%")
        await anyio.sleep(1)
        gateway.script.slow("edit", 1)
        await chat.conclude(line, "archived")
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert bubble.text == "archived"


async def test_progress_that_failed_on_its_way_does_not_come_back_after_the_conclusion(
    chat: Chat, gateway: BotTwin
) -> None:
    line, bubble = await new_line(chat, gateway)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        gateway.script.slow("edit", 4)
        gateway.script.fail("edit", AWAY)
        chat.show(line, "99%")
        await anyio.sleep(2)
        await chat.conclude(line, "archived")
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert bubble.text == "archived"


async def test_progress_that_comes_late_does_not_replace_a_conclusion_that_waits(chat: Chat, gateway: BotTwin) -> None:
    line, bubble = await new_line(chat, gateway)
    gateway.script.fail("edit", FloodWait(20))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        tasks.start_soon(chat.conclude, line, "archived")
        await anyio.sleep(5)
        chat.show(line, "99%")
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert [text for _, text in bubble.texts] == ["queued", "archived"]


# -- the menu


async def test_the_menu_is_set(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("set_commands", AWAY, Unauthorised("Unauthorized"))
    await chat.set_menu(COMMANDS)
    assert gateway.telegram.menu == COMMANDS


async def test_a_flood_wait_is_honoured_for_the_menu(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("set_commands", FloodWait(300))
    await chat.set_menu(COMMANDS)
    first, second = gateway.script.times("set_commands")
    assert second - first >= 300
