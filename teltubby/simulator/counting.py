"""Views, forwards and reactions as people cause them."""

from __future__ import annotations

from teltubby.simulator.delivery import Deliveries
from teltubby.simulator.messages import Counted, Counter, Message, Post
from teltubby.simulator.people import Chat, ChatKind, User


class Counting(Deliveries):
    """Changes the counters of messages and tells of it, as Telegram does.

    A view or forward has no pts: who misses the update learns the number when it asks. Reactions to a channel's post
    move its edit date and come as an edit, hidden from people (reported); those in groups and private chats come as an
    update of their own, without pts.
    """

    def view(self, message: Message, who: User | None = None, *, times: int = 1) -> None:
        """An account sees a post of a channel, which counts once; without `who`, so many strangers do."""
        # In the group where a post is commented on it is the same post, and the same counter.
        post = (message.post.comments_on or message).post
        self._keep(post)
        if who is None:
            post.counters.views += times
        elif not post.counters.see(who.id):
            return
        self._tell_counted(post, Counter.VIEWS)

    def count_forward(self, post: Post, *, times: int = 1) -> None:
        """So many people forward a post of a channel."""
        self._keep(post)
        post.counters.forwards += times
        self._tell_counted(post, Counter.FORWARDS)

    def react(self, message: Message, who: User, reaction: str) -> None:
        """React with an emoji, `custom_{document id}`, or `paid` (a star more each time)."""
        self._keep(message.post)
        if message.post.counters.react(who.id, reaction):
            self._tell_reactions(message.post)

    def unreact(self, message: Message, who: User, reaction: str) -> None:
        """Take a reaction back; LookupError when there is none, or it was paid."""
        self._keep(message.post)
        if not message.post.counters.unreact(who.id, reaction):
            raise LookupError(f"no reaction {reaction!r} to take back")
        self._tell_reactions(message.post)

    def _tell_reactions(self, post: Post) -> None:
        if any(isinstance(copy.peer, Chat) and copy.peer.kind is ChatKind.CHANNEL for copy in post.copies):
            self.touch(post, hidden=True)
        else:
            self._tell_counted(post, Counter.REACTIONS)

    def _tell_counted(self, post: Post, counter: Counter) -> None:
        for copy in [*post.copies, *([] if post.discussion is None else [post.discussion])]:
            if not copy.deleted:
                self.tell(Counted(message=copy, counter=counter))

    def _keep(self, post: Post) -> None:
        for copy in post.copies:
            if not copy.deleted:
                copy.mailbox.keep(copy)
