"""Who is not on the list, in every way that Telegram has: no answer, nothing kept, counted and in the audit trail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from aiogram.types import Update

from teltubby.adapters.bot_fields import KINDS
from teltubby.adapters.bot_updates import raw_update
from teltubby.messages.trail import TrailKind
from tests.actors.bot_wing import STRANGER, BotWing, bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.updates import SENT_AT, sent, update
from tests.actors.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

GROUP, CHANNEL, ANONYMOUS, SERVICE = -1001, -1002, 1087968824, 777000
FILE = {"file_id": "f", "file_unique_id": "u", "file_size": 100}
DOCUMENT = {"document": {**FILE, "file_name": "a.pdf"}}


def person(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "is_bot": False, "first_name": "A", **more}


def message(sender: int | None, chat: int, kind: str, **fields: Any) -> dict[str, Any]:
    """A message; without a sender, of a channel."""
    by = {} if sender is None else {"from": person(sender)}
    return {"message_id": 5, "date": SENT_AT, "chat": {"id": chat, "type": kind}, **by, **fields}


def in_private(**fields: Any) -> dict[str, Any]:
    """A stranger writes to the bot."""
    return message(STRANGER, STRANGER, "private", **fields)


def press(sender: int, **fields: Any) -> dict[str, Any]:
    return {"id": "1", "from": person(sender), "chat_instance": "1", "data": "queue:0", **fields}


BY_ANNA = {"type": "user", "sender_user": person(ANNA), "date": SENT_AT}
OF_THE_GROUP = {"sender_chat": {"id": GROUP, "type": "supergroup"}}
HEARD: dict[str, dict[str, Any]] = {
    "a command": {"message": in_private(text="/status")},
    "a file": {"message": in_private(**DOCUMENT)},
    "a file of an album": {"message": in_private(**DOCUMENT, media_group_id="13")},
    "a secret": {"message": in_private(text="/mtpass hunter2")},
    "an edited message": {"edited_message": in_private(**DOCUMENT, caption="x", edit_date=SENT_AT + 9)},
    "an edited command": {"edited_message": in_private(text="/purge", edit_date=SENT_AT + 9)},
    "a forward of hers": {"message": in_private(text="/status", forward_origin=BY_ANNA)},
    "a forward of hers, as it was": {"message": in_private(text="/purge", forward_from=person(ANNA), forward_date=1)},
    "a reply to her": {
        "message": in_private(text="/status", reply_to_message=message(ANNA, ANNA, "private", text="x"))
    },
    "her name": {"message": {**in_private(text="/status"), "from": person(STRANGER, username="user7")}},
    "her as a contact": {"message": in_private(contact={"phone_number": "1", "first_name": "A", "user_id": ANNA})},
    "through a bot": {"message": in_private(text="/status", via_bot=person(ANNA, username="b"))},
    "for a connection": {"message": in_private(text="/status", business_connection_id="b")},
    "in her chat": {"message": message(STRANGER, ANNA, "private", text="/status")},
    "in the name of a chat": {"message": in_private(text="/status", sender_chat={"id": ANNA, "type": "private"})},
    "in a group": {"message": message(STRANGER, GROUP, "supergroup", text="/status")},
    "she in a group": {"message": message(ANNA, GROUP, "group", text="/status")},
    "her file in a group": {"message": message(ANNA, GROUP, "supergroup", **DOCUMENT)},
    "she in a topic": {"message": message(ANNA, GROUP, "supergroup", text="/status", message_thread_id=4)},
    "she in a channel": {"message": message(ANNA, CHANNEL, "channel", text="/status")},
    "an anonymous admin": {"message": message(ANONYMOUS, GROUP, "supergroup", text="/status", **OF_THE_GROUP)},
    "a channel in its group": {
        "message": message(SERVICE, GROUP, "supergroup", is_automatic_forward=True, forward_origin=BY_ANNA, **DOCUMENT)
    },
    "nobody": {"message": message(None, STRANGER, "private", text="/status")},
    "nobody in her chat": {"message": message(None, ANNA, "private", text="/status")},
    "a press": {"callback_query": press(STRANGER, message=message(STRANGER, STRANGER, "private", text="x"))},
    "a press in her chat": {"callback_query": press(STRANGER, message=message(ANNA, ANNA, "private", text="x"))},
    "a press in a group": {"callback_query": press(ANNA, message=message(ANNA, GROUP, "group", text="x"))},
    "a press on an inline message": {"callback_query": press(STRANGER, inline_message_id="i")},
    "a press on what is gone": {
        "callback_query": press(STRANGER, message={"chat": {"id": ANNA, "type": "private"}, "message_id": 5, "date": 0})
    },
}
"""They are refused, and counted."""
QUERY = {"id": "1", "from": person(STRANGER), "query": "/status", "offset": ""}
MEMBER = {"user": person(STRANGER), "status": "member"}
UNHEARD: dict[str, dict[str, Any]] = {
    "a post in a channel": {"channel_post": message(None, CHANNEL, "channel", **DOCUMENT)},
    "a post of hers": {"channel_post": message(ANNA, CHANNEL, "channel", text="/status")},
    "an edited post": {"edited_channel_post": message(ANNA, CHANNEL, "channel", text="/status", edit_date=SENT_AT)},
    "an inline query": {"inline_query": QUERY},
    "her inline query": {"inline_query": {**QUERY, "from": person(ANNA)}},
    "a chosen result": {"chosen_inline_result": {"result_id": "1", "from": person(STRANGER), "query": "/status"}},
    "a business message": {"business_message": in_private(text="/status", business_connection_id="b")},
    "a business message to her": {
        "business_message": message(ANNA, ANNA, "private", business_connection_id="b", **DOCUMENT)
    },
    "an edited business message": {"edited_business_message": in_private(text="/status", business_connection_id="b")},
    "a connection": {
        "business_connection": {
            "id": "b",
            "user": person(STRANGER),
            "user_chat_id": STRANGER,
            "date": 1,
            "can_reply": True,
            "is_enabled": True,
        }
    },
    "a reaction": {
        "message_reaction": {
            "chat": {"id": ANNA, "type": "private"},
            "message_id": 5,
            "user": person(STRANGER),
            "date": 1,
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": "👍"}],
        }
    },
    "an answer to a poll": {"poll_answer": {"poll_id": "1", "user": person(STRANGER), "option_ids": [0]}},
    "a checkout": {
        "pre_checkout_query": {
            "id": "1",
            "from": person(STRANGER),
            "currency": "XTR",
            "total_amount": 1,
            "invoice_payload": "/status",
        }
    },
    "an invitation": {
        "my_chat_member": {
            "chat": {"id": GROUP, "type": "group"},
            "from": person(STRANGER),
            "date": 1,
            "old_chat_member": MEMBER,
            "new_chat_member": MEMBER,
        }
    },
    "a press on a game": {
        "callback_query": {"id": "1", "from": person(ANNA), "chat_instance": "1", "game_short_name": "g"}
    },
    "what is of tomorrow": {"of_tomorrow": {"from": person(ANNA), "text": "/status"}},
}
"""They are nothing that we asked for."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(folder=tmp_path)
    world.telegram.files["f"] = b"x" * 100
    return world


