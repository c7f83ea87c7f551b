"""What service messages tell: the happenings in a group or channel that stand among its messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teltubby.simulator.people import Chat, User


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCreated:
    """A channel or supergroup came into being."""

    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleChanged:
    """It has another title."""

    title: str


@dataclass(frozen=True, slots=True)
class MessagePinned:
    """The message that this one replies to was pinned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersAdded:
    """Accounts were added to a group."""

    users: tuple[User, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCreated:
    """A topic of a forum; the message's id is that of the topic."""

    title: str
    color: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedTo:
    """The last word in a basic group: it is a supergroup now."""

    chat: Chat


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedFrom:
    """The first word in a supergroup that was a basic group."""

    chat: Chat
    title: str


Action = ChannelCreated | TitleChanged | MessagePinned | MembersAdded | TopicCreated | MigratedTo | MigratedFrom
