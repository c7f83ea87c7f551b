"""The text that Telethon keeps a login in (`StringSession`): which data centre, where, and the key.

`1` and the base64url of data centre (1 byte), address (4 or 16 bytes), port (2 bytes), key (256 bytes), big-endian;
Telethon 1.45, sessions/string.py. Read here without Telethon: who only keeps a session need not speak MTProto.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

KEY_BYTES = 256

_VERSION = "1"
_TEXT = re.compile(r"1[0-9A-Za-z_-]+={0,2}")
_LAYOUTS = {struct.calcsize(layout): layout for layout in (">B4sH256s", ">B16sH256s")}


def session_text(data_centre: int, address: str, port: int, key: bytes) -> str:
    """The text of a login. Raises ValueError for what is no address, no port or no key."""
    packed = ipaddress.ip_address(address).packed
    try:
        content = struct.pack(f">B{len(packed)}sH256s", data_centre, packed, port, _whole(key))
    except struct.error as error:
        raise ValueError(f"no data centre or no port: {error}") from error
    return _VERSION + urlsafe_b64encode(content).decode("ascii")


def checked_text(text: str) -> str:
    """The same text. Raises ValueError when it is not that of a login; it says nothing of the content."""
    if _TEXT.fullmatch(text) is None:
        raise ValueError("it is no session")
    try:
        content = urlsafe_b64decode(text[1:])
    except ValueError:
        raise ValueError("it is a session that was cut off") from None
    layout = _LAYOUTS.get(len(content))
    if layout is None:
        raise ValueError("it is a session that was cut off")
    _whole(struct.unpack(layout, content)[3])
    return text


def _whole(key: bytes) -> bytes:
    if len(key) != KEY_BYTES or not any(key):
        raise ValueError("there is no key in it")
    return key
