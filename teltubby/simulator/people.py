"""Accounts, groups and channels, and the mailboxes in which messages have their numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teltubby.simulator.messages import MailboxEvent, Message

BOT_API_CHANNEL_BASE = -1_000_000_000_000
SERVICE_ACCOUNT = 777000
HOME_DC = 2


class ChatKind(StrEnum):
    """Chats that are not private; the values are the Bot API's `type`."""

    GROUP = "group"
    SUPERGROUP = "supergroup"
    CHANNEL = "channel"


@dataclass(slots=True, eq=False)
class Mailbox:
    """Where messages have their numbers, and the events (`pts`) by which clients follow what happens to them.

    An account's mailbox holds all its private chats and basic groups, so message ids there mean nothing to another
    account; a channel or supergroup has a mailbox of its own, shared by all who see it. `pts` starts at 1 and grows by
    `pts_count` of each event; `events` holds them all, oldest first, for getDifference.
    """

    last_id: int = 0
    pts: int = 1
    messages: dict[int, Message] = field(default_factory=dict, repr=False)
    events: list[MailboxEvent] = field(default_factory=list, repr=False)

    def since(self, pts: int) -> list[MailboxEvent]:
        """The events after the state `pts`, oldest first."""
        return [event for event in self.events if event.pts > pts]


@dataclass(slots=True, kw_only=True, eq=False)
class User:
    """A person or a bot. `password` is the second factor; `hides_forwards` makes forwards of them `hidden_user`.

    `home_dc` is the data centre where MTProto signs them in, and where what they upload is stored.
    """

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    phone: str | None = None
    language_code: str | None = None
    is_bot: bool = False
    token: str | None = field(default=None, repr=False)
    premium: bool = False
    password: str | None = field(default=None, repr=False)
    hides_forwards: bool = False
    deactivated: bool = False
    home_dc: int = HOME_DC
    mailbox: Mailbox = field(default_factory=Mailbox, repr=False)

    @property
    def bot_api_id(self) -> int:
        """The chat id of the private chat with this account, in the Bot API."""
        return self.id

    @property
    def name(self) -> str:
        """First and last name as shown to others."""
        return f"{self.first_name} {self.last_name}" if self.last_name else self.first_name


@dataclass(slots=True, kw_only=True, eq=False)
class Chat:
    """A basic group, supergroup or channel; `id` is the bare id of MTProto, `bot_api_id` the Bot API's form.

    `members` and `admins` are account ids (an admin is a member too). `protected` forbids copying and forwarding.
    """

    id: int
    kind: ChatKind
    title: str
    username: str | None = None
    protected: bool = False
    members: set[int] = field(default_factory=set)
    admins: set[int] = field(default_factory=set)
    kicked: set[int] = field(default_factory=set)
    mailbox: Mailbox = field(default_factory=Mailbox, repr=False)
    date: int = 0

    @property
    def is_channel(self) -> bool:
        """Whether MTProto calls it a channel (supergroups too): its message ids are the same for everybody."""
        return self.kind is not ChatKind.GROUP

    @property
    def bot_api_id(self) -> int:
        """The chat id in the Bot API: -100… for channels and supergroups, -id for basic groups."""
        return BOT_API_CHANNEL_BASE - self.id if self.is_channel else -self.id


Peer = User | Chat
