"""What the collector keeps of channels: posts, their counters at moments, and what happened to them since.

The normalised message of compatibility.md ("Collector records") is made of Channel, Post and PostMetrics. All ids are
Telegram's: `channel_id` bare (not in the Bot API's form), moments are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from teltubby.messages.media import JsonObject


class ChannelKind(StrEnum):
    """A broadcast channel, a supergroup, or a supergroup with topics."""

    CHANNEL = "channel"
    SUPERGROUP = "supergroup"
    FORUM = "forum"


class CollectedMedia(StrEnum):
    """What a post carries; OTHER is what this version does not know, by which no post is lost."""

    PHOTO = "photo"
    VIDEO = "video"
    DOCUMENT = "document"
    AUDIO = "audio"
    VOICE = "voice"
    VIDEO_NOTE = "video_note"
    ANIMATION = "animation"
    STICKER = "sticker"
    POLL = "poll"
    GEO = "geo"
    CONTACT = "contact"
    WEBPAGE = "webpage"
    STORY = "story"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel as it was seen at `seen_at`; `subscribers` is None where Telegram did not say."""

    channel_id: int
    username: str | None
    title: str
    kind: ChannelKind
    seen_at: datetime
    subscribers: int | None = None
    about: str | None = None
    linked_chat_id: int | None = None
    """The group with the comments on this channel's posts, or the channel whose posts this group comments on."""
    migrated_from: int | None = None
    """The basic group that this supergroup was before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link in a text; `offset` and `length` count UTF-16 units there, `shown` is the text of a link that hides it."""

    url: str
    offset: int
    length: int
    shown: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What Telegram tells of a post's file: size in bytes, duration in seconds."""

    kind: CollectedMedia
    document_id: int | None = None
    mime_type: str | None = None
    file_name: str | None = None
    size_bytes: int | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardFacts:
    """Where a post was forwarded from, as far as its author lets it be known."""

    from_id: int | None = None
    """In the Bot API's form, for it may be a person (positive) or a channel (`-100…`)."""
    from_name: str | None = None
    message_id: int | None = None
    date: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A message of a channel. `text` is without formatting, `entities` say where it is (UTF-16 units).

    A service message has `service`, its kind in words of Telegram's schema. `topic_id` is that of a forum, `reply_to`
    a message of the same channel. `deleted_at` is when we learned that it is gone.
    """

    channel_id: int
    msg_id: int
    date: datetime
    text: str = ""
    entities: tuple[JsonObject, ...] = ()
    links: tuple[Link, ...] = ()
    mentions: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    media: MediaFacts | None = None
    grouped_id: int | None = None
    reply_to: int | None = None
    topic_id: int | None = None
    forward: ForwardFacts | None = None
    author: str | None = None
    service: str | None = None
    protected: bool = False
    restrictions: tuple[str, ...] = ()
    """Where and why it is not shown: `{platform}: {reason}` (core.telegram.org/constructor/restrictionReason)."""
    edited_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMetrics:
    """Counters of a post as read at `ts`; None where the post has none of that kind, or the reading does not say.

    `reactions` counts by key: the emoji, or `custom_{document_id}`, or `paid`, or `other_{class}` of a later Telegram.
    `comments` are those in the linked group, `replies` those in the channel itself.
    """

    channel_id: int
    msg_id: int
    ts: datetime
    views: int | None = None
    forwards: int | None = None
    replies: int | None = None
    comments: int | None = None
    reactions: dict[str, int] = field(default_factory=dict)
    reactions_told: bool = True
    """False when the reading says nothing of reactions, as an update of views does; what was known of them stays."""

    @property
    def reactions_count(self) -> int:
        """All reactions together."""
        return sum(self.reactions.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedMessage:
    """One message of a page or an update, normalised: what is recorded together, or not at all."""

    post: Post
    metrics: PostMetrics | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableMessage:
    """A message that could not be normalised: recorded with the reason, so that it stops nothing."""

    channel_id: int
    msg_id: int
    reason: str
    raw: JsonValue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentMessage:
    """Telegram's word that there is no message of this id in the channel (any more)."""

    channel_id: int
    msg_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMigrated:
    """A basic group that has become a supergroup, in which all messages have other ids."""

    chat_id: int
    channel_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelUnavailable:
    """A chat of which nothing can be collected, and why, in a sentence without the full stop; ids are bare."""

    chat_id: int | None
    title: str | None
    reason: str


ReadMessage = CollectedMessage | AbsentMessage | UnreadableMessage
"""What a message of a page or an update is read as."""


def id_of(message: ReadMessage) -> int:
    """The id of a message, whatever it was read as."""
    return message.post.msg_id if isinstance(message, CollectedMessage) else message.msg_id
