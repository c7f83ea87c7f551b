"""What groups and channels are to each other: comments, topics, migration, names, and links that let people in."""

from __future__ import annotations

from teltubby.simulator.actions import ChannelCreated, MigratedFrom, MigratedTo, TitleChanged, TopicCreated
from teltubby.simulator.counting import Counting
from teltubby.simulator.messages import ChatChanged, Message, OriginChannel, Post
from teltubby.simulator.people import Chat, ChatKind, Topic, User

GENERAL = 1
TOPIC_COLORS = (0x6FB9F0, 0xFFD67E, 0xCB86DB, 0x8EEE98, 0xFF93B2, 0xFB6F5F)
LINK = "https://t.me/+"


class Communities(Counting):
    """Changes what chats are. Nobody is asked whether they may: that is the caller's to know."""

    # -- names and links

    def rename(self, chat: Chat, by: User, *, title: str | None = None, username: str | None = None) -> None:
        """Give a chat another title (a service message tells of it) or user name; an empty one makes it private."""
        if username is not None:
            chat.username = username or None
        if title is not None:
            chat.title = title
            self.tell_service(by, chat, TitleChanged(title=title))
        self.tell(ChatChanged(chat=chat))

    def invite_link(self, chat: Chat) -> str:
        """A new link that lets people in, as t.me/+…"""
        code = self.keyed("invite", f"{chat.id} {len(chat.invites)}".encode()).hex()[:16]
        chat.invites.append(code)
        return LINK + code

    def chat_by_invite(self, code: str) -> Chat | None:
        """The chat that a link with this hash leads to."""
        return next((chat for chat in self.chats.values() if code in chat.invites), None)

    # -- comments

    def link_discussion(self, channel: Chat, group: Chat) -> None:
        """Have the posts of a channel commented on in a supergroup: from now on each is forwarded there by itself."""
        if channel.kind is not ChatKind.CHANNEL or group.kind is not ChatKind.SUPERGROUP:
            raise ValueError("posts of a channel are commented on in a supergroup")
        channel.linked, group.linked = group, channel
        for chat in (channel, group):
            self.tell(ChatChanged(chat=chat))

    def comments_root(self, post: Message) -> Message:
        """The message in the linked group that comments on a channel's post answer; LookupError without a group."""
        channel = post.peer
        if not isinstance(channel, Chat) or channel.kind is not ChatKind.CHANNEL or channel.linked is None:
            raise LookupError("nobody comments on this")
        root = in_discussion(post)
        return self._forward_to_discussion(post, channel, channel.linked) if root is None else root

    def _forward_to_discussion(self, message: Message, channel: Chat, group: Chat) -> Message:
        message.mailbox.keep(message)
        post = message.post
        forwarded = Post(
            sender=channel,
            author=post.author,
            date=self.now(),
            text=post.text,
            entities=post.entities,
            media=post.media,
            origin=post.origin or OriginChannel(chat=channel, message_id=message.id, date=post.date),
            grouped_id=post.grouped_id,
            comments_on=message,
        )
        post.discussion = self._put(forwarded, group.mailbox, group, out=False)
        return post.discussion

    # -- topics

    def make_forum(self, group: Chat) -> None:
        """Turn a supergroup into a forum, with the topic "General"."""
        group.forum = True
        author = self.users[min(group.admins or group.members)]
        if not group.mailbox.last_id:
            # The id of "General" belongs to the message that made the group.
            self.tell_service(author, group, ChannelCreated(title=group.title))
        color = TOPIC_COLORS[0]
        group.topics[GENERAL] = Topic(id=GENERAL, title="General", color=color, author=author, date=group.date)
        self.tell(ChatChanged(chat=group))

    def create_topic(self, group: Chat, by: User, title: str) -> Topic:
        """Open a topic; ValueError in a group that is no forum."""
        if not group.forum:
            raise ValueError(f"{group.title!r} has no topics")
        color = TOPIC_COLORS[len(group.topics) % len(TOPIC_COLORS)]
        made = self.tell_service(by, group, TopicCreated(title=title, color=color))
        topic = group.topics[made.id] = Topic(id=made.id, title=title, color=color, author=by, date=made.post.date)
        return topic

    # -- migration

    def migrate(self, group: Chat, by: User) -> Chat:
        """Turn a basic group into a supergroup: another id, other message ids, and the old messages stay behind."""
        if group.is_channel or group.migrated_to is not None:
            raise ValueError(f"{group.title!r} is no basic group")
        people = {user_id: self.users[user_id] for user_id in group.members}
        new = self.add_chat(
            ChatKind.SUPERGROUP,
            group.title,
            members=tuple(people.values()),
            admins=tuple(people[admin] for admin in group.admins),
            protected=group.protected,
        )
        self.tell_service(by, group, MigratedTo(chat=new))
        group.migrated_to, new.migrated_from = new, group
        for chat in (group, new):
            self.tell(ChatChanged(chat=chat))
        self.tell_service(by, new, MigratedFrom(chat=group, title=group.title))
        return new


def top_of_migrated(group: Chat, account: User) -> int:
    """The last message id of a basic group that was migrated, as that account counts."""
    ids = [message.id for message in account.mailbox.messages.values() if message.peer is group]
    return max(ids, default=0)


def in_discussion(post: Message) -> Message | None:
    """Where a channel's post stands in the group with its comments, if it does."""
    found = post.post.discussion
    return None if found is None or found.deleted else found
