"""The simulated Bot API where a bot is an admin of a channel, as of a relay: copies, deletions, rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import AdminRights, Chat, ChatKind, User
from teltubby.simulator.server import SimulatedTelegram
from tests.simulator.answers import description, result

Api = Callable[..., tuple[int, Any]]
DAY = 24 * 3600


@pytest.fixture
def channel(telegram: SimulatedTelegram, bot: User, curator: Curator) -> Chat:
    """The bot and the curator are admins; the curator has started the bot and posted in the channel."""
    curator.send_text("/start")
    world = telegram.world
    chat = telegram.call(lambda: world.add_chat(ChatKind.CHANNEL, "Relay", admins=(bot, curator.user)))
    telegram.call(lambda: world.send(curator.user, chat, "theirs"))
    return chat


def grant(telegram: SimulatedTelegram, channel: Chat, bot: User, *, can_post: bool, can_delete: bool) -> None:
    telegram.call(channel.rights.__setitem__, bot.id, AdminRights(can_post=can_post, can_delete=can_delete))


def posts(telegram: SimulatedTelegram, channel: Chat) -> list[int]:
    return telegram.call(lambda: sorted(channel.mailbox.messages))


# -- copies


def test_a_copy_of_a_large_file_is_the_same_document_under_the_channels_own_number(
    telegram: SimulatedTelegram, api: Api, bot: User, curator: Curator, channel: Chat
) -> None:
    film = curator.new_file(FileKind.VIDEO, 3 << 30, name="film.mp4")
    curator.send_video(film, caption="a caption")
    source = telegram.call(lambda: max(bot.mailbox.messages))
    ids = {"chat_id": channel.bot_api_id, "from_chat_id": curator.user.id, "message_id": source}
    copy = result(api("copyMessage", **ids, caption=" "))
    assert copy == {"message_id": 2}
    post = telegram.call(lambda: channel.mailbox.messages[2].post)
    assert (post.media, post.text, post.origin) == (film, "", None), "no caption, no origin"
    result(api("copyMessage", **ids))
    assert telegram.call(lambda: channel.mailbox.messages[3].post.text) == "a caption"


def test_copies_that_are_refused(
    telegram: SimulatedTelegram, api: Api, bot: User, curator: Curator, channel: Chat
) -> None:
    curator.send_text("secret", protected=True)
    protected = telegram.call(lambda: max(bot.mailbox.messages))

    def copy(message_id: int = 1, source: int = curator.user.id) -> object:
        ids = {"chat_id": channel.bot_api_id, "from_chat_id": source, "message_id": message_id}
        return description(api("copyMessage", **ids))

    assert copy(protected) == "Bad Request: the message can't be copied"
    assert copy(99) == "Bad Request: message to copy not found"
    assert copy(1, -100999) == "Bad Request: chat not found"
    grant(telegram, channel, bot, can_post=False, can_delete=True)
    assert copy() == "Bad Request: need administrator rights in the channel chat"
    telegram.call(channel.admins.discard, bot.id)
    assert copy() == "Bad Request: need administrator rights in the channel chat"
    telegram.call(channel.members.discard, bot.id)
    assert copy() == "Bad Request: chat not found", "what it was never removed from, it does not know"
    telegram.call(channel.kicked.add, bot.id)
    assert copy() == "Forbidden: bot was kicked from the channel chat"
    assert copy(1, channel.bot_api_id) == "Forbidden: bot was kicked from the channel chat"
    assert posts(telegram, channel) == [1]


def test_many_are_copied_at_once(
    telegram: SimulatedTelegram, api: Api, bot: User, curator: Curator, channel: Chat
) -> None:
    album = [curator.new_file(FileKind.PHOTO, 1000 + number) for number in range(2)]
    curator.send_album([(album[0], "an album"), album[1]])
    curator.send_text("secret", protected=True)
    ids = telegram.call(lambda: sorted(bot.mailbox.messages))
    where = {"chat_id": channel.bot_api_id, "from_chat_id": curator.user.id}
    copies = result(api("copyMessages", **where, message_ids=[*ids, 99], remove_caption=True))
    assert copies == [{"message_id": 2}, {"message_id": 3}, {"message_id": 4}], "neither the secret nor what is gone"
    text, first, second = telegram.call(lambda: [channel.mailbox.messages[number].post for number in (2, 3, 4)])
    assert (text.text, first.text, second.text) == ("/start", "", ""), "a text has no caption to remove"
    assert first.grouped_id == second.grouped_id is not None and text.grouped_id is None
    increasing = "Bad Request: message identifiers must be in a strictly increasing order"
    assert description(api("copyMessages", **where, message_ids=ids[::-1])) == increasing
    assert description(api("copyMessages", **where)) == "Bad Request: message identifiers are not specified"
    too_many = "Bad Request: too many message identifiers specified"
    assert description(api("copyMessages", **where, message_ids=list(range(1, 102)))) == too_many


# -- deletions


@pytest.mark.parametrize(
    ("can_post", "can_delete", "own", "theirs"),
    [(True, True, True, True), (True, False, True, False), (False, True, True, True), (False, False, False, False)],
)
def test_what_a_bot_may_delete_in_a_channel(
    telegram: SimulatedTelegram,
    api: Api,
    bot: User,
    channel: Chat,
    can_post: bool,
    can_delete: bool,
    own: bool,
    theirs: bool,
) -> None:
    sent = result(api("sendMessage", chat_id=channel.bot_api_id, text="mine"))["message_id"]
    grant(telegram, channel, bot, can_post=can_post, can_delete=can_delete)
    for message_id, allowed in ((sent, own), (1, theirs)):
        answer = api("deleteMessage", chat_id=channel.bot_api_id, message_id=message_id)
        assert answer[0] == (200 if allowed else 400)
        assert allowed or description(answer) == "Bad Request: message can't be deleted"
    assert posts(telegram, channel) == [number for number, gone in ((1, theirs), (sent, own)) if not gone]


def test_who_is_no_admin_is_not_let_near(telegram: SimulatedTelegram, api: Api, bot: User, channel: Chat) -> None:
    telegram.call(channel.admins.discard, bot.id)
    for method, ids in (("deleteMessage", {"message_id": 1}), ("deleteMessages", {"message_ids": [1]})):
        answer = api(method, chat_id=channel.bot_api_id, **ids)
        assert description(answer) == "Bad Request: need administrator rights in the channel chat"


def test_many_are_deleted_at_once_or_none(telegram: SimulatedTelegram, api: Api, bot: User, channel: Chat) -> None:
    """What is gone is skipped; what may not be deleted keeps the others from it."""
    where = {"chat_id": channel.bot_api_id}
    grant(telegram, channel, bot, can_post=True, can_delete=False)
    own = [result(api("sendMessage", **where, text="mine"))["message_id"] for _ in range(3)]
    answer = api("deleteMessages", **where, message_ids=[1, *own])
    assert description(answer) == "Bad Request: message can't be deleted"
    assert posts(telegram, channel) == [1, *own]
    assert result(api("deleteMessages", **where, message_ids=[own[0], own[0], own[1], 77])) is True
    assert result(api("deleteMessages", **where, message_ids=own[:2])) is True
    assert posts(telegram, channel) == [1, own[2]]
    for wrong in ([], list(range(1, 102)), ["x"], [0], "x"):
        assert api("deleteMessages", **where, message_ids=wrong)[0] == 400


def test_after_two_days_nothing_is_deleted_any_more(
    telegram: SimulatedTelegram, api: Api, channel: Chat, curator: Curator
) -> None:
    where = {"chat_id": channel.bot_api_id}
    sent = result(api("sendMessage", **where, text="mine"))["message_id"]
    telegram.call(telegram.world.advance, 2 * DAY - 10)
    newer = result(api("sendMessage", **where, text="mine"))["message_id"]
    telegram.call(telegram.world.advance, 10)
    too_old = "Bad Request: message can't be deleted for everyone"
    assert description(api("deleteMessage", **where, message_id=sent)) == too_old
    assert description(api("deleteMessages", **where, message_ids=[sent, newer])) == too_old
    assert description(api("deleteMessages", chat_id=curator.user.id, message_ids=[1])) == too_old
    assert result(api("deleteMessage", **where, message_id=newer)) is True


def test_groups_have_rules_of_their_own(telegram: SimulatedTelegram, api: Api, bot: User, curator: Curator) -> None:
    world = telegram.world
    group = telegram.call(lambda: world.add_chat(ChatKind.SUPERGROUP, "G", members=(bot, curator.user)))
    theirs = telegram.call(lambda: world.send(curator.user, group, "theirs").id)
    own = result(api("sendMessage", chat_id=group.bot_api_id, text="mine"))["message_id"]
    assert result(api("deleteMessage", chat_id=group.bot_api_id, message_id=own)) is True
    assert api("deleteMessage", chat_id=group.bot_api_id, message_id=theirs)[0] == 400
    telegram.call(group.admins.add, bot.id)
    assert result(api("deleteMessage", chat_id=group.bot_api_id, message_id=theirs)) is True


# -- rights, and who is there


def test_rights_are_told(telegram: SimulatedTelegram, api: Api, bot: User, curator: Curator, channel: Chat) -> None:
    where = {"chat_id": channel.bot_api_id}
    member = result(api("getChatMember", **where, user_id=bot.id))
    assert (member["status"], member["can_post_messages"], member["can_delete_messages"]) == (
        "administrator",
        True,
        True,
    )
    grant(telegram, channel, bot, can_post=False, can_delete=False)
    member = result(api("getChatMember", **where, user_id=bot.id))
    assert (member["can_post_messages"], member["can_delete_messages"]) == (False, False)
    stranger = telegram.call(telegram.world.add_user, "Boris")
    assert result(api("getChatMember", **where, user_id=stranger.id))["status"] == "left"
    telegram.call(channel.kicked.add, stranger.id)
    assert result(api("getChatMember", **where, user_id=stranger.id))["status"] == "kicked"
    telegram.call(channel.admins.discard, bot.id)
    assert result(api("getChatMember", **where, user_id=bot.id))["status"] == "member"
    answer = api("getChatMember", **where, user_id=curator.user.id)
    assert description(answer) == "Bad Request: member list is inaccessible"
    telegram.call(channel.members.discard, bot.id)
    telegram.call(channel.kicked.add, bot.id)
    answer = api("getChatMember", **where, user_id=bot.id)
    assert description(answer) == "Forbidden: bot was kicked from the channel chat"
