"""In-memory twins of what the house meets outside, strict where the real ones are, and with trouble on order."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Delivery, Destination, Heard, ObjectInfo, Outgoing, Question, UnfinishedUpload
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.errors import ContentMismatch, FileGone, ObjectExists, UploadVanished
from teltubby.messages.transfer import PartReceipt
from teltubby.messages.wire import is_worker_report
from tests.bot_twin import BOT, BotTwin, Bubble, PressAnswer, Telegram
from tests.script import Call, Script, Watcher, nobody_watches

__all__ = [
    "BOT",
    "BotTwin",
    "BrokerTwin",
    "Bubble",
    "Call",
    "MemoryStore",
    "PressAnswer",
    "Script",
    "Telegram",
    "Watcher",
    "nobody_watches",
]

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


# -- broker ------------------------------------------------------------------------------------------------------


class BrokerTwin:
    """`Broker`: the embedded one, whose connection can be cut, and which can be away.

    Its script sees a worker's reports of itself as "report", and everything else that is published as "publish".
    """

    def __init__(self, broker: EmbeddedBroker, *, watch: Watcher | None = None) -> None:
        self.script = Script(watch or nobody_watches)
        self._broker = broker
        self._last_publish: anyio.Event | None = None

    async def lose(self) -> None:
        """The connection is cut: streams end, and what is unsettled comes again."""
        await self._broker.aclose()

    async def open(self) -> None:
        await self.script.begin("open")
        await self._broker.open()

    async def aclose(self) -> None:
        await self._broker.aclose()

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        method = "report" if is_worker_report(message.type) else "publish"
        before, over = self._last_publish, anyio.Event()
        self._last_publish = over
        try:
            await self.script.begin(method, (destination, message))
            if before is not None:
                await before.wait()  # those that begin in order are stored in order
            await self._broker.publish(destination, message, delay=delay)
            await self.script.end(method)
        finally:
            over.set()

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        await self.script.begin("consume", tuple(sources))
        return await self._broker.consume(sources, prefetch=prefetch)

    async def ask(self, question: Outgoing, *, within: float) -> bytes:
        await self.script.begin("ask", question)
        return await self._broker.ask(question, within=within)

    async def questions(self) -> ObjectReceiveStream[Question]:
        await self.script.begin("questions")
        return await self._broker.questions()

    async def broadcast(self, message: Outgoing) -> None:
        await self.script.begin("broadcast", message)
        await self._broker.broadcast(message)
        await self.script.end("broadcast")

    async def listen(self) -> ObjectReceiveStream[Heard]:
        await self.script.begin("listen")
        return await self._broker.listen()

    async def depths(self) -> Mapping[Destination, int]:
        await self.script.begin("depths")
        return await self._broker.depths()
