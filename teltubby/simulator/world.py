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
- `join`, `leave`, `kick` and `delete_chat` change who sees a group or channel (membership.py); `rename`, `migrate`,
  `link_discussion`, `comment`, `make_forum`, `create_topic` and `invite_link` what it is (communities.py).
- `view`, `react` and `unreact` change counters (counting.py). `add_seeded_channel` makes a channel of any length at
  once (seeded.py); of its messages only those that changed since are kept.
- A `File` is sent in any number of posts; the same content under a new id is another File (`add_file`, same seed).
  `access_hash` and `file_reference` are what MTProto needs beside an id; `expire_references` makes old ones invalid.
- `faults` and `flood_rule` bend the world; `advance` moves its clock, `now()` reads it (Unix seconds).

It is not locked: all use is on the thread of one event loop (`SimulatedTelegram.call`). Only the content of files may
be read from anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from teltubby.simulator.communities import GENERAL
from teltubby.simulator.faults import Faults
from teltubby.simulator.files import File
from teltubby.simulator.messages import (
    ActionShown,
    BotStopped,
    ButtonPressed,
    CallbackQuery,
    Entity,
    Keyboard,
    Media,
    Message,
    Origin,
    Post,
    QueryAnswered,
    TokenRevoked,
    copy_in,
)
from teltubby.simulator.people import Chat, ChatKind, Mailbox, Peer, User
from teltubby.simulator.rules import FloodRule, Reason, Refused, may_write
from teltubby.simulator.seeded import SeededMessages, Seeding
from teltubby.simulator.timeline import Listed, Timeline, messages_of


class World(Seeding):
    """All of Telegram that the simulation knows; see the module's docstring. `seed` makes ids and tokens repeatable."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], float] = time.time) -> None:
        super().__init__(seed=seed, clock=clock)
        self.faults = Faults()
        self.flood_rule = FloodRule()
        self.started: set[tuple[int, int]] = set()
        self.blocked: set[tuple[int, int]] = set()
        self.queries: dict[int, CallbackQuery] = {}

    # -- who is concerned

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
        topic: int | None = None,
    ) -> Message:
        """Send a message (`text` is the caption when there is media) and return the sender's copy.

        `sender` posts in a channel on the channel's behalf, `topic` is the id of one in a forum (of the answered
        message, unless given). Raises Refused when it may not write there, LookupError for a topic that is not there.
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
            topic=self._topic(peer, reply_to, topic),
        )
        sent = self._deliver(post, sender, peer, frozenset(self.blocked))
        if isinstance(peer, Chat) and peer.kind is ChatKind.CHANNEL and peer.linked is not None:
            self.comments_root(sent)
        return sent

    def comment(self, post: Message, who: User, text: str, *, reply_to: Message | None = None) -> Message:
        """Comment on a channel's post in the linked group, or answer a comment there. Raises Refused like send."""
        root = self.comments_root(post)
        return self.send(who, root.peer, text, reply_to=reply_to or root)

    def forward(self, message: Message, sender: User, peer: Peer, *, grouped_id: int | None = None) -> Message:
        """Forward a message with its origin, the same file included. Raises Refused, also for protected content."""
        if message.protected:
            raise Refused(Reason.PROTECTED)
        post = message.post
        sent = self.send(
            sender,
            peer,
            post.text,
            entities=post.entities,
            media=post.media,
            origin=post.origin or self.origin_of(message),
            grouped_id=grouped_id,
        )
        if isinstance(message.peer, Chat) and message.peer.kind is ChatKind.CHANNEL:
            self.count_forward(post)
        return sent

    def copy(
        self,
        message: Message,
        sender: User,
        peer: Peer,
        *,
        caption: str | None = None,
        entities: tuple[Entity, ...] = (),
        reply_to: Message | None = None,
        grouped_id: int | None = None,
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
            grouped_id=grouped_id,
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
        self._keep(post)
        new_text, new_entities = (post.text, post.entities) if text is None else (text, entities)
        new_media = post.media if media is None else media
        new_keyboard = post.keyboard if keyboard is None else keyboard
        after = (new_text, new_entities, new_media, new_keyboard)
        if after == (post.text, post.entities, post.media, post.keyboard):
            raise Refused(Reason.NOT_MODIFIED)
        post.text, post.entities, post.media, post.keyboard = after
        self.touch(post)

    def delete(self, message: Message, *, for_all: bool = True) -> None:
        """Remove a message, for all who have it or only from its own mailbox. Ids are never used again."""
        self.remove(message.post.copies if for_all else [message])

    def message(self, account: User, peer: Peer, message_id: int) -> Message | None:
        """The message that `account` knows as `message_id` in the conversation with `peer`; None when there is none."""
        if isinstance(peer, Chat) and peer.is_channel:
            return peer.mailbox.messages.get(message_id)
        found = account.mailbox.messages.get(message_id)
        return found if found is not None and found.peer is peer else None

    def timeline(self, account: User, peer: Peer) -> Timeline:
        """The conversation of `account` with `peer`, from which single messages can be had."""
        mailbox = peer.mailbox if isinstance(peer, Chat) and peer.is_channel else account.mailbox
        if isinstance(mailbox.messages, SeededMessages):
            return mailbox.messages
        return Listed(message for _, message in sorted(mailbox.messages.items()) if message.peer is peer)

    def history(self, account: User, peer: Peer) -> list[Message]:
        """The conversation of `account` with `peer`, oldest first."""
        return list(messages_of(self.timeline(account, peer)))

    # -- bots

    def revoke_token(self, bot: User) -> str:
        """Give the bot another token, as its owner does at BotFather; the old one and the bot's sessions are over."""
        token = super().revoke_token(bot)
        self.tell(TokenRevoked(bot=bot))
        return token

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

    def swap_file(self, file: File, other: File) -> None:
        """Put another file into all posts that hold this one, without an event: who asks again sees the other one."""
        peers: list[Peer] = [*self.users.values(), *self.chats.values()]
        for message in (message for peer in peers for message in peer.mailbox.messages.values()):
            if message.post.media is file:
                message.mailbox.keep(message)
                message.post.media = other

    # -- inner workings

    def _topic(self, peer: Peer, reply_to: Message | None, topic: int | None) -> int | None:
        if not isinstance(peer, Chat) or not peer.forum:
            return None
        wanted = (reply_to.post.topic if reply_to else None) if topic is None else topic
        if wanted not in (None, *peer.topics):
            raise LookupError(f"no topic {wanted} in {peer.title!r}")
        return None if wanted == GENERAL else wanted
