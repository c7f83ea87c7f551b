"""Texts as Telegram's server makes them: cleaned, trimmed, within the limits, with links and commands found."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from teltubby.simulator.bot_errors import bad_request
from teltubby.simulator.bot_html import parse_html, utf16_length
from teltubby.simulator.messages import Entity

MAX_TEXT = 4096
MAX_CAPTION = 1024
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f]")
FOUND = re.compile(
    r"(?P<bot_command>(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@\w{3,32})?(?![\w/]))"
    r"|(?P<email>(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]*\w)"
    r"|(?P<mention>(?<!\w)@[A-Za-z]\w{3,31}(?!\w))"
    r"|(?P<hashtag>(?<!\w)#(?!\d+\b)\w{1,256})"
    r"|(?P<url>(?:(?<!\w)https?://[^\s<>\"]+[^\s<>\".,;:!?)])|(?:(?<![\w@.])(?:[\w-]+\.)+(?:com|org|net|io|ru|me)\b(?:/[^\s<>]*)?))"
)
OPAQUE = ("code", "pre", "text_link", "text_mention")


def found_entities(text: str) -> tuple[Entity, ...]:
    """Commands, mentions, hashtags, addresses and links, which the server finds by itself."""
    entities = []
    for match in FOUND.finditer(text):
        offset = utf16_length(text[: match.start()])
        entities.append(Entity(type=match.lastgroup or "", offset=offset, length=utf16_length(match.group())))
    return tuple(entities)


def formatted(text: str, parse_mode: str | None, entities: tuple[Entity, ...] | None) -> tuple[str, tuple[Entity, ...]]:
    """The text and entities that a bot's text becomes. Raises ApiError 400; of parse modes only HTML is simulated."""
    own: tuple[Entity, ...]
    match (parse_mode or "").lower():
        case "":
            plain, own = text, entities or ()
        case "html":
            plain, own = parse_html(text)
        case _:
            raise bad_request("unsupported parse_mode")
    plain = CONTROLS.sub(" ", plain.replace("\r", " ")) if CONTROLS.search(plain) else plain
    plain, own = _trimmed(plain, own)
    covered = [entity for entity in own if entity.type in OPAQUE]
    found = (entity for entity in found_entities(plain) if not _overlaps(entity, covered))
    return plain, tuple(sorted((*own, *found), key=lambda entity: (entity.offset, -entity.length)))


def checked_text(text: str, entities: tuple[Entity, ...]) -> tuple[str, tuple[Entity, ...]]:
    """The same, if it is 1 to 4096 UTF-16 units long."""
    if not text:
        raise bad_request("message text is empty")
    if utf16_length(text) > MAX_TEXT:
        raise bad_request("message is too long")
    return text, entities


def checked_caption(text: str, entities: tuple[Entity, ...]) -> tuple[str, tuple[Entity, ...]]:
    """The same, if it is at most 1024 UTF-16 units long."""
    if utf16_length(text) > MAX_CAPTION:
        raise bad_request("message caption is too long")
    return text, entities


def _trimmed(text: str, entities: tuple[Entity, ...]) -> tuple[str, tuple[Entity, ...]]:
    stripped = text.rstrip()
    lead = utf16_length(stripped) - utf16_length(stripped.lstrip())
    lead = min([lead, *(entity.offset for entity in entities)])
    stripped = stripped[lead:]
    end = utf16_length(stripped)
    moved = (
        replace(entity, offset=entity.offset - lead, length=min(entity.length, end - entity.offset + lead))
        for entity in entities
    )
    return stripped, tuple(entity for entity in moved if entity.length > 0)


def _overlaps(entity: Entity, others: Iterable[Entity]) -> bool:
    return any(
        entity.offset < other.offset + other.length and other.offset < entity.offset + entity.length for other in others
    )
