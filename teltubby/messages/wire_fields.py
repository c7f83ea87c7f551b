"""How single values are read from a message: each reader returns the value or raises ValueError with the reason."""

from __future__ import annotations

import math
import re
import unicodedata
import uuid
from base64 import urlsafe_b64decode
from datetime import UTC, datetime

KEY_PREFIX = "teltubby/"
"""A message can name no object outside of this prefix."""

KEY_MAX = 512
SEGMENT_MAX = 255

_INT64 = 1 << 63
_DECIMAL = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHOWN = 160
_JOINERS = "\u200c\u200d"
"""They hold emoji and letters together, and str.isprintable wants neither them nor any space but one."""
_WORDS_MAX = 500
_LABEL_MAX = 255
_MANY = 1_000_000
_BASE64 = re.compile(r"[0-9A-Za-z_-]+={0,2}", re.ASCII)
_KEY_BYTES = 32
_SEAL_BYTES = 48
"""What a sealed box is longer than its content (libsodium, crypto_box_SEALBYTES)."""
_SEALED_MAX = 8192


def shown(value: object, most: int = _SHOWN) -> str:
    """The value as a person may read it in a log line or a chat: one line, and one of at most `most` characters."""
    text = "".join(char if _is_shown(char) else "\N{REPLACEMENT CHARACTER}" for char in str(value))
    return text if len(text) <= most else text[: most - 1] + "…"


def _is_shown(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def whole(value: object) -> int:
    """An integer of 64 bits, written as one or as a decimal string."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("not an integer")
    if not -_INT64 <= value < _INT64:
        raise ValueError("more than 64 bits")
    return value


def count(value: object) -> int:
    """An integer from 0: bytes, or how often."""
    number = whole(value)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number


def ordinal(value: object) -> int:
    """An integer from 1: a message id or an attempt."""
    number = whole(value)
    if number < 1:
        raise ValueError(f"{number} is less than 1")
    return number


def few(value: object) -> int:
    """An integer from 0 of things that nobody has a million of."""
    number = count(value)
    if number > _MANY:
        raise ValueError(f"{number} is more than {_MANY}")
    return number


def measure(value: object) -> float:
    """A finite number from 0: seconds, or bytes per second."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise ValueError(f"{shown(value)} is not a number from 0")
    return number


def estimate(value: object) -> float | None:
    """Seconds; older senders wrote words ("5 minutes"), which estimate nothing that can be counted with."""
    if not isinstance(value, str):
        return measure(value)
    try:
        seconds = float(value)
    except ValueError:
        return None
    return measure(seconds)


def moment(value: object) -> datetime:
    """A time in ISO 8601, in UTC where it names no zone."""
    if not isinstance(value, str):
        raise ValueError("not a time in ISO 8601")
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(value)!r} is not a time in ISO 8601") from error


def text(value: object) -> str:
    """A string that says something."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    if not value:
        raise ValueError("empty")
    return value


def label(value: object) -> str:
    """A name that one may compare and print: of a worker, or of what was begun."""
    given = text(value)
    if len(given) > _LABEL_MAX or not given.isprintable():
        raise ValueError(f"{shown(given)!r} is no name: too long, or it does not print")
    return given


def words(value: object) -> str:
    """What a person is told; what is longer than anybody reads is cut off, as nothing is done by it."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    return shown(value, _WORDS_MAX)


def public_key(value: object) -> str:
    """A public key of X25519 in URL-safe base64."""
    if len(_decoded(value)) != _KEY_BYTES:
        raise ValueError(f"not a key of {_KEY_BYTES} bytes")
    return text(value)


def sealed(value: object) -> str:
    """A sealed box in URL-safe base64; what is in it can only be known by opening it, and is never shown here."""
    if not _SEAL_BYTES < len(_decoded(value)) <= _SEALED_MAX:
        raise ValueError("not the length of a sealed box")
    return text(value)


def _decoded(value: object) -> bytes:
    if not isinstance(value, str) or not _BASE64.fullmatch(value):
        raise ValueError("not URL-safe base64")
    try:
        return urlsafe_b64decode(value)
    except ValueError:
        raise ValueError("not URL-safe base64") from None


def job_id(value: object) -> str:
    """A UUID in its canonical form, lower-case with hyphens: job ids are compared as strings."""
    given = text(value)
    try:
        canonical = str(uuid.UUID(given))
    except ValueError:
        canonical = ""
    if given != canonical:
        raise ValueError(f"{shown(given)!r} is not a UUID in canonical form")
    return given


def sha256(value: object) -> str:
    """64 hexadecimal digits, lower-case."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError("not a SHA-256 in 64 lower-case hexadecimal digits")
    return value


def object_key(value: object) -> str:
    """A key under `teltubby/` that leads nowhere else: no empty, `.` or `..` segment, nothing that does not print."""
    key = text(value)
    segments = key.split("/")
    reason = ""
    if not key.startswith(KEY_PREFIX):
        reason = f"does not begin with {KEY_PREFIX}"
    elif any(segment in ("", ".", "..") for segment in segments):
        reason = "has an empty, '.' or '..' segment"
    elif "\\" in key or not key.isprintable():
        reason = "has characters that no key has"
    elif len(key) > KEY_MAX or any(len(segment.encode()) > SEGMENT_MAX for segment in segments):
        reason = "is too long"
    if reason:
        raise ValueError(f"{shown(key)!r} {reason}")
    return key
