"""An in-memory twin of the Bot API: as strict as the real one, and with trouble on order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import anyio

from teltubby.adapters.base import Account, SentLine
from teltubby.errors import BadRequest, ChatUnavailable, FileGone, FileTooBig, TelegramUnavailable, WebhookActive
from teltubby.messages.chat import Keyboard
from teltubby.messages.media import RawUpdate
from teltubby.supervision.mailbox import Signal
from tests.channel_twin import ChannelTwin
from tests.script import Script, Watcher, nobody_watches

BOT = Account(id=4711, username="archive_bot", is_bot=True)


@dataclass(slots=True)
class Bubble:
    """A message of the bot as the curator sees it: `texts` are all it ever read, with their times."""

    chat_id: int
    message_id: int
    reply_to: int | None
    texts: list[tuple[float, str]]
    keyboard: Keyboard = ()
    picture: bytes | None = None
    document: tuple[str, bytes] | None = None
    """Name and content of a file."""
    gone: bool = False

    @property
    def text(self) -> str:
        """How it reads now."""
        return self.texts[-1][1]

    @property
    def buttons(self) -> list[str]:
        """The data of its buttons, row after row."""
        return [button.data for row in self.keyboard for button in row]


@dataclass(frozen=True, slots=True)
class PressAnswer:
    """What somebody was told who pressed a button."""

    press_id: str
    text: str
    alert: bool


class Telegram:
    """What Telegram keeps while bots come and go: waiting updates, files, and the conversation."""

    def __init__(self) -> None:
        self.waiting: list[RawUpdate] = []
        self.files: dict[str, bytes] = {}
        self.served_bytes = 20 << 20
        self.blocked: set[int] = set()
        self.bubbles: list[Bubble] = []
        self.channels: dict[int, ChannelTwin] = {}
        self.menu: Mapping[str, str] = {}
        self.presses: list[PressAnswer] = []
        self.deleted: list[tuple[int, int]] = []
        """Chat and message ids, of the bot's own messages and of those it was sent."""
        self.typing: list[tuple[float, int]] = []
        """When, and in which chat, the bot was seen typing."""
        self.webhook: tuple[str, str] | None = None
        """URL and secret."""
        self.arrived = Signal()

    def deliver(self, *updates: RawUpdate) -> None:
        """These happened."""
        self.waiting.extend(updates)
        self.arrived.notify()

    def said(self, chat_id: int) -> list[str]:
        """The bot's messages in a chat, as they read now."""
        return [bubble.text for bubble in self.bubbles if bubble.chat_id == chat_id and not bubble.gone]

    def bubble(self, message_id: int) -> Bubble:
        return next(bubble for bubble in self.bubbles if bubble.message_id == message_id)


