"""In-memory twins of what the house meets outside, strict where the real ones are, and with trouble on order."""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import (
    Account,
    Delivery,
    Destination,
    ObjectInfo,
    Outgoing,
    Question,
    UnfinishedUpload,
)
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    ContentMismatch,
    FileGone,
    FileTooBig,
    ObjectExists,
    TelegramUnavailable,
    UploadVanished,
)
from teltubby.messages.media import RawUpdate
from teltubby.messages.transfer import PartReceipt
from teltubby.supervision.mailbox import Signal

BOT = Account(id=4711, username="archive_bot", is_bot=True)

Watcher = Callable[[str], Awaitable[None]]
"""Told of every call before and after its effect, as `"send before"` and `"send after"`; may never return."""


async def nobody_watches(moment: str) -> None:
    del moment


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was made: when (by the loop's clock), what, and on what."""

    at: float
    method: str
    subject: object = None


class Script:
    """What a twin's next calls meet. Every call is noted, whether it went well or not."""

    def __init__(self, watch: Watcher = nobody_watches) -> None:
        self.calls: list[Call] = []
        self.watch = watch
        self._errors: defaultdict[str, deque[Exception | None]] = defaultdict(deque)
        self._lasting: dict[str, Exception] = {}
        self._held: dict[str, anyio.Event] = {}
        self._delays: dict[str, float] = {}

    def fail(self, method: str, *errors: Exception | None, skip: int = 0) -> None:
        """After `skip` calls that go well, the next ones fail, each with one of these, before they have any effect.

        None among them is a call that goes well.
        """
        self._errors[method].extend([*[None] * skip, *errors])

    def break_down(self, method: str, error: Exception) -> None:
        """All calls fail until `repair`."""
        self._lasting[method] = error

    def repair(self, method: str) -> None:
        del self._lasting[method]

    def hold(self, method: str) -> anyio.Event:
        """Calls wait until this is set."""
        self._held[method] = anyio.Event()
        return self._held[method]

    def slow(self, method: str, seconds: float) -> None:
        """Calls take this long."""
        self._delays[method] = seconds

    def times(self, method: str) -> list[float]:
        """When it was called."""
        return [call.at for call in self.calls if call.method == method]

    def count(self, method: str) -> int:
        """How often it was called."""
        return len(self.times(method))

    def asked(self, method: str) -> list[object]:
        """On what it was called."""
        return [call.subject for call in self.calls if call.method == method]

    async def begin(self, method: str, subject: object = None) -> None:
        """A call begins: what was ordered for it happens."""
        self.calls.append(Call(anyio.current_time(), method, subject))
        await anyio.lowlevel.checkpoint()
        await self.watch(f"{method} before")
        if (seconds := self._delays.get(method)) is not None:
            await anyio.sleep(seconds)
        if (gate := self._held.get(method)) is not None:
            await gate.wait()
        if self._errors[method] and (error := self._errors[method].popleft()) is not None:
            raise error
        if method in self._lasting:
            raise self._lasting[method]

    async def end(self, method: str) -> None:
        """It has had its effect."""
        await self.watch(f"{method} after")


# -- object store ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Upload:
    key: str
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryStore:
    """`ObjectStore` in memory; `objects` is what anybody would see. Connections may come and go, the content stays."""

    def __init__(self, *, part_size: int = 16, watch: Watcher = nobody_watches) -> None:
        self.script = Script(watch)
        self.objects: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.uploads: dict[str, _Upload] = {}
        self.complete_says: int | None = None
        """What `complete` reports as size, once, in place of the truth."""
        self.is_open = False
        self._part_size = part_size
        self._begun = 0

    @property
    def part_size(self) -> int:
        return self._part_size

    @property
    def bucket(self) -> str:
        return "memory"

    def location(self, key: str) -> str:
        return f"memory://{key}"

    async def open(self) -> None:
        await self.script.begin("open")
        self.is_open = True

    async def aclose(self) -> None:
        self.is_open = False

    async def check(self) -> None:
        await self._begin("check")

    async def head(self, key: str) -> ObjectInfo | None:
        await self._begin("head", key)
        return ObjectInfo(key=key, size=len(self.objects[key])) if key in self.objects else None

    async def get(self, key: str) -> bytes:
        await self._begin("get", key)
        return self._object(key)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        await self._begin("read", key)
        return self._object(key)[offset : offset + length]

    async def put(self, key: str, body: bytes, *, content_type: str, sha256: str, replace: bool = False) -> None:
        await self._begin("put", key)
        _check(body, sha256)
        if key in self.objects and not replace:
            raise ObjectExists(f"{key} exists")
        self.objects[key] = bytes(body)
        self.content_types[key] = content_type
        await self.script.end("put")

    async def begin(self, key: str, *, content_type: str) -> str:
        await self._begin("begin", key)
        self._begun += 1
        upload_id = f"upload-{self._begun}"
        self.uploads[upload_id] = _Upload(key)
        self.content_types[key] = content_type
        await self.script.end("begin")
        return upload_id

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str) -> PartReceipt:
        await self._begin("put_part", (key, number))
        _check(body, sha256)
        upload = self._upload(key, upload_id)
        assert 1 <= number <= 10_000, "parts are numbered from 1 to 10,000"
        assert 0 < len(body) <= self._part_size, "a part has at least a byte and at most the part size"
        upload.parts[number] = bytes(body)
        await self.script.end("put_part")
        return PartReceipt(number=number, etag=f"{upload_id}/{number}", size=len(body), sha256=sha256)

    async def complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt]) -> ObjectInfo:
        await self._begin("complete", key)
        upload = self._upload(key, upload_id)
        bodies = [upload.parts[number] for number in sorted(upload.parts)]
        told = [(part.number, part.etag, part.size) for part in parts]
        held = [(number, f"{upload_id}/{number}", len(upload.parts[number])) for number in sorted(upload.parts)]
        assert told == held, "the parts are all there, in order"
        assert all(len(body) == self._part_size for body in bodies[:-1]), "all parts but the last have the part size"
        if key in self.objects:
            raise ObjectExists(f"{key} exists")
        body = b"".join(bodies)
        size, self.complete_says = self.complete_says, None
        self.objects[key] = body if size is None else body[:size]
        del self.uploads[upload_id]
        await self.script.end("complete")
        return ObjectInfo(key=key, size=len(self.objects[key]))

    async def abort(self, key: str, upload_id: str) -> None:
        await self._begin("abort", key)
        self.uploads.pop(upload_id, None)
        await self.script.end("abort")

    async def delete(self, key: str) -> None:
        await self._begin("delete", key)
        self.objects.pop(key, None)
        await self.script.end("delete")

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        await self._begin("list", prefix)
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield ObjectInfo(key=key, size=len(self.objects[key]))

    async def unfinished(self, prefix: str) -> AsyncIterator[UnfinishedUpload]:
        await self._begin("unfinished", prefix)
        for upload_id, upload in self.uploads.items():
            if upload.key.startswith(prefix):
                yield UnfinishedUpload(key=upload.key, upload_id=upload_id, begun_at=None)

    async def _begin(self, method: str, subject: object = None) -> None:
        assert self.is_open, "the store is used before it is open, or after it was closed"
        await self.script.begin(method, subject)

    def _object(self, key: str) -> bytes:
        if key not in self.objects:
            raise FileGone(f"there is no object {key}")
        return self.objects[key]

    def _upload(self, key: str, upload_id: str) -> _Upload:
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise UploadVanished(f"upload {upload_id} of {key} is unknown")
        return upload


