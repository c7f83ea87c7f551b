"""The key of backups, and how files are sealed with it as a stream: memory does not grow with the file.

libsodium's secretstream (XChaCha20-Poly1305; https://doc.libsodium.org/secret-key_cryptography/secretstream). A sealed
file is one line that names the key, the stream's header, and blocks of CHUNK_BYTES each (the last one may be shorter).
Blocks cannot be changed, left out, repeated or moved, also not to another file: `place` is authenticated with each.
"""

from __future__ import annotations

from nacl import bindings
from nacl.encoding import HexEncoder, RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b

CHUNK_BYTES = 1 << 20
"""Of the plain content in a block."""

_KEY_BYTES = bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES
_HEADER_BYTES = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_FINAL = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_MORE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_HEAD = b"teltubby backup, sealed with key "
_PURPOSE, _NAME_PURPOSE, _DIGEST_PURPOSE = b"teltubby-backup", b"teltubby-bkname", b"teltubby-bkdigst"


class NotSealedSo(ValueError):
    """The bytes are not what this key sealed for this place."""


class BackupKey:
    """A key made of the operator's text, which has 256 bits of entropy if it was made as the setting says."""

    __slots__ = ("_key", "name")

    def __init__(self, secret: str) -> None:
        self._key = blake2b(secret.encode(), digest_size=_KEY_BYTES, person=_PURPOSE, encoder=RawEncoder)
        # Tells two keys apart and nothing about either.
        self.name = blake2b(b"", digest_size=8, key=self._key, person=_NAME_PURPOSE, encoder=HexEncoder).decode("ascii")

    def __repr__(self) -> str:
        return f"BackupKey(name={self.name!r})"

    def digest(self, content: bytes) -> str:
        """A keyed digest in hex: who has not the key cannot make it for other content."""
        return str(
            blake2b(content, digest_size=32, key=self._key, person=_DIGEST_PURPOSE, encoder=HexEncoder).decode("ascii")
        )

    def sealing(self, place: str) -> Sealing:
        """Seals one file for this place."""
        return Sealing(self._key, self.name, place)

    def unsealing(self, place: str) -> Unsealing:
        """Opens what was sealed for this place."""
        return Unsealing(self._key, self.name, place)


class Sealing:
    """Content goes in, the sealed file comes out."""

    def __init__(self, key: bytes, name: str, place: str) -> None:
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        header = bindings.crypto_secretstream_xchacha20poly1305_init_push(self._state, key)
        self._place = place.encode()
        self._pending = bytearray()
        self._out = bytearray(_HEAD + name.encode("ascii") + b"\n" + header)

    def feed(self, content: bytes) -> bytes:
        """The next bytes of the sealed file; may be none yet."""
        self._pending += content
        while len(self._pending) > CHUNK_BYTES:  # what may be the last block waits for `finish`
            self._push(bytes(self._pending[:CHUNK_BYTES]), _MORE)
            del self._pending[:CHUNK_BYTES]
        return self._taken()

    def finish(self) -> bytes:
        """The rest of it."""
        self._push(bytes(self._pending), _FINAL)
        self._pending.clear()
        return self._taken()

    def _push(self, block: bytes, tag: int) -> None:
        self._out += bindings.crypto_secretstream_xchacha20poly1305_push(self._state, block, self._place, tag)

    def _taken(self) -> bytes:
        taken = bytes(self._out)
        self._out.clear()
        return taken


class Unsealing:
    """The sealed file goes in, the content comes out. Raises NotSealedSo at the first wrong byte, and for a cut end."""

    def __init__(self, key: bytes, name: str, place: str) -> None:
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        self._key = key
        self._head = _HEAD + name.encode("ascii") + b"\n"
        self._place = place.encode()
        self._pending = bytearray()
        self._began = False

    def feed(self, sealed: bytes) -> bytes:
        """The next bytes of the content; may be none yet."""
        self._pending += sealed
        if not self._began and not self._begin():
            return b""
        out = bytearray()
        size = CHUNK_BYTES + bindings.crypto_secretstream_xchacha20poly1305_ABYTES
        while len(self._pending) > size:
            out += self._pull(bytes(self._pending[:size]), _MORE)
            del self._pending[:size]
        return bytes(out)

    def finish(self) -> bytes:
        """The rest of it."""
        if not self._began:
            raise NotSealedSo
        out = self._pull(bytes(self._pending), _FINAL)
        self._pending.clear()
        return out

    def _begin(self) -> bool:
        begins = len(self._head) + _HEADER_BYTES
        if len(self._pending) < begins:
            return False
        if not self._pending.startswith(self._head):
            raise NotSealedSo
        header = bytes(self._pending[len(self._head) : begins])
        del self._pending[:begins]
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(self._state, header, self._key)
        self._began = True
        return True

    def _pull(self, block: bytes, tag: int) -> bytes:
        try:
            content, found = bindings.crypto_secretstream_xchacha20poly1305_pull(self._state, block, self._place)
        except (CryptoError, ValueError) as error:
            raise NotSealedSo from error
        if found != tag:
            raise NotSealedSo
        return bytes(content)
