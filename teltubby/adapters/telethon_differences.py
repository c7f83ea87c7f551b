"""Updates of channels as Telegram tells them, pushed or in a difference (core.telegram.org/api/updates). Pure.

Telethon's own handling of updates is not used: of what comes in a channel's difference it drops edits and deletions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from telethon import types

from teltubby.adapters.telethon_known import KnownChannels, Reader
from teltubby.adapters.telethon_records import read_reactions
from teltubby.adapters.telethon_values import count
from teltubby.messages.channels import ChannelDifference, Pushed, PushedChange, PushedCounters, PushedGap
from teltubby.messages.collected import PostMetrics

_OF_MESSAGES = (types.UpdateNewChannelMessage, types.UpdateEditChannelMessage)
_OF_NOTHING = (types.UpdatePinnedChannelMessages, types.UpdateChannelWebPage)
"""They count in a channel's `pts`, and change nothing that is recorded."""
_OF_COUNTERS = (types.UpdateChannelMessageViews, types.UpdateChannelMessageForwards, types.UpdateMessageReactions)

OF_CHANNELS = (
    *_OF_MESSAGES,
    *_OF_NOTHING,
    *_OF_COUNTERS,
    types.UpdateDeleteChannelMessages,
    types.UpdateChannelTooLong,
)
"""The updates that say something of a channel's messages."""


def read_push(update: Any, container: Any, known: KnownChannels, at: datetime) -> Pushed | None:
    """What one of OF_CHANNELS says that came in `container` at `at`; None where it is of no channel."""
    if isinstance(update, _OF_COUNTERS):
        metrics = read_counters(update, at)
        return None if metrics is None else PushedCounters(channel_id=metrics.channel_id, metrics=(metrics,))
    channel_id = _channel_of(update)
    if channel_id is None:
        return None
    if isinstance(update, types.UpdateChannelTooLong):
        return PushedGap(channel_id=channel_id)
    read = known.reader(channel_id, container, at)
    return PushedChange(
        channel_id=channel_id,
        pts=update.pts,
        pts_count=update.pts_count,
        messages=(read(update.message),) if isinstance(update, _OF_MESSAGES) else (),
        deleted=tuple(update.messages) if isinstance(update, types.UpdateDeleteChannelMessages) else (),
    )


def read_counters(update: Any, at: datetime) -> PostMetrics | None:
    """The counters of a post that changed, as read at `at`; None for another update, and in another chat."""
    match update:
        case types.UpdateChannelMessageViews():
            return PostMetrics(
                channel_id=update.channel_id,
                msg_id=update.id,
                ts=at,
                views=count(update.views),
                reactions_told=False,
            )
        case types.UpdateChannelMessageForwards():
            return PostMetrics(
                channel_id=update.channel_id,
                msg_id=update.id,
                ts=at,
                forwards=count(update.forwards),
                reactions_told=False,
            )
        case types.UpdateMessageReactions(peer=types.PeerChannel(channel_id=channel_id)):
            reactions = read_reactions(update.reactions)
            return PostMetrics(channel_id=channel_id, msg_id=update.msg_id, ts=at, reactions=reactions)
        case _:
            return None


def read_difference(answer: Any, *, pts: int, read: Reader, at: datetime) -> ChannelDifference:
    """What an updates.ChannelDifference says that was asked for from `pts` at `at`.

    A message is told once, as it is now; of what is gone only that it is gone.
    """
    again_in = None if answer.timeout is None else float(answer.timeout)
    if isinstance(answer, types.updates.ChannelDifferenceTooLong):
        return ChannelDifference(
            pts=pts if answer.dialog.pts is None else answer.dialog.pts,
            is_final=True,
            too_long=True,
            messages=tuple(map(read, answer.messages)),
            again_in=again_in,
        )
    messages, deleted, metrics = _sorted_out(answer, at)
    return ChannelDifference(
        pts=answer.pts,
        is_final=bool(answer.final),
        messages=tuple(read(message) for number, message in messages.items() if number not in deleted),
        deleted=tuple(deleted),
        metrics=metrics,
        again_in=again_in,
    )


def _sorted_out(answer: Any, at: datetime) -> tuple[dict[int, Any], dict[int, None], tuple[PostMetrics, ...]]:
    """Messages by id, the ids of what is gone, and counters."""
    updates: Iterable[Any] = getattr(answer, "other_updates", ())
    messages = {message.id: message for message in getattr(answer, "new_messages", ())}
    deleted: dict[int, None] = {}
    metrics = []
    for update in updates:
        if isinstance(update, _OF_MESSAGES):
            messages[update.message.id] = update.message
        elif isinstance(update, types.UpdateDeleteChannelMessages):
            deleted |= dict.fromkeys(update.messages)
        elif (counters := read_counters(update, at)) is not None:
            metrics.append(counters)
    return messages, deleted, tuple(metrics)


def _channel_of(update: Any) -> int | None:
    if not isinstance(update, _OF_MESSAGES):
        return count(update.channel_id)
    peer = update.message.peer_id
    return count(peer.channel_id) if isinstance(peer, types.PeerChannel) else None
