"""What channels and groups are to each other: comments, topics, migration, names, invite links, counters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telethon import TelegramClient, errors, events
from telethon.tl import functions, types

from teltubby.simulator.messages import Message
from teltubby.simulator.people import Chat, ChatKind, User
from teltubby.simulator.rules import Reason, Refused
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.wire import input_channel

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 30.0


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> TelegramClient:
    """Signed in as the person, and listening."""
    client = await new_client()
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    await client.sign_in(phone, scene.server.login_codes[phone])
    await client.get_dialogs()
    return client


@pytest.fixture
def reader(scene: Scene) -> User:
    """Somebody else in the channel."""
    reader = scene.world.add_user("Reader")
    scene.world.join(scene.channel, reader)
    return reader


@pytest.fixture
def group(scene: Scene, reader: User) -> Chat:
    """A supergroup of the person and the reader."""
    return scene.world.add_chat(ChatKind.SUPERGROUP, "Talk", members=(reader,), admins=(scene.person,))


class Updates:
    """The raw updates of some kind that a client gets."""

    def __init__(self, client: TelegramClient, *kinds: Any) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        client.add_event_handler(self._queue.put, events.Raw(types=list(kinds)))

    async def next(self) -> Any:
        return await asyncio.wait_for(self._queue.get(), WAIT_SECONDS)


def counts(reactions: Any) -> dict[str, int]:
    """Reactions as kind → count."""
    return {
        getattr(one.reaction, "emoticon", None) or str(getattr(one.reaction, "document_id", "paid")): one.count
        for one in reactions.results
    }


async def fetched(client: TelegramClient, message: Message) -> Any:
    chat = message.peer
    assert isinstance(chat, Chat)
    return await client.get_messages(types.PeerChannel(chat.id), ids=message.id)


async def test_views_and_forwards_are_counted_and_told(client: TelegramClient, scene: Scene, reader: User) -> None:
    updates = Updates(client, types.UpdateChannelMessageViews, types.UpdateChannelMessageForwards)
    post = scene.channel_post
    pts = scene.channel.mailbox.pts
    scene.world.view(post, reader)
    scene.world.view(post, reader)
    scene.world.view(post, times=40)
    assert [(await updates.next()).views for _ in range(2)] == [1, 41]
    scene.world.forward(post, reader, scene.person)
    update = await updates.next()
    assert (update.channel_id, update.id, update.forwards) == (scene.channel.id, post.id, 1)
    message = await fetched(client, post)
    assert (message.views, message.forwards, message.replies) == (41, 1, None)
    assert scene.channel.mailbox.pts == pts
    ids = [post.id, 9999]
    for increment, seen in ((False, 41), (True, 42), (True, 42)):
        channel = input_channel(scene, scene.person, scene.channel)
        peer = types.InputPeerChannel(channel.channel_id, channel.access_hash)
        known, unknown = (await client(functions.messages.GetMessagesViewsRequest(peer, ids, increment))).views
        assert unknown.views is None and (await fetched(client, post)).views == seen and known.forwards == 1


async def test_reactions_to_a_post_come_as_hidden_edits(client: TelegramClient, scene: Scene, reader: User) -> None:
    edits = Updates(client, types.UpdateEditChannelMessage)
    pts = scene.channel.mailbox.pts
    scene.world.react(scene.channel_post, reader, "👍")
    scene.world.react(scene.channel_post, reader, "👍")
    scene.world.react(scene.channel_post, scene.person, "👍")
    scene.world.react(scene.channel_post, scene.person, "custom_42")
    for _ in range(3):
        scene.world.react(scene.channel_post, reader, "paid")
    last = [await edits.next() for _ in range(6)][-1]
    assert (last.pts, last.pts_count) == (pts + 6, 1)
    assert last.message.edit_hide and last.message.edit_date
    assert counts(last.message.reactions) == {"👍": 2, "paid": 3, "42": 1}
    assert {one.chosen_order for one in last.message.reactions.results} == {0, 1, None}
    scene.world.unreact(scene.channel_post, reader, "👍")
    assert counts((await edits.next()).message.reactions) == {"👍": 1, "paid": 3, "42": 1}
    for reaction in ("👍", "paid"):
        with pytest.raises(LookupError):
            scene.world.unreact(scene.channel_post, reader, reaction)
    scene.world.edit(scene.channel_post, text="edited by hand")
    assert not (await edits.next()).message.edit_hide


async def test_reactions_in_a_group_have_an_update_of_their_own(
    client: TelegramClient, scene: Scene, group: Chat, reader: User
) -> None:
    updates = Updates(client, types.UpdateMessageReactions)
    post = scene.world.send(reader, group, "hello")
    pts = group.mailbox.pts
    scene.world.react(post, reader, "🔥")
    update = await updates.next()
    assert (update.msg_id, counts(update.reactions)) == (post.id, {"🔥": 1})
    scene.world.unreact(post, reader, "🔥")
    assert counts((await updates.next()).reactions) == {}
    assert group.mailbox.pts == pts and (await fetched_after_dialogs(client, post)).edit_date is None


async def fetched_after_dialogs(client: TelegramClient, message: Message) -> Any:
    await client.get_dialogs()
    return await fetched(client, message)


async def test_comments_stand_in_the_linked_group(
    client: TelegramClient, scene: Scene, group: Chat, reader: User
) -> None:
    scene.world.link_discussion(scene.channel, group)
    post = scene.world.send(scene.person, scene.channel, "what do you think?")
    first = scene.world.comment(post, reader, "good")
    scene.world.comment(post, scene.person, "thanks", reply_to=first)
    await client.get_dialogs()
    shown = await fetched(client, post)
    assert (shown.replies.comments, shown.replies.replies, shown.replies.channel_id) == (True, 2, group.id)
    comments = [one async for one in client.iter_messages(types.PeerChannel(scene.channel.id), reply_to=post.id)]
    assert [one.message for one in comments] == ["thanks", "good"]
    assert {one.peer_id.channel_id for one in comments} == {group.id}
    root = comments[1].reply_to.reply_to_msg_id
    assert (comments[0].reply_to.reply_to_msg_id, comments[0].reply_to.reply_to_top_id) == (first.id, root)
    forwarded = await client.get_messages(types.PeerChannel(group.id), ids=root)
    assert (forwarded.fwd_from.channel_post, forwarded.fwd_from.saved_from_msg_id) == (post.id, post.id)
    assert forwarded.from_id.channel_id == scene.channel.id and forwarded.replies.replies == 2
    scene.world.view(group.mailbox.messages[root])
    assert (await fetched(client, post)).views == (await fetched(client, group.mailbox.messages[root])).views == 1
    request = functions.messages.GetDiscussionMessageRequest(await client.get_input_entity(scene.channel.id), post.id)
    (found,) = (await client(request)).messages
    assert found.id == root
    scene.world.delete(first)
    assert (await fetched(client, post)).replies.replies == 1
    full = await client(functions.channels.GetFullChannelRequest(input_channel(scene, scene.person, scene.channel)))
    assert full.full_chat.linked_chat_id == group.id and {chat.id for chat in full.chats} == {
        scene.channel.id,
        group.id,
    }


async def test_topics_of_a_forum(client: TelegramClient, scene: Scene, group: Chat, reader: User) -> None:
    scene.world.make_forum(group)
    news = scene.world.create_topic(group, scene.person, "News")
    about = scene.world.send(reader, group, "in the topic", topic=news.id)
    scene.world.send(scene.person, group, "an answer", reply_to=about)
    scene.world.send(reader, group, "in general")
    await client.get_dialogs()
    said = await client.get_messages(types.PeerChannel(group.id), limit=10)
    general, answer, first, created, _ = said
    assert isinstance(created.action, types.MessageActionTopicCreate) and created.id == news.id
    assert general.reply_to is None
    assert (first.reply_to.forum_topic, first.reply_to.reply_to_msg_id) == (True, news.id)
    assert (answer.reply_to.reply_to_msg_id, answer.reply_to.reply_to_top_id) == (about.id, news.id)
    inside = [one.id async for one in client.iter_messages(types.PeerChannel(group.id), reply_to=news.id)]
    assert inside == [answer.id, first.id]
    peer = await client.get_input_entity(types.PeerChannel(group.id))
    topics = await client(functions.messages.GetForumTopicsRequest(peer, None, 0, 0, 10))
    assert [(topic.id, topic.title, topic.top_message) for topic in topics.topics] == [
        (1, "General", general.id),
        (news.id, "News", answer.id),
    ]
    assert (await client.get_entity(types.PeerChannel(group.id))).forum
    with pytest.raises(LookupError):
        scene.world.send(reader, group, "nowhere", topic=999)


async def test_a_group_that_became_a_supergroup(client: TelegramClient, scene: Scene, reader: User) -> None:
    old = scene.world.add_chat(ChatKind.GROUP, "Small", members=(reader,), admins=(scene.person,))
    scene.world.send(reader, old, "before")
    new = scene.world.migrate(old, scene.person)
    after = scene.world.send(reader, new, "after")
    await client.get_dialogs()
    last, first = await client.get_messages(types.PeerChannel(new.id), limit=10)
    assert isinstance(first.action, types.MessageActionChannelMigrateFrom) and first.action.chat_id == old.id
    assert (first.id, last.id, last.message) == (1, after.id, "after")
    moved, before = await client.get_messages(types.PeerChat(old.id), limit=10)
    assert isinstance(moved.action, types.MessageActionChatMigrateTo) and moved.action.channel_id == new.id
    chat = await client.get_entity(types.PeerChat(old.id))
    assert chat.deactivated and chat.migrated_to.channel_id == new.id and before.message == "before"
    full = (await client(functions.channels.GetFullChannelRequest(input_channel(scene, scene.person, new)))).full_chat
    assert (full.migrated_from_chat_id, full.migrated_from_max_id) == (old.id, moved.id)
    with pytest.raises(Refused) as refused:
        scene.world.send(reader, old, "anybody here?")
    assert refused.value.reason is Reason.MIGRATED


async def test_names_change(client: TelegramClient, scene: Scene) -> None:
    updates = Updates(client, types.UpdateChannel)
    scene.world.rename(scene.channel, scene.person, username="fresh_name")
    assert (await updates.next()).channel_id == scene.channel.id
    assert (await client.get_entity("fresh_name")).id == scene.channel.id
    scene.world.rename(scene.channel, scene.person, title="Renamed", username="other_name")
    await updates.next()
    with pytest.raises(errors.UsernameNotOccupiedError):
        await client(functions.contacts.ResolveUsernameRequest("fresh_name"))
    (message,) = await client.get_messages("other_name", limit=1)
    assert message.action.title == "Renamed" == message.chat.title


async def test_links_that_let_people_in(client: TelegramClient, scene: Scene) -> None:
    inside, outside = scene.channel, scene.world.add_chat(ChatKind.CHANNEL, "Of others", members=(scene.bot,))
    outside.about, outside.subscribers = "About", 7000

    async def checked(link: str) -> Any:
        return await client(functions.messages.CheckChatInviteRequest(link.rpartition("+")[2]))

    already = await checked(scene.world.invite_link(inside))
    assert isinstance(already, types.ChatInviteAlready) and already.chat.id == inside.id
    link = scene.world.invite_link(outside)
    invite = await checked(link)
    assert (invite.title, invite.about, invite.participants_count, invite.broadcast) == (
        "Of others",
        "About",
        7000,
        True,
    )
    scene.world.kick(outside, scene.person)
    for wrong, complaint in (
        (link, errors.InviteHashExpiredError),
        ("https://t.me/+nothing", errors.InviteHashInvalidError),
        ("", errors.InviteHashEmptyError),
    ):
        with pytest.raises(complaint):
            await checked(wrong)


async def test_what_a_channel_says_of_itself(client: TelegramClient, scene: Scene) -> None:
    scene.channel.about, scene.channel.subscribers = "All the news", 12_345
    answer = await client(functions.channels.GetFullChannelRequest(input_channel(scene, scene.person, scene.channel)))
    full = answer.full_chat
    assert (full.about, full.participants_count, full.linked_chat_id) == ("All the news", 12_345, None)
    assert full.pts == scene.channel.mailbox.pts and answer.chats[0].participants_count == 12_345
