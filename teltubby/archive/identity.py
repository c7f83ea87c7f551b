"""What a Bot API `file_unique_id` says of the document behind it.

It is base64url without padding of `<i32 type><i64 document.id>` (little-endian), runs of zero bytes written as a zero
and their number. The document id is the same for every account, which proves that two accounts look at one file.
Source: TDLib, `FileView::get_unique_file_id` and `zero_encode`.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

_DOCUMENT = 2
_LAYOUT = struct.Struct("<iq")
_ZEROS = re.compile(rb"\x00+")
_ENCODED_ZEROS = re.compile(rb"\x00(.?)", re.DOTALL)


def document_id(file_unique_id: str) -> int | None:
    """The id of the document, or None for a photo and for whatever is not a document's file_unique_id, exactly."""
    try:
        data = base64.b64decode(file_unique_id + "=" * (-len(file_unique_id) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) > 2 * _LAYOUT.size:
        return None
    plain = _ENCODED_ZEROS.sub(lambda run: bytes(run[1][0] if run[1] else 0), data)
    if len(plain) != _LAYOUT.size:
        return None
    kind, found = _LAYOUT.unpack(plain)
    return found if kind == _DOCUMENT and unique_id_of_document(found) == file_unique_id else None


def unique_id_of_document(document: int) -> str:
    """The `file_unique_id` of the document with this id (64 bits, signed)."""
    plain = _LAYOUT.pack(_DOCUMENT, document)
    data = _ZEROS.sub(lambda run: bytes((0, len(run[0]))), plain)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
