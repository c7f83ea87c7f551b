"""Buttons, presses, edits by people and disorder among updates, with stock aiogram and python-telegram-bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiogram
import pytest
import telegram as ptb
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from tests.simulator.answers import description, result

pytestmark = pytest.mark.anyio

Api = Callable[..., tuple[int, Any]]

WITHIN = 20.0
TOO_LATE = "Bad Request: query is too old and response timeout expired or query ID is invalid"


@pytest.fixture
async def client(telegram: SimulatedTelegram, bot: User) -> AsyncIterator[aiogram.Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.bot_api_url))
    async with aiogram.Bot(bot.token or "", session=session) as client:
        yield client


@pytest.fixture
async def other_client(telegram: SimulatedTelegram, bot: User) -> AsyncIterator[ptb.Bot]:
    url = telegram.bot_api_url
    async with ptb.Bot(bot.token or "", base_url=f"{url}/bot", base_file_url=f"{url}/file/bot") as client:
        yield client


@pytest.fixture
def shown(api: Api, curator: Curator) -> int:
    """The curator's id of a message with one button."""
    curator.send_text("/start")
    keyboard = {"inline_keyboard": [[{"text": "Cancel", "callback_data": "job:cancel:a1"}]]}
    result(api("sendMessage", chat_id=curator.user.id, text="job", reply_markup=keyboard))
    return curator.conversation()[-1].message_id


async def test_aiogram_hears_a_press_and_answers_it(client: aiogram.Bot, curator: Curator, shown: int) -> None:
    press = curator.press(shown, text="Cancel")
    query = (await client.get_updates())[-1].callback_query
    assert query is not None and (query.id, query.data, query.from_user.id) == (
        str(press),
        "job:cancel:a1",
        curator.user.id,
    )
    await query.as_(client).answer("cancelled", show_alert=True)
    notice = await asyncio.to_thread(curator.wait_for_notice, press, WITHIN)
    assert (notice.text, notice.alert) == ("cancelled", True)
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await query.as_(client).answer("again")


async def test_ptb_hears_a_forged_press_and_answers_it(other_client: ptb.Bot, curator: Curator, shown: int) -> None:
    press = curator.forge_press(shown, "purge:everything")
    query = (await other_client.get_updates(timeout=0))[-1].callback_query
    assert query is not None and query.data == "purge:everything" and isinstance(query.message, ptb.Message)
    await query.answer("no")
    notice = await asyncio.to_thread(curator.wait_for_notice, press, WITHIN)
    assert (notice.text, notice.alert) == ("no", False)


def test_only_what_is_there_can_be_pressed(curator: Curator, shown: int) -> None:
    for wrong in ({"data": "other"}, {"text": "Other"}):
        with pytest.raises(LookupError):
            curator.press(shown, **wrong)
    with pytest.raises(LookupError):
        curator.press(99_999, "job:cancel:a1")
    with pytest.raises(LookupError):
        curator.forge_press(99_999, "x")
    with pytest.raises(ValueError, match="by its data or by its text"):
        curator.press(shown)


def test_an_answer_has_fifteen_seconds(telegram: SimulatedTelegram, api: Api, curator: Curator, shown: int) -> None:
    first, second = (curator.press(shown, "job:cancel:a1") for _ in range(2))
    telegram.call(telegram.world.advance, 14)
    assert result(api("answerCallbackQuery", callback_query_id=str(first))) is True
    telegram.call(telegram.world.advance, 2)
    assert description(api("answerCallbackQuery", callback_query_id=str(second))) == TOO_LATE
    assert description(api("answerCallbackQuery", callback_query_id="1")) == TOO_LATE
    other = curator.press(shown, "job:cancel:a1")
    assert description(api("answerCallbackQuery", callback_query_id=str(other), text="x" * 201)) == (
        "Bad Request: MESSAGE_TOO_LONG"
    )
    with pytest.raises(TimeoutError):
        curator.wait_for_notice(second, 0.01)


