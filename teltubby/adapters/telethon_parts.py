"""`PartConnection` over a connection of our own: parts of files, many at once."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from telethon import functions, types

from teltubby.adapters.mtproto_link import TransportError
from teltubby.adapters.mtproto_rpc import RpcConnection, RpcFault, tl_bytes
from teltubby.adapters.telethon_errors import is_signed_out, translate_part
from teltubby.adapters.telethon_private import UNREADABLE, PrivateNames
from teltubby.errors import ConnectionLost, PartUnavailable, TeltubbyError
from teltubby.flavour import asyncio_hosted
from teltubby.messages.transfer import FileLocation, RangeHash

UPLOAD_FILE = 0x096A18D5
UNKNOWN_KEY = -404
_DATA_AT = 12
"""Where the bytes begin in upload.file: after its constructor, the storage type's, and mtime."""


class TelethonParts:
    """`key_died` is called when the server no longer knows, or no longer signs in, the key of this connection.

    That is this connection's loss: the next one is under another key, or says what it means for the session.
    """

    def __init__(self, rpc: RpcConnection, names: PrivateNames, *, key_died: Callable[[], None]) -> None:
        self._rpc = rpc
        self._names = names
        self._key_died = key_died

    @property
    def is_open(self) -> bool:
        """Whether it is neither lost nor closed."""
        return self._rpc.is_open

    @asyncio_hosted
    async def fetch(self, location: FileLocation, offset: int, length: int) -> memoryview:
        request = functions.upload.GetFileRequest(input_location(location), offset, length)
        answer = await self._invoke(request)
        try:
            (constructor,) = struct.unpack_from("<I", answer)
            if constructor != UPLOAD_FILE:
                raise PartUnavailable(f"upload.getFile was answered with constructor {constructor:08x}")
            return tl_bytes(answer, _DATA_AT)
        except struct.error as error:
            raise PartUnavailable(f"the answer to upload.getFile is cut off: {error}") from error

    @asyncio_hosted
    async def hashes(self, location: FileLocation, offset: int) -> Sequence[RangeHash]:
        answer = await self._invoke(functions.upload.GetFileHashesRequest(input_location(location), offset))
        try:
            found = self._names.read(answer)
        except UNREADABLE as error:
            raise PartUnavailable(f"the answer to upload.getFileHashes cannot be read: {error}") from error
        return range_hashes(found)

    @asyncio_hosted
    async def aclose(self) -> None:
        await self._rpc.aclose()

    async def _invoke(self, request: Any) -> memoryview:
        try:
            return await self._rpc.invoke(bytes(request))
        except RpcFault as fault:
            raise self._meaning(self._names.to_error(fault.code, fault.message)) from fault
        except ConnectionError as error:
            if isinstance(error, TransportError) and error.code == UNKNOWN_KEY:
                self._key_died()
            raise ConnectionLost(str(error)) from error

    def _meaning(self, error: Exception) -> TeltubbyError:
        if is_signed_out(error):
            self._key_died()
            return ConnectionLost(str(error))
        return translate_part(error)


def input_location(location: FileLocation) -> Any:
    """The location as upload.* takes it."""
    kind = types.InputPhotoFileLocation if location.is_photo else types.InputDocumentFileLocation
    return kind(
        id=location.document_id,
        access_hash=location.access_hash,
        file_reference=location.file_reference,
        thumb_size=location.thumb_size,
    )


def range_hashes(found: Any) -> Sequence[RangeHash]:
    """What upload.getFileHashes answered; nothing where it is something else."""
    if not isinstance(found, list):
        return ()
    return tuple(
        RangeHash(offset=entry.offset, length=entry.limit, sha256=bytes(entry.hash))
        for entry in found
        if isinstance(entry, types.FileHash)
    )
