"""Posts of collected channels whose files are archived: each is a message of its channel's own chat. Pure.

What a curator hands in comes from a private chat, so no other submission and no other job has a channel's id there.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from teltubby.archive.identity import letter_of_size, unique_id_of_document, unique_id_of_photo
from teltubby.archive.media_filter import FILES
from teltubby.archive.peers import CHANNEL_BASE
from teltubby.archive.timestamps import timestamp
from teltubby.messages.collected import CollectedMedia, ForwardFacts, MediaFacts, Post
from teltubby.messages.collector import ChannelMediaFound
from teltubby.messages.jobs import Job
from teltubby.messages.media import IncomingMessage, JsonObject, Media, MediaKind, StickerFormat

CHANNEL = "channel"
"""The type of chat, and of where a message comes from (core.telegram.org/bots/api#messageoriginchannel)."""

_STICKERS = {"application/x-tgsticker": StickerFormat.ANIMATED, "video/webm": StickerFormat.VIDEO}


def is_channel_post(job: Job) -> bool:
    """Whether the job is for a channel's post, as the collector found it, and not for what a curator handed in."""
    origin = job.telegram_context.forward_origin
    if job.chat_id >= CHANNEL_BASE or origin is None or origin.get("type") != CHANNEL:
        return False
    chat = origin.get("chat")
    return isinstance(chat, Mapping) and chat.get("id") == job.chat_id and origin.get("message_id") == job.message_id


def message_of(found: ChannelMediaFound) -> IncomingMessage | None:
    """The post as a message of its channel, with its file; None where it has no file that can be asked for.

    Its origin is the post itself, so that it is named after the channel, and found there; the sender is the channel
    too. There is no file_id, which is the Bot API's: the place stands there, as `-1001234567890/17`.
    """
    post = found.post
    media = None if post.media is None else _media(post, post.media)
    if media is None:
        return None
    chat_id = CHANNEL_BASE - post.channel_id
    return IncomingMessage(
        message_id=post.msg_id,
        chat_id=chat_id,
        chat_type=CHANNEL,
        date=post.date,
        chat_title=found.title,
        chat_username=found.username,
        media_group_id=None if post.grouped_id is None else str(post.grouped_id),
        media=media,
        caption=post.text or None,
        caption_entities=tuple(dict(entity) for entity in post.entities),
        forward_origin=_origin(found, chat_id),
        protected=post.protected,
        extras=None if post.forward is None else {"forwarded_from": _forward(post.forward)},
    )


def _origin(found: ChannelMediaFound, chat_id: int) -> JsonObject:
    """As the Bot API's MessageOriginChannel."""
    chat: dict[str, JsonValue] = {"id": chat_id, "type": CHANNEL, "title": found.title}
    if found.username is not None:
        chat["username"] = found.username
    origin: dict[str, JsonValue] = {
        "type": CHANNEL,
        "date": int(found.post.date.timestamp()),
        "chat": chat,
        "message_id": found.post.msg_id,
    }
    if found.post.author is not None:
        origin["author_signature"] = found.post.author
    return origin


def _forward(forward: ForwardFacts) -> dict[str, JsonValue]:
    """Where the channel has the post from."""
    return {
        "id": forward.from_id,
        "name": forward.from_name,
        "message_id": forward.message_id,
        "date": None if forward.date is None else timestamp(forward.date),
    }


def _media(post: Post, facts: MediaFacts) -> Media | None:
    if facts.kind not in FILES or facts.document_id is None:
        return None
    kind = MediaKind(facts.kind.value)
    if facts.kind is CollectedMedia.PHOTO:
        unique_id = unique_id_of_photo(facts.document_id, letter_of_size(facts.width, facts.height))
    else:
        unique_id = unique_id_of_document(facts.document_id)
    sticker = _STICKERS.get(facts.mime_type or "", StickerFormat.STATIC) if kind is MediaKind.STICKER else None
    return Media(
        kind=kind,
        file_id=f"{CHANNEL_BASE - post.channel_id}/{post.msg_id}",
        file_unique_id=unique_id,
        size_bytes=facts.size_bytes,
        mime_type=facts.mime_type,
        file_name=facts.file_name,
        width=facts.width,
        height=facts.height,
        duration=None if facts.duration is None else round(facts.duration),
        sticker_format=sticker,
    )
