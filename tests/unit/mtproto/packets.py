"""Packets as a server makes and reads them, by Telethon's primitives: an implementation that is not ours."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from hashlib import sha1, sha256

from telethon.crypto import AES
from telethon.network.mtprotostate import MTProtoState

HEAD = struct.Struct("<qqqii")
KEY = bytes(range(256))
NOW = 1_800_000_000.0
ANSWER_ID = (int(NOW) << 32) + 1


def key_id(key: bytes = KEY) -> bytes:
    return sha1(key).digest()[-8:]


@dataclass(frozen=True)
class Sent:
    """What a client's packet holds."""

    salt: int
    session_id: int
    msg_id: int
    seqno: int
    body: bytes
    padding: int


def unseal(packet: bytes, key: bytes = KEY) -> Sent:
    """Read a client's packet as the server does."""
    assert packet[:8] == key_id(key)
    msg_key = packet[8:24]
    plain = AES.decrypt_ige(packet[24:], *MTProtoState._calc_key(key, msg_key, True))
    assert sha256(key[88:120] + plain).digest()[8:24] == msg_key
    salt, session_id, msg_id, seqno, length = HEAD.unpack_from(plain)
    return Sent(salt, session_id, msg_id, seqno, plain[32 : 32 + length], len(plain) - 32 - length)


def seal(
    body: bytes,
    *,
    session_id: int,
    msg_id: int = ANSWER_ID,
    seqno: int = 1,
    salt: int = 5,
    key: bytes = KEY,
    length: int | None = None,
    padding: int | None = None,
    client: bool = False,
) -> bytearray:
    """A server's packet; `length` is what it says of the body, and with `client` it is made as a client makes them."""
    plain = HEAD.pack(salt, session_id, msg_id, seqno, len(body) if length is None else length) + body
    plain += os.urandom(-(len(plain) + 12) % 16 + 12 if padding is None else padding)
    at = 88 if client else 96
    msg_key = sha256(key[at : at + 32] + plain).digest()[8:24]
    return bytearray(key_id(key) + msg_key + AES.encrypt_ige(plain, *MTProtoState._calc_key(key, msg_key, client)))
