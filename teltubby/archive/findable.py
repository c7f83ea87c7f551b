"""What of a submission people can search for, and what a search shows them of it: read from its artifact."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from teltubby.messages.media import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Findable:
    """Captions, original file names, and the names of chats and people (where it came from first), each once.

    `keys` are those that the artifact says are in the store, in order.
    """

    captions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a person would call it: its caption, else its first file's name, else its chat; may be empty."""
        return next((text for text in (*self.captions, *self.names, *self.chats)), "")


def findable(artifact_json: str) -> Findable:
    """Read an artifact of any version; what is no artifact has nothing to be found by."""
    try:
        artifact: JsonValue = json.loads(artifact_json)
    except (ValueError, RecursionError):
        return Findable()
    top = _object(artifact)
    telegram = _object(top.get("telegram"))
    items = [_object(item) for item in _list(telegram.get("items"))]
    versions = [
        telegram,
        *(_object(telling) for name in ("captions", "edits") for telling in _list(telegram.get(name))),
    ]
    return Findable(
        captions=_texts(version.get(name) for version in versions for name in ("caption_plain", "caption")),
        names=_texts(item.get("original_filename") for item in items),
        chats=_texts(_names(telegram)),
        keys=tuple(key for key in _list(top.get("keys")) if isinstance(key, str)),
    )


def searchable(text: str) -> str:
    """The one spelling of each letter in which texts are kept for searching, and searched for (Unicode's NFKC).

    File names from macOS spell "й" as two characters, ligatures and full-width letters as others than people type.
    NUL and halves of surrogate pairs, which no database text can hold, become spaces and question marks.
    """
    return unicodedata.normalize("NFKC", text.replace("\0", " ").encode("utf-8", "replace").decode())


def _names(telegram: JsonObject) -> Iterator[JsonValue]:
    """Of the forward origin (a MessageOrigin of the Bot API), then of the chat and the sender."""
    origin = _object(telegram.get("forward_origin"))
    yield origin.get("sender_user_name")
    for role in ("chat", "sender_chat", "sender_user"):
        named = _object(origin.get(role))
        yield named.get("title")
        yield " ".join(part for name in ("first_name", "last_name") if isinstance(part := named.get(name), str))
        yield named.get("username")
    yield origin.get("author_signature")
    yield from (telegram.get(name) for name in ("chat_title", "chat_username", "sender_username"))


def _texts(values: Iterable[JsonValue]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str) and value.strip()))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
