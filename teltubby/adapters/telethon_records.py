"""Messages as Telethon gives them, made into the collector's records.

Telegram's schema grows, and its servers answer with what a newer one has: nothing here trusts a value. What a message
says beyond this version is told as OTHER or `other_{class}`; one that makes no sense becomes an UnreadableMessage, so
that it stops nothing. Layer 229.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from telethon import types

from teltubby.adapters.telethon_entities import read_entities
from teltubby.adapters.telethon_media import read_media
from teltubby.adapters.telethon_places import CHANNEL_BASE
from teltubby.adapters.telethon_rich import read_rich
from teltubby.adapters.telethon_values import LARGEST, class_name, count, integer, listed, moment, peer_id, words
from teltubby.archive.links import find_hashtags, find_links, find_mentions
from teltubby.messages.collected import (
    AbsentMessage,
    CollectedMessage,
    ForwardFacts,
    Post,
    PostMetrics,
    ReadMessage,
    UnreadableMessage,
)

GENERAL_TOPIC = 1
"""Where messages of a forum are that name no topic (core.telegram.org/api/forum)."""
LARGEST_MESSAGE = 2**31 - 1
MOST_OF_A_REASON, MOST_OF_A_NAME, MOST_FIELDS = 200, 40, 80
TOPIC_CREATED = "topic_create"

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def read_message(
    message: Any,
    *,
    channel_id: int,
    seen_at: datetime,
    forum: bool = False,
    protected: bool = False,
    names: Mapping[int, str] | None = None,
) -> ReadMessage:
    """A message of the channel `channel_id` (bare), as seen at `seen_at` (UTC). Never raises.

    `forum`: the channel has topics. `protected`: the whole channel forbids copying. `names`: what to call people and
    channels by the Bot API's ids (telethon_chats.names_of).
    """
    number = integer(getattr(message, "id", None))
    msg_id = number if number is not None and 0 < number <= LARGEST_MESSAGE else 0
    try:
        if not msg_id:
            raise ValueError("it has no id that a message can have")
        return _read(message, msg_id, channel_id, seen_at, forum=forum, protected=protected, names=names or {})
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as reason:
        told = f"{type(reason).__name__}: {reason}" if type(reason) is not ValueError else str(reason)
        raw: JsonValue = {"class": class_name(message), "fields": _fields(message)}
        return UnreadableMessage(channel_id=channel_id, msg_id=msg_id, reason=_short(told), raw=raw)


def read_metrics(message: Any, *, channel_id: int, msg_id: int, ts: datetime) -> PostMetrics:
    """The counters of a message as read at `ts`; what makes no sense counts as not told."""
    replies = getattr(message, "replies", None)
    told = count(getattr(replies, "replies", None))
    commented = bool(getattr(replies, "comments", None))
    return PostMetrics(
        channel_id=channel_id,
        msg_id=msg_id,
        ts=ts,
        views=count(getattr(message, "views", None)),
        forwards=count(getattr(message, "forwards", None)),
        replies=None if commented else told,
        comments=told if commented else None,
        reactions=read_reactions(getattr(message, "reactions", None)),
    )


def read_reactions(reactions: Any) -> dict[str, int]:
    """Counts by the reaction's key, in Telegram's order (core.telegram.org/constructor/messageReactions).

    Together they are no more than LARGEST, whatever nonsense is told.
    """
    counts: dict[str, int] = {}
    for result in listed(getattr(reactions, "results", None)):
        key, given = _reaction_key(getattr(result, "reaction", None)), count(getattr(result, "count", None))
        if given is not None:
            counts[key] = counts.get(key, 0) + min(given, LARGEST - sum(counts.values()))
    return counts


def _reaction_key(reaction: Any) -> str:
    match reaction:
        case types.ReactionEmoji() if emoji := words(reaction.emoticon):
            return emoji
        case types.ReactionCustomEmoji() if (number := integer(reaction.document_id)) is not None:
            return f"custom_{number}"
        case types.ReactionPaid():
            return "paid"
        case _:
            return f"other_{class_name(reaction)}"


def _read(
    message: Any,
    msg_id: int,
    channel_id: int,
    seen_at: datetime,
    *,
    forum: bool,
    protected: bool,
    names: Mapping[int, str],
) -> ReadMessage:
    """Raises ValueError for what is no message of this channel, and whatever nonsense in it makes fail."""
    if _is(message, types.MessageEmpty):
        return AbsentMessage(channel_id=channel_id, msg_id=msg_id)
    if not _is(message, types.Message) and not _is(message, types.MessageService):
        raise ValueError(f"a {class_name(message)} is no message that this version knows")
    chat = peer_id(message.peer_id)
    if chat != CHANNEL_BASE - channel_id:
        raise ValueError(f"it belongs to chat {chat}, not to channel {channel_id}")
    if (date := moment(message.date)) is None:
        raise ValueError("it has no date")
    text, entities = words(getattr(message, "message", None)) or "", read_entities(getattr(message, "entities", None))
    if not text:
        text, entities = read_rich(getattr(message, "rich_message", None))
    service = _service(message.action) if _is(message, types.MessageService) else None
    reply_to, topic_id = _reply(message.reply_to, chat)
    if service == TOPIC_CREATED:
        topic_id = msg_id
    edited = None if getattr(message, "edit_hide", None) else moment(getattr(message, "edit_date", None))
    post = Post(
        channel_id=channel_id,
        msg_id=msg_id,
        date=date,
        text=text,
        entities=entities,
        links=find_links(text, entities),
        mentions=find_mentions(text, entities),
        hashtags=find_hashtags(text, entities),
        media=read_media(getattr(message, "media", None)),
        grouped_id=integer(getattr(message, "grouped_id", None)),
        reply_to=reply_to,
        topic_id=GENERAL_TOPIC if forum and topic_id is None else topic_id,
        forward=_forward(getattr(message, "fwd_from", None), names),
        author=words(getattr(message, "post_author", None)) or names.get(peer_id(message.from_id) or 0),
        service=service,
        protected=protected or bool(getattr(message, "noforwards", None)),
        restrictions=_restrictions(getattr(message, "restriction_reason", None)),
        edited_at=edited,
    )
    metrics = read_metrics(message, channel_id=channel_id, msg_id=msg_id, ts=seen_at)
    return CollectedMessage(post=post, metrics=metrics if service is None or _counts(metrics) else None)


def _is(message: Any, kind: Any) -> bool:
    """By the schema's number: Telethon puts a class of its own before each of the three."""
    number: int = kind.CONSTRUCTOR_ID
    return number == getattr(message, "CONSTRUCTOR_ID", None)


