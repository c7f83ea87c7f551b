"""Twins of an MTProto session and its connections for parts: documents in memory, with scripted trouble.

The session of a person, who signs in by dialogue, is in tests/person_twin.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import anyio
import anyio.lowlevel

from teltubby.adapters.base import Account
from teltubby.errors import (
    ChatUnavailable,
    ConnectionLost,
    FileGone,
    FileMoved,
    ReferenceExpired,
    TelegramUnavailable,
)
from teltubby.messages.transfer import PART_BYTES, ChannelPlace, DialogPlace, FileLocation, Place, RangeHash
from teltubby.supervision import Signal
from tests.twins import BOT, Script, Watcher, nobody_watches

HASHED_BYTES = 128 * 1024
"""What Telegram hashes at a time."""

HOME = 2
"""The data centre of every twin's account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for part `index` of a document, or with `hashes` for what it should be, as it came."""

    at: float
    connection: int
    data_centre: int
    document_id: int
    index: int
    hashes: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, ever."""


Trouble = Callable[[Asked], object]
"""What a request meets: an exception, of which ConnectionLost is that of the whole connection; Silence; or what it gets
in place of the truth, bytes or hashes. None is no trouble."""


def no_trouble(asked: Asked) -> None:
    """All goes well."""


class RemoteTwin:
    """A document; `truth` is what its parts hold, `size` what is claimed. Its script sees each "read" of an offset.

    With `hashed` it has hashes, as many at once as `hashes_at_once`.
    """

    def __init__(
        self,
        document_id: int,
        truth: bytes,
        *,
        size: int | None = None,
        watch: Watcher = nobody_watches,
        data_centre: int = 2,
        hashed: bool = False,
        hashes_at_once: int = 8,
    ) -> None:
        self.script = Script(watch)
        self.hashed = hashed
        self._hashes_at_once = hashes_at_once
        self._truth = truth
        self.location = FileLocation(
            document_id=document_id,
            access_hash=7,
            file_reference=b"fresh",
            data_centre=data_centre,
            size=len(truth) if size is None else size,
        )

    def expire(self) -> None:
        """Its reference is no longer good; whoever asks for the message again gets another."""
        self.location = replace(self.location, file_reference=self.location.file_reference + b"!")

    def move(self, data_centre: int) -> None:
        """It is elsewhere from now on."""
        self.location = replace(self.location, data_centre=data_centre)

    async def refresh(self) -> FileLocation:
        """The message, asked for again."""
        await self.script.begin("refresh")
        return self.location

    async def read(self, offset: int, length: int) -> bytes:
        assert offset % 4096 == 0 and length % 4096 == 0, "offset and length are multiples of 4 KiB"
        assert offset >> 20 == (offset + length - 1) >> 20, "a part stays within one block of 1 MiB"
        await self.script.begin("read", offset)
        return self._truth[offset : offset + length]

    def hashes(self, offset: int) -> Sequence[RangeHash]:
        if not self.hashed:
            return ()
        starts = range(offset, len(self._truth), HASHED_BYTES)[: self._hashes_at_once]
        return [range_hash(self._truth, start, HASHED_BYTES) for start in starts]


class ConnectionTwin:
    """`PartConnection` to the documents that the session has at one data centre."""

    def __init__(self, session: SessionTwin, number: int, data_centre: int) -> None:
        self.number = number
        self.data_centre = data_centre
        self.is_open = True
        self.in_flight = 0
        self.most_in_flight = 0
        self._session = session
        self._lost = Signal()
        self._requests: set[anyio.CancelScope] = set()

    async def fetch(self, location: FileLocation, offset: int, length: int) -> bytes:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._session.note_load()
        try:
            return await self._answer(location, offset, length)
        finally:
            self.in_flight -= 1

    async def hashes(self, location: FileLocation, offset: int) -> Sequence[RangeHash]:
        with self._while_open():
            instead = await self._meet(self._note(location, offset, hashes=True))
            self._require(location)
            truth = self._session.by_id[location.document_id].hashes(offset)
            return instead if isinstance(instead, Sequence) else truth

    def lose(self) -> None:
        """It is cut: whatever is on its way on it is lost."""
        self.is_open = False
        self._lost.notify()
        for request in self._requests:
            request.cancel()

    async def aclose(self) -> None:
        self.lose()
        await anyio.lowlevel.checkpoint()
        self._session.closed.append(self.number)

    async def _answer(self, location: FileLocation, offset: int, length: int) -> bytes:
        with self._while_open():
            instead = await self._meet(self._note(location, offset))
            self._require(location)
            data = await self._session.by_id[location.document_id].read(offset, length)
            return instead if isinstance(instead, bytes) else data

    @contextmanager
    def _while_open(self) -> Iterator[None]:
        if not self.is_open:
            raise ConnectionLost("the connection is gone")
        with anyio.CancelScope() as request:
            self._requests.add(request)
            try:
                yield
            finally:
                self._requests.discard(request)
        if request.cancelled_caught:
            raise ConnectionLost("the connection was cut")

    def _require(self, location: FileLocation) -> None:
        document = self._session.by_id[location.document_id].location
        if document.data_centre != self.data_centre:
            raise FileMoved(document.data_centre)
        if document.file_reference != location.file_reference:
            raise ReferenceExpired("FILE_REFERENCE_EXPIRED")

    def _note(self, location: FileLocation, offset: int, *, hashes: bool = False) -> Asked:
        asked = Asked(
            at=anyio.current_time(),
            connection=self.number,
            data_centre=self.data_centre,
            document_id=location.document_id,
            index=offset // PART_BYTES,
            hashes=hashes,
        )
        self._session.asked.append(asked)
        return asked

    async def _meet(self, asked: Asked) -> object:
        trouble = self._session.trouble(asked)
        await anyio.sleep(self._session.round_trip)
        match trouble:
            case Silence():
                await anyio.sleep_forever()
                raise AssertionError("for ever has passed")
            case ConnectionLost():
                self.lose()
                raise trouble
            case Exception():
                raise trouble
            case _:
                return trouble


class SessionTwin:
    """`MtprotoGateway` of `account`.

    `documents` by chat (or channel) and message id, for MailboxPlace and ChannelPlace alike; `dialogs` by peer and
    document id. Places in `unseen` chats are ChatUnavailable, anywhere else FileGone. Every request takes `round_trip`
    seconds, and meets what `trouble` says. The script sees "open", "locate" of a Place, and "dial" of a data centre.
    """

    def __init__(self, account: Account = BOT) -> None:
        self.script = Script()
        self.account = account
        self.documents: dict[tuple[int, int], RemoteTwin] = {}
        self.dialogs: dict[tuple[int, int], RemoteTwin] = {}
        self.unseen: set[int] = set()
        self.is_open = False
        self.opened = 0
        self.round_trip = 0.0
        self.trouble: Trouble = no_trouble
        self.asked: list[Asked] = []
        self.dialled: list[ConnectionTwin] = []
        self.closed: list[int] = []
        self.most_in_flight = 0
        self.most_open: dict[int, int] = {}
        self._lost = Signal()

    @property
    def by_id(self) -> dict[int, RemoteTwin]:
        everything = (*self.documents.values(), *self.dialogs.values())
        return {document.location.document_id: document for document in everything}

    @property
    def data_centre(self) -> int | None:
        return HOME if self.is_open else None

    @property
    def connections(self) -> int:
        return self.is_open + len(self.open_connections)

    @property
    def open_connections(self) -> list[ConnectionTwin]:
        return [connection for connection in self.dialled if connection.is_open]

    def lose(self) -> None:
        """The connection is cut."""
        self.is_open = False
        self._lost.notify()

    def note_load(self) -> None:
        """So much is going on now."""
        self.most_in_flight = max(self.most_in_flight, sum(each.in_flight for each in self.dialled))

    async def open(self) -> Account:
        await self.script.begin("open")
        self.is_open = True
        self.opened += 1
        return self.account

    async def aclose(self) -> None:
        self.lose()

    async def wait_lost(self) -> None:
        while self.is_open:
            await self._lost.wait()

    async def check(self) -> None:
        self._require_open()
        await self.script.begin("check")

    async def locate(self, place: Place) -> FileLocation:
        self._require_open()
        await self.script.begin("locate", place)
        found = self._found(place)
        if found is None:
            raise FileGone(f"there is no document at {place}")
        return found.location

    async def dial(self, data_centre: int) -> ConnectionTwin:
        self._require_open()
        await self.script.begin("dial", data_centre)
        connection = ConnectionTwin(self, len(self.dialled) + 1, data_centre)
        self.dialled.append(connection)
        there = [each for each in self.open_connections if each.data_centre == data_centre]
        self.most_open[data_centre] = max(self.most_open.get(data_centre, 0), len(there))
        return connection

    def _found(self, place: Place) -> RemoteTwin | None:
        if isinstance(place, DialogPlace):
            chat_id, found = place.peer_id, self.dialogs.get((place.peer_id, place.document_id))
        else:
            chat_id = place.channel_id if isinstance(place, ChannelPlace) else place.chat_id
            found = self.documents.get((chat_id, place.message_id))
        if chat_id in self.unseen:
            raise ChatUnavailable(f"the account does not see chat {chat_id}")
        return found

    def _require_open(self) -> None:
        if not self.is_open:
            raise TelegramUnavailable("the session is not connected")


def range_hash(truth: bytes, start: int, length: int) -> RangeHash:
    """What the server says of these bytes."""
    piece = truth[start : start + length]
    return RangeHash(offset=start, length=len(piece), sha256=hashlib.sha256(piece).digest())
