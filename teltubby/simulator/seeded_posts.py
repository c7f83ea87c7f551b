"""Makes any message of a seeded channel from its id, always the same: text, media, origin, counters."""

from __future__ import annotations

import hashlib
import struct
from random import Random
from weakref import WeakValueDictionary

from teltubby.simulator.actions import ChannelCreated, MessagePinned
from teltubby.simulator.content import GeneratedContent
from teltubby.simulator.counters import Counters
from teltubby.simulator.files import MIME_TYPES, File, FileKind, PhotoSize
from teltubby.simulator.messages import (
    Contact,
    Location,
    Media,
    Message,
    Origin,
    OriginChannel,
    OriginHiddenUser,
    Poll,
    Post,
    Unsupported,
    Venue,
    WebPage,
)
from teltubby.simulator.people import Chat, ChatKind, User
from teltubby.simulator.seeded_layout import Kind, Layout, Slot
from teltubby.simulator.seeded_text import sentence, sentence_with_links

FILE_IDS = 1 << 62
CONTENT_SEEDS = 8
HERE = Location(latitude=59.93, longitude=30.31)
FILES = {
    Kind.ALBUM: FileKind.PHOTO,
    Kind.PHOTO: FileKind.PHOTO,
    Kind.VIDEO: FileKind.VIDEO,
    Kind.DOCUMENT: FileKind.DOCUMENT,
    Kind.AUDIO: FileKind.AUDIO,
    Kind.VOICE: FileKind.VOICE,
    Kind.VIDEO_NOTE: FileKind.VIDEO_NOTE,
    Kind.ANIMATION: FileKind.ANIMATION,
    Kind.STICKER: FileKind.STICKER,
}
LARGEST = {FileKind.VIDEO: 40_000_000, FileKind.DOCUMENT: 8_000_000, FileKind.AUDIO: 6_000_000}
WORDLESS = frozenset({Kind.STICKER, Kind.VIDEO_NOTE, Kind.POLL, Kind.LOCATION, Kind.VENUE, Kind.CONTACT})
REACTIONS = ("👍", "❤", "🔥", "😢", "custom_5368324170671202286", "paid")