def _counts(metrics: PostMetrics) -> bool:
    """Whether it says anything; a service message has counters only where somebody reacted to it."""
    told = (metrics.views, metrics.forwards, metrics.replies, metrics.comments)
    return any(each is not None for each in told) or bool(metrics.reactions)


def _service(action: Any) -> str:
    """`MessageActionPinMessage` → `pin_message`."""
    return _WORD.sub("_", class_name(action).removeprefix("MessageAction")).lower()


def _reply(header: Any, chat: int) -> tuple[int | None, int | None]:
    """The message of this chat that is replied to, and the topic.

    Source: core.telegram.org/api/threads. In a topic, the topic stands in `reply_to_top_id`; where that is missing,
    it is what is "replied" to. Elsewhere that field is the thread's first message, which is no topic.
    """
    if not isinstance(header, types.MessageReplyHeader):
        return None, None
    top, to = count(header.reply_to_top_id) or None, count(header.reply_to_msg_id) or None
    elsewhere = header.reply_to_peer_id is not None and peer_id(header.reply_to_peer_id) != chat
    reply_to = None if elsewhere else to
    if not header.forum_topic:
        return reply_to, None
    return (None, to) if top is None else (reply_to, top)


def _forward(header: Any, names: Mapping[int, str]) -> ForwardFacts | None:
    if not isinstance(header, types.MessageFwdHeader):
        return None
    source = peer_id(header.from_id)
    return ForwardFacts(
        from_id=source,
        from_name=words(header.from_name) or (None if source is None else names.get(source)),
        message_id=count(header.channel_post),
        date=moment(header.date),
    )


def _restrictions(reasons: Any) -> tuple[str, ...]:
    told = [(words(getattr(each, "platform", None)), words(getattr(each, "reason", None))) for each in listed(reasons)]
    return tuple(f"{platform or 'all'}: {reason or 'unknown'}" for platform, reason in told)


def _fields(message: Any) -> list[JsonValue]:
    """The names of what is set in it, and nothing of the contents."""
    given = vars(message) if hasattr(message, "__dict__") else {}
    return [name[:MOST_OF_A_NAME] for name, value in given.items() if value is not None and name[0] != "_"][
        :MOST_FIELDS
    ]


def _short(reason: str) -> str:
    flat = " ".join(reason.encode("utf-8", "replace").decode().split())
    return flat if len(flat) <= MOST_OF_A_REASON else f"{flat[: MOST_OF_A_REASON - 1]}…"