def _check(body: bytes, sha256: str) -> None:
    if hashlib.sha256(body).hexdigest() != sha256:
        raise ContentMismatch("the body has another digest than was declared")


# -- Bot API -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Bubble:
    """A message of the bot as the curator sees it: `texts` are all it ever read, with their times."""

    chat_id: int
    message_id: int
    reply_to: int | None
    texts: list[tuple[float, str]]

    @property
    def text(self) -> str:
        """How it reads now."""
        return self.texts[-1][1]


class Telegram:
    """What Telegram keeps while bots come and go: waiting updates, files, and the conversation."""

    def __init__(self) -> None:
        self.waiting: list[RawUpdate] = []
        self.files: dict[str, bytes] = {}
        self.served_bytes = 20 << 20
        self.blocked: set[int] = set()
        self.bubbles: list[Bubble] = []
        self.menu: Mapping[str, str] = {}
        self.arrived = Signal()

    def deliver(self, *updates: RawUpdate) -> None:
        """These happened."""
        self.waiting.extend(updates)
        self.arrived.notify()

    def said(self, chat_id: int) -> list[str]:
        """The bot's messages in a chat, as they read now."""
        return [bubble.text for bubble in self.bubbles if bubble.chat_id == chat_id]

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
        telegram.waiting = [update for update in telegram.waiting if update.update_id >= offset]
        if not telegram.waiting:
            with anyio.move_on_after(wait):
                await telegram.arrived.wait()
        await self.script.end("updates")
        return tuple(telegram.waiting[:100])

    async def send(self, chat_id: int, html: str, *, reply_to: int | None = None) -> int:
        await self._begin("send", (chat_id, html))
        self._refuse(chat_id, html)
        message_id = 1000 + len(self.telegram.bubbles)
        self.telegram.bubbles.append(Bubble(chat_id, message_id, reply_to, [(anyio.current_time(), html)]))
        await self.script.end("send")
        return message_id

    async def edit(self, chat_id: int, message_id: int, html: str) -> None:
        await self._begin("edit", (message_id, html))
        self._refuse(chat_id, html)
        known = [bubble for bubble in self.telegram.bubbles if bubble.message_id == message_id]
        if not known or known[0].chat_id != chat_id:
            raise BadRequest("message to edit not found")
        known[0].texts.append((anyio.current_time(), html))
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

    def _refuse(self, chat_id: int, html: str) -> None:
        if chat_id in self.telegram.blocked:
            raise ChatUnavailable("bot was blocked by the user")
        if not html.strip():
            raise BadRequest("message text is empty")
        if len(html) > 4096:
            raise BadRequest("message is too long")


# -- broker ------------------------------------------------------------------------------------------------------


class BrokerTwin:
    """`Broker`: the embedded one, whose connection can be cut, and which can be away."""

    def __init__(self, broker: EmbeddedBroker, *, watch: Watcher | None = None) -> None:
        self.script = Script(watch or nobody_watches)
        self._broker = broker

    async def lose(self) -> None:
        """The connection is cut: streams end, and what is unsettled comes again."""
        await self._broker.aclose()

    async def open(self) -> None:
        await self.script.begin("open")
        await self._broker.open()

    async def aclose(self) -> None:
        await self._broker.aclose()

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        await self.script.begin("publish", (destination, message))
        await self._broker.publish(destination, message, delay=delay)
        await self.script.end("publish")

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        await self.script.begin("consume", tuple(sources))
        return await self._broker.consume(sources, prefetch=prefetch)

    async def ask(self, question: Outgoing, *, within: float) -> bytes:
        await self.script.begin("ask", question)
        return await self._broker.ask(question, within=within)

    async def questions(self) -> ObjectReceiveStream[Question]:
        await self.script.begin("questions")
        return await self._broker.questions()

    async def depths(self) -> Mapping[Destination, int]:
        return await self._broker.depths()
