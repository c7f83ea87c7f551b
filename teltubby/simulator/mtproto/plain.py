"""Unencrypted messages, the form in which keys are made (core.telegram.org/mtproto/description#unencrypted-message)."""

from __future__ import annotations

import struct

# auth_key_id (0), msg_id, length of the body
HEADER = struct.Struct("<qqi")
MAX_TRAILING = 15


class InvalidPlainMessage(Exception):
    """Not the form of an unencrypted message."""


def plain_body(packet: bytes) -> bytes:
    """The body of a client's message; raises InvalidPlainMessage. A padded transport leaves up to 15 bytes after it."""
    if len(packet) < HEADER.size:
        raise InvalidPlainMessage("too short")
    _, msg_id, length = HEADER.unpack_from(packet)
    if msg_id % 4 or msg_id <= 0:
        raise InvalidPlainMessage(f"msg_id {msg_id}")
    if length < 4 or not 0 <= len(packet) - HEADER.size - length <= MAX_TRAILING:
        raise InvalidPlainMessage(f"length {length} in {len(packet)} bytes")
    return packet[HEADER.size : HEADER.size + length]


def plain_packet(msg_id: int, body: bytes) -> bytes:
    """A message of the server."""
    return HEADER.pack(0, msg_id, len(body)) + body
