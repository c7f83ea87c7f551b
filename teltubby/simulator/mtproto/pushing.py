"""Telling clients what happens, as it happens: each account what it may see, unless a fault loses it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, assert_never

from teltubby.simulator.faults import PUSH
from teltubby.simulator.messages import (
    ChatChanged,
    Counted,
    Counter,
    Event,
    MailboxEvent,
    MembershipChanged,
    Message,
    MessageAdded,
    MessageEdited,
    MessagesDeleted,
)
from teltubby.simulator.mtproto.counters import counted_in, reactions_view
from teltubby.simulator.mtproto.session import Session
from teltubby.simulator.mtproto.state import State
from teltubby.simulator.mtproto.tl import encode, types
from teltubby.simulator.mtproto.views import chat_view, message_view, peer_id, people_views
from teltubby.simulator.people import Chat, User
from teltubby.simulator.world import World


def update_view(world: World, viewer: User, event: MailboxEvent) -> Any:
    """The Update that tells `viewer` of an event."""
    channel = _channel_of_event(world, event)
    match event:
        case MessageAdded():
            kind = types.UpdateNewChannelMessage if channel else types.UpdateNewMessage
            return kind(message_view(world, viewer, event.message), event.pts, event.pts_count)
        case MessageEdited():
            kind = types.UpdateEditChannelMessage if channel else types.UpdateEditMessage
            return kind(message_view(world, viewer, event.message), event.pts, event.pts_count)
        case MessagesDeleted():
            ids = list(event.message_ids)
            if channel:
                return types.UpdateDeleteChannelMessages(channel.id, ids, event.pts, event.pts_count)
            return types.UpdateDeleteMessages(ids, event.pts, event.pts_count)
        case _:
            assert_never(event)


def push(state: State, event: Event) -> None:
    """Tell every connected session that wants updates and may see the mailbox; a listener of the world."""
    world = state.world
    match event:
        case MessageAdded(message=message) | MessageEdited(message=message):
            for viewer in world.audience(event.mailbox):
                if _listening(state, viewer):
                    people = people_views(world, viewer, [message])
                    _post(state, viewer, update_view(world, viewer, event), **people)
        case MessagesDeleted():
            for viewer in world.audience(event.mailbox):
                _post(state, viewer, update_view(world, viewer, event), **people_views(world, viewer, []))
        case Counted(message=message):
            for viewer in world.audience(message.mailbox):
                update = _counted(viewer, message, event.counter)
                if update is not None:
                    _post(state, viewer, update, **people_views(world, viewer, [message]))
        case MembershipChanged(chat=chat, user=user) if chat.is_channel:
            _post_chat(state, user, chat)
        case ChatChanged(chat=chat):
            for member in sorted(chat.members):
                _post_chat(state, world.users[member], chat)
        case _:
            pass


def push_too_long(state: State, viewer: User, channel: Chat | None) -> None:
    """Tell an account that it has to ask for what happened, in a channel or altogether."""
    for session in _listening(state, viewer):
        session.post((_too_long(state.world, viewer, channel),), content_related=True)


def _counted(viewer: User, message: Message, counter: Counter) -> Any:
    peer, shown = message.peer, counted_in(message)
    match counter:
        case Counter.VIEWS:
            return types.UpdateChannelMessageViews(peer.id, message.id, shown.views) if shown else None
        case Counter.FORWARDS:
            return types.UpdateChannelMessageForwards(peer.id, message.id, shown.forwards) if shown else None
        case Counter.REACTIONS:
            reactions = reactions_view(viewer, message) or types.MessageReactions(results=[])
            return types.UpdateMessageReactions(
                peer=peer_id(peer), msg_id=message.id, reactions=reactions, top_msg_id=message.post.topic
            )
        case _:
            assert_never(counter)


def _post_chat(state: State, viewer: User, chat: Chat) -> None:
    kind = types.UpdateChannel if chat.is_channel else types.UpdateChat
    _post(state, viewer, kind(chat.id), users=[], chats=[chat_view(state.world, viewer, chat)])


def _listening(state: State, viewer: User) -> list[Session]:
    return [
        session
        for key in state.keys.values()
        if key.account_id == viewer.id
        for session in key.sessions.values()
        if session.wants_updates and session.wake is not None
    ]


def _post(state: State, viewer: User, update: Any, *, users: list[Any], chats: list[Any]) -> None:
    world, sessions = state.world, _listening(state, viewer)
    if not sessions:
        return
    body = encode(types.Updates(updates=[update], users=users, chats=chats, date=world.now(), seq=0))
    fault = world.faults.take(PUSH, viewer.id, {"update": update, "kind": type(update).__name__})
    times = 1
    if fault is not None:
        if fault.silent or fault.cut:
            return
        again = fault.effects.get("again")
        times += again if isinstance(again, int) else 0
        if fault.effects.get("too_long"):
            body = _too_long(world, viewer, _channel_of_update(world, update))
    for session in sessions * times:
        send = partial(session.post, (body,), content_related=True)
        if fault is not None and fault.delay:
            asyncio.get_running_loop().call_later(fault.delay, send)
        else:
            send()


def _too_long(world: World, viewer: User, channel: Chat | None) -> bytes:
    if channel is None:
        return encode(types.UpdatesTooLong())
    update = types.UpdateChannelTooLong(channel.id, pts=channel.mailbox.pts)
    chats = [chat_view(world, viewer, channel)]
    return encode(types.Updates(updates=[update], users=[], chats=chats, date=world.now(), seq=0))


def _channel_of_update(world: World, update: Any) -> Chat | None:
    place = getattr(getattr(update, "message", None), "peer_id", update)
    return world.chats.get(getattr(place, "channel_id", 0))


def _channel_of_event(world: World, event: MailboxEvent) -> Chat | None:
    return next((chat for chat in world.chats.values() if chat.is_channel and chat.mailbox is event.mailbox), None)
