"""MTProto 2.0 packets of one session: sealing what we say, opening what the server says. Pure but for the clock.

The rules are those of core.telegram.org/mtproto/description and of its security guidelines. Telethon has the same in
`MTProtoState`; this one opens a packet of 1 MiB with no copy but the one that the cipher's interface demands.
"""

from __future__ import annotations

import os
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1, sha256

import cryptg

HEAD_BYTES = 24
"""Key id and message key before the ciphertext."""

TOO_OLD_SECONDS = 300
TOO_NEW_SECONDS = 30
REMEMBERED_MESSAGES = 500

_INNER = struct.Struct("<qqqii")
_NO_PADDING_LESS, _NO_PADDING_MORE = 12, 1024


class EnvelopeViolation(Exception):
    """A packet that the server of this session cannot have sent; nothing of it may be believed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One message of the server's; `body` is a view of the decrypted packet."""

    msg_id: int
    seqno: int
    body: memoryview


class Envelope:
    """Seals and opens the packets of one session under `auth_key` (256 bytes).

    `salt` and `time_offset` (seconds that the server's clock is ahead) are what the server last said of them.
    """

    def __init__(self, auth_key: bytes, *, time_offset: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._key = auth_key
        self._key_id = sha1(auth_key).digest()[-8:]
        self._session_id = int.from_bytes(os.urandom(8), "little", signed=True)
        self._clock = clock
        self._sequence = 0
        self._last_msg_id = 0
        self._seen: deque[int] = deque(maxlen=REMEMBERED_MESSAGES)
        self._highest = 0
        self.salt = 0
        self.time_offset = time_offset

    def seal(self, body: bytes, *, content_related: bool) -> tuple[int, bytes]:
        """A packet with one message in it, and the message's id."""
        msg_id = self._next_msg_id()
        seqno = 2 * self._sequence + content_related
        self._sequence += content_related
        inner = _INNER.pack(self.salt, self._session_id, msg_id, seqno, len(body)) + body
        inner += os.urandom(-(len(inner) + 12) % 16 + 12)
        msg_key = sha256(self._key[88:120] + inner).digest()[8:24]
        return msg_id, self._key_id + msg_key + cryptg.encrypt_ige(inner, *self._cipher(msg_key, 0))

    def open(self, packet: bytearray) -> Opened | None:
        """The message in a packet; None for one that came already, or may have. Raises EnvelopeViolation."""
        size = len(packet) - HEAD_BYTES
        if size < 48 or size % 16 or packet[:8] != self._key_id:
            raise EnvelopeViolation(f"a packet of {len(packet)} bytes that is not under our key")
        msg_key = bytes(packet[8:HEAD_BYTES])
        plain = cryptg.decrypt_ige(bytes(memoryview(packet)[HEAD_BYTES:]), *self._cipher(msg_key, 8))
        digest = sha256(self._key[96:128])
        digest.update(plain)
        if digest.digest()[8:24] != msg_key:
            raise EnvelopeViolation("a packet whose message key does not fit its content")
        _, session_id, msg_id, seqno, length = _INNER.unpack_from(plain)
        padding = len(plain) - _INNER.size - length
        if session_id != self._session_id:
            raise EnvelopeViolation("a message of another session")
        if length < 4 or length % 4 or not _NO_PADDING_LESS <= padding <= _NO_PADDING_MORE:
            raise EnvelopeViolation(f"a message of {length} bytes with {padding} bytes of padding")
        if not msg_id % 2:
            raise EnvelopeViolation("a message with a client's message id")
        if self._may_have_come(msg_id):
            return None
        self._seen.append(msg_id)
        self._highest = max(self._highest, msg_id)
        return Opened(msg_id, seqno, memoryview(plain)[_INNER.size : _INNER.size + length])

    def is_timely(self, msg_id: int) -> bool:
        """Whether the server sent this message within the time that the guidelines allow."""
        age = self._clock() + self.time_offset - (msg_id >> 32)
        return -TOO_NEW_SECONDS <= age <= TOO_OLD_SECONDS

    def learn_time(self, msg_id: int) -> None:
        """Take the server's clock from a message id of its own."""
        self.time_offset = (msg_id >> 32) - int(self._clock())
        self._last_msg_id = 0

    def learn_sequence(self, *, too_low: bool) -> None:
        """Move the sequence number as far as Telethon and the official clients do when the server says it is wrong."""
        self._sequence += 64 if too_low else -16

    def _may_have_come(self, msg_id: int) -> bool:
        """Security guidelines, "Checking msg_id": of one older than all that are remembered nobody can tell."""
        if msg_id > self._highest:
            return False
        return msg_id in self._seen or (len(self._seen) == REMEMBERED_MESSAGES and msg_id < min(self._seen))

    def _next_msg_id(self) -> int:
        now = self._clock() + self.time_offset
        msg_id = int(now * (1 << 32)) & ~3
        self._last_msg_id = max(msg_id, self._last_msg_id + 4)
        return self._last_msg_id

    def _cipher(self, msg_key: bytes, direction: int) -> tuple[bytes, bytes]:
        """AES key and IV; `direction` is 0 from client to server, 8 the other way."""
        a = sha256(msg_key + self._key[direction : direction + 36]).digest()
        b = sha256(self._key[direction + 40 : direction + 76] + msg_key).digest()
        return a[:8] + b[8:24] + a[24:32], b[:8] + a[8:24] + b[24:32]
