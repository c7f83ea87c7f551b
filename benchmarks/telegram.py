"""The simulated Telegram, seen by the benchmark: files to download, and the lines over which they come."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.child import Child, Failed, cpu_seconds
from benchmarks.clients.serving import DATA_CENTRE
from teltubby.simulator.content import GeneratedContent, chunks

MIB = 1 << 20
GIB = 1 << 30
MB = 1e6

GET_FILE = "upload.getFile"
ALWAYS = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Line:
    """A way to Telegram: round trip in seconds, bytes per second of a connection and of all together (None: any)."""

    name: str
    latency: float = 0.0
    bandwidth: float | None = None
    shared: float | None = None


FAR = Line(name="50 ms, 40 MB/s per connection", latency=0.05, bandwidth=40 * MB)
NEAR = Line(name="0 ms, unlimited", latency=0.0)
SHARED = Line(name="100 ms, 80 MB/s shared by all connections", latency=0.1, shared=80 * MB)


@dataclass(frozen=True, kw_only=True)
class Film:
    """A file that the curator sent the bot; `message_id` in the bot's mailbox."""

    chat_id: int
    message_id: int
    document_id: int
    unique_id: str
    content: GeneratedContent

    @property
    def size(self) -> int:
        return self.content.size

    @property
    def request(self) -> Mapping[str, Any]:
        """What a client process must know of it."""
        return {
            "chat_id": self.chat_id,
            "message_id": self.message_id,
            "unique_id": self.unique_id,
            "size": self.size,
        }

    def sha256(self) -> str:
        return digest_of(self.content)


@dataclass(frozen=True, kw_only=True)
class Served:
    """What was served of a document: bytes in all, bytes beyond the first time, offsets of the parts."""

    count: int
    repeated: int
    offsets: frozenset[int]


_digests: dict[GeneratedContent, str] = {}


def digest_of(content: GeneratedContent) -> str:
    """SHA-256 in hex, computed once."""
    if content not in _digests:
        digest = hashlib.sha256()
        for chunk in chunks(content):
            digest.update(chunk)
        _digests[content] = digest.hexdigest()
    return _digests[content]


class Telegram:
    """A running simulated Telegram; a context manager. Leaving it raises Failed when it met an error of its own.

    It does not end the session of a key that several connections use at once, or kurigram and FastTelethon, which do
    that, could not be measured.
    """

    def __init__(self, log: Path) -> None:
        self._child = Child("teltubby.simulator", "--media-only", "--lenient-duplicates", log=log)
        self._seeds = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            failures = self._ask("counters")["failures"] if error is None else []
        finally:
            self._child.__exit__(kind, error, trace)
        if failures:
            raise Failed(f"the simulated Telegram met errors of its own: {failures}")

    @property
    def hello(self) -> Mapping[str, Any]:
        """Its addresses, its key, the bot's token and the curator's id (teltubby.simulator.console.Description)."""
        return self._child.hello

    @property
    def for_clients(self) -> str:
        """What a client process must know, as JSON."""
        hello = self.hello
        return json.dumps(
            {
                "port": hello["ports"][str(DATA_CENTRE)],
                "public_key": hello["public_key"],
                "bot_token": hello["bot_token"],
            }
        )

    @property
    def cpu(self) -> float:
        """CPU seconds that it has used so far."""
        return cpu_seconds(self._child.pid)

    def send(self, size: int) -> Film:
        """Have the curator send a new file: no two have the same content."""
        seed = next(self._seeds)
        sent = self._ask("send", file=f"{size}:{seed}")
        return Film(
            chat_id=sent["chat_id"],
            message_id=sent["message_id"],
            document_id=sent["document_id"],
            unique_id=sent["file_unique_id"],
            content=GeneratedContent(size=size, seed=seed),
        )

    def use(self, line: Line) -> None:
        """Have everything go over this line from now on, without trouble."""
        self._ask("clear")
        self._ask("line", latency=line.latency, bandwidth=line.bandwidth, shared_bandwidth=line.shared)

    def disturb(self, *, floods: float, cuts: float, seed: int) -> None:
        """Until the next `use`: so many of the requests for parts are flooded for 1 to 3 s, or cut their connection."""
        self._ask("fault", method=GET_FILE, times=ALWAYS, chance=floods, seed=seed, message=[1, 3])
        self._ask("fault", method=GET_FILE, times=ALWAYS, chance=cuts, seed=seed + 1000, cut=True)

    def scan(self, url: str) -> None:
        """The curator's phone scans a QR code."""
        self._ask("scan", url=url)

    def add_channel(self, username: str, posts: int) -> None:
        """A public channel of the curator's."""
        self._ask("channel", username=username, posts=posts)

    def flood_control(self, *, enabled: bool) -> None:
        """Whether Telegram limits how fast the bot writes; it does at first."""
        self._ask("flood_control", enabled=enabled)

    def has_answered(self, film: Film) -> bool:
        """Whether the curator reads an answer of the bot's to it."""
        return bool(self._ask("said", message_id=film.message_id)["texts"])

    def served(self, film: Film) -> Served:
        """What was fetched of it since `forget`."""
        found = self._ask("counters")["documents"].get(str(film.document_id))
        if found is None:
            return Served(count=0, repeated=0, offsets=frozenset())
        offsets = frozenset(offset for offset, _, _ in found["parts"])
        return Served(count=found["bytes"], repeated=found["repeated"], offsets=offsets)

    def forget(self) -> None:
        """Count anew what is served."""
        self._ask("reset")

    def _ask(self, do: str, **fields: Any) -> Mapping[str, Any]:
        answer = self._child.ask(do=do, **fields)
        if "error" in answer:
            raise Failed(f"the simulated Telegram refuses '{do}': {answer['error']}")
        return answer