def test_another_bot_cannot_answer(telegram: SimulatedTelegram, api: Api, curator: Curator, shown: int) -> None:
    press = curator.press(shown, "job:cancel:a1")
    telegram.call(lambda: setattr(telegram.world.queries[press], "bot", telegram.world.add_bot("Other", "other_bot")))
    assert description(api("answerCallbackQuery", callback_query_id=str(press))) == TOO_LATE


async def test_a_keyboard_has_its_limits(client: aiogram.Bot, curator: Curator, shown: int) -> None:
    def keyboard(count: int, data: str = "d") -> InlineKeyboardMarkup:
        row = [InlineKeyboardButton(text="x", callback_data=data)]
        return InlineKeyboardMarkup(inline_keyboard=[row] * count)

    await client.send_message(curator.user.id, "x", reply_markup=keyboard(100, "й" * 32))
    with pytest.raises(TelegramBadRequest, match="reply markup is too long"):
        await client.send_message(curator.user.id, "x", reply_markup=keyboard(101))
    with pytest.raises(TelegramBadRequest, match="BUTTON_DATA_INVALID"):
        await client.send_message(curator.user.id, "x", reply_markup=keyboard(1, "й" * 33))


async def test_signs_of_work_are_seen_unless_the_bot_is_blocked(
    client: aiogram.Bot, curator: Curator, shown: int
) -> None:
    await client.send_chat_action(curator.user.id, "typing")
    assert curator.typing_seen == 1
    curator.block_bot()
    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await client.send_chat_action(curator.user.id, "typing")
    assert curator.typing_seen == 1


async def test_people_edit_what_they_sent(client: aiogram.Bot, other_client: ptb.Bot, curator: Curator) -> None:
    text = curator.send_text("one")
    photo = curator.send_photo(curator.new_file(FileKind.PHOTO, 50_000), caption="old")
    curator.edit_text(text, "two")
    curator.edit_caption(photo, "see #new")
    *_, changed, renamed = await client.get_updates()
    assert changed.edited_message is not None and changed.edited_message.text == "two"
    assert renamed.edited_message is not None and renamed.edited_message.caption == "see #new"
    assert renamed.edited_message.edit_date is not None and renamed.edited_message.photo
    *_, again = await other_client.get_updates(timeout=0)
    assert again.edited_message is not None and again.edited_message.caption == "see #new"
    for edit, message_id in ((curator.edit_text, photo), (curator.edit_caption, text)):
        with pytest.raises(LookupError):
            edit(message_id, "x")


def test_an_album_may_come_item_by_item(api: Api, curator: Curator) -> None:
    album, other = curator.new_album(), curator.new_album()
    for number in range(2):
        curator.send_media(curator.new_file(FileKind.PHOTO, 9 + number), grouped_id=album)
        curator.send_text("between")
        curator.send_media(curator.new_file(FileKind.PHOTO, 99 + number), grouped_id=other)
    groups = [update["message"].get("media_group_id") for update in result(api("getUpdates"))]
    assert groups == [str(album), None, str(other)] * 2


def test_updates_can_come_again_and_in_any_order(telegram: SimulatedTelegram, api: Api, curator: Curator) -> None:
    def trouble(**effects: object) -> None:
        telegram.call(lambda: telegram.world.faults.add("getUpdates", effects=effects))

    for number in range(4):
        curator.send_text(str(number))
    ids = [update["update_id"] for update in result(api("getUpdates"))]

    def poll(offset: int) -> list[int]:
        return [update["update_id"] for update in result(api("getUpdates", offset=offset))]

    trouble(again=1)
    assert poll(ids[2]) == ids[1:], "the last of the two that are confirmed comes again"
    trouble(reversed=True)
    assert poll(ids[2]) == ids[:1:-1]
    trouble(again=9, reversed=True)
    assert poll(ids[3] + 1) == ids[::-1]
    assert poll(ids[3] + 1) == []
