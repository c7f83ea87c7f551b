"""messages.* and channels.getMessages: reading mailboxes, each account its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from teltubby.simulator.messages import Message
from teltubby.simulator.mtproto.counters import counted_in, views_view
from teltubby.simulator.mtproto.paging import page_of, seconds_of
from teltubby.simulator.mtproto.peers import channel_of, peer_of
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import PLAIN_MESSAGE_EMPTY, functions, types
from teltubby.simulator.mtproto.views import message_view, people_views
from teltubby.simulator.people import Chat, Peer

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
    timeline = caller.world.timeline(account, peer)
    page = page_of(timeline, request, before=seconds_of(request.offset_date))
    return page_view(caller, peer, page, count=len(timeline))


def get_messages_views(caller: Caller, request: Any) -> Any:
    """messages.getMessagesViews of up to 100 messages, nothing of those that are not there; barred to bots.

    With `increment` the account has seen them. Assumed: only members of a channel are counted.
    """
    account = caller.person
    peer = peer_of(caller, request.peer)
    if len(request.id) > MAX_MESSAGES:
        raise RpcError(400, "LIMIT_INVALID")
    found = [caller.world.message(account, peer, message_id) for message_id in request.id]
    for message in found:
        if request.increment and message and counted_in(message) and account.id in getattr(peer, "members", ()):
            caller.world.view(message, account)
    present = [message for message in found if message]
    return types.messages.MessageViews(
        views=[views_view(message) if message else types.MessageViews() for message in found],
        **people_views(caller.world, account, present),
    )


def page_view(caller: Caller, peer: Peer, page: list[Message], *, count: int) -> Any:
    """A page of the messages of a conversation, of which there are `count` in all."""
    account = caller.account
    views = [message_view(caller.world, account, message) for message in page]
    people = people_views(caller.world, account, page)
    if isinstance(peer, Chat) and peer.is_channel:
        return types.messages.ChannelMessages(pts=peer.mailbox.pts, count=count, messages=views, topics=[], **people)
    return types.messages.MessagesSlice(count=count, messages=views, topics=[], **people)


HANDLERS: Handlers = {
    functions.messages.GetMessagesRequest: get_messages,
    functions.messages.GetHistoryRequest: get_history,
    functions.messages.GetMessagesViewsRequest: get_messages_views,
    functions.channels.GetMessagesRequest: get_channel_messages,
}
