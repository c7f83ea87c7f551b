"""Views, forwards, replies and reactions of a message as TL objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from teltubby.simulator.counters import CUSTOM, PAID, Counters
from teltubby.simulator.messages import Message
from teltubby.simulator.mtproto.tl import types
from teltubby.simulator.people import Chat, ChatKind, User


def counted_in(message: Message) -> Counters | None:
    """The counters that show views and forwards on this copy: those of the channel whose post it is; None elsewhere."""
    original = message.post.comments_on or message
    in_channel = isinstance(original.peer, Chat) and original.peer.kind is ChatKind.CHANNEL
    return original.post.counters if in_channel else None


def reaction_view(key: str) -> Any:
    """Reaction: an emoji, a custom emoji by its document, or a star."""
    if key == PAID:
        return types.ReactionPaid()
    if key.startswith(CUSTOM):
        return types.ReactionCustomEmoji(int(key.removeprefix(CUSTOM)))
    return types.ReactionEmoji(key)


def reactions_view(viewer: User, message: Message) -> Any:
    """MessageReactions, the most frequent first; None without any. Stars are never "chosen": they are spent."""
    counters = message.post.counters
    if not counters.reactions:
        return None
    chosen = [key for key in counters.chosen.get(viewer.id, ()) if key != PAID]
    results = [
        types.ReactionCount(
            reaction=reaction_view(key), count=count, chosen_order=chosen.index(key) if key in chosen else None
        )
        for key, count in sorted(counters.reactions.items(), key=lambda item: -item[1])
    ]
    return types.MessageReactions(results=results)


def replies_view(message: Message) -> Any:
    """MessageReplies: the comments on a channel's post that can be commented on, the thread below a group's message."""
    peer = message.peer
    if not isinstance(peer, Chat) or not peer.is_channel or message.post.service is not None:
        return None
    if peer.kind is ChatKind.CHANNEL:
        if peer.linked is None:
            return None
        root = message.post.discussion
        comments = root.answers if root is not None and not root.deleted else []
        return _replies(comments, peer.linked.mailbox.pts, comments=True, channel_id=peer.linked.id)
    return _replies(message.answers, peer.mailbox.pts) if message.post.reply_to is None else None


def views_view(message: Message) -> Any:
    """MessageViews, as messages.getMessagesViews tells them."""
    counters = counted_in(message)
    return types.MessageViews(
        views=counters.views if counters else None,
        forwards=counters.forwards if counters else None,
        replies=replies_view(message),
    )


def _replies(answers: Sequence[Message], pts: int, *, comments: bool = False, channel_id: int | None = None) -> Any:
    return types.MessageReplies(
        replies=len(answers),
        replies_pts=pts,
        comments=comments,
        channel_id=channel_id,
        max_id=answers[-1].id if answers else None,
    )
