"""What a bot hears over the Bot API of what happens to groups and channels."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.messages import WebPage
from teltubby.simulator.people import Chat, ChatKind, User
from teltubby.simulator.server import SimulatedTelegram
from tests.simulator.conftest import Api


def chat_with(telegram: SimulatedTelegram, kind: ChatKind, bot: User) -> tuple[Chat, User]:
    """A chat with the bot in it, and its admin."""
    admin = telegram.call(lambda: telegram.world.add_user("Admin"))
    return telegram.call(lambda: telegram.world.add_chat(kind, "Chat", members=(bot,), admins=(admin,))), admin


def heard(api: Api) -> list[dict[str, Any]]:
    """All updates so far, without their ids."""
    _, body = api("getUpdates", timeout=0)
    return [{kind: what for kind, what in update.items() if kind != "update_id"} for update in body["result"]]


def test_reactions_are_no_edits(telegram: SimulatedTelegram, bot: User, api: Api) -> None:
    channel, admin = chat_with(telegram, ChatKind.CHANNEL, bot)
    post = telegram.call(lambda: telegram.world.send(admin, channel, "hello"))
    telegram.call(lambda: telegram.world.react(post, admin, "🔥"))
    assert [list(update) for update in heard(api)] == [["channel_post"]]
    telegram.call(lambda: telegram.world.edit(post, text="hello again"))
    assert [list(update) for update in heard(api)] == [["channel_post"], ["edited_channel_post"]]


def test_service_messages_have_their_fields(telegram: SimulatedTelegram, bot: User, api: Api) -> None:
    group, admin = chat_with(telegram, ChatKind.SUPERGROUP, bot)
    telegram.call(lambda: telegram.world.rename(group, admin, title="Renamed"))
    telegram.call(lambda: telegram.world.make_forum(group))
    telegram.call(lambda: telegram.world.create_topic(group, admin, "News"))
    page = WebPage(id=1, url="https://example.org/", title="Example")
    telegram.call(lambda: telegram.world.send(admin, group, "https://example.org/", media=page))
    renamed, topic, link = (update["message"] for update in heard(api))
    assert renamed["new_chat_title"] == "Renamed" == renamed["chat"]["title"]
    assert topic["forum_topic_created"]["name"] == "News"
    assert link["text"] == "https://example.org/" and "caption" not in link


def test_a_group_that_was_migrated_is_closed_to_bots(telegram: SimulatedTelegram, bot: User, api: Api) -> None:
    group, admin = chat_with(telegram, ChatKind.GROUP, bot)
    new = telegram.call(lambda: telegram.world.migrate(group, admin))
    left, arrived = (update["message"] for update in heard(api))
    assert (left["chat"]["id"], left["migrate_to_chat_id"]) == (group.bot_api_id, new.bot_api_id)
    assert (arrived["chat"]["id"], arrived["migrate_from_chat_id"]) == (new.bot_api_id, group.bot_api_id)
    status, body = api("sendMessage", chat_id=group.bot_api_id, text="anybody?")
    assert (status, body["parameters"]) == (400, {"migrate_to_chat_id": new.bot_api_id})
