"""Accounts, groups and channels, and the mailboxes in which messages have their numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import MutableMapping
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


class Membership(StrEnum):
    """What somebody is to a chat; the values are the Bot API's `status`."""

    LEFT = "left"
    MEMBER = "member"
    ADMINISTRATOR = "administrator"
    KICKED = "kicked"


@dataclass(slots=True, eq=False)
class Mailbox:
    """Where messages have their numbers, and the events (`pts`) by which clients follow what happens to them.

    An account's mailbox holds all its private chats and basic groups, so message ids there mean nothing to another
    account; a channel or supergroup has a mailbox of its own, shared by all who see it. `pts` starts at 1 and grows by
    `pts_count` of each event; `events` holds them all, oldest first, for getDifference. That is "too long" from a pts
    that lies more than `max_difference` back (core.telegram.org/constructor/updates.channelDifferenceTooLong tells of
    100 000), or before `forgotten`. `changed_at` is the world's time of the latest event, `changes` its number among
    all events of the world. The messages of a seeded channel are made when they are looked at.
    """

    last_id: int = 0
    pts: int = 1
    messages: MutableMapping[int, Message] = field(default_factory=dict, repr=False)
    max_difference: int = 100_000
    forgotten: int = 0
    changed_at: int = 0
    changes: int = 0
    events: list[MailboxEvent] = field(default_factory=list, repr=False)

    def since(self, pts: int) -> list[MailboxEvent]:
        """The events after the state `pts`, oldest first."""
        return self.events[bisect_right(self.events, pts, key=lambda event: event.pts) :]

    def is_too_old(self, pts: int) -> bool:
        """Whether nobody knows any more what happened since that state."""
        return pts < max(self.forgotten, self.pts - self.max_difference)

    def keep(self, message: Message) -> None:
        """Have a message stay as it will be from now on, also one that could be made again as it was."""
        self.messages[message.id] = message


@dataclass(slots=True, kw_only=True, eq=False)
class User:
    """A person or a bot. `password` is the second factor, `password_hint` what its owner put beside it.

    `hides_forwards` makes forwards of them `hidden_user`.
    `home_dc` is the data centre where MTProto signs them in, and where what they upload is stored. An account is
    `deactivated` when it was deleted, `banned` as well when Telegram did it, and `frozen` while Telegram lets it do
    next to nothing.
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
    password_hint: str | None = None
    hides_forwards: bool = False
    deactivated: bool = False
    banned: bool = False
    frozen: bool = False
    home_dc: int = HOME_DC
    mailbox: Mailbox = field(default_factory=Mailbox, repr=False)

    def ban(self) -> None:
        """Telegram deletes the account, and takes its phone number no more."""
        self.deactivated = self.banned = True

    @property
    def bot_api_id(self) -> int:
        """The chat id of the private chat with this account, in the Bot API."""
        return self.id

    @property
    def name(self) -> str:
        """First and last name as shown to others."""
        return f"{self.first_name} {self.last_name}" if self.last_name else self.first_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRights:
    """What an admin may do: post in a channel on its behalf, delete what others wrote."""

    can_post: bool = True
    can_delete: bool = True


@dataclass(slots=True, kw_only=True, eq=False)
class Topic:
    """A topic of a forum; `id` is that of the message that made it, 1 for "General"."""

    id: int
    title: str
    color: int
    author: User
    date: int
    closed: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Chat:
    """A basic group, supergroup or channel; `id` is the bare id of MTProto, `bot_api_id` the Bot API's form.

    `members` and `admins` are account ids (an admin is a member too). `protected` forbids copying and forwarding.
    `rights` are those of the admins who may not do everything; one that is `deleted` is closed to everybody.
    `linked` is the group with the comments on a channel, and the channel of such a group. A `forum` has `topics`, by
    the id of the message that made them. A basic group that `migrated_to` a supergroup is closed; the supergroup knows
    whence it `migrated_from`. `subscribers` are told instead of the members, of whom few need to be in the world.
    `invites` are the hashes of links that let people in.
    """

    id: int
    kind: ChatKind
    title: str
    username: str | None = None
    protected: bool = False
    members: set[int] = field(default_factory=set)
    admins: set[int] = field(default_factory=set)
    kicked: set[int] = field(default_factory=set)
    rights: dict[int, AdminRights] = field(default_factory=dict)
    deleted: bool = False
    about: str = ""
    subscribers: int | None = None
    linked: Chat | None = field(default=None, repr=False)
    forum: bool = False
    topics: dict[int, Topic] = field(default_factory=dict)
    migrated_to: Chat | None = field(default=None, repr=False)
    migrated_from: Chat | None = field(default=None, repr=False)
    invites: list[str] = field(default_factory=list, repr=False)
    mailbox: Mailbox = field(default_factory=Mailbox, repr=False)
    date: int = 0

    @property
    def size(self) -> int:
        """How many are in it, as Telegram says."""
        return len(self.members) if self.subscribers is None else self.subscribers

    def rights_of(self, account_id: int) -> AdminRights | None:
        """What an admin may do (everything, unless `rights` says otherwise); None for who is no admin."""
        return self.rights.get(account_id, AdminRights()) if account_id in self.admins else None

    def membership(self, account_id: int) -> Membership:
        """What that account is here."""
        if account_id in self.kicked:
            return Membership.KICKED
        if account_id in self.admins:
            return Membership.ADMINISTRATOR
        return Membership.MEMBER if account_id in self.members else Membership.LEFT

    @property
    def is_channel(self) -> bool:
        """Whether MTProto calls it a channel (supergroups too): its message ids are the same for everybody."""
        return self.kind is not ChatKind.GROUP

    @property
    def bot_api_id(self) -> int:
        """The chat id in the Bot API: -100… for channels and supergroups, -id for basic groups."""
        return BOT_API_CHANNEL_BASE - self.id if self.is_channel else -self.id


Peer = User | Chat
