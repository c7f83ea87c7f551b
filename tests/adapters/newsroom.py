"""Channels of the simulated Telegram, and the session of a person who reads and follows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
from anyio import to_thread

from teltubby.adapters.telethon_person import PersonSession
from teltubby.messages.channels import ChannelRef, PostPage, Pushed, Pushes
from teltubby.messages.collected import AbsentMessage, CollectedMessage, ReadMessage, UnreadableMessage
from teltubby.simulator.messages import Message
from teltubby.simulator.people import Chat, ChatKind
from tests.adapters.house import House
from tests.adapters.persons import Person, person_of

WITHIN = 30.0

R = TypeVar("R")


@dataclass
class Newsroom:
    """Ada writes the channels; her session collects them."""

    house: House
    ada: Person
    session: PersonSession

    def call(self, work: Callable[[], R]) -> R:
        """On the server's thread."""
        return self.house.telegram.call(work)

    def seeded(self, posts: int, *, username: str | None = "space", kind: ChatKind = ChatKind.CHANNEL) -> Chat:
        """A channel of so many posts."""
        world, ada = self.house.telegram.world, self.ada.user
        return self.call(lambda: world.add_seeded_channel("Space", posts, username=username, kind=kind, admins=(ada,)))

    def empty(self, *, kind: ChatKind = ChatKind.CHANNEL, username: str | None = None, member: bool = True) -> Chat:
        """A channel or group in which nothing was written yet; the bot writes it where Ada is no member."""
        world, ada, bot = self.house.telegram.world, self.ada.user, self.house.bot
        admins = (ada, bot) if member else (bot,)
        return self.call(lambda: world.add_chat(kind, "Quiet", admins=admins, username=username))

    def post(self, chat: Chat, text: str) -> Message:
        world = self.house.telegram.world
        writer = self.ada.user if self.ada.user.id in chat.members else self.house.bot
        return self.call(lambda: world.send(writer, chat, text))

    def edit(self, message: Message, text: str) -> None:
        world = self.house.telegram.world
        self.call(lambda: world.edit(message, text=text))

    def remove(self, *messages: Message) -> None:
        world = self.house.telegram.world
        self.call(lambda: world.remove(list(messages)))

    def ids(self, chat: Chat) -> list[int]:
        """Of all that is in the channel, oldest first."""
        return self.call(lambda: sorted(chat.mailbox.messages))

    def pts(self, chat: Chat) -> int:
        return self.call(lambda: chat.mailbox.pts)

    def kick(self, chat: Chat) -> None:
        """Ada is removed from the channel."""
        world, ada = self.house.telegram.world, self.ada.user
        self.call(lambda: world.kick(chat, ada))

    def ref(self, chat: Chat) -> ChannelRef:
        """As Ada has to ask for it."""
        world, ada = self.house.telegram.world, self.ada.user
        return ChannelRef(chat.id, self.call(lambda: world.access_hash(ada.id, chat)))


async def newsroom(house: House, *, follows: bool = False) -> Newsroom:
    """Ada is signed in."""
    ada = person_of(house)
    session = house.person(follows=follows)
    await ada.sign_in(session)
    await session.open()
    return Newsroom(house, ada, session)


async def hear(pushes: Pushes) -> Pushed | None:
    """What comes next; it must come."""
    with anyio.fail_after(WITHIN):
        return await pushes.next()


async def read(page: PostPage) -> tuple[ReadMessage, ...]:
    """What is on it, read where reading may take its time."""
    return await to_thread.run_sync(page.read)


def id_of(message: ReadMessage) -> int:
    match message:
        case CollectedMessage():
            return message.post.msg_id
        case AbsentMessage() | UnreadableMessage():
            return message.msg_id


def text_of(message: ReadMessage) -> str:
    assert isinstance(message, CollectedMessage), message
    return message.post.text