def assert_nothing_came_of_it(wing: BotWing, world: World) -> None:
    assert wing.telegram.bubbles == [] and wing.telegram.presses == []
    assert wing.gateway.script.count("send") == wing.downloads.script.count("download") == 0
    assert world.objects == {} and list(world.folder.glob("spool/**/*.*")) == []
    for table in ("messages", "jobs", "files", "outbox", "commands WHERE kind != 'stranger'"):
        assert [tuple(row) for row in world.facts(f"SELECT * FROM {table}")] == [], table
    assert {row["payload"] for row in world.facts("SELECT payload FROM inbox")} == {""}
    assert b"hunter2" not in b"".join(path.read_bytes() for path in world.folder.glob("*.db*"))
    assert restarts(wing.tree) == {}


@pytest.mark.parametrize("way", HEARD)
async def test_who_is_not_on_the_list_gets_silence(world: World, way: str) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(raw_update({"update_id": 10, **HEARD[way]}))
        await anyio.sleep(60)
        assert_nothing_came_of_it(wing, world)
        assert wing.counted("refused_updates") == 1
        (line,) = world.facts("SELECT * FROM commands")
        assert (line["kind"], line["accepted"], line["detail"]) == (TrailKind.STRANGER, 0, None)


@pytest.mark.parametrize("way", UNHEARD)
async def test_what_we_did_not_ask_for_is_not_kept(world: World, way: str) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(raw_update({"update_id": 10, **UNHEARD[way]}))
        await anyio.sleep(60)
        assert_nothing_came_of_it(wing, world)
        assert wing.counted("refused_updates") == 0


async def test_no_kind_of_update_that_there_is_brings_a_file_in(world: World) -> None:
    """Of all kinds that aiogram knows: a new one must not be a new door. Each looks as if it were hers."""
    kinds = sorted(Update.model_fields.keys() - {"update_id", *KINDS})
    hers = {**message(ANNA, ANNA, "private", text="/status", **DOCUMENT), "data": "queue:0", "id": "1"}
    assert len(kinds) > 15
    async with bot_wing(world) as wing:
        await wing.receives(*[raw_update({"update_id": 10 + n, kind: hers}) for n, kind in enumerate(kinds)])
        await anyio.sleep(60)
        assert_nothing_came_of_it(wing, world)


async def test_a_stranger_s_file_in_an_album_of_hers_stays_out(world: World) -> None:
    """The same album id, in a chat that is said to be hers."""
    hers = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        strange = {**message(STRANGER, ANNA, "private", **DOCUMENT), "media_group_id": "13"}
        await wing.receives(raw_update({"update_id": 10, "message": strange}), update(11, hers, group="13"))
        assert world.files() == [hers.body]
        assert wing.counted("refused_updates") == 1
