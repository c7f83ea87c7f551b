"""upload.*: parts of files, by the rules of core.telegram.org/api/files."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from teltubby.simulator.content import Content, LiteralContent, sha256_ranges
from teltubby.simulator.faults import FileHashes
from teltubby.simulator.files import File
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, tl_bytes_head, types

MIB = 1024 * 1024
ALIGNMENT = 4096
PRECISE_ALIGNMENT = 1024
UPLOAD_FILE: int = types.upload.File.CONSTRUCTOR_ID
FILE_UNKNOWN: int = types.storage.FileUnknown.CONSTRUCTOR_ID
FILE_JPEG: int = types.storage.FileJpeg.CONSTRUCTOR_ID
# upload.file's constructor, the storage type's, mtime
_HEAD = struct.Struct("<IIi")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """The answer to upload.getFile, kept out of the TL writer so that its bytes are not copied there.

    `size` bytes from `offset` of `content`; of a document as a whole, `document_id` says which one.
    """

    document_id: int | None
    storage_type: int
    mtime: int
    content: Content
    offset: int
    size: int

    def pieces(self) -> Sequence[bytes | memoryview]:
        """Its TL form."""
        head = _HEAD.pack(UPLOAD_FILE, self.storage_type, self.mtime) + tl_bytes_head(self.size)
        return head, *self.content.pieces(self.offset, self.size), bytes(-(len(head) + self.size) % 4)

    def damaged(self, *, shift: int, truncate: int | None, corrupt: bool) -> FilePart:
        """The part as a fault on order spoils it: from another place, cut short, with its first bit flipped.

        As far as it can be shifted: the file has a beginning and an end, and the part stays as long as it was.
        """
        offset = max(0, min(self.offset + shift, self.content.size - self.size)) if shift else self.offset
        part = replace(self, offset=offset, size=self.size if truncate is None else min(truncate, self.size))
        if not corrupt or not part.size:
            return part
        data = bytearray(part.content.read(part.offset, part.size))
        data[0] ^= 0x80
        return replace(part, content=LiteralContent(bytes(data)), offset=0)


def require_aligned(offset: int, limit: int, *, precise: bool) -> None:
    """Raise RpcError unless it is a part that the real server serves (core.telegram.org/api/files)."""
    alignment = PRECISE_ALIGNMENT if precise else ALIGNMENT
    if offset < 0 or offset % alignment:
        raise RpcError(400, "OFFSET_INVALID")
    if not 0 < limit <= MIB or limit % alignment or (not precise and MIB % limit):
        raise RpcError(400, "LIMIT_INVALID")
    if offset // MIB != (offset + limit - 1) // MIB:
        raise RpcError(400, "LIMIT_INVALID")


def wrong_hashes(hashes: list[Any]) -> list[Any]:
    """The same ranges with the hashes of something else."""
    return [types.FileHash(entry.offset, entry.limit, sha256(entry.hash).digest()) for entry in hashes]


def _located(caller: Caller, location: Any) -> tuple[File, Content]:
    """The file and the rendition of it that a location names for this account; raises RpcError."""
    world, account = caller.world, caller.account
    match location:
        case types.InputDocumentFileLocation():
            is_photo = False
        case types.InputPhotoFileLocation():
            is_photo = True
        case _:
            raise RpcError(400, "LOCATION_INVALID")
    file = world.file(location.id)
    if file is None or file.is_photo != is_photo or location.access_hash != world.access_hash(account.id, file):
        raise RpcError(400, "LOCATION_INVALID")
    if not location.file_reference:
        raise RpcError(400, "FILE_REFERENCE_EMPTY")
    if location.file_reference != world.file_reference(file):
        raise RpcError(400, "FILE_REFERENCE_EXPIRED")
    content = file.rendition(location.thumb_size)
    if content is None or (is_photo and not location.thumb_size):
        raise RpcError(400, "LOCATION_INVALID")
    if file.dc != caller.dc:
        raise RpcError(303, f"FILE_MIGRATE_{file.dc}")
    return file, content


def get_file(caller: Caller, request: Any) -> FilePart:
    """upload.getFile; beyond the end there are no bytes, and no error."""
    require_aligned(request.offset, request.limit, precise=bool(request.precise))
    file, content = _located(caller, request.location)
    if not file.use_reference():
        raise RpcError(400, "FILE_REFERENCE_EXPIRED")
    return FilePart(
        document_id=file.id if content is file.content and not file.is_photo else None,
        storage_type=FILE_JPEG if file.is_photo else FILE_UNKNOWN,
        mtime=file.date,
        content=content,
        offset=request.offset,
        size=max(0, min(request.limit, content.size - request.offset)),
    )


def get_file_hashes(caller: Caller, request: Any) -> list[Any]:
    """upload.getFileHashes: SHA-256 of the 128 KiB ranges from the one that holds `offset`, as `faults.hashes` says."""
    mode = caller.world.faults.hashes
    if mode is FileHashes.REFUSED:
        raise RpcError(400, "METHOD_INVALID")
    _, content = _located(caller, request.location)
    if request.offset < 0:
        raise RpcError(400, "OFFSET_INVALID")
    if mode is FileHashes.EMPTY:
        return []
    hashes = [types.FileHash(*entry) for entry in sha256_ranges(content, request.offset)]
    return wrong_hashes(hashes) if mode is FileHashes.WRONG else hashes


HANDLERS: Handlers = {
    functions.upload.GetFileRequest: get_file,
    functions.upload.GetFileHashesRequest: get_file_hashes,
}
