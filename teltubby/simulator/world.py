"""The one state behind both servers of the simulated Telegram.

The model, for whoever writes a server on it:

- `World.users` and `World.chats` by id (chats by *bare* id). A `User` is a person or a bot; a `Chat` a basic group,
  supergroup or channel; both have a `mailbox`, in which messages have their ids, and `pts` its state.
- A private message is one `Post` with two `Message` copies, one in the sender's mailbox (`out=True`, `peer` the
  receiver), one in the receiver's (`peer` the sender), **with different ids**. A basic group makes one copy per member.
  A channel or supergroup makes a single copy, in the chat's own mailbox; `members` see it.
- `send` / `forward` / `copy` return the sender's copy; `edit` and `delete` take any copy. Who may not do a thing gets
  `Refused` with a `Reason`; each server words that in its own way.
- Every change is an `Event` to all listeners (`subscribe`), at once and on the caller's thread; mailbox events also
  stay in `mailbox.events` with the pts after them. `audience(mailbox)` says which accounts see a mailbox.
- A `File` is sent in any number of posts; the same content under a new id is another File (`add_file`, same seed).
  `access_hash` and `file_reference` are what MTProto needs beside an id; `expire_references` makes old ones invalid.
- `faults` and `flood_rule` bend the world; `advance` moves its clock, `now()` reads it (Unix seconds).

It is not locked: all use is on the thread of one event loop (`SimulatedTelegram.call`). Only the content of files may
be read from anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from teltubby.simulator.faults import Faults
from teltubby.simulator.files import File
from teltubby.simulator.messages import (
    ActionShown,
    BotStopped,
    ButtonPressed,
    CallbackQuery,
    Entity,
    Event,
    Keyboard,
    MailboxEvent,
    Media,
    Message,
    MessageAdded,
    MessageEdited,
    MessagesDeleted,
    Origin,
    Post,
    QueryAnswered,
    copy_in,
)
from teltubby.simulator.people import Chat, ChatKind, Mailbox, Peer, User
from teltubby.simulator.registry import Registry
from teltubby.simulator.rules import FloodRule, Reason, Refused, may_write

Listener = Callable[[Event], None]


class World(Registry):
    """All of Telegram that the simulation knows; see the module's docstring. `seed` makes ids and tokens repeatable."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], float] = time.time) -> None:
        super().__init__(seed=seed, clock=clock)
        self.faults = Faults()
        self.flood_rule = FloodRule()
        self.started: set[tuple[int, int]] = set()
        self.blocked: set[tuple[int, int]] = set()
        self.queries: dict[int, CallbackQuery] = {}
        self._listeners: list[Listener] = []

    # -- listeners

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have every event told to `listener`, in order; the returned function ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def audience(self, mailbox: Mailbox) -> list[User]:
        """The accounts that see a mailbox: its owner, or the members of the channel."""
        for chat in self.chats.values():
            if chat.mailbox is mailbox:
                return [self.users[member] for member in sorted(chat.members)]
        return [user for user in self.users.values() if user.mailbox is mailbox]

    # -- messages

    def send(
        self,
        sender: User,
        peer: Peer,
        text: str = "",
        *,
        entities: tuple[Entity, ...] = (),
        media: Media | None = None,
        origin: Origin | None = None,
        reply_to: Message | None = None,
        grouped_id: int | None = None,
        keyboard: Keyboard = (),
        protected: bool = False,
    ) -> Message:
        """Send a message (`text` is the caption when there is media) and return the sender's copy.

        `sender` posts in a channel on the channel's behalf. Raises Refused when it may not write there.
        """
        reason = may_write(sender, peer, started=self.started, blocked=self.blocked)
        if reason is not None:
            raise Refused(reason)
        if isinstance(peer, User) and peer.is_bot:
            self.started.add((sender.id, peer.id))
        post = Post(
            sender=peer if isinstance(peer, Chat) and peer.kind is ChatKind.CHANNEL else sender,
            author=sender,
            date=self.now(),
            text=text,
            entities=entities,
            media=media,
            origin=origin,
            reply_to=reply_to.post if reply_to else None,
            grouped_id=grouped_id,
            keyboard=keyboard,
            protected=protected,
        )
        return self._deliver(post, sender, peer)

    def forward(self, message: Message, sender: User, peer: Peer, *, grouped_id: int | None = None) -> Message:
        """Forward a message with its origin, the same file included. Raises Refused, also for protected content."""
        if message.protected:
            raise Refused(Reason.PROTECTED)
        post = message.post
        return self.send(
            sender,
            peer,
            post.text,
            entities=post.entities,
            media=post.media,
            origin=post.origin or self.origin_of(message),
            grouped_id=grouped_id,
        )

    def copy(
        self,
        message: Message,
        sender: User,
        peer: Peer,
        *,
        caption: str | None = None,
        entities: tuple[Entity, ...] = (),
        reply_to: Message | None = None,
        keyboard: Keyboard = (),
        protected: bool = False,
    ) -> Message:
        """Send the same content without its origin; `caption` replaces a media caption. Raises Refused like forward."""
        if message.protected:
            raise Refused(Reason.PROTECTED)
        post = message.post
        replaced = caption is not None and post.media is not None
        return self.send(
            sender,
            peer,
            caption if replaced and caption is not None else post.text,
            entities=entities if replaced else post.entities,
            media=post.media,
            reply_to=reply_to,
            keyboard=keyboard,
            protected=protected,
        )

    def edit(
        self,
        message: Message,
        *,
        text: str | None = None,
        entities: tuple[Entity, ...] = (),
        media: Media | None = None,
        keyboard: Keyboard | None = None,
    ) -> None:
        """Change a message in all its mailboxes; None keeps what was. Raises Refused when nothing would change."""
        post = message.post
        new_text, new_entities = (post.text, post.entities) if text is None else (text, entities)
        new_media = post.media if media is None else media
        new_keyboard = post.keyboard if keyboard is None else keyboard
        after = (new_text, new_entities, new_media, new_keyboard)
        if after == (post.text, post.entities, post.media, post.keyboard):
            raise Refused(Reason.NOT_MODIFIED)
        post.text, post.entities, post.media, post.keyboard = after
        post.edit_date = self.now()
        post.edits += 1
        for copy in post.copies:
            if not copy.deleted:
                copy.mailbox.pts += 1
                self._record(MessageEdited(mailbox=copy.mailbox, message=copy, pts=copy.mailbox.pts))

    def delete(self, message: Message, *, for_all: bool = True) -> None:
        """Remove a message, for all who have it or only from its own mailbox. Ids are never used again."""
        for copy in message.post.copies if for_all else [message]:
            if copy.deleted:
                continue
            box = copy.mailbox
            del box.messages[copy.id]
            box.pts += 1
            self._record(MessagesDeleted(mailbox=box, message_ids=(copy.id,), pts=box.pts, pts_count=1))

    def message(self, account: User, peer: Peer, message_id: int) -> Message | None:
        """The message that `account` knows as `message_id` in the conversation with `peer`; None when there is none."""
        if isinstance(peer, Chat) and peer.is_channel:
            return peer.mailbox.messages.get(message_id)
        found = account.mailbox.messages.get(message_id)
        return found if found is not None and found.peer is peer else None

    def history(self, account: User, peer: Peer) -> list[Message]:
        """The conversation of `account` with `peer`, oldest first."""
        mailbox = peer.mailbox if isinstance(peer, Chat) and peer.is_channel else account.mailbox
        return [message for _, message in sorted(mailbox.messages.items()) if message.peer is peer]

    # -- bots

    def block(self, person: User, bot: User) -> None:
        """The person stops the bot: it can no longer write to them."""
        if (person.id, bot.id) not in self.blocked:
            self.blocked.add((person.id, bot.id))
            self.tell(BotStopped(person=person, bot=bot, blocked=True))

    def unblock(self, person: User, bot: User) -> None:
        """The person lets the bot write again."""
        if (person.id, bot.id) in self.blocked:
            self.blocked.discard((person.id, bot.id))
            self.tell(BotStopped(person=person, bot=bot, blocked=False))

    def press(self, person: User, message: Message, data: str, *, forged: bool = False) -> CallbackQuery:
        """Press the inline button with `data` on a bot's message; LookupError if it has none such, unless `forged`."""
        if not forged and not any(button.data == data for row in message.post.keyboard for button in row):
            raise LookupError(f"no button with data {data!r}")
        bot = message.post.sender
        if not isinstance(bot, User) or not bot.is_bot:
            raise LookupError("not a message of a bot")
        query = CallbackQuery(
            id=self.new_id(),
            user=person,
            bot=bot,
            message=copy_in(message.post, bot.mailbox) or message,
            data=data,
            date=self.now(),
        )
        self.queries[query.id] = query
        self.tell(ButtonPressed(query=query))
        return query

    def answer(self, query: CallbackQuery, text: str = "", *, alert: bool = False) -> None:
        """Answer a callback query as its bot."""
        query.answer, query.alert = text, alert
        self.tell(QueryAnswered(query=query))

    def show_action(self, sender: User, peer: Peer, action: str) -> None:
        """Show "typing…" or the like."""
        self.tell(ActionShown(sender=sender, peer=peer, action=action))

    # -- files

    def expire_references(self, files: Iterable[File] | None = None) -> None:
        """Make every file reference given out so far (for these files, or for all) invalid."""
        for file in self.files.values() if files is None else files:
            file.expire_reference()

    def swap_file(self, file: File, other: File) -> None:
        """Put another file into all posts that hold this one, without an event: who asks again sees the other one."""
        peers: list[Peer] = [*self.users.values(), *self.chats.values()]
        for message in (message for peer in peers for message in peer.mailbox.messages.values()):
            if message.post.media is file:
                message.post.media = other

    # -- inner workings

    def tell(self, event: Event) -> None:
        """Tell every listener."""
        for listener in tuple(self._listeners):
            listener(event)

    def _deliver(self, post: Post, sender: User, peer: Peer) -> Message:
        if isinstance(peer, Chat):
            if peer.is_channel:
                return self._put(post, peer.mailbox, peer, out=False)
            own = self._put(post, sender.mailbox, peer, out=True)
            for member in sorted(peer.members - {sender.id}):
                self._put(post, self.users[member].mailbox, peer, out=False)
            return own
        own = self._put(post, sender.mailbox, peer, out=True)
        if peer is not sender and (peer.id, sender.id) not in self.blocked and (sender.id, peer.id) not in self.blocked:
            self._put(post, peer.mailbox, sender, out=False)
        return own

    def _put(self, post: Post, mailbox: Mailbox, peer: Peer, *, out: bool) -> Message:
        mailbox.last_id += 1
        message = Message(id=mailbox.last_id, mailbox=mailbox, peer=peer, out=out, post=post)
        mailbox.messages[message.id] = message
        post.copies.append(message)
        mailbox.pts += 1
        self._record(MessageAdded(mailbox=mailbox, message=message, pts=mailbox.pts))
        return message

    def _record(self, event: MailboxEvent) -> None:
        event.mailbox.events.append(event)
        self.tell(event)
