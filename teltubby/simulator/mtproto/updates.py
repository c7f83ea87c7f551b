"""updates.*: the state of mailboxes, what happened since, and pushing what happens now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from teltubby.simulator.messages import (
    Event,
    MailboxEvent,
    Message,
    MessageAdded,
    MessageEdited,
    MessagesDeleted,
)
from teltubby.simulator.mtproto.peers import channel_of
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.state import State
from teltubby.simulator.mtproto.tl import encode, functions, types
from teltubby.simulator.mtproto.views import message_view, people_views
from teltubby.simulator.people import Chat, User
from teltubby.simulator.world import World

SLICE = 100


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
    if not isinstance(event, MailboxEvent):
        return
    world = state.world
    for viewer in world.audience(event.mailbox):
        sessions = [
            session
            for key in state.keys.values()
            if key.account_id == viewer.id
            for session in key.sessions.values()
            if session.wants_updates and session.wake is not None
        ]
        if not sessions:
            continue
        updates = types.Updates(
            updates=[update_view(world, viewer, event)],
            **people_views(world, viewer, _messages_of([event])),
            date=world.now(),
            seq=0,
        )
        body = encode(updates)
        for session in sessions:
            session.post((body,), content_related=True)


def _state_at(world: World, pts: int) -> Any:
    return types.updates.State(pts=pts, qts=0, date=world.now(), seq=0, unread_count=0)


def get_state(caller: Caller, request: Any) -> Any:
    """updates.getState."""
    account = caller.account
    return _state_at(caller.world, account.mailbox.pts)


def get_difference(caller: Caller, request: Any) -> Any:
    """updates.getDifference of the account's own mailbox, 100 events at a time."""
    world, account = caller.world, caller.account
    if request.pts < 1:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
    events = account.mailbox.since(request.pts)
    if not events:
        return types.updates.DifferenceEmpty(date=world.now(), seq=0)
    part = events[:SLICE]
    content = {**_difference(world, account, part), "new_encrypted_messages": []}
    state = _state_at(world, part[-1].pts)
    if len(part) < len(events):
        return types.updates.DifferenceSlice(**content, intermediate_state=state)
    return types.updates.Difference(**content, state=state)


def get_channel_difference(caller: Caller, request: Any) -> Any:
    """updates.getChannelDifference, `limit` events at a time; never "too long"."""
    world, account = caller.world, caller.account
    chat = channel_of(caller, request.channel)
    if request.pts < 1:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
    events = chat.mailbox.since(request.pts)
    if not events:
        return types.updates.ChannelDifferenceEmpty(pts=chat.mailbox.pts, final=True, timeout=30)
    part = events[: max(1, min(request.limit, SLICE))]
    return types.updates.ChannelDifference(
        **_difference(world, account, part), pts=part[-1].pts, final=len(part) == len(events), timeout=30
    )


def _difference(world: World, viewer: User, events: list[MailboxEvent]) -> dict[str, Any]:
    """Messages that are still there as new ones, everything else as updates."""
    added = [event.message for event in events if isinstance(event, MessageAdded) and not event.message.deleted]
    others = [event for event in events if not isinstance(event, MessageAdded)]
    return {
        "new_messages": [message_view(world, viewer, message) for message in added],
        "other_updates": [update_view(world, viewer, event) for event in others],
        **people_views(world, viewer, _messages_of(events)),
    }


def _messages_of(events: Iterable[MailboxEvent]) -> list[Message]:
    return [event.message for event in events if isinstance(event, MessageAdded | MessageEdited)]


def _channel_of_event(world: World, event: MailboxEvent) -> Chat | None:
    return next((chat for chat in world.chats.values() if chat.is_channel and chat.mailbox is event.mailbox), None)


HANDLERS: Handlers = {
    functions.updates.GetStateRequest: get_state,
    functions.updates.GetDifferenceRequest: get_difference,
    functions.updates.GetChannelDifferenceRequest: get_channel_difference,
}
