"""Putting messages into mailboxes and taking them out, each change an event with its pts."""

from __future__ import annotations

from collections.abc import Iterable

from teltubby.simulator.actions import Action
from teltubby.simulator.membership import Memberships
from teltubby.simulator.messages import (
    MailboxEvent,
    Message,
    MessageAdded,
    MessageEdited,
    MessagesDeleted,
    Post,
)
from teltubby.simulator.people import Chat, ChatKind, Mailbox, Peer, User


class Deliveries(Memberships):
    """Changes mailboxes and tells of it. Nobody is asked whether they may: that is the caller's to know."""

    _changes = 0

    def tell_service(self, author: User, chat: Chat, action: Action, *, reply_to: Message | None = None) -> Message:
        """Put a service message into a group or channel, and return its author's copy."""
        post = Post(
            sender=chat if chat.kind is ChatKind.CHANNEL else author,
            author=author,
            date=self.now(),
            service=action,
            reply_to=reply_to.post if reply_to else None,
        )
        return self._deliver(post, author, chat, frozenset())

    def touch(self, post: Post, *, hidden: bool = False) -> None:
        """Tell all who have a post that it changed; `hidden` from people, who are not to see that it was edited."""
        post.edit_date, post.edit_hidden = self.now(), hidden and post.edits == 0
        post.edits += not hidden
        for copy in post.copies:
            if not copy.deleted:
                copy.mailbox.pts += 1
                self._record(MessageEdited(mailbox=copy.mailbox, message=copy, pts=copy.mailbox.pts, hidden=hidden))

    def remove(self, messages: Iterable[Message]) -> None:
        """Remove messages from their mailboxes, from each by one event. Ids are never used again."""
        boxes: dict[int, list[Message]] = {}
        for message in messages:
            if not message.deleted:
                boxes.setdefault(id(message.mailbox), []).append(message)
        for gone in boxes.values():
            box = gone[0].mailbox
            for message in gone:
                del box.messages[message.id]
            box.pts += len(gone)
            ids = tuple(message.id for message in gone)
            self._record(MessagesDeleted(mailbox=box, message_ids=ids, pts=box.pts, pts_count=len(ids)))

    def _deliver(self, post: Post, sender: User, peer: Peer, blocked: frozenset[tuple[int, int]]) -> Message:
        if isinstance(peer, Chat):
            if peer.is_channel:
                return self._put(post, peer.mailbox, peer, out=False)
            own = self._put(post, sender.mailbox, peer, out=True)
            for member in sorted(peer.members - {sender.id}):
                self._put(post, self.users[member].mailbox, peer, out=False)
            return own
        own = self._put(post, sender.mailbox, peer, out=True)
        if peer is not sender and (peer.id, sender.id) not in blocked and (sender.id, peer.id) not in blocked:
            self._put(post, peer.mailbox, sender, out=False)
        return own

    def _put(self, post: Post, mailbox: Mailbox, peer: Peer, *, out: bool) -> Message:
        mailbox.last_id += 1
        message = Message(id=mailbox.last_id, mailbox=mailbox, peer=peer, out=out, post=post)
        mailbox.messages[message.id] = message
        post.copies.append(message)
        if post.thread is not None and len(post.copies) == 1:
            post.thread.answers.append(post)
        mailbox.pts += 1
        self._record(MessageAdded(mailbox=mailbox, message=message, pts=mailbox.pts))
        return message

    def _record(self, event: MailboxEvent) -> None:
        self._changes += 1
        event.mailbox.changed_at, event.mailbox.changes = self.now(), self._changes
        event.mailbox.events.append(event)
        self.tell(event)

    @property
    def changes(self) -> int:
        """How many events there were in all mailboxes together."""
        return self._changes
