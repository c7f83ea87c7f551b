"""What is said in the simulated world: texts, media, origins, keyboards, and the events they cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, auto

from teltubby.simulator.actions import Action
from teltubby.simulator.counters import Counters
from teltubby.simulator.files import File
from teltubby.simulator.people import Chat, Mailbox, Membership, Peer, User


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


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """The preview of a link in the text."""

    id: int
    url: str
    title: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """What only clients of a newer layer are shown."""


Media = File | Location | Contact | Venue | Poll | WebPage | Unsupported


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
    `service` makes it a service message. `topic` is the id of its forum topic, `comments_on` the post of a channel
    that was forwarded by itself to the group where it is commented on, and `discussion` the way back. `answers` are the
    posts of the thread that began here. `edit_hidden` says that `edit_date` is only that of changed reactions.
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
    edit_hidden: bool = False
    service: Action | None = None
    topic: int | None = None
    comments_on: Message | None = None
    discussion: Message | None = field(default=None, repr=False)
    answers: list[Post] = field(default_factory=list, repr=False)
    counters: Counters = field(default_factory=Counters, repr=False)
    copies: list[Message] = field(default_factory=list, repr=False)

    @property
    def thread(self) -> Post | None:
        """The post with which the thread began that this one is in; None when this answers nothing."""
        top = self.reply_to
        while top is not None and top.reply_to is not None:
            top = top.reply_to
        return top


@dataclass(slots=True, weakref_slot=True, kw_only=True, eq=False)
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

    @property
    def reply_to_id(self) -> int | None:
        """The id in the same mailbox of the message that this one answers, also if it was deleted there."""
        answered = self.post.reply_to.copies if self.post.reply_to else ()
        return next((copy.id for copy in answered if copy.mailbox is self.mailbox), None)

    @property
    def answers(self) -> list[Message]:
        """The messages in the same mailbox that are in the thread which began with this one, oldest first."""
        return [copy for post in self.post.answers if (copy := copy_in(post, self.mailbox))]

    @property
    def thread_id(self) -> int | None:
        """The id in the same mailbox of the message with which the thread of this one began; None if it is in none."""
        began = self.post.thread.copies if self.post.thread else ()
        return next((copy.id for copy in began if copy.mailbox is self.mailbox), None)


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
    """A message of a mailbox has new text, media or keyboard, or (then it is `hidden`) only other reactions."""

    mailbox: Mailbox
    message: Message
    pts: int
    pts_count: int = 1
    hidden: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MembershipChanged:
    """Somebody came to a group or channel, left it, was removed, or is an admin now."""

    chat: Chat
    user: User
    before: Membership
    after: Membership


class Counter(StrEnum):
    """What of a post is counted."""

    VIEWS = auto()
    FORWARDS = auto()
    REACTIONS = auto()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """A counter of a message changed; no mailbox event, so it has no pts and no difference tells it."""

    message: Message
    counter: Counter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChatChanged:
    """A group or channel has another name, title, or settings."""

    chat: Chat


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenRevoked:
    """A bot's owner had its token replaced."""

    bot: User


Event = (
    MailboxEvent
    | ButtonPressed
    | QueryAnswered
    | ActionShown
    | BotStopped
    | MembershipChanged
    | Counted
    | ChatChanged
    | TokenRevoked
)
