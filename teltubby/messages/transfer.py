"""What is asked of the actors that move bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from teltubby.messages.jobs import Job
from teltubby.supervision import Request


class ByteSource(Protocol):
    """Bytes of a file that may still be growing; `size` is its final size."""

    @property
    def size(self) -> int: ...

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes (fewer only at the end); waits until they are there. Raises what broke the source."""
        ...


class GrowingFile(ByteSource, Protocol):
    """A file that one side fills from the front while another reads it."""

    @property
    def prefix(self) -> int:
        """How many bytes from the front are there."""
        ...

    async def append(self, data: bytes) -> None:
        """Add the next bytes. Raises SpoolFull."""

    def fail(self, error: Exception) -> None:
        """Tell waiting readers that no more bytes will come, and why."""


class RemoteFile(Protocol):
    """A document at Telegram that we may read. Raises FloodWait, TelegramUnavailable, SessionNotReady, FileGone."""

    @property
    def document_id(self) -> int: ...

    @property
    def size(self) -> int: ...

    async def read(self, offset: int, length: int) -> bytes:
        """One part: `offset` and `length` multiples of 4 KiB, within one 1 MiB block; shorter only at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The store has the bytes under `key`, or `duplicate_of` names the older object with the same bytes."""

    key: str
    size_bytes: int
    sha256: str
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFile(Request[Stored]):
    """Store all of `source` under `key`; `stored` is told the bytes that are up. Answered when the store confirmed."""

    key: str
    source: ByteSource
    content_type: str
    stored: Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreArtifact(Request[None]):
    """Write a message's `message.json`, over an older state of the same artifact if there is one.

    Where `key` holds another submission's (of a bot or a database that came before), it goes to `beside` instead.
    """

    key: str
    beside: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DropObject(Request[None]):
    """Delete an object that turned out to be a copy, after the artifact points to the first."""

    key: str


UploadMessage = StoreFile | StoreArtifact | DropObject


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSmall(Request[int]):
    """Fetch a file that the Bot API serves into the new file `into`; the answer is its bytes."""

    file_id: str
    into: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLarge(Request[None]):
    """Fill `spool` with a document over MTProto, front to back; `spool.prefix` tells how far it is."""

    document: RemoteFile
    spool: GrowingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Locate(Request[RemoteFile]):
    """Find the job's document by the session's route, in this account's own mailbox."""

    job: Job
