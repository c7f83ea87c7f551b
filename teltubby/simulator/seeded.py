"""Channels with any number of posts that take neither memory nor time until somebody looks at them."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, MutableMapping

from teltubby.simulator.communities import Communities
from teltubby.simulator.files import File
from teltubby.simulator.messages import Message
from teltubby.simulator.people import Chat, ChatKind, User
from teltubby.simulator.seeded_layout import Layout
from teltubby.simulator.seeded_posts import FILE_IDS, SeededPosts


class SeededMessages(MutableMapping[int, Message]):
    """The messages of a seeded channel by id, and as a Timeline; kept are only those that came or changed later."""

    def __init__(self, posts: SeededPosts) -> None:
        self._posts = posts
        self._layout = posts.layout
        self._kept: dict[int, Message] = {}
        self._later: list[int] = []
        self._gone: list[int] = []

    def __getitem__(self, message_id: int) -> Message:
        kept = self._kept.get(message_id)
        if kept is not None:
            return kept
        made = None if self._is_gone(message_id) else self._posts.message(message_id)
        if made is None:
            raise KeyError(message_id)
        return made

    def __setitem__(self, message_id: int, message: Message) -> None:
        if message_id > self._layout.last_id and message_id not in self._kept:
            insort(self._later, message_id)
        self._kept[message_id] = message

    def __delitem__(self, message_id: int) -> None:
        # Also raises KeyError for one that is not there.
        message = self[message_id]
        self._kept.pop(message_id, None)
        if message.id > self._layout.last_id:
            self._later.remove(message_id)
        else:
            insort(self._gone, message_id)

    def __contains__(self, message_id: object) -> bool:
        if message_id in self._kept:
            return True
        return isinstance(message_id, int) and bool(self._layout.slot(message_id)) and not self._is_gone(message_id)

    def __iter__(self) -> Iterator[int]:
        gone = set(self._gone)
        yield from (one for one in map(self._layout.id_at, range(self._layout.posts)) if one not in gone)
        yield from self._later

    def __len__(self) -> int:
        return self._seeded + len(self._later)

    def at(self, place: int) -> Message:
        """The message at a place from 0, oldest first."""
        return self[self._id_at(place)]

    def place_of_id(self, message_id: int) -> int:
        """How many messages have a smaller id."""
        seeded = self._layout.below(message_id) - bisect_left(self._gone, message_id)
        return seeded + bisect_left(self._later, message_id)

    def place_of_date(self, date: int) -> int:
        """How many messages are older than that, in Unix seconds."""
        return bisect_left(range(len(self)), date, key=lambda place: self._date(self._id_at(place)))

    @property
    def _seeded(self) -> int:
        return self._layout.posts - len(self._gone)

    def _is_gone(self, message_id: int) -> bool:
        place = bisect_left(self._gone, message_id)
        return place < len(self._gone) and self._gone[place] == message_id

    def _date(self, message_id: int) -> int:
        return self._kept[message_id].post.date if message_id in self._kept else self._posts.date(message_id)

    def _id_at(self, place: int) -> int:
        if place < 0 or place >= len(self):
            raise IndexError(place)
        if place >= self._seeded:
            return self._later[place - self._seeded]
        if not self._gone:
            return self._layout.id_at(place)
        # The id in the layout with exactly `place` messages before it that are not gone.
        ids = range(1, self._layout.last_id + 1)
        return 1 + bisect_right(ids, place, key=lambda one: self._layout.below(one + 1) - bisect_right(self._gone, one))


class Seeding(Communities):
    """Makes channels out of a seed."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], float] = time.time) -> None:
        super().__init__(seed=seed, clock=clock)
        self._seeded: dict[int, SeededPosts] = {}

    def add_seeded_channel(
        self,
        title: str,
        posts: int,
        *,
        seed: int = 0,
        kind: ChatKind = ChatKind.CHANNEL,
        username: str | None = None,
        members: tuple[User, ...] = (),
        admins: tuple[User, ...] = (),
        subscribers: int | None = None,
        spacing: int = 60,
    ) -> Chat:
        """A channel or supergroup in which `posts` messages were posted until now, `spacing` seconds between their ids.

        Texts with links, albums, replies, forwards, service messages, media of every kind, counters; ids have gaps. The
        same seed makes the same channel. What happens in it from now on is as in any other. ValueError without admins.
        """
        if not admins or posts < 2 or kind is ChatKind.GROUP:
            raise ValueError("a seeded channel takes an admin and two posts")
        chat = self.add_chat(kind, title, username=username, members=members, admins=admins)
        layout = Layout(seed, posts)
        chat.date = begins = self.now() - (layout.last_id + 1) * spacing
        chat.subscribers = subscribers
        number = len(self._seeded) + 1
        authors = admins if kind is ChatKind.CHANNEL else (*admins, *members)
        source = SeededPosts(chat, layout, seed=seed, number=number, begins=begins, spacing=spacing, authors=authors)
        self._seeded[number] = source
        chat.mailbox.messages = SeededMessages(source)
        chat.mailbox.last_id = layout.last_id
        # One for each id that was ever given, as if nothing was edited; the events themselves are too old to be told.
        chat.mailbox.pts = layout.last_id + 1
        chat.mailbox.forgotten = chat.mailbox.pts
        return chat

    def file(self, file_id: int) -> File | None:
        """The file with that id, also one of a seeded channel."""
        source = self._source_of(file_id)
        return source.file(file_id & 0xFFFFFFFF) if source else self.files.get(file_id)

    def expire_references(self, files: Iterable[File] | None = None) -> None:
        """Make every file reference given out so far (for these files, or for all) invalid."""
        if files is None:
            for source in self._seeded.values():
                source.expire_references()
        for file in self.files.values() if files is None else files:
            seeded = self._source_of(file.id)
            if seeded is None:
                file.expire_reference()
            else:
                seeded.expire_references(file)

    def _source_of(self, file_id: int) -> SeededPosts | None:
        return self._seeded.get((file_id ^ FILE_IDS) >> 32) if file_id & FILE_IDS and file_id > 0 else None
