"""Everybody and everything with an id in the simulated world, and the secrets that go with it."""

from __future__ import annotations

import hashlib
import random
import string
import struct
import time
from collections.abc import Callable

from teltubby.simulator.content import Content, GeneratedContent, LiteralContent
from teltubby.simulator.files import MIME_TYPES, File, FileKind, PhotoSize
from teltubby.simulator.messages import (
    Message,
    Origin,
    OriginChannel,
    OriginChat,
    OriginHiddenUser,
    OriginUser,
)
from teltubby.simulator.people import HOME_DC, SERVICE_ACCOUNT, Chat, ChatKind, Peer, User

TOKEN_ALPHABET = string.ascii_letters + string.digits + "_-"
SMALLER_SIZES = (("s", 90, 0.04), ("m", 320, 0.2), ("x", 800, 0.6))


class Registry:
    """Accounts, chats and files by id. Ids, hashes and tokens follow from `seed`, so a run can be repeated."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._advanced = 0.0
        self.users: dict[int, User] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[int, File] = {}
        self._random = random.Random(seed)
        self._secret = self._random.randbytes(32)
        self.revoked_tokens: set[str] = set()
        self._next_user = 5_000_000_001
        self._next_chat = 1_500_000_001

    def now(self) -> int:
        """The world's time in Unix seconds."""
        return int(self._clock() + self._advanced)

    def advance(self, seconds: float) -> None:
        """Let time pass at once: links, updates and references age."""
        self._advanced += seconds

    def new_id(self) -> int:
        """A fresh positive 62-bit number."""
        return self._random.getrandbits(62) | 1 << 61

    # -- accounts and chats

    def add_user(
        self,
        first_name: str,
        *,
        id: int | None = None,
        last_name: str | None = None,
        username: str | None = None,
        phone: str | None = None,
        language_code: str | None = None,
        premium: bool = False,
        password: str | None = None,
        hides_forwards: bool = False,
        home_dc: int = HOME_DC,
    ) -> User:
        """A person. Their mailbox starts at some message id of its own, as that of an account with a past would."""
        user = User(
            id=self._user_id(id),
            first_name=first_name,
            last_name=last_name,
            username=username,
            phone=phone,
            language_code=language_code,
            premium=premium,
            password=password,
            hides_forwards=hides_forwards,
            home_dc=home_dc,
        )
        user.mailbox.last_id = self._random.randrange(10_000, 90_000)
        self.users[user.id] = user
        return user

    def add_bot(
        self,
        first_name: str,
        username: str,
        *,
        id: int | None = None,
        token: str | None = None,
        home_dc: int = HOME_DC,
    ) -> User:
        """A bot; its id is the number in its token, which is made up unless given."""
        number = int(token.split(":")[0]) if token else self._user_id(id)
        bot = User(
            id=number,
            first_name=first_name,
            username=username,
            is_bot=True,
            token=token or self._new_token(number),
            home_dc=home_dc,
        )
        self.users[bot.id] = bot
        return bot

    def revoke_token(self, bot: User) -> str:
        """Give the bot another token, as its owner does at BotFather; the old one is refused from now on."""
        self.revoked_tokens.add(bot.token or "")
        bot.token = self._new_token(bot.id)
        return bot.token

    def service_account(self) -> User:
        """The account 777000 "Telegram" that sends login codes."""
        return self.users.get(SERVICE_ACCOUNT) or self.add_user("Telegram", id=SERVICE_ACCOUNT, phone="42777")

    def add_chat(
        self,
        kind: ChatKind,
        title: str,
        *,
        id: int | None = None,
        username: str | None = None,
        members: tuple[User, ...] = (),
        admins: tuple[User, ...] = (),
        protected: bool = False,
    ) -> Chat:
        """A group, supergroup or channel (`id` is the bare one); admins are members too."""
        if id is None:
            id, self._next_chat = self._next_chat, self._next_chat + 1
        admin_ids = {user.id for user in admins}
        chat = Chat(
            id=id,
            kind=kind,
            title=title,
            username=username,
            protected=protected,
            members={user.id for user in members} | admin_ids,
            admins=admin_ids,
            date=self.now(),
        )
        self.chats[id] = chat
        return chat

    def bots(self) -> list[User]:
        """All bots."""
        return [user for user in self.users.values() if user.is_bot]

    def user_by_username(self, username: str) -> User | None:
        """The account of that name, with or without @, in any case."""
        name = username.lstrip("@").lower()
        return next((user for user in self.users.values() if (user.username or "").lower() == name), None)

    def chat_by_username(self, username: str) -> Chat | None:
        """The public chat of that name, with or without @, in any case."""
        name = username.lstrip("@").lower()
        return next((chat for chat in self.chats.values() if (chat.username or "").lower() == name), None)

    def user_by_phone(self, phone: str) -> User | None:
        """The account with that number; only its digits count."""
        digits = "".join(filter(str.isdigit, phone))
        return next((user for user in self.users.values() if user.phone and digits == user.phone.lstrip("+")), None)

    def bot_by_token(self, token: str) -> User | None:
        """The bot that has this token."""
        return next((user for user in self.users.values() if user.token == token), None)

    def peer_by_bot_api_id(self, chat_id: int) -> Peer | None:
        """The account or chat that the Bot API calls by this number."""
        if chat_id > 0:
            return self.users.get(chat_id)
        return next((chat for chat in self.chats.values() if chat.bot_api_id == chat_id), None)

    # -- files

    def add_file(
        self,
        kind: FileKind,
        size: int | None = None,
        *,
        seed: int | None = None,
        data: bytes | None = None,
        id: int | None = None,
        name: str | None = None,
        mime_type: str | None = None,
        dc: int = HOME_DC,
        width: int = 0,
        height: int = 0,
        duration: int = 0,
        performer: str | None = None,
        title: str | None = None,
        emoji: str | None = None,
        is_animated: bool = False,
        is_video: bool = False,
        size_known: bool = True,
        claimed_size: int | None = None,
    ) -> File:
        """A file on Telegram's servers: `size` bytes made from `seed` (a fresh one unless given), or literal `data`.

        The same seed and size under another id is the same content sent anew. Photos get their smaller sizes.
        `dc` is where MTProto serves it; `claimed_size` is a lie that both servers tell about its length.
        """
        content: Content
        if data is not None:
            content = LiteralContent(data)
        else:
            content = GeneratedContent(size=size or 0, seed=self._random.getrandbits(32) if seed is None else seed)
        if kind is FileKind.PHOTO:
            width, height = width or 1280, height or 960
        file = File(
            id=self.new_id() if id is None else id,
            kind=kind,
            content=content,
            date=self.now(),
            mime_type=mime_type or MIME_TYPES.get(kind),
            name=name,
            dc=dc,
            width=width,
            height=height,
            duration=duration,
            performer=performer,
            title=title,
            emoji=emoji,
            is_animated=is_animated,
            is_video=is_video,
            size_known=size_known,
            claimed_size=claimed_size,
            sizes=_photo_sizes(content, width, height) if kind is FileKind.PHOTO else (),
        )
        self.files[file.id] = file
        return file

    def access_hash(self, account_id: int, thing: File | Peer) -> int:
        """The signed 64-bit access hash by which one account, and no other, may name a file or peer."""
        digest = self._keyed(f"access {account_id} {type(thing).__name__} {thing.id}".encode())
        return int.from_bytes(digest[:8], "little", signed=True)

    def file_reference(self, file: File) -> bytes:
        """The reference that upload.getFile wants now; another one is expired or forged. Asking makes no new one."""
        generation = struct.pack(">I", file.references)
        return b"\x01" + generation + self._keyed(b"reference" + generation + str(file.id).encode())[:20]

    def origin_of(self, message: Message) -> Origin:
        """What forward_origin becomes when this message is forwarded now."""
        post = message.post
        match post.sender:
            case User() as user if user.hides_forwards:
                return OriginHiddenUser(name=user.name, date=post.date)
            case User() as user:
                return OriginUser(user=user, date=post.date)
            case Chat(kind=ChatKind.CHANNEL) as chat:
                return OriginChannel(chat=chat, message_id=message.id, date=post.date)
            case Chat() as chat:
                return OriginChat(chat=chat, date=post.date)

    def keyed(self, purpose: str, data: bytes) -> bytes:
        """A 32-byte authentication code over `data` with the world's secret, for tokens that clients hold."""
        return self._keyed(purpose.encode() + b"\0" + data)

    def _keyed(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._secret, digest_size=32).digest()

    def _new_token(self, number: int) -> str:
        return f"{number}:AA" + "".join(self._random.choice(TOKEN_ALPHABET) for _ in range(33))

    def _user_id(self, id: int | None) -> int:
        if id is None:
            id, self._next_user = self._next_user, self._next_user + 1
        return id


def _photo_sizes(content: Content, width: int, height: int) -> tuple[PhotoSize, ...]:
    """Renditions as Telegram makes them; the largest is the photo itself, the others have content of their own."""
    longest = max(width, height)
    smaller = []
    for letter, side, share in SMALLER_SIZES:
        if side < longest:
            scale = side / longest
            seed = int.from_bytes(hashlib.sha256(content.read(0, 4096) + letter.encode()).digest()[:4], "big")
            size = GeneratedContent(size=max(1, int(content.size * share)), seed=seed)
            smaller.append(
                PhotoSize(letter=letter, width=round(width * scale), height=round(height * scale), content=size)
            )
    return (*smaller, PhotoSize(letter=letter_of_largest(width, height), width=width, height=height, content=content))


def letter_of_largest(width: int, height: int) -> str:
    """What Telegram calls the size in which a photo is as large as it was sent."""
    sides = *((letter, side) for letter, side, _ in SMALLER_SIZES), ("y", 1280)
    return next((letter for letter, side in sides if max(width, height) <= side), "w")
