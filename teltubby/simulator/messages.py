"""What is said in the simulated world: texts, media, origins, keyboards, and the events they cause."""

from __future__ import annotations

from dataclasses import dataclass, field

from teltubby.simulator.files import File
from teltubby.simulator.people import Chat, Mailbox, Peer, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A formatted range; `type` is the Bot API's name, `offset` and `length` count UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    user: User | None = None
    language: str | None = None
    custom_emoji_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A point on the map, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A shared phone contact."""

    phone_number: str
    first_name: str
    last_name: str | None = None
    user_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A place with a name."""

    location: Location
    title: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A regular anonymous poll without votes."""

    id: int
    question: str
    options: tuple[str, ...]


Media = File | Location | Contact | Venue | Poll


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginUser:
    """First sent by a known account."""

    user: User
    date: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginHiddenUser:
    """First sent by somebody who hides their account in forwards."""

    name: str
    date: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginChat:
    """First sent on behalf of a group (an anonymous admin)."""

    chat: Chat
    date: int
    author_signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginChannel:
    """First posted in a channel, with its message id there."""

    chat: Chat
    message_id: int
    date: int
    author_signature: str | None = None


Origin = OriginUser | OriginHiddenUser | OriginChat | OriginChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One inline button: either `data` comes back in a callback query, or `url` opens."""

    text: str
    data: str | None = None
    url: str | None = None


Keyboard = tuple[tuple[Button, ...], ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Post:
    """What a message says, shared by its copies in several mailboxes, so that an edit reaches all of them.

    `sender` is who it seems to come from (the channel itself, in a channel), `author` the account that wrote it.
    """

    sender: Peer
    author: User
    date: int
    text: str = ""
    entities: tuple[Entity, ...] = ()
    media: Media | None = None
    origin: Origin | None = None
    reply_to: Post | None = None
    grouped_id: int | None = None
    keyboard: Keyboard = ()
    protected: bool = False
    edit_date: int | None = None
    edits: int = 0
    copies: list[Message] = field(default_factory=list, repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """One copy of a post: number `id` in `mailbox`.

    `peer` is the conversation as the mailbox's owner sees it: the other account of a private chat, or the chat itself.
    `out` tells whether the owner sent it (always False in a channel's mailbox: compare `post.sender`).
    """

    id: int
    mailbox: Mailbox = field(repr=False)
    peer: Peer
    out: bool
    post: Post

    @property
    def protected(self) -> bool:
        """Whether copying and forwarding it is forbidden."""
        return self.post.protected or (isinstance(self.peer, Chat) and self.peer.protected)

    @property
    def deleted(self) -> bool:
        """Whether this copy was removed from its mailbox."""
        return self.mailbox.messages.get(self.id) is not self

    @property
    def reply_to(self) -> Message | None:
        """The message in the same mailbox that this one answers, unless it was deleted there."""
        return None if self.post.reply_to is None else copy_in(self.post.reply_to, self.mailbox)


def copy_in(post: Post, mailbox: Mailbox) -> Message | None:
    """The copy of a post in one mailbox, if it has one that was not deleted."""
    return next((copy for copy in post.copies if copy.mailbox is mailbox and not copy.deleted), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MessageAdded:
    """A message arrived in a mailbox (its owner's own ones too)."""

    mailbox: Mailbox
    message: Message
    pts: int
    pts_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MessageEdited:
    """A message of a mailbox has new text, media or keyboard."""

    mailbox: Mailbox
    message: Message
    pts: int
    pts_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MessagesDeleted:
    """Messages of a mailbox are gone."""

    mailbox: Mailbox
    message_ids: tuple[int, ...]
    pts: int
    pts_count: int


MailboxEvent = MessageAdded | MessageEdited | MessagesDeleted


@dataclass(slots=True, kw_only=True, eq=False)
class CallbackQuery:
    """A press on an inline button of a bot's message; `message` is the bot's copy. Open until `answer` is set."""

    id: int
    user: User
    bot: User
    message: Message
    data: str
    date: int
    answer: str | None = None
    alert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ButtonPressed:
    """Somebody pressed a button; no mailbox event, so it has no pts."""

    query: CallbackQuery


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QueryAnswered:
    """The bot answered a callback query."""

    query: CallbackQuery


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActionShown:
    """Somebody is "typing…"; `action` is the Bot API's name of it."""

    sender: User
    peer: Peer
    action: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BotStopped:
    """A person blocked a bot (`blocked`), or let it write again."""

    person: User
    bot: User
    blocked: bool


Event = MailboxEvent | ButtonPressed | QueryAnswered | ActionShown | BotStopped
