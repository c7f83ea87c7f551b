"""messages.* and channels.getMessages: reading mailboxes, each account its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from teltubby.simulator.messages import Message
from teltubby.simulator.mtproto.peers import channel_of, peer_of
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import PLAIN_MESSAGE_EMPTY, functions, types
from teltubby.simulator.mtproto.views import message_view, people_views
from teltubby.simulator.people import Chat

MAX_MESSAGES = 100


def _picked(caller: Caller, mailbox: Mapping[int, Message], references: list[Any]) -> tuple[list[Any], list[Message]]:
    """The messages that InputMessages name (MessageEmpty where there is none), and the real ones by themselves."""
    if len(references) > MAX_MESSAGES:
        raise RpcError(400, "LIMIT_INVALID")
    views: list[Any] = []
    found: list[Message] = []
    for reference in references:
        if not isinstance(reference, types.InputMessageID):
            raise RpcError(400, "MSG_ID_INVALID")
        message = mailbox.get(reference.id)
        if message is None:
            views.append(PLAIN_MESSAGE_EMPTY(reference.id))
        else:
            found.append(message)
            views.append(message_view(caller.world, caller.account, message))
    return views, found


def get_messages(caller: Caller, request: Any) -> Any:
    """messages.getMessages: ids mean the account's own mailbox, whoever the conversation is with."""
    views, found = _picked(caller, caller.account.mailbox.messages, request.id)
    return types.messages.Messages(messages=views, topics=[], **people_views(caller.world, caller.account, found))


def get_channel_messages(caller: Caller, request: Any) -> Any:
    """channels.getMessages: ids mean the channel's mailbox, which all its members share."""
    chat = channel_of(caller, request.channel)
    views, found = _picked(caller, chat.mailbox.messages, request.id)
    return types.messages.ChannelMessages(
        pts=chat.mailbox.pts,
        count=len(views),
        messages=views,
        topics=[],
        **people_views(caller.world, caller.account, found),
    )


def get_history(caller: Caller, request: Any) -> Any:
    """messages.getHistory, newest first; barred to bots."""
    account = caller.person
    peer = peer_of(caller, request.peer)
    if not 0 <= request.limit <= MAX_MESSAGES:
        raise RpcError(400, "LIMIT_INVALID")
    before = int(request.offset_date.timestamp()) if request.offset_date else 0
    messages = caller.world.history(account, peer)[::-1]
    # The page starts at the first message older than the offset, moved by add_offset (negative: towards newer ones).
    start = next(
        (
            place
            for place, message in enumerate(messages)
            if (not request.offset_id or message.id < request.offset_id) and (not before or message.post.date < before)
        ),
        len(messages),
    )
    first = start + request.add_offset
    page = [
        message
        for message in messages[max(0, first) : max(0, first + request.limit)]
        if message.id > request.min_id and (not request.max_id or message.id < request.max_id)
    ]
    views = [message_view(caller.world, account, message) for message in page]
    people = people_views(caller.world, account, page)
    if isinstance(peer, Chat) and peer.is_channel:
        return types.messages.ChannelMessages(
            pts=peer.mailbox.pts, count=len(messages), messages=views, topics=[], **people
        )
    return types.messages.MessagesSlice(count=len(messages), messages=views, topics=[], **people)


HANDLERS: Handlers = {
    functions.messages.GetMessagesRequest: get_messages,
    functions.messages.GetHistoryRequest: get_history,
    functions.channels.GetMessagesRequest: get_channel_messages,
}
