"""What a Bot API `file_unique_id` says of the document or the photo behind it.

It is base64url without padding of `<i32 type><i64 id>` (little-endian), and for a size of a photo one byte more; runs
of zero bytes are written as a zero and their number. The id is the same for every account, which proves that two
accounts look at one file. Source: TDLib, `FileView::get_unique_file_id`, `PhotoSizeSource::get_unique`, `zero_encode`.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

_PHOTO = 1
_DOCUMENT = 2
_LAYOUT = struct.Struct("<iq")
_PHOTO_LAYOUT = struct.Struct("<iqB")
_LETTER_SHIFT = 5
"""What TDLib adds to the letter of a photo's size; 0 and 1 stand for sizes of profile photos."""
_ZEROS = re.compile(rb"\x00+")
_ENCODED_ZEROS = re.compile(rb"\x00(.?)", re.DOTALL)


SIZES = (("s", 100), ("m", 320), ("x", 800), ("y", 1280))
"""The sizes in which a photo is shown, and the longer side of each at most; what is larger is `w`.

Source: core.telegram.org/api/files, "Image thumbnail types".
"""


def document_id(file_unique_id: str) -> int | None:
    """The id of the document, or None for a photo and for whatever is not a document's file_unique_id, exactly."""
    plain = _plain(file_unique_id, _LAYOUT.size)
    if plain is None:
        return None
    kind, found = _LAYOUT.unpack(plain)
    return found if kind == _DOCUMENT and unique_id_of_document(found) == file_unique_id else None


def unique_id_of_document(document: int) -> str:
    """The `file_unique_id` of the document with this id (64 bits, signed)."""
    return _encoded(_LAYOUT.pack(_DOCUMENT, document))


def photo_id(file_unique_id: str) -> int | None:
    """The id of the photo of which this is a size, or None for a document and for whatever is no photo's, exactly.

    Photos of before 2021 may have another form in the Bot API, which does not name them.
    """
    plain = _plain(file_unique_id, _PHOTO_LAYOUT.size)
    if plain is None:
        return None
    kind, found, size = _PHOTO_LAYOUT.unpack(plain)
    letter = chr(size - _LETTER_SHIFT) if size > _LETTER_SHIFT else ""
    is_exact = kind == _PHOTO and letter.isascii() and letter.isalpha()
    return found if is_exact and unique_id_of_photo(found, letter) == file_unique_id else None


def unique_id_of_photo(photo: int, letter: str) -> str:
    """The `file_unique_id` of one size (`letter`, as MTProto calls it: s, m, x, y, w …) of the photo with this id."""
    return _encoded(_PHOTO_LAYOUT.pack(_PHOTO, photo, ord(letter) + _LETTER_SHIFT))


def letter_of_size(width: int | None, height: int | None) -> str:
    """What a photo's size with these sides is called; `y` where they are not known, the largest of most photos."""
    longest = max(width or 0, height or 0)
    return "y" if longest == 0 else next((letter for letter, side in SIZES if longest <= side), "w")


def _plain(file_unique_id: str, length: int) -> bytes | None:
    """The bytes that are written so, when there are `length` of them."""
    try:
        data = base64.b64decode(file_unique_id + "=" * (-len(file_unique_id) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) > 2 * length:
        return None
    plain = _ENCODED_ZEROS.sub(lambda run: bytes(run[1][0] if run[1] else 0), data)
    return plain if len(plain) == length else None


def _encoded(plain: bytes) -> str:
    data = _ZEROS.sub(lambda run: bytes((0, len(run[0]))), plain)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