class BotTwin:
    """`BotGateway` over a `Telegram`."""

    def __init__(self, telegram: Telegram, *, watch: Watcher = nobody_watches) -> None:
        self.telegram = telegram
        self.script = Script(watch)
        self.is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def aclose(self) -> None:
        self.is_open = False

    async def identify(self) -> Account:
        await self._begin("identify")
        return BOT

    async def updates(self, *, offset: int, wait: float) -> Sequence[RawUpdate]:
        await self._begin("updates", offset)
        telegram = self.telegram
        if telegram.webhook is not None:
            raise WebhookActive("can't use getUpdates method while webhook is active")
        telegram.waiting = [update for update in telegram.waiting if update.update_id >= offset]
        if not telegram.waiting:
            with anyio.move_on_after(wait):
                await telegram.arrived.wait()
        await self.script.end("updates")
        return tuple(telegram.waiting[:100])

    async def set_webhook(self, url: str, *, secret: str) -> None:
        await self._begin("set_webhook", url)
        self.telegram.webhook = (url, secret)
        await self.script.end("set_webhook")

    async def delete_webhook(self) -> None:
        await self._begin("delete_webhook")
        self.telegram.webhook = None
        await self.script.end("delete_webhook")

    async def send(self, chat_id: int, html: str, *, reply_to: int | None = None, keyboard: Keyboard = ()) -> int:
        await self._begin("send", (chat_id, html))
        self._refuse(chat_id, html, keyboard)
        channel = self.telegram.channels.get(chat_id)
        message_id = channel.post(html) if channel else self._post(chat_id, reply_to, html, keyboard=keyboard)
        await self.script.end("send")
        return message_id

    async def send_photo(self, chat_id: int, png: bytes, *, html: str, reply_to: int | None = None) -> int:
        await self._begin("send_photo", (chat_id, html))
        self._refuse(chat_id, html or "a picture")
        if len(html) > 1024:
            raise BadRequest("message caption is too long")
        message_id = self._post(chat_id, reply_to, html, picture=png)
        await self.script.end("send_photo")
        return message_id

    async def send_document(
        self, chat_id: int, name: str, body: bytes, *, html: str = "", reply_to: int | None = None
    ) -> int:
        await self._begin("send_document", (chat_id, name))
        self._refuse(chat_id, html or "a file")
        if len(html) > 1024:
            raise BadRequest("message caption is too long")
        if not body:
            raise BadRequest("file must be non-empty")
        message_id = self._post(chat_id, reply_to, html)
        self.telegram.bubble(message_id).document = (name, body)
        await self.script.end("send_document")
        return message_id

    async def delete(self, chat_id: int, message_id: int) -> None:
        await self._begin("delete", (chat_id, message_id))
        if chat_id in self.telegram.channels:
            self.telegram.channels[chat_id].delete(message_id)
        self.telegram.deleted.append((chat_id, message_id))
        for bubble in self.telegram.bubbles:
            bubble.gone = bubble.gone or (bubble.chat_id, bubble.message_id) == (chat_id, message_id)
        await self.script.end("delete")

    async def delete_all(self, chat_id: int, message_ids: Sequence[int]) -> None:
        await self._begin("delete_all", (chat_id, tuple(message_ids)))
        self._channel(chat_id).delete_all(message_ids)
        await self.script.end("delete_all")

    async def copy(self, chat_id: int, from_chat_id: int, message_id: int) -> int:
        await self._begin("copy", (chat_id, from_chat_id, message_id))
        copy_id = self._channel(chat_id).copy((from_chat_id, message_id))
        await self.script.end("copy")
        return copy_id

    async def replace_photo(self, chat_id: int, message_id: int, png: bytes, *, html: str) -> None:
        await self._begin("replace_photo", (message_id, html))
        bubble = self._known(chat_id, message_id, html or "a picture")
        bubble.texts.append((anyio.current_time(), html))
        bubble.picture, bubble.keyboard = png, ()
        await self.script.end("replace_photo")

    async def answer_press(self, press_id: str, text: str, *, alert: bool = False) -> None:
        await self._begin("answer_press", press_id)
        if len(text) > 200:
            raise BadRequest("message is too long")
        if press_id in [answer.press_id for answer in self.telegram.presses]:
            raise BadRequest("query is too old and response timeout expired or query id is invalid")
        self.telegram.presses.append(PressAnswer(press_id, text, alert))
        await self.script.end("answer_press")

    async def show_typing(self, chat_id: int) -> None:
        await self._begin("show_typing", chat_id)
        if chat_id in self.telegram.blocked:
            raise ChatUnavailable("bot was blocked by the user")
        self.telegram.typing.append((anyio.current_time(), chat_id))
        await self.script.end("show_typing")

    async def edit(self, chat_id: int, message_id: int, html: str, *, keyboard: Keyboard = ()) -> None:
        await self._begin("edit", (message_id, html))
        bubble = self._known(chat_id, message_id, html, keyboard)
        bubble.texts.append((anyio.current_time(), html))
        bubble.keyboard = keyboard
        await self.script.end("edit")

    async def download(self, file_id: str, into: Path) -> int:
        await self._begin("download", file_id)
        body = self.telegram.files.get(file_id)
        if body is None:
            raise FileGone("wrong file_id")
        if len(body) > self.telegram.served_bytes:
            raise FileTooBig("file is too big")
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_bytes(body)
        await self.script.end("download")
        return len(body)

    async def set_commands(self, commands: Mapping[str, str]) -> None:
        await self._begin("set_commands")
        self.telegram.menu = dict(commands)

    async def _begin(self, method: str, subject: object = None) -> None:
        if not self.is_open:
            raise TelegramUnavailable("the client is closed")
        await self.script.begin(method, subject)

    def _post(
        self, chat_id: int, reply_to: int | None, html: str, *, keyboard: Keyboard = (), picture: bytes | None = None
    ) -> int:
        message_id = 1000 + len(self.telegram.bubbles)
        self.telegram.bubbles.append(
            Bubble(chat_id, message_id, reply_to, [(anyio.current_time(), html)], keyboard, picture)
        )
        return message_id

    def _known(self, chat_id: int, message_id: int, html: str, keyboard: Keyboard = ()) -> Bubble:
        """The bubble that is to read so."""
        self._refuse(chat_id, html, keyboard)
        known = [bubble for bubble in self.telegram.bubbles if bubble.message_id == message_id]
        if not known or known[0].chat_id != chat_id or known[0].gone:
            raise BadRequest("message to edit not found")
        return known[0]

    def _channel(self, chat_id: int) -> ChannelTwin:
        if chat_id not in self.telegram.channels:
            raise ChatUnavailable("Bad Request: chat not found")
        return self.telegram.channels[chat_id]

    def _refuse(self, chat_id: int, html: str, keyboard: Keyboard = ()) -> None:
        if chat_id in self.telegram.blocked:
            raise ChatUnavailable("bot was blocked by the user")
        if not html.strip():
            raise BadRequest("message text is empty")
        if len(html) > 4096:
            raise BadRequest("message is too long")
        if any(not 0 < len(button.data.encode()) <= 64 or not button.text for row in keyboard for button in row):
            raise BadRequest("BUTTON_DATA_INVALID")


class SaidTwin:
    """`SentLines` over a `Telegram`: the bot's own mailbox, as its MTProto session reads it."""

    def __init__(self, telegram: Telegram) -> None:
        self.telegram = telegram

    async def open(self) -> Account:
        return BOT

    async def aclose(self) -> None:
        """Nothing to let go of."""

    async def sent(self, first: int, last: int) -> tuple[Sequence[SentLine], int | None]:
        lines = [
            SentLine(
                chat_id=bubble.chat_id,
                message_id=bubble.message_id,
                reply_to=bubble.reply_to,
                text=unescape(re.sub("<[^>]*>", "", bubble.text)),
            )
            for bubble in self.telegram.bubbles
            if first <= bubble.message_id <= last and not bubble.gone
        ]
        newest = max((bubble.message_id for bubble in self.telegram.bubbles), default=0)
        return lines, min(newest, last) if newest >= first else None  # ids between are taken by what others said
