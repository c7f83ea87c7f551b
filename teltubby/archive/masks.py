"""What people send in confidence with a command, told apart from what may be written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

MASK = "…"
"""Stands where a secret stood."""
MISWRITTEN = "!"
"""Stands behind a command that was written so that its secret cannot be told from it."""
DEEPEST = 64
"""Levels that are looked through; a message of the Bot API has a handful."""

_COMMAND = re.compile(r"\s*(/mt(?:code|pass))(@\w+)?(\S*)(.*)", re.IGNORECASE | re.DOTALL)
_MEANT = re.compile(r"[\W_]*mt[\W_]*(code|pass)(.*)", re.IGNORECASE | re.DOTALL)
"""What somebody writes who means such a command: without the slash, with a blank or something unseen in it."""

_SAID = ("text", "caption")
"""Where people write; a user name may well begin with the letters of a command."""


class SecretCommand(StrEnum):
    """Commands behind which a secret stands."""

    CODE = "mtcode"
    PASSWORD = "mtpass"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedText:
    """A text without its secret. `secret` is None for a command that was miswritten, as `/mtpass:…`.

    A secret is everything behind the command and one white space, exactly. `text` always begins with the command.
    """

    command: SecretCommand
    text: str
    secret: str | None = field(repr=False)


def masked(text: str) -> MaskedText | None:
    """The text as it may be written down; None where there is no secret in it, and it may stay as it is."""
    meant = _MEANT.fullmatch(text)
    if meant is None:
        return None
    # Not by what was matched: the letters that count as equal where case does not are more than those of ASCII.
    command = SecretCommand.CODE if meant[1].lower() == "code" else SecretCommand.PASSWORD
    found = _COMMAND.fullmatch(text)
    if found is None or not found[1].isascii() or found[3]:
        return MaskedText(command=command, text=f"/{command}{MISWRITTEN} {MASK}", secret=None) if meant[2] else None
    if not found[4].strip():
        return None
    return MaskedText(command=command, text=f"{found[1]}{found[2] or ''} {MASK}", secret=found[4][1:])


def has_secret(text: str | None) -> bool:
    """Whether a secret stands in a text, or stood in it before it was masked."""
    return text is not None and masked(text) is not None


def secret_command(text: str | None) -> SecretCommand | None:
    """Which secret stood, or should stand, in a text that may have been masked; None where none has a place in it."""
    found = None if text is None else _COMMAND.fullmatch(text)
    if found is None or not found[1].isascii():
        return None
    return SecretCommand(found[1].removeprefix("/").lower())


def is_miswritten(text: str | None) -> bool:
    """Whether a masked text says that the secret could not be told from its command."""
    found = None if text is None else _COMMAND.fullmatch(text)
    return found is not None and found[3] == MISWRITTEN


def without_secrets(fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same JSON object with every text masked, however deep it lies.

    What is said of a masked text goes with it: its entities, the address of its preview, and quotes from a message in
    which it stands.
    """
    return _clean(fields, 0)[0]


def _clean(fields: Mapping[str, JsonValue], depth: int) -> tuple[dict[str, JsonValue], bool]:
    """The object, and whether anything in it was masked."""
    changed: dict[str, JsonValue] = {}
    masked_names: set[str] = set()
    for name, value in fields.items():
        changed[name], was_masked = _value(value, depth + 1, is_said=name in _SAID)
        if was_masked:
            masked_names.add(name)
    if "text" in masked_names:
        changed.pop("entities", None)
        changed.pop("link_preview_options", None)
    if "caption" in masked_names:
        changed.pop("caption_entities", None)
    if masked_names & {"reply_to_message", "external_reply"}:
        changed.pop("quote", None)
    return changed, bool(masked_names)


def _value(value: JsonValue, depth: int, *, is_said: bool) -> tuple[JsonValue, bool]:
    if isinstance(value, str) and (is_said or value.lstrip().startswith("/")) and (found := masked(value)) is not None:
        return found.text, True
    if depth > DEEPEST:
        return value, False
    if isinstance(value, Mapping):
        return _clean(value, depth)
    if isinstance(value, list):
        inner = [_value(each, depth + 1, is_said=is_said) for each in value]
        return [each for each, _ in inner], any(was_masked for _, was_masked in inner)
    return value, False