class SeededPosts:
    """The messages of one channel. `number` tells its files from those of other seeded channels.

    Posts are `spacing` seconds apart from `begins` on (Unix seconds), the parts of an album together. `authors` are the
    people of a supergroup, or the one who posts in a channel.
    """

    def __init__(
        self,
        chat: Chat,
        layout: Layout,
        *,
        seed: int,
        number: int,
        begins: int,
        spacing: int,
        authors: tuple[User, ...],
    ) -> None:
        self.layout = layout
        self._chat = chat
        self._seed = seed
        self._number = number
        self._begins = begins
        self._spacing = spacing
        self._authors = authors
        self._made: WeakValueDictionary[int, Message] = WeakValueDictionary()
        self._files: WeakValueDictionary[int, File] = WeakValueDictionary()
        self._references = 0
        self._expired: dict[int, File] = {}

    def message(self, message_id: int) -> Message | None:
        """The message with that id; None for a gap. As long as anybody holds it, it is the same object."""
        made = self._made.get(message_id)
        slot = self.layout.slot(message_id)
        if made is not None or slot is None:
            return made
        chat = self._chat
        message = Message(id=message_id, mailbox=chat.mailbox, peer=chat, out=False, post=self._post(message_id, slot))
        message.post.copies.append(message)
        self._made[message_id] = message
        return message

    def date(self, message_id: int) -> int:
        """When it was posted, in Unix seconds; never before an earlier one."""
        slot = self.layout.slot(message_id)
        return self._begins + (message_id - (slot.behind if slot else 0)) * self._spacing

    def file(self, message_id: int) -> File | None:
        """The file in that message; None where there is none. As long as anybody holds it, it is the same object."""
        made = self._files.get(message_id)
        slot = self.layout.slot(message_id)
        kind = FILES.get(slot.kind) if slot else None
        if made is not None or slot is None or kind is None:
            return made
        dice = self._dice(message_id, "file")
        if slot.kind is Kind.ALBUM and slot.behind % 3 == 2:
            kind = FileKind.VIDEO
        content = GeneratedContent(
            size=dice.randrange(2_000, LARGEST.get(kind, 300_000)), seed=message_id % CONTENT_SEEDS
        )
        width, height = dice.choice(((1280, 720), (720, 1280), (640, 640)))
        thumb = GeneratedContent(size=max(1, content.size // 8), seed=message_id % CONTENT_SEEDS)
        file = self._files[message_id] = File(
            id=FILE_IDS | self._number << 32 | message_id,
            kind=kind,
            content=content,
            date=self.date(message_id),
            mime_type=MIME_TYPES.get(kind),
            name=f"файл {message_id}.bin" if kind in (FileKind.DOCUMENT, FileKind.VIDEO, FileKind.AUDIO) else None,
            width=width,
            height=height,
            duration=dice.randrange(1, 600),
            references=self._references,
            emoji="😀" if kind is FileKind.STICKER else None,
            sizes=(
                PhotoSize(letter="m", width=width // 4, height=height // 4, content=thumb),
                PhotoSize(letter="x" if width == height else "y", width=width, height=height, content=content),
            )
            if kind is FileKind.PHOTO
            else (),
        )
        return file

    def expire_references(self, file: File | None = None) -> None:
        """Make every reference invalid that was given out for a file of this channel, or for all."""
        if file is not None:
            # Held from now on: made anew, it would have its first reference again.
            self._expired[file.id & 0xFFFFFFFF] = file
            file.expire_reference()
            return
        self._references += 1
        for made in list(self._files.values()):
            made.expire_reference()

    def _post(self, message_id: int, slot: Slot) -> Post:
        dice = self._dice(message_id, "post")
        author = dice.choice(self._authors)
        chat = self._chat
        post = Post(sender=chat if chat.kind is ChatKind.CHANNEL else author, author=author, date=self.date(message_id))
        replied = self.layout.text_before(message_id) if slot.kind in (Kind.REPLY, Kind.SERVICE) else None
        answered = self._answered(replied) if replied is not None else None
        if slot.kind is Kind.SERVICE:
            if answered is None:
                post.service = ChannelCreated(title=chat.title)
            else:
                post.service, post.reply_to = MessagePinned(), answered.post
            return post
        post.media = self._media(message_id, slot, dice)
        if slot.kind is Kind.LINKS or slot.kind is Kind.WEB_PAGE:
            post.text, post.entities = sentence_with_links(dice)
        elif slot.kind not in WORDLESS and (slot.kind is not Kind.ALBUM or slot.behind == 0):
            post.text, post.entities = sentence(dice)
        if slot.kind is Kind.ALBUM:
            post.grouped_id = FILE_IDS | self._number << 32 | (message_id - slot.behind)
        if slot.kind is Kind.FORWARD:
            post.origin = self._origin(message_id, dice)
        post.reply_to = answered.post if answered else None
        post.counters = _counters(dice) if chat.kind is ChatKind.CHANNEL else Counters()
        return post

    def _answered(self, message_id: int) -> Message | None:
        """The message that is answered, as it is now: it may have been edited, or be gone."""
        return self._chat.mailbox.messages.get(message_id)

    def _origin(self, message_id: int, dice: Random) -> Origin:
        date = self.date(message_id) - 1000
        if dice.random() < 0.3:
            return OriginHiddenUser(name="Somebody Hidden", date=date)
        return OriginChannel(chat=self._chat, message_id=max(1, message_id - 10), date=date, author_signature="editor")

    def _media(self, message_id: int, slot: Slot, dice: Random) -> Media | None:
        match slot.kind:
            case Kind.POLL:
                return Poll(id=FILE_IDS | message_id, question=f"Вопрос {message_id}?", options=("да", "нет"))
            case Kind.LOCATION:
                return HERE
            case Kind.VENUE:
                return Venue(location=HERE, title="Hermitage", address="Palace Square")
            case Kind.CONTACT:
                return Contact(phone_number="+79990000000", first_name="Ivan")
            case Kind.WEB_PAGE:
                return WebPage(id=FILE_IDS | message_id, url="https://example.org/", title=f"Page {dice.randrange(99)}")
            case Kind.UNSUPPORTED:
                return Unsupported()
            case _:
                return self.file(message_id)

    def _dice(self, message_id: int, purpose: str) -> Random:
        digest = hashlib.blake2b(struct.pack(">qq", self._seed, message_id) + purpose.encode(), digest_size=8).digest()
        return Random(int.from_bytes(digest))


def _counters(dice: Random) -> Counters:
    views = dice.randrange(10, 100_000)
    kinds = dice.sample(REACTIONS, dice.randrange(len(REACTIONS)))
    return Counters(
        views=views,
        forwards=dice.randrange(views // 10 + 1),
        reactions={kind: dice.randrange(1, views // 5 + 2) for kind in kinds},
    )
