"""Chat, beside texts: buttons, pictures, the typing indicator, answers to presses, deletions."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import anyio
import pytest

from teltubby.actors.chat import PRESS_SECONDS, Answer, Chat
from teltubby.actors.lines import EDIT_SECONDS
from teltubby.actors.patience import Patience
from teltubby.actors.typing_shown import LIFETIME, SHOW_SECONDS
from teltubby.errors import BadRequest, FloodWait, TelegramUnavailable
from teltubby.messages.chat import Button
from teltubby.supervision import Backoff
from tests.twins import BotTwin, PressAnswer, Telegram

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

ANNA, BORIS = 7, 8
AWAY = TelegramUnavailable("Telegram is away")
ROW = [[Button(text="Yes", data="yes")]]
OTHER = [[Button(text="No", data="no")]]
LONG = "\n".join(f"line {number} {'x' * 90}" for number in range(100))


@pytest.fixture
async def gateway() -> AsyncIterator[BotTwin]:
    twin = BotTwin(Telegram())
    await twin.open()
    yield twin
    await twin.aclose()


@pytest.fixture
def chat(gateway: BotTwin) -> Chat:
    return Chat(gateway, patience=Patience(), backoff=Backoff(first=0.5, cap=30), rng=random.Random(1))


# -- buttons


async def test_buttons_are_under_the_end_of_a_long_text(chat: Chat, gateway: BotTwin) -> None:
    first = await chat.say(ANNA, LONG, keyboard=ROW)
    bubbles = gateway.telegram.bubbles
    assert len(bubbles) > 2 and bubbles[0].message_id == first
    assert [bubble.buttons for bubble in bubbles] == [[]] * (len(bubbles) - 1) + [["yes"]]


async def test_buttons_change_with_the_line_and_go_with_it(chat: Chat, gateway: BotTwin) -> None:
    message_id = await chat.say(ANNA, "queued", keyboard=ROW)
    assert message_id is not None
    bubble = gateway.telegram.bubble(message_id)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        chat.show((ANNA, message_id), "50%", keyboard=OTHER)
        await anyio.sleep(EDIT_SECONDS)
        assert (bubble.text, bubble.buttons) == ("50%", ["no"])
        await chat.conclude((ANNA, message_id), "failed", keyboard=ROW)
        assert (bubble.text, bubble.buttons) == ("failed", ["yes"])
        await chat.conclude((ANNA, message_id), "archived")
        assert (bubble.text, bubble.buttons) == ("archived", [])
        tasks.cancel_scope.cancel()


# -- pictures


async def test_a_picture_carries_its_words(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("send_photo", AWAY, FloodWait(30))
    message_id = await chat.give(ANNA, Answer(html="<b>words</b>", picture=b"png"), reply_to=11)
    (bubble,) = gateway.telegram.bubbles
    assert (bubble.message_id, bubble.picture, bubble.text, bubble.reply_to) == (message_id, b"png", "<b>words</b>", 11)
    assert anyio.current_time() >= 30


async def test_long_words_and_buttons_follow_their_picture(chat: Chat, gateway: BotTwin) -> None:
    await chat.give(ANNA, Answer(html=LONG[:2000], picture=b"png"))
    await chat.give(ANNA, Answer(html="words", picture=b"png", keyboard=ROW))
    kinds = [(bubble.picture is not None, bubble.text[:5], bubble.buttons) for bubble in gateway.telegram.bubbles]
    assert kinds == [(True, "", []), (False, "line ", []), (True, "", []), (False, "words", ["yes"])]


async def test_a_picture_that_telegram_refuses_leaves_its_words(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("send_photo", BadRequest("PHOTO_INVALID_DIMENSIONS"))
    assert await chat.give(ANNA, Answer(html="words", picture=b"png")) is not None
    assert gateway.telegram.said(ANNA) == ["words"]


async def test_an_answer_without_a_picture_is_said(chat: Chat, gateway: BotTwin) -> None:
    await chat.give(ANNA, Answer(html="words", keyboard=ROW), reply_to=11)
    (bubble,) = gateway.telegram.bubbles
    assert (bubble.text, bubble.buttons, bubble.reply_to) == ("words", ["yes"], 11)


# -- files

FILE = ("report.html", b"<html>")


@pytest.mark.parametrize("picture", [b"png", None])
async def test_a_file_follows_its_words(chat: Chat, gateway: BotTwin, picture: bytes | None) -> None:
    gateway.script.fail("send_document", AWAY, FloodWait(30))
    answer = Answer(html="words", picture=picture, document=FILE)
    message_id = await chat.give(ANNA, answer, reply_to=11)
    first, file = gateway.telegram.bubbles
    assert (first.message_id, first.picture, first.text, first.document) == (message_id, picture, "words", None)
    assert (file.document, file.text, file.reply_to) == (FILE, "", 11)
    assert anyio.current_time() >= 30


async def test_a_file_that_telegram_refuses_leaves_its_words(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("send_document", BadRequest("file is too big"))
    assert await chat.give(ANNA, Answer(html="words", document=FILE)) is not None
    assert gateway.telegram.said(ANNA) == ["words"]


async def test_who_cannot_be_told_is_sent_no_file(chat: Chat, gateway: BotTwin) -> None:
    gateway.telegram.blocked.add(ANNA)
    assert await chat.give(ANNA, Answer(html="words", document=FILE)) is None
    assert gateway.script.count("send_document") == 0


# -- presses


async def test_a_press_is_answered_once_and_clipped(chat: Chat, gateway: BotTwin) -> None:
    await chat.answer_press("p1", "x" * 300, alert=True)
    assert gateway.telegram.presses == [PressAnswer("p1", "x" * 200, True)]


@pytest.mark.parametrize("error", [BadRequest("query is too old"), AWAY, FloodWait(600)])
async def test_a_press_that_cannot_be_answered_is_let_be(chat: Chat, gateway: BotTwin, error: Exception) -> None:
    gateway.script.fail("answer_press", error)
    await chat.answer_press("p1", "done")
    assert (gateway.script.count("answer_press"), gateway.telegram.presses) == (1, [])
    assert anyio.current_time() < 1


async def test_a_press_is_not_waited_for_when_telegram_hangs(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.hold("answer_press")
    await chat.answer_press("p1", "done")
    assert anyio.current_time() == pytest.approx(PRESS_SECONDS, abs=0.1)


# -- deletions


async def test_a_deletion_outlasts_passing_trouble(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("delete", AWAY, FloodWait(20))
    assert await chat.delete((ANNA, 11)) is True
    assert gateway.telegram.deleted == [(ANNA, 11)]


async def test_a_deletion_that_is_refused_is_told(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("delete", BadRequest("message can't be deleted"))
    assert await chat.delete((ANNA, 11)) is False
    gateway.script.fail("delete", BadRequest("Bad Request: message to delete not found"))
    assert await chat.delete((ANNA, 11)) is True, "as after a deletion whose answer was lost"


async def test_a_picture_is_replaced_until_telegram_took_it(chat: Chat, gateway: BotTwin) -> None:
    sent = await chat.give(ANNA, Answer(html="one", picture=b"1"))
    assert sent is not None
    bubble = gateway.telegram.bubble(sent)
    gateway.script.fail("replace_photo", AWAY, FloodWait(20))
    assert await chat.replace_picture((ANNA, sent), b"2", "two") is True
    assert (bubble.picture, bubble.text) == (b"2", "two")
    await gateway.delete(ANNA, sent)
    assert await chat.replace_picture((ANNA, sent), b"3", "three") is False


# -- typing


async def test_typing_is_shown_until_the_work_is_done(chat: Chat, gateway: BotTwin) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        async with chat.typing(ANNA):
            await anyio.sleep(2.5 * SHOW_SECONDS)
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert gateway.script.times("show_typing") == pytest.approx([0, SHOW_SECONDS, 2 * SHOW_SECONDS], abs=0.1)


async def test_several_chats_and_tasks_at_once(chat: Chat, gateway: BotTwin) -> None:
    async def work(chat_id: int, seconds: float) -> None:
        async with chat.typing(chat_id):
            await anyio.sleep(seconds)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        async with anyio.create_task_group() as working:
            for chat_id, seconds in ((ANNA, 1), (ANNA, 10), (BORIS, 5)):
                working.start_soon(work, chat_id, seconds)
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    shown = gateway.script.asked("show_typing")
    assert (shown.count(ANNA), shown.count(BORIS)) == (3, 2)


async def test_typing_is_in_nobodys_way(chat: Chat, gateway: BotTwin) -> None:
    """It fails, hangs, or is never kept: what goes on under it neither waits nor learns of it."""
    async with chat.typing(ANNA):
        pass
    gateway.script.fail("show_typing", AWAY, BadRequest("chat not found"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        with pytest.raises(ZeroDivisionError):
            async with chat.typing(ANNA):
                await anyio.sleep(2.5 * SHOW_SECONDS)
                raise ZeroDivisionError
        assert gateway.script.count("show_typing") == 3
        gateway.script.hold("show_typing")
        began = anyio.current_time()
        async with chat.typing(ANNA):
            await anyio.sleep(SHOW_SECONDS + 1)
            assert await chat.say(ANNA, "done") is not None
        assert anyio.current_time() - began == pytest.approx(SHOW_SECONDS + 1, abs=0.1)
        tasks.cancel_scope.cancel()


async def test_nothing_is_shown_during_a_flood_wait(chat: Chat, gateway: BotTwin) -> None:
    gateway.script.fail("show_typing", FloodWait(30))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        async with chat.typing(ANNA):
            await anyio.sleep(40)
        tasks.cancel_scope.cancel()
    first, second, *_ = gateway.script.times("show_typing")
    assert second - first >= 30


async def test_nobody_types_for_hours(chat: Chat, gateway: BotTwin) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.keep_lines)
        async with chat.typing(ANNA):
            await anyio.sleep(10_000)
        tasks.cancel_scope.cancel()
    assert gateway.script.count("show_typing") <= LIFETIME / SHOW_SECONDS + 1
