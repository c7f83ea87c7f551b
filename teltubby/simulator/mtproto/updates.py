"""updates.*: the state of mailboxes, and what happened since (core.telegram.org/api/updates)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from teltubby.simulator.messages import MailboxEvent, MessageAdded, MessageEdited, MessagesDeleted
from teltubby.simulator.mtproto.paging import seconds_of
from teltubby.simulator.mtproto.peers import channel_of
from teltubby.simulator.mtproto.pushing import update_view
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.mtproto.views import chat_view, dialog_view, message_view, people_views
from teltubby.simulator.people import Chat, Mailbox, User
from teltubby.simulator.timeline import Timeline
from teltubby.simulator.world import World

SLICE = 100
POLL_SECONDS = 30


def state_at(world: World, pts: int) -> Any:
    """updates.State of an account's mailbox."""
    return types.updates.State(pts=pts, qts=0, date=world.now(), seq=0, unread_count=0)


def get_state(caller: Caller, request: Any) -> Any:
    """updates.getState."""
    account = caller.account
    caller.key.told_changes = caller.world.changes
    return state_at(caller.world, account.mailbox.pts)


def get_difference(caller: Caller, request: Any) -> Any:
    """updates.getDifference of the account's own mailbox, 100 events at a time.

    Of channels it only tells that something happened in them since `date` (updateChannelTooLong). It is too long when
    the events are not kept any more, or when there are more than `pts_total_limit`.
    """
    world, account = caller.world, caller.account
    mailbox = account.mailbox
    _require_known(mailbox, request.pts)
    total = request.pts_total_limit
    if mailbox.is_too_old(request.pts) or (total is not None and request.pts + total < mailbox.pts):
        return types.updates.DifferenceTooLong(pts=mailbox.pts)
    events = mailbox.since(request.pts)
    part = events[:SLICE]
    content = {**_difference(world, account, part), "new_encrypted_messages": []}
    if len(part) < len(events):
        return types.updates.DifferenceSlice(**content, intermediate_state=state_at(world, part[-1].pts))
    channels = _changed_channels(caller, account, seconds_of(request.date))
    caller.key.told_changes = world.changes
    if not events and not channels:
        return types.updates.DifferenceEmpty(date=world.now(), seq=0)
    content["other_updates"] += [types.UpdateChannelTooLong(chat.id, pts=chat.mailbox.pts) for chat in channels]
    named = {chat.id for chat in content["chats"]}
    content["chats"] += [chat_view(world, account, chat) for chat in channels if chat.id not in named]
    return types.updates.Difference(**content, state=state_at(world, mailbox.pts))


def get_channel_difference(caller: Caller, request: Any) -> Any:
    """updates.getChannelDifference, `limit` events at a time; too long when the events are not kept any more."""
    world, account = caller.world, caller.account
    chat = channel_of(caller, request.channel)
    mailbox = chat.mailbox
    _require_known(mailbox, request.pts)
    limit = max(1, min(request.limit, SLICE))
    if mailbox.is_too_old(request.pts):
        return _too_long(world, account, chat, world.timeline(account, chat), limit)
    events = mailbox.since(request.pts)
    if not events:
        return types.updates.ChannelDifferenceEmpty(pts=mailbox.pts, final=True, timeout=POLL_SECONDS)
    part = events[:limit]
    return types.updates.ChannelDifference(
        **_difference(world, account, part),
        pts=part[-1].pts,
        final=len(part) == len(events),
        timeout=POLL_SECONDS,
    )


def _require_known(mailbox: Mailbox, pts: int) -> None:
    """Raise RpcError for a state that the mailbox was never in. Assumed: that one from the future is invalid."""
    if pts < 1:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
    if pts > mailbox.pts:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_INVALID")


def _too_long(world: World, viewer: User, chat: Chat, timeline: Timeline, limit: int) -> Any:
    """ChannelDifferenceTooLong: the newest messages, and the present state in a dialog."""
    newest = [timeline.at(place) for place in range(len(timeline) - 1, max(-1, len(timeline) - 1 - limit), -1)]
    people = people_views(world, viewer, newest)
    if not newest:
        people["chats"] = [chat_view(world, viewer, chat)]
    return types.updates.ChannelDifferenceTooLong(
        final=True,
        timeout=POLL_SECONDS,
        dialog=dialog_view(chat, newest[0] if newest else None),
        messages=[message_view(world, viewer, message) for message in newest],
        **people,
    )


def _changed_channels(caller: Caller, account: User, since: int) -> list[Chat]:
    """The account's channels in which something happened after that second, or in it and not known to this login."""
    return [
        chat
        for chat in caller.world.chats.values()
        if chat.is_channel
        and account.id in chat.members
        and (
            chat.mailbox.changed_at > since
            or (chat.mailbox.changed_at == since and chat.mailbox.changes > caller.key.told_changes)
        )
    ]


def _difference(world: World, viewer: User, events: Sequence[MailboxEvent]) -> dict[str, Any]:
    """Messages that are still there as new ones, everything else as updates; of what is gone only that it is gone."""
    about = [event for event in events if isinstance(event, MessageAdded | MessageEdited)]
    gone = {event.message for event in about if event.message.deleted}
    shown = [event.message for event in about if event.message not in gone]
    others = [
        event
        for event in events
        if isinstance(event, MessagesDeleted) or (isinstance(event, MessageEdited) and event.message not in gone)
    ]
    added = [event.message for event in about if isinstance(event, MessageAdded) and event.message not in gone]
    return {
        "new_messages": [message_view(world, viewer, message) for message in added],
        "other_updates": [update_view(world, viewer, event) for event in others],
        **people_views(world, viewer, shown),
    }


HANDLERS: Handlers = {
    functions.updates.GetStateRequest: get_state,
    functions.updates.GetDifferenceRequest: get_difference,
    functions.updates.GetChannelDifferenceRequest: get_channel_difference,
}
