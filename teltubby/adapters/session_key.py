"""The key that session files are encrypted with: the operator gives it, or it is in a file made at the first start."""

from __future__ import annotations

import os
import secrets
import stat
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path

from nacl.encoding import HexEncoder, RawEncoder
from nacl.exceptions import CryptoError
from nacl.exceptions import ValueError as NaclValueError
from nacl.hash import blake2b
from nacl.secret import SecretBox

from teltubby.adapters.folder_files import sync_folder, write_new
from teltubby.errors import SessionFileDamaged, SessionFileUnusable

_PURPOSE = b"teltubby-session"
_NAME_PURPOSE = b"teltubby-keyname"
_MOST_BYTES = 1024
"""A key file is 45 bytes long; more than this is something else."""


class SessionKey:
    """A key of libsodium's secret boxes (XSalsa20-Poly1305); `origin` says for people where it came from."""

    __slots__ = ("_box", "name", "origin")

    def __init__(self, key: bytes, origin: str) -> None:
        self._box = SecretBox(key)
        self.origin = origin
        # Tells two keys apart and nothing about either: stands in front of what was encrypted.
        self.name = blake2b(b"", digest_size=8, key=key, person=_NAME_PURPOSE, encoder=HexEncoder).decode("ascii")

    def __repr__(self) -> str:
        return f"SessionKey(name={self.name!r}, origin={self.origin!r})"

    @classmethod
    def load(cls, secret: str | None, path: Path) -> SessionKey:
        """The key made of `secret`, or else that in the file, which is made when there is none. Blocking.

        Raises SessionFileUnusable when the file cannot be read or made, SessionFileDamaged when it is no key or others
        than its owner may read it.
        """
        if secret is not None:
            digest = blake2b(secret.encode(), digest_size=SecretBox.KEY_SIZE, person=_PURPOSE, encoder=RawEncoder)
            return cls(digest, "TELTUBBY_SECRET_KEY")
        try:
            content = _read(path)
            if content is None:
                _make(path)
                content = _read(path)
        except OSError as error:
            raise SessionFileUnusable(f"the key file {path} cannot be read or made: {error.strerror}") from error
        if content is None:
            raise SessionFileUnusable(f"the key file {path} was removed while it was made")
        return cls(_decoded(content, path), f"the key file {path}")

    def seal(self, content: bytes) -> bytes:
        """The content, encrypted under a fresh nonce."""
        return bytes(self._box.encrypt(content))

    def unseal(self, sealed: bytes) -> bytes | None:
        """The content, or None when it is not what this key sealed."""
        try:
            return self._box.decrypt(sealed)
        except (CryptoError, NaclValueError):
            return None


def _read(path: Path) -> bytes | None:
    """The file's content, None when there is no such file. Raises OSError, SessionFileDamaged."""
    try:
        handle = path.open("rb")
    except FileNotFoundError:
        return None
    with handle:
        mode = os.fstat(handle.fileno()).st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SessionFileDamaged(
                f"the key file {path} has mode {stat.S_IMODE(mode):04o}, so others than its owner may use it: "
                f"chmod 600 {path}"
            )
        return handle.read(_MOST_BYTES)


def _make(path: Path) -> None:
    """Put a new key there, whole or not at all; where another process was faster, its key stays. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        write_new(draft, b64encode(secrets.token_bytes(SecretBox.KEY_SIZE)) + b"\n")
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # unlike a rename it never replaces what is there
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def _decoded(content: bytes, path: Path) -> bytes:
    try:
        key = b64decode(content.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != SecretBox.KEY_SIZE:
        what = "is empty" if not content.strip() else f"is no key: not {SecretBox.KEY_SIZE} bytes in base64"
        raise SessionFileDamaged(
            f"the key file {path} {what}; restore it, or remove it together with the session files to sign in anew"
        )
    return key
