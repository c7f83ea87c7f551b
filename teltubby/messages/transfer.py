"""What is asked of the actors that move bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from teltubby.messages.routes import AccountKind
from teltubby.supervision import Request

PART_BYTES = 1 << 20
"""Bytes in every part but a file's last: the largest aligned part that upload.getFile serves (telegram.md, Limits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLocation:
    """What Telegram must be told to serve a document to this account; `size` in bytes as the document announces it.

    With a `thumb_size` it is a photo, `document_id` is the photo's, and that letter says which of its sizes.
    """

    document_id: int
    access_hash: int
    file_reference: bytes
    data_centre: int
    size: int
    thumb_size: str = ""

    @property
    def is_photo(self) -> bool:
        """Whether MTProto knows it as a photo; then no document has its id, nor it a document's."""
        return bool(self.thumb_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxPlace:
    """A message in the account's own mailbox, in the private chat with `chat_id`; other accounts cannot use its id."""

    chat_id: int
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlace:
    """A message in a channel or supergroup: its id is the same for every account.

    `channel_id` is in the Bot API's form (-100…), `username` that of a public one.
    """

    channel_id: int
    message_id: int
    username: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogPlace:
    """A message with this document, sent around this time, in the account's own dialog with another (a bot)."""

    peer_id: int
    document_id: int
    around: datetime


Place = MailboxPlace | ChannelPlace | DialogPlace

Refresh = Callable[[], Awaitable[FileLocation]]
"""Asks for the message again: the same document under a fresh file reference. Raises what Locate does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeHash:
    """Telegram's SHA-256 (32 bytes) of `length` bytes of a file from `offset` (upload.getFileHashes)."""

    offset: int
    length: int
    sha256: bytes


class VerifyHashes(StrEnum):
    """Whether parts are checked against the server's hashes: where it has them, never, or always."""

    AUTO = "auto"
    OFF = "off"
    REQUIRE = "require"


class PartConnection(Protocol):
    """One connection to one data centre, for parts of files; many requests may be in flight on it.

    Raises FloodWait, ReferenceExpired, FileMoved, PartUnavailable (this part, now), ConnectionLost (with it every other
    request of this connection), SessionNotReady, FileGone, BadRequest. A connection that was lost stays lost.
    """

    async def fetch(self, location: FileLocation, offset: int, length: int) -> bytes | memoryview:
        """One part: `length` a power of two from 4 KiB to 1 MiB, `offset` a multiple of it; shorter only at the end."""
        ...

    async def hashes(self, location: FileLocation, offset: int) -> Sequence[RangeHash]:
        """Hashes of the ranges from `offset` on, as many as the server gives at once; none where it has none."""
        ...

    async def aclose(self) -> None:
        """Disconnect; requests in flight raise ConnectionLost. Safe to call twice."""


class ByteSource(Protocol):
    """Bytes of a file that may still be growing; `size` is its final size."""

    @property
    def size(self) -> int: ...

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes (fewer only at the end); waits until they are there. Raises what broke the source."""
        ...


class PartFile(ByteSource, Protocol):
    """A file that one side fills part by part, in any order, while another reads its prefix."""

    @property
    def prefix(self) -> int:
        """How many bytes from the front are there without a gap."""
        ...

    @property
    def present(self) -> Collection[int]:
        """Indexes of the parts (of PART_BYTES) that are there, from an earlier run too."""
        ...

    async def write(self, index: int, data: bytes | memoryview) -> None:
        """Part `index`, whole. Returns once a killed process would find it again. Raises SpoolFull, SpoolClosed."""

    def fail(self, error: Exception) -> None:
        """Tell waiting readers that no more bytes will come, and why; writers, that none are wanted."""

    async def wait_failed(self) -> Exception:
        """Return why, once `fail` was called."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReceipt:
    """The store's receipt for one part of an upload; `number` starts at 1, `size` in bytes."""

    number: int
    etag: str
    size: int
    sha256: str
    """Hex digest of the part's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunUpload:
    """A multipart upload that was begun and not completed, and the receipts of its first parts, without a gap."""

    key: str
    upload_id: str
    part_size: int
    receipts: Sequence[PartReceipt] = ()


class UploadLog(Protocol):
    """Remembers an upload across restarts. Each method returns once a killed process would find it again."""

    @property
    def begun(self) -> BegunUpload | None:
        """The upload to go on with, or None."""
        ...

    async def begin(self, upload: BegunUpload) -> None:
        """Remember an upload that was just begun, in place of any other."""

    async def add(self, receipt: PartReceipt) -> None:
        """Remember that the next part is stored."""

    async def forget(self) -> None:
        """There is no upload to go on with: it was given up, or the store forgot it. After success it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixSize:
    """Bytes and objects: what lies under a prefix of the store, or by how much that changed."""

    used_bytes: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The store has the bytes under `key`, or `duplicate_of` names the older object with the same bytes."""

    key: str
    size_bytes: int
    sha256: str
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFile(Request[Stored]):
    """Store all of `source` under `key`; `stored` is told the bytes that are up. Answered when the store confirmed.

    With a `log`, an upload that an earlier run began goes on where it stood, and one that is cut off stays in the store
    for the next.
    """

    key: str
    source: ByteSource
    content_type: str
    stored: Callable[[int], None]
    log: UploadLog | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreArtifact(Request[PrefixSize]):
    """Write a message's `message.json`, over an older state of the same artifact if there is one.

    Where `key` holds another submission's (of a bot or a database that came before), it goes to `beside` instead. The
    answer is by how much the store grew.
    """

    key: str
    beside: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePreview(Request[None]):
    """Store the small JPEG `body` under `key`; it may be there already. ObjectExists where something else is."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FindObject(Request[int | None]):
    """The bytes of what an earlier run stored under `key`, None where it stored nothing."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Objects that lie under a file's key and its preview's, the file last; `named`: an artifact beside them does.

    `size` is the file's, None where only its preview is there.
    """

    keys: tuple[str, ...]
    named: bool
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLeftover(Request[Leftover | None]):
    """What lies under `key` and under its preview's, None for nothing."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropObject(Request[None]):
    """Delete an object that nothing names, or a copy, after the artifact points to the first."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortUpload(Request[None]):
    """Drop an upload that nobody will go on with, as its job ends without it; one that is gone already is fine.

    A StoreFile under the same key that still runs is ended first. Without `upload_id`, every unfinished upload of the
    key, unless the store has the object: whoever began one may have died elsewhere, and its spool with it.
    """

    key: str
    upload_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurePrefix(Request[PrefixSize]):
    """List everything whose key starts with `prefix` and add it up; takes as long as the listing does."""

    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgePrefix(Request[PrefixSize]):
    """Delete every object whose key starts with `prefix`, for ever; answers what was deleted.

    What a failure cuts off stays deleted as far as it came: ask again.
    """

    prefix: str


UploadMessage = (
    StoreFile
    | StoreArtifact
    | StorePreview
    | FindObject
    | FindLeftover
    | DropObject
    | AbortUpload
    | MeasurePrefix
    | PurgePrefix
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSmall(Request[int]):
    """Fetch a file that the Bot API serves into the new file `into`; the answer is its bytes."""

    file_id: str
    into: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLarge(Request[None]):
    """Fill `into` with a document over MTProto, many parts at once; `refresh` renews a file reference that expired.

    Location and references are those of `account`, and mean nothing to the other one.
    """

    account: AccountKind
    location: FileLocation
    refresh: Refresh
    into: PartFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Locate(Request[FileLocation]):
    """Find the document that is there, with this session's account."""

    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial(Request[PartConnection]):
    """Open one more connection for parts to a data centre, under the session's account.

    When it is open and `is_wanted` says that whoever asked has left, it is closed again.
    """

    data_centre: int
    is_wanted: Callable[[], bool] = lambda: True
