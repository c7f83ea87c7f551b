"""Encrypted messages on the wire: auth_key_id, msg_key, AES-IGE over salt, session, message and padding.

core.telegram.org/mtproto/description and core.telegram.org/mtproto/security_guidelines.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from teltubby.simulator.mtproto.crypto import decrypt_ige, encrypt_ige, message_keys

KEY_ID = struct.Struct("<Q")
# server_salt, session_id, msg_id, seqno, length of the message's body
HEADER = struct.Struct("<qqqii")
BLOCK = 16
MIN_PADDING = 12
MAX_PADDING = 1024


class InvalidEnvelope(Exception):
    """An encrypted packet that was not made with this authorization key, or is malformed inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a client's encrypted packet holds."""

    salt: int
    session_id: int
    msg_id: int
    seqno: int
    body: bytes


def key_id_of(packet: bytes) -> int:
    """The first 8 bytes of a packet: 0 for a plain one."""
    (key_id,) = KEY_ID.unpack_from(packet)
    return int(key_id)


def unseal(auth_key: bytes, packet: bytes) -> Envelope:
    """Decrypt a packet from a client; raises InvalidEnvelope if msg_key, length or padding are wrong."""
    msg_key = packet[8:24]
    # A padded transport leaves up to 15 bytes behind the last block.
    encrypted = packet[24 : 24 + (len(packet) - 24) // BLOCK * BLOCK]
    if len(encrypted) < HEADER.size + MIN_PADDING:
        raise InvalidEnvelope("too short")
    plain = decrypt_ige(encrypted, *message_keys(auth_key, msg_key, from_client=True))
    digest = sha256(auth_key[88:120])
    digest.update(plain)
    if not compare_digest(digest.digest()[8:24], msg_key):
        raise InvalidEnvelope("wrong msg_key")
    salt, session_id, msg_id, seqno, length = HEADER.unpack_from(plain)
    if length < 4 or length % 4 or not MIN_PADDING <= len(plain) - HEADER.size - length <= MAX_PADDING:
        raise InvalidEnvelope(f"{len(plain)} bytes cannot hold a body of {length}")
    body = plain[HEADER.size : HEADER.size + length]
    return Envelope(salt=salt, session_id=session_id, msg_id=msg_id, seqno=seqno, body=body)


def seal(
    auth_key: bytes,
    key_id: int,
    *,
    salt: int,
    session_id: int,
    msg_id: int,
    seqno: int,
    body: Sequence[bytes | memoryview],
) -> tuple[bytes, bytes]:
    """Encrypt a message for a client: head and encrypted data. The body's pieces are copied once, together."""
    length = sum(map(len, body))
    padding = os.urandom(-(HEADER.size + length + MIN_PADDING) % BLOCK + MIN_PADDING)
    plain = b"".join((HEADER.pack(salt, session_id, msg_id, seqno, length), *body, padding))
    digest = sha256(auth_key[96:128])
    digest.update(plain)
    msg_key = digest.digest()[8:24]
    encrypted = encrypt_ige(plain, *message_keys(auth_key, msg_key, from_client=False))
    return KEY_ID.pack(key_id) + msg_key, encrypted
