"""Secrets that cross the broker: sealed so that only the process which published the key can read them.

libsodium's sealed boxes (X25519, XSalsa20-Poly1305; https://doc.libsodium.org/public-key_cryptography/sealed_boxes).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from nacl.exceptions import CryptoError
from nacl.exceptions import TypeError as NaclTypeError
from nacl.exceptions import ValueError as NaclValueError
from nacl.public import PrivateKey, PublicKey, SealedBox

from teltubby.errors import MalformedMessage


class SealedBoxes:
    """A key pair of this process, which lives in its memory only."""

    def __init__(self) -> None:
        self._key = PrivateKey.generate()

    @property
    def public_key(self) -> str:
        """What others seal to: 44 characters."""
        return urlsafe_b64encode(bytes(self._key.public_key)).decode("ascii")

    def open(self, sealed: str) -> str:
        """The text that was sealed to our key. Raises MalformedMessage, which says nothing of the content."""
        try:
            return SealedBox(self._key).decrypt(urlsafe_b64decode(sealed.encode("ascii"))).decode("utf-8")
        except (CryptoError, NaclTypeError, NaclValueError, ValueError):
            raise MalformedMessage("it is not sealed to this process's key") from None


def seal(public_key: str, text: str) -> str:
    """The text, for the owner of this key alone. Raises MalformedMessage when it is no key, or no text."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:  # JSON can bring lone surrogates
        raise MalformedMessage("what should be sealed is no text") from None
    try:
        box = SealedBox(PublicKey(urlsafe_b64decode(public_key.encode("ascii"))))
        return urlsafe_b64encode(box.encrypt(content)).decode("ascii")  # a key of small order fails only here
    except (CryptoError, NaclTypeError, NaclValueError, ValueError):
        raise MalformedMessage("what should be a public key is none") from None
