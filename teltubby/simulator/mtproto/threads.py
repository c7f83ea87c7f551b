"""messages.getReplies, getDiscussionMessage, getForumTopics: comments, threads and topics; barred to bots."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.messages import Message
from teltubby.simulator.mtproto.messages import page_view
from teltubby.simulator.mtproto.paging import page_of, seconds_of
from teltubby.simulator.mtproto.peers import channel_of
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.mtproto.views import message_view, peer_id, people_views
from teltubby.simulator.people import Chat, ChatKind, Topic
from teltubby.simulator.timeline import Listed, messages_of, newest_of

GENERAL = 1
MAX_TOPICS = 100


def get_replies(caller: Caller, request: Any) -> Any:
    """messages.getReplies: the comments on a channel's post, a thread of a group, or a forum's topic."""
    caller.person  # noqa: B018 - raises RpcError for bots
    chat = channel_of(caller, request.peer)
    found: list[Message]
    if chat.forum and request.msg_id in chat.topics:
        found = _in_topic(caller, chat, chat.topics[request.msg_id])
    else:
        began = _thread(chat, request.msg_id)
        found = began.answers if began else []
        chat = chat.linked if chat.kind is ChatKind.CHANNEL and chat.linked else chat
    page = page_of(Listed(found), request, before=seconds_of(request.offset_date))
    return page_view(caller, chat, page, count=len(found))


def get_discussion_message(caller: Caller, request: Any) -> Any:
    """messages.getDiscussionMessage: where a channel's post stands in the group with its comments."""
    caller.person  # noqa: B018 - raises RpcError for bots
    chat = channel_of(caller, request.peer)
    began = _thread(chat, request.msg_id)
    if began is None:
        raise RpcError(400, "MSG_ID_INVALID")
    answers = began.answers
    return types.messages.DiscussionMessage(
        messages=[message_view(caller.world, caller.account, began)],
        unread_count=0,
        max_id=answers[-1].id if answers else None,
        **people_views(caller.world, caller.account, [began]),
    )


def get_forum_topics(caller: Caller, request: Any) -> Any:
    """messages.getForumTopics, those with the newest message first; pages by offset_topic, `q` searches titles."""
    account = caller.person
    chat = channel_of(caller, request.peer)
    if not chat.forum:
        raise RpcError(400, "CHANNEL_FORUM_MISSING")
    wanted = (request.q or "").casefold()
    tops = [
        (topic, newest_of(Listed(_in_topic(caller, chat, topic))))
        for topic in chat.topics.values()
        if wanted in topic.title.casefold()
    ]
    tops.sort(key=lambda pair: pair[0].id if pair[1] is None else pair[1].id, reverse=True)
    after = next((number for number, (topic, _) in enumerate(tops, 1) if topic.id == request.offset_topic), 0)
    page = tops[after : after + max(0, min(request.limit, MAX_TOPICS))]
    newest = [top for _, top in page if top is not None]
    return types.messages.ForumTopics(
        count=len(tops),
        topics=[_topic_view(chat, topic, top) for topic, top in page],
        messages=[message_view(caller.world, account, top) for top in newest],
        pts=chat.mailbox.pts,
        **people_views(caller.world, account, newest),
    )


def _thread(chat: Chat, message_id: int) -> Message | None:
    """The message with which a thread began; None when nobody commented on it yet. Raises RpcError."""
    message = chat.mailbox.messages.get(message_id)
    if message is None or (chat.kind is ChatKind.CHANNEL and chat.linked is None):
        raise RpcError(400, "MSG_ID_INVALID")
    if chat.kind is not ChatKind.CHANNEL:
        return message
    root = message.post.discussion
    return None if root is None or root.deleted else root


def _in_topic(caller: Caller, chat: Chat, topic: Topic) -> list[Message]:
    timeline = caller.world.timeline(caller.account, chat)
    if topic.id == GENERAL:
        return [one for one in messages_of(timeline) if one.post.topic is None and one.id not in chat.topics]
    return [one for one in messages_of(timeline) if one.post.topic == topic.id]


def _topic_view(chat: Chat, topic: Topic, top: Message | None) -> Any:
    return types.ForumTopic(
        id=topic.id,
        date=topic.date,
        peer=peer_id(chat),
        title=topic.title,
        icon_color=topic.color,
        top_message=top.id if top else topic.id,
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        from_id=peer_id(topic.author),
        notify_settings=types.PeerNotifySettings(),
        closed=topic.closed,
    )


HANDLERS: Handlers = {
    functions.messages.GetRepliesRequest: get_replies,
    functions.messages.GetDiscussionMessageRequest: get_discussion_message,
    functions.messages.GetForumTopicsRequest: get_forum_topics,
}
